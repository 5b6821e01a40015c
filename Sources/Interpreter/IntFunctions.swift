import RecStream

/// Ints lie in rows as the bits of their 64-bit two's complement, so that every one is exact.
extension Row {
    func int(_ k: Int) -> Int { Int(truncatingIfNeeded: self[k].bitPattern) }
    func setInt(_ k: Int, _ value: Int) { self[k] = Double(bits: value) }
}

extension Double {
    /// What stands in a row for an int.
    init(bits int: Int) { self.init(bitPattern: UInt64(truncatingIfNeeded: int)) }
}

/// Functions of one int that give an int. What overflows wraps.
func intUnary(_ function: UnaryOperator, _ x: Int) -> Int {
    switch function {
    case .negate: 0 &- x
    case .abs: x < 0 ? 0 &- x : x
    case .sign: x.signum()
    case .floor, .stop: x
    // Not defined on ints, or with a result of another type.
    case .not, .exp, .log, .log2, .log1p, .expm1, .sqrt, .rsqrt, .sin, .cos, .tan, .erf, .tanh, .sigmoid, .logsigmoid, .relu, .gelu, .silu,
        .softplus, .step, .re, .im, .conj, .cis, .toReal, .toInt, .toComplex, .numbered:
        0
    }
}

/// Functions of two ints: what stands in a row for the result, an int or a bool. What overflows wraps.
func intBinary(_ function: BinaryOperator, _ a: Int, _ b: Int) -> Double {
    switch function {
    case .add: Double(bits: a &+ b)
    case .subtract: Double(bits: a &- b)
    case .multiply: Double(bits: a &* b)
    case .min: Double(bits: min(a, b))
    case .max: Double(bits: max(a, b))
    case .less: a < b ? 1 : 0
    case .lessOrEqual: a <= b ? 1 : 0
    case .equal: a == b ? 1 : 0
    case .notEqual: a != b ? 1 : 0
    case .greaterOrEqual: a >= b ? 1 : 0
    case .greater: a > b ? 1 : 0
    case .mod: Double(bits: remainder(a, b))
    case .random: Double(bits: Philox.int(key: a, counter: b))
    case .uniform: Philox.uniform(Philox.pair(key: a, counter: b).0)
    case .uniformNext: Philox.uniform(Philox.pair(key: a, counter: b).1)
    // Not defined on ints.
    case .divide, .power, .logaddexp, .atan2, .and, .or, .complex: 0
    }
}

/// Of a floored division, with the sign of the divisor; 0 where the divisor is 0.
private func remainder(_ a: Int, _ b: Int) -> Int {
    // The least int by −1 has no quotient.
    if b == 0 || b == -1 { return 0 }
    let rest = a % b
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest
}

func reduced(_ kind: ReduceKind, _ terms: [Int]) -> Int {
    switch kind {
    case .sum: terms.reduce(0, &+)
    case .product: terms.reduce(1, &*)
    case .min: terms.reduce(.max, min)
    case .max: terms.reduce(.min, max)
    case .argmax: terms.indices.reduce(0) { terms[$1] > terms[$0] ? $1 : $0 }
    // Not defined on ints.
    case .logsumexp: 0
    }
}
