import CLLVM

/// Code that does nothing but multiply and add in registers: what it reaches is the most that any code can.
///
/// Sendable because its code never changes and writes what is its caller's.
package final class PeakProbe: @unchecked Sendable {
    private typealias Function = @convention(c) (UnsafeMutablePointer<Float>, Int) -> Void

    /// Enough chains to hide the latency of an instruction on every unit, few enough to stay in registers.
    package static let manyChains = 12
    private let chains: Int
    private let code: LoadedCode
    private let function: Function
    /// Reals in a vector.
    package let lanes: Int

    /// - Parameter chains: one alone shows how long an instruction takes, many how many there can be a second.
    package init(chains: Int = manyChains) throws {
        self.chains = chains
        let target = try HostTarget()
        let module = try LLVMModule(name: "peak", target: target)
        lanes = target.vectorBytes / 4
        let address: LLVMTypeRef = LLVMPointerTypeInContext(module.context, 0)
        let word: LLVMTypeRef = LLVMInt64TypeInContext(module.context)
        let builder = IRBuilder(
            module: module, function: "peak", parameters: [address, word], result: nil, precision: .f32, target: target)
        let vector = builder.vector(builder.real, lanes)
        let factor = builder.load(vector, builder.parameter(0), alignment: 4)
        let start = [IRValue](repeating: factor, count: chains)
        let sums = builder.loop(from: builder.int(0), to: builder.parameter(1), carrying: start) { _, sums in
            sums.map { builder.fma($0, factor, factor) }
        }
        let total = sums.dropFirst().reduce(sums[0]) { builder.fadd($0, $1) }
        builder.store(total, builder.parameter(0), alignment: 4)
        builder.returnVoid()
        try module.verify()
        try module.optimize(for: target)
        code = try LoadedCode(module.emitted(.object, for: target))
        function = unsafeBitCast(try code.function("peak"), to: Function.self)
    }

    /// Floating-point operations of a run of so many turns.
    package func operations(turns: Int) -> Double { Double(turns) * 2 * Double(chains * lanes) }

    package func run(turns: Int) {
        var numbers = [Float](repeating: 0.5, count: lanes)
        numbers.withUnsafeMutableBufferPointer { if let base = $0.baseAddress { function(base, turns) } }
    }
}
