import CLLVM
import RecStream

/// One elementary function compiled by itself, for measuring its accuracy and speed.
package final class MathProbe {
    package typealias Function = @convention(c) (UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int) -> Void

    /// The functions that have vector code of their own.
    package static let functions: [UnaryOperator] = [
        .exp, .expm1, .log, .log2, .log1p, .tanh, .sigmoid, .logsigmoid, .softplus, .silu, .gelu, .erf, .sin, .cos, .tan, .sqrt, .rsqrt,
    ]

    private let code: LoadedCode
    private let function: Function

    /// `function` over f32 arrays whose length is a multiple of 64.
    package init(_ unary: UnaryOperator) throws {
        let target = try HostTarget()
        let module = try LLVMModule(name: "probe", target: target)
        let address: LLVMTypeRef = LLVMPointerTypeInContext(module.context, 0)
        let word: LLVMTypeRef = LLVMInt64TypeInContext(module.context)
        let builder = IRBuilder(
            module: module, function: "probe", parameters: [address, address, word], result: nil, precision: .f32, target: target)
        let lanes = target.vectorBytes / 4
        let vector = builder.vector(builder.real, lanes)
        builder.loop(from: builder.int(0), to: builder.parameter(2), by: lanes) { index, _ in
            let x = builder.load(vector, builder.element(builder.parameter(0), index, of: builder.real), alignment: 4)
            let y = VectorMath(builder).unary(unary, x, from: .real)
            builder.store(y, builder.element(builder.parameter(1), index, of: builder.real), alignment: 4)
            return []
        }
        builder.returnVoid()
        try module.verify()
        try module.optimize(for: target)
        code = try LoadedCode(module.emitted(.object, for: target))
        function = unsafeBitCast(try code.function("probe"), to: Function.self)
    }

    package func callAsFunction(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int) {
        function(x, y, count)
    }
}
