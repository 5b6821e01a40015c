/// What is certain of signs.
extension Scalars {
    /// True where a node is positive whatever the data are, by what is known of its operands.
    func isPositive(_ node: Node) -> Bool {
        switch node {
        case .number(let value): value > 0
        case .unary(let function, _):
            switch function {
            case .exp, .sigmoid, .softplus, .rsqrt: true
            case .negate, .abs, .sign, .floor, .not, .log, .log2, .log1p, .expm1, .sqrt, .sin, .cos, .tan, .erf, .tanh, .logsigmoid,
                .relu, .gelu, .silu, .step, .re, .im, .conj, .cis, .stop, .toReal, .toInt, .toComplex, .numbered: false
            }
        case .polynomial(let monomials):
            monomials.allSatisfy { monomial in
                monomial.coefficient > 0 && monomial.factors.allSatisfy { isPositive($0.scalar) }
            }
        case .select(_, let a, let b): isPositive(a) && isPositive(b)
        case .reduce(let kind, let body, _):
            switch kind {
            case .sum, .product, .min, .max: isPositive(body)
            case .logsumexp, .argmax: false
            }
        case .binary(let function, let a, let b):
            switch function {
            case .add, .multiply, .min: isPositive(a) && isPositive(b)
            case .max: isPositive(a) || isPositive(b)
            case .power: isPositive(a)
            case .uniform, .uniformNext: true
            case .subtract, .divide, .logaddexp, .atan2, .mod, .less, .lessOrEqual, .equal, .notEqual, .greaterOrEqual,
                .greater, .and, .or, .complex, .random: false
            }
        case .known, .state, .index, .opaque: false
        }
    }
}
