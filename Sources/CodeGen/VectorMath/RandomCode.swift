import CLLVM
import RecStream

/// The functions of `Philox` as vector code: a word stands in the lower half of 64 bits, where products of two words fit.
struct RandomCode {
    let builder: IRBuilder

    init(_ builder: IRBuilder) { self.builder = builder }

    /// Both words as one int.
    func int(key: IRValue, counter: IRValue) -> IRValue {
        let (low, high) = pair(key: key, counter: counter)
        return builder.or(low, builder.shiftLeft(high, constant(32, like: high)))
    }

    /// A number between 0 and 1 of the first word, or of the second.
    func uniform(key: IRValue, counter: IRValue, isSecond: Bool) -> IRValue {
        let words = pair(key: key, counter: counter)
        let word = isSecond ? words.high : words.low
        let real = builder.vector(builder.real, builder.lanes(of: word))
        // 23 bits fit 32, from which conversions are cheap.
        let bits = LLVMBuildTrunc(builder.builder, shiftedRight(word, by: 9), builder.vector(builder.i32, builder.lanes(of: word)), "")
        let number: IRValue = LLVMBuildSIToFP(builder.builder, bits, real, "")
        return builder.fmul(builder.fadd(number, builder.constant(0.5, like: real)), builder.constant(0x1p-23, like: real))
    }

    /// As `Philox.pair`.
    private func pair(key: IRValue, counter: IRValue) -> (low: IRValue, high: IRValue) {
        var keys = (word(key), shiftedRight(key, by: 32))
        let zero = constant(0, like: key)
        var words = (word(counter), shiftedRight(counter, by: 32), zero, zero)
        for round in 0..<Philox.rounds {
            if round > 0 {
                keys.0 = word(builder.add(keys.0, constant(Int(Philox.increments.0), like: key)))
                keys.1 = word(builder.add(keys.1, constant(Int(Philox.increments.1), like: key)))
            }
            let first = builder.multiply(words.0, constant(Int(Philox.multipliers.0), like: key))
            let second = builder.multiply(words.2, constant(Int(Philox.multipliers.1), like: key))
            words = (
                xor(xor(shiftedRight(second, by: 32), words.1), keys.0), word(second),
                xor(xor(shiftedRight(first, by: 32), words.3), keys.1), word(first)
            )
        }
        return (words.0, words.1)
    }

    private func constant(_ number: Int, like value: IRValue) -> IRValue { builder.constant(number, like: builder.type(of: value)) }
    private func xor(_ a: IRValue, _ b: IRValue) -> IRValue { LLVMBuildXor(builder.builder, a, b, "") }

    /// The lower half.
    private func word(_ x: IRValue) -> IRValue { builder.and(x, constant(0xFFFF_FFFF, like: x)) }

    /// Filled with zeros.
    private func shiftedRight(_ x: IRValue, by count: Int) -> IRValue {
        builder.and(builder.shiftRight(x, constant(count, like: x)), constant((1 << (64 - count)) - 1, like: x))
    }
}
