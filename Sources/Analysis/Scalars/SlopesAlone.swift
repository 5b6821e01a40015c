import RecStream

/// Weights of adjoints without the tests that derivatives carry: `s` for `if abs(s) < inf then s else 0`, and for
/// `if d == d then sigmoid(d) else 0`. For explanations; a slope that is not finite counts as 0 everywhere (docs/gradients.md).
struct SlopesAlone {
    private(set) var scalars: Scalars
    private var found: [Scalars.ID: Scalars.ID] = [:]

    init(_ scalars: Scalars) { self.scalars = scalars }

    mutating func callAsFunction(_ id: Scalars.ID) -> Scalars.ID {
        if let known = found[id] { return known }
        let result = compute(id)
        found[id] = result
        return result
    }

    private mutating func compute(_ id: Scalars.ID) -> Scalars.ID {
        // What has a name is written by it.
        if scalars.facts[id].named != nil { return id }
        switch scalars.nodes[id] {
        case .number, .known, .state, .index, .opaque: return id
        case .unary(let function, let a):
            let inner = self(a)
            return inner == a ? id : scalars.intern(.unary(function, inner))
        case .binary(let function, let a, let b):
            let (left, right) = (self(a), self(b))
            return left == a && right == b ? id : scalars.intern(.binary(function, left, right))
        case .select(let test, let yes, let no):
            if scalars.isNumber(no, 0), scalars.asksWhetherFinite(test, yes) { return self(yes) }
            let (first, second, third) = (self(test), self(yes), self(no))
            return first == test && second == yes && third == no ? id : scalars.intern(.select(first, second, third))
        case .reduce(let kind, let body, let variables):
            let inner = self(body)
            if inner == body { return id }
            return kind == .sum && scalars.isKnown(inner) ? scalars.sum(inner, over: variables) : scalars.intern(.reduce(kind, inner, variables))
        case .polynomial(let monomials):
            guard monomials.contains(where: { $0.factors.contains { self($0.scalar) != $0.scalar } }) else { return id }
            var total = scalars.number(0)
            for monomial in monomials {
                var product = scalars.number(monomial.coefficient)
                for factor in monomial.factors {
                    let base = self(factor.scalar)
                    product = scalars.multiply(product, scalars.power(base, factor.power))
                }
                total = scalars.add(total, product)
            }
            return total
        }
    }
}

extension Scalars {
    /// Whether a test asks if a slope is a finite number, or if what it is a function of is a number.
    fileprivate func asksWhetherFinite(_ test: ID, _ slope: ID) -> Bool {
        guard case .binary(let function, let a, let b) = nodes[test] else { return false }
        if function == .less, isNumber(b, .infinity) {
            if case .unary(.abs, let size) = nodes[a] { return size == slope }
            return a == slope
        }
        guard function == .equal, a == b else { return false }
        if case .unary(_, let argument) = nodes[slope] { return argument == a }
        return false
    }
}
