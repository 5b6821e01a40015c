import RecStream

/// What functions cost, in instructions for a whole vector, as they were measured beside an addition.
package enum FunctionCost {
    package static func weight(of function: UnaryOperator, bytesPerReal: Int = 4) -> Double {
        // In f32 only exp, sigmoid and tanh are computed in f32; two vectors in f64 stand for one in the others.
        let isSingle = bytesPerReal == 4
        switch function {
        case .negate, .abs, .sign, .floor, .not, .relu, .step, .re, .im, .conj, .stop, .toReal, .toInt, .toComplex, .numbered: return 1
        case .sqrt: return 6
        case .rsqrt: return 12
        case .exp: return isSingle ? 14 : 26
        case .sigmoid: return isSingle ? 26 : 38
        case .tanh: return isSingle ? 43 : 82
        case .silu: return isSingle ? 72 : 42
        case .log, .log2, .sin, .cos: return isSingle ? 76 : 50
        case .expm1: return isSingle ? 60 : 63
        case .log1p, .tan, .erf: return isSingle ? 130 : 72
        case .gelu, .cis: return isSingle ? 140 : 118
        case .softplus, .logsigmoid: return isSingle ? 200 : 154
        }
    }

    /// How many instructions of a function wait for each other: far fewer than it has, since polynomials are wide.
    static func depth(ofWeight weight: Double) -> Double { weight <= 6 ? (weight / 2).rounded(.up) : 8 + weight / 11 }

    package static func weight(of function: BinaryOperator, bytesPerReal: Int = 4) -> Double {
        switch function {
        case .add, .subtract, .multiply, .min, .max, .less, .lessOrEqual, .equal, .notEqual, .greaterOrEqual, .greater, .and, .or,
            .complex: 1
        case .divide: 6
        case .mod: 15
        // Ten rounds of two products of words of 64 bits.
        case .random, .uniform, .uniformNext: bytesPerReal == 4 ? 200 : 100
        case .logaddexp, .atan2: bytesPerReal == 4 ? 250 : 160
        case .power: bytesPerReal == 4 ? 290 : 346
        }
    }
}
