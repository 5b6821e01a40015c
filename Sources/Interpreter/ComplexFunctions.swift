import RecStream

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Functions with a complex operand or result. Complex rows are pairs; `isComplex` tells whether the operand is one.
func complexUnary(_ function: UnaryOperator, _ x: Row, _ out: Row, _ count: Int, isComplex: Bool) {
    for k in 0..<count {
        let (a, b) = isComplex ? (x[2 * k], x[2 * k + 1]) : (x[k], 0)
        switch function {
        case .negate: (out[2 * k], out[2 * k + 1]) = (-a, -b)
        case .conj: (out[2 * k], out[2 * k + 1]) = (a, -b)
        case .exp: (out[2 * k], out[2 * k + 1]) = (exp(a) * cos(b), exp(a) * sin(b))
        case .stop, .toComplex: (out[2 * k], out[2 * k + 1]) = (a, b)
        case .cis: (out[2 * k], out[2 * k + 1]) = (cos(a), sin(a))
        case .re: out[k] = a
        case .im: out[k] = b
        case .abs: out[k] = hypot(a, b)
        // Not defined on complex values: the verifier refuses them.
        case .sign, .floor, .not, .log, .log2, .log1p, .expm1, .sqrt, .rsqrt, .sin, .cos, .tan, .erf, .tanh, .sigmoid,
            .logsigmoid, .relu, .gelu, .silu, .softplus, .step, .toReal, .toInt:
            (out[2 * k], out[2 * k + 1]) = (.nan, .nan)
        }
    }
}

func complexBinary(_ function: BinaryOperator, _ x: Row, _ y: Row, _ out: Row, _ count: Int) {
    if function == .complex {
        for k in 0..<count { (out[2 * k], out[2 * k + 1]) = (x[k], y[k]) }
        return
    }
    for k in 0..<count {
        let (a, b, c, d) = (x[2 * k], x[2 * k + 1], y[2 * k], y[2 * k + 1])
        switch function {
        case .add: (out[2 * k], out[2 * k + 1]) = (a + c, b + d)
        case .subtract: (out[2 * k], out[2 * k + 1]) = (a - c, b - d)
        case .multiply: (out[2 * k], out[2 * k + 1]) = (a * c - b * d, a * d + b * c)
        case .divide:
            let square = c * c + d * d
            (out[2 * k], out[2 * k + 1]) = ((a * c + b * d) / square, (b * c - a * d) / square)
        case .equal: out[k] = a == c && b == d ? 1 : 0
        case .notEqual: out[k] = a == c && b == d ? 0 : 1
        case .complex: break
        // Not defined on complex values: the verifier refuses them.
        case .power, .min, .max, .logaddexp, .atan2, .mod, .less, .lessOrEqual, .greaterOrEqual, .greater, .and, .or:
            (out[2 * k], out[2 * k + 1]) = (.nan, .nan)
        }
    }
}
