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
            .logsigmoid, .relu, .gelu, .silu, .softplus, .step, .toReal, .toInt, .numbered:
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
        case .divide: (out[2 * k], out[2 * k + 1]) = quotient(a, b, c, d)
        case .equal: out[k] = a == c && b == d ? 1 : 0
        case .notEqual: out[k] = a == c && b == d ? 0 : 1
        case .complex: break
        // Not defined on complex values: the verifier refuses them.
        case .power, .min, .max, .logaddexp, .atan2, .mod, .less, .lessOrEqual, .greaterOrEqual, .greater, .and, .or, .random, .uniform, .uniformNext:
            (out[2 * k], out[2 * k + 1]) = (.nan, .nan)
        }
    }
}

/// `(a + ib) / (c + id)` as in Annex G of the C standard (G.5.1, example 2): the divisor is scaled by a power of two. So is the
/// dividend where it lies at an end of the range, so that nothing overflows or underflows on the way to a finite quotient.
///
/// An infinite number over a finite one is infinite, a finite one over an infinite one is 0, also where the other part of
/// the infinite one is NaN; anything but 0 over 0 is infinite in the parts that are not 0.
private func quotient(_ a: Double, _ b: Double, _ c: Double, _ d: Double) -> (Double, Double) {
    if c == 0, d == 0 { return (a / c, b / c) }
    var (a, b, c, d) = (a, b, c, d)
    var factor = 1.0
    if a.isInfinite || b.isInfinite {
        (a, b) = (unit(a), unit(b))
        factor = .infinity
    }
    if c.isInfinite || d.isInfinite {
        (c, d) = (unit(c), unit(d))
        factor *= 0
    }
    let (size, below) = (exponent(a, b), exponent(c, d))
    let above: Int32 = size > 1000 ? 24 : size < -900 ? -200 : 0
    (a, b, c, d) = (scalbn(a, -above), scalbn(b, -above), scalbn(c, -below), scalbn(d, -below))
    let square = c * c + d * d
    func scaled(_ part: Double) -> Double { factor * scalbn(part / square, above - below) }
    return (scaled(a * c + b * d), scaled(b * c - a * d))
}

/// ±1 for an infinity, 0 for everything else.
private func unit(_ x: Double) -> Double { x == .infinity ? 1 : x == -.infinity ? -1 : 0 }

/// The binary exponent of the larger part; 0 where there is none.
private func exponent(_ x: Double, _ y: Double) -> Int32 {
    let size = max(abs(x), abs(y))
    return size > 0 && size.isFinite ? Int32(clamping: size.exponent) : 0
}
