extension Scalar {
    package var element: ElementType {
        switch self {
        case .real: .real
        case .int: .int
        case .bool: .bool
        case .complex: .complex
        }
    }
}

extension UnaryOperator {
    /// The element type of the result; nil where the operator is not defined on `operand`.
    package func result(of operand: ElementType) -> ElementType? {
        switch self {
        case .negate: operand == .bool ? nil : operand
        case .abs:
            switch operand {
            case .real, .int: operand
            case .complex: .real
            case .bool: nil
            }
        case .sign, .floor: operand == .real || operand == .int ? operand : nil
        case .not: operand == .bool ? .bool : nil
        case .exp: operand == .real || operand == .complex ? operand : nil
        case .log, .log2, .log1p, .expm1, .sqrt, .rsqrt, .sin, .cos, .tan, .erf, .tanh, .sigmoid, .logsigmoid, .relu, .gelu,
            .silu, .softplus, .step:
            operand == .real ? .real : nil
        case .re, .im: operand == .complex ? .real : nil
        case .conj: operand == .complex ? .complex : nil
        case .cis, .toComplex: operand == .real ? .complex : nil
        case .stop: operand
        case .toReal: operand == .int || operand == .bool ? .real : nil
        case .toInt: operand == .real || operand == .bool ? .int : nil
        case .numbered: operand == .int ? .int : nil
        }
    }
}

extension BinaryOperator {
    /// The element type of the result; nil where the operator is not defined on two operands of the type `operand`.
    package func result(of operand: ElementType) -> ElementType? {
        switch self {
        case .add, .subtract, .multiply: operand == .bool ? nil : operand
        case .divide: operand == .real || operand == .complex ? operand : nil
        case .power, .logaddexp, .atan2: operand == .real ? .real : nil
        case .min, .max, .mod: operand == .real || operand == .int ? operand : nil
        case .less, .lessOrEqual, .greaterOrEqual, .greater: operand == .real || operand == .int ? .bool : nil
        case .equal, .notEqual: .bool
        case .and, .or: operand == .bool ? .bool : nil
        case .complex: operand == .real ? .complex : nil
        case .random: operand == .int ? .int : nil
        case .uniform, .uniformNext: operand == .int ? .real : nil
        }
    }
}

extension ReduceKind {
    /// The element type of the result; nil where the reduction is not defined on `operand`.
    package func result(of operand: ElementType) -> ElementType? {
        switch self {
        case .sum: operand == .bool ? nil : operand
        case .product, .min, .max: operand == .real || operand == .int ? operand : nil
        case .logsumexp: operand == .real ? .real : nil
        case .argmax: operand == .real || operand == .int ? .int : nil
        }
    }
}

extension TimeReduceKind {
    /// The element type of the result; nil where the reduction is not defined on `operand`.
    package func result(of operand: ElementType) -> ElementType? {
        switch self {
        case .sum: operand == .bool ? nil : operand
        case .mean: operand == .real || operand == .complex ? operand : nil
        case .min, .max: operand == .real || operand == .int ? operand : nil
        case .first, .last: operand
        }
    }
}
