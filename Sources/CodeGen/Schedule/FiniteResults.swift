import CLLVM

/// Keeps whether all numbers that a function writes as results are finite: `x - x` is 0, with all its bits, where `x` is, and NaN
/// elsewhere. Numbers are looked at in the registers that they are written from.
final class FiniteResults {
    private let builder: IRBuilder
    private let lanes: Int
    private let bits: LLVMTypeRef
    /// Differences of whole vectors joined lane by lane, and those of all others.
    private let whole: IRValue
    private let others: IRValue

    /// At the beginning of the function.
    init(_ builder: IRBuilder, lanes: Int) {
        self.builder = builder
        self.lanes = lanes
        bits = builder.precision == .f32 ? builder.i32 : builder.i64
        whole = builder.scratch(builder.vector(bits, lanes))
        others = builder.scratch(bits)
        builder.store(LLVMConstNull(builder.vector(bits, lanes)), whole, alignment: 64)
        builder.store(LLVMConstNull(bits), others, alignment: 8)
    }

    /// - Parameter present: how many lanes of the value are written.
    func note(_ value: IRValue, present: Int) {
        let count = builder.lanes(of: value)
        var difference: IRValue = LLVMBuildBitCast(builder.builder, builder.fsub(value, value), builder.vector(bits, count), "")
        if count == lanes, present == lanes { return join(difference, into: whole) }
        if count > 1 {
            let written = builder.vectorConstant((0..<count).map { $0 < present ? 1 : 0 }, of: builder.i1)
            difference = joined(builder.select(written, difference, LLVMConstNull(builder.vector(bits, count))))
        }
        join(difference, into: others)
    }

    private func join(_ difference: IRValue, into memory: IRValue) {
        builder.store(builder.or(builder.load(builder.type(of: difference), memory, alignment: 8), difference), memory, alignment: 8)
    }

    private func joined(_ vector: IRValue) -> IRValue {
        builder.intrinsic("llvm.vector.reduce.or", overloads: [builder.type(of: vector)], [vector])
    }

    /// 0 where all were finite, as a word.
    func verdict() -> IRValue {
        let all = joined(builder.load(builder.vector(bits, lanes), whole, alignment: 8))
        let found = builder.or(all, builder.load(bits, others, alignment: 8))
        return builder.select(builder.compare(LLVMIntEQ, found, LLVMConstNull(bits)), builder.int(0), builder.int(1))
    }
}
