extension Operation {
    /// The operands through which a derivative passes, as far as the operation decides it.
    package var differentiableOperands: [ValueID] {
        switch self {
        case .input, .parameter, .constant: []
        case .unary(let function, let a): function.hasDerivative ? [a] : []
        case .binary(let function, let a, let b): function.hasDerivative ? [a, b] : []
        case .reduce(let kind, let a, _): kind == .argmax ? [] : [a]
        case .contract, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps,
            .runningAffine, .solve:
            operands
        case .select(_, let a, let b): [a, b]
        case .gather(let a, _), .scatter(let a, _, _): [a]
        }
    }
}

extension UnaryOperator {
    /// Whether a derivative passes; it is 0 everywhere, or stopped, where none does.
    package var hasDerivative: Bool {
        switch self {
        case .negate, .abs, .exp, .log, .log2, .log1p, .expm1, .sqrt, .rsqrt, .sin, .cos, .tan, .erf, .tanh, .sigmoid, .logsigmoid, .relu,
            .gelu, .silu, .softplus, .re, .im, .conj, .cis, .toComplex:
            true
        case .sign, .floor, .not, .step, .stop, .toReal, .toInt, .numbered: false
        }
    }
}

extension BinaryOperator {
    /// Whether a derivative passes; the result of a comparison has none.
    package var hasDerivative: Bool {
        switch self {
        case .add, .subtract, .multiply, .divide, .power, .min, .max, .logaddexp, .atan2, .mod, .complex: true
        case .less, .lessOrEqual, .equal, .notEqual, .greaterOrEqual, .greater, .and, .or, .random, .uniform, .uniformNext:
            false
        }
    }
}
