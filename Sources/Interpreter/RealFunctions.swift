import RecStream

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

// The functions of the C library under names that the module can use beside its own.
func exponential(_ x: Double) -> Double { exp(x) }
func logarithm(_ x: Double) -> Double { log(x) }

/// Functions of one real or bool (0 or 1) that give such a one. NaN gives NaN, but for `not` and `step`.
package func realUnary(_ function: UnaryOperator, _ x: Double) -> Double {
    switch function {
    case .negate: -x
    case .abs: Swift.abs(x)
    // ±0 stay what they are.
    case .sign: x > 0 ? 1 : x < 0 ? -1 : x
    case .floor: x.rounded(.down)
    case .not: x == 0 ? 1 : 0
    case .exp: exp(x)
    case .log: log(x)
    case .log2: log2(x)
    case .log1p: log1p(x)
    case .expm1: expm1(x)
    case .sqrt: x.squareRoot()
    case .rsqrt: 1 / x.squareRoot()
    case .sin: sin(x)
    case .cos: cos(x)
    case .tan: tan(x)
    case .erf: erf(x)
    case .tanh: tanh(x)
    case .sigmoid: sigmoid(x)
    case .logsigmoid: -softplus(-x)
    case .relu: x < 0 ? 0 : x
    // erfc rather than 1 + erf keeps the digits of the far negative side; −∞ · 0 is the limit, 0.
    case .gelu: x == -.infinity ? -0.0 : 0.5 * x * erfc(-x / 2.0.squareRoot())
    case .silu: x == -.infinity ? -0.0 : x * sigmoid(x)
    case .softplus: softplus(x)
    case .step: x > 0 ? 1 : 0
    case .stop, .toReal: x
    // These take or give ints or complex values, which go another way.
    case .toInt, .re, .im, .conj, .cis, .toComplex, .numbered: .nan
    }
}

/// Without overflow on either side.
private func sigmoid(_ x: Double) -> Double {
    if x >= 0 { return 1 / (1 + exp(-x)) }
    let e = exp(x)
    return e / (1 + e)
}

private func softplus(_ x: Double) -> Double { x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)) }

/// Of a floored division, as in Python: exact, with the sign of the divisor; the ends are NaN.
private func remainder(_ a: Double, _ b: Double) -> Double {
    let rest = fmod(a, b)
    if rest == 0 { return b < 0 ? -0.0 : 0 }
    return (rest < 0) != (b < 0) ? rest + b : rest
}

/// Functions of two reals or bools. `min`, `max` and `logaddexp` give NaN where either operand is NaN; comparisons with NaN
/// are false, but for `notEqual`.
package func realBinary(_ function: BinaryOperator, _ a: Double, _ b: Double) -> Double {
    switch function {
    case .add: a + b
    case .subtract: a - b
    case .multiply: a * b
    case .divide: a / b
    case .power: pow(a, b)
    case .min: .smallest(a, b)
    case .max: .largest(a, b)
    case .logaddexp:
        if a == b, a.isInfinite { a } else if a.isNaN || b.isNaN { .nan } else { Swift.max(a, b) + log1p(exp(-Swift.abs(a - b))) }
    case .atan2: atan2(a, b)
    case .mod: remainder(a, b)
    case .less: a < b ? 1 : 0
    case .lessOrEqual: a <= b ? 1 : 0
    case .equal: a == b ? 1 : 0
    case .notEqual: a != b ? 1 : 0
    case .greaterOrEqual: a >= b ? 1 : 0
    case .greater: a > b ? 1 : 0
    case .and: a != 0 && b != 0 ? 1 : 0
    case .or: a != 0 || b != 0 ? 1 : 0
    // Gives complex values, which go another way.
    case .complex: .nan
    // Defined on ints.
    case .random, .uniform, .uniformNext: .nan
    }
}
