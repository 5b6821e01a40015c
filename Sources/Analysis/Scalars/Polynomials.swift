/// Sums of products of scalars.
extension Scalars {
    package mutating func number(_ value: Double) -> ID { intern(.number(value)) }

    /// Whether all numbers that stand in a scalar itself, if they are whole, are so beyond doubt: below 2^53, or infinite.
    func isExact(_ id: ID) -> Bool {
        func isExact(_ number: Double) -> Bool { abs(number) < 0x1p53 || number.isInfinite }
        switch nodes[id] {
        case .number(let number): return isExact(number)
        case .polynomial(let monomials): return monomials.allSatisfy { isExact($0.coefficient) }
        case .known, .state, .unary, .binary, .select, .reduce, .index, .opaque: return true
        }
    }

    package func isNumber(_ id: ID, _ value: Double) -> Bool { nodes[id] == .number(value) }

    /// A scalar as a sum of products; a single factor where it is none.
    package func monomials(of id: ID) -> [Monomial] {
        switch nodes[id] {
        case .number(let value): value == 0 ? [] : [Monomial(coefficient: value, factors: [])]
        case .polynomial(let monomials): monomials
        case .known, .state, .unary, .binary, .select, .reduce, .index, .opaque:
            [Monomial(coefficient: 1, factors: [Factor(scalar: id, power: 1)])]
        }
    }

    mutating func sum(of monomials: [Monomial]) -> ID {
        var byFactors: [[Factor]: Double] = [:]
        for monomial in monomials { byFactors[monomial.factors, default: 0] += monomial.coefficient }
        let kept = byFactors.filter { $0.value != 0 }.map { Monomial(coefficient: $0.value, factors: $0.key) }
            .sorted { Self.precedes($0.factors, $1.factors) }
        guard let first = kept.first else { return number(0) }
        if kept.count == 1 {
            if first.factors.isEmpty { return number(first.coefficient) }
            if first.coefficient == 1, first.factors.count == 1, first.factors[0].power == 1 { return first.factors[0].scalar }
        }
        return intern(.polynomial(kept))
    }

    private static func precedes(_ a: [Factor], _ b: [Factor]) -> Bool {
        a.lexicographicallyPrecedes(b) { ($0.scalar, $0.power) < ($1.scalar, $1.power) }
    }

    mutating func add(_ a: ID, _ b: ID) -> ID {
        let all = monomials(of: a) + monomials(of: b)
        guard all.count <= 4 * Self.mostMonomials else { return intern(.binary(.add, min(a, b), max(a, b))) }
        return sum(of: all)
    }

    mutating func scale(_ a: ID, by factor: Double) -> ID {
        // A zero keeps its sign.
        if case .number(let value) = nodes[a] { return number(value * factor) }
        return sum(of: monomials(of: a).map { Monomial(coefficient: $0.coefficient * factor, factors: $0.factors) })
    }

    mutating func subtract(_ a: ID, _ b: ID) -> ID { add(a, scale(b, by: -1)) }

    static func product(_ a: Monomial, _ b: Monomial) -> Monomial {
        var powers: [ID: Int] = [:]
        for factor in a.factors + b.factors { powers[factor.scalar, default: 0] += factor.power }
        let factors = powers.filter { $0.value != 0 }.map { Factor(scalar: $0.key, power: $0.value) }
        return Monomial(coefficient: a.coefficient * b.coefficient, factors: factors.sorted { $0.scalar < $1.scalar })
    }

    mutating func multiply(_ a: ID, _ b: ID) -> ID {
        let (left, right) = (monomials(of: a), monomials(of: b))
        guard left.count * right.count <= Self.mostMonomials else { return intern(.binary(.multiply, min(a, b), max(a, b))) }
        return sum(of: left.flatMap { x in right.map { Self.product(x, $0) } })
    }

    /// One over a scalar: a product of powers where it is one product, else a power of the whole sum.
    mutating func inverse(_ a: ID) -> ID {
        let terms = monomials(of: a)
        if terms.count == 1, let only = terms.first {
            let factors = only.factors.map { Factor(scalar: $0.scalar, power: -$0.power) }
            return sum(of: [Monomial(coefficient: 1 / only.coefficient, factors: factors)])
        }
        return sum(of: [Monomial(coefficient: 1, factors: [Factor(scalar: a, power: -1)])])
    }

    mutating func power(_ a: ID, _ exponent: Int) -> ID {
        var result = number(1)
        let base = exponent < 0 ? inverse(a) : a
        for _ in 0..<abs(exponent) { result = multiply(result, base) }
        return result
    }

    /// The known part of a monomial, and the rest.
    mutating func split(_ monomial: Monomial) -> (known: ID, rest: [Factor]) {
        let known = monomial.factors.filter { facts[$0.scalar].isKnown }
        let rest = monomial.factors.filter { !facts[$0.scalar].isKnown }
        return (sum(of: [Monomial(coefficient: monomial.coefficient, factors: known)]), rest)
    }

    /// Σ over bound variables of a known scalar; what does not vary with them stands before the sum.
    mutating func sum(_ id: ID, over variables: [Int]) -> ID {
        let bits = variables.reduce(UInt64(0)) { $0 | Self.bit($1) }
        let count = Double(variables.reduce(1) { $0 * extents[$1] })
        let terms = monomials(of: id)
        return sum(
            of: terms.flatMap { monomial -> [Monomial] in
                let outer = monomial.factors.filter { facts[$0.scalar].variables & bits == 0 }
                let inner = monomial.factors.filter { facts[$0.scalar].variables & bits != 0 }
                var coefficient = Monomial(coefficient: monomial.coefficient, factors: outer)
                guard !inner.isEmpty else {
                    coefficient.coefficient *= count
                    return [coefficient]
                }
                let body = sum(of: [Monomial(coefficient: 1, factors: inner)])
                let reduced = intern(.reduce(.sum, body, variables))
                return [Self.product(coefficient, Monomial(coefficient: 1, factors: [Factor(scalar: reduced, power: 1)]))]
            })
    }
}
