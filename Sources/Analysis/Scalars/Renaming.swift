extension Scalars {
    /// The scalar with variables replaced. Only shapes without bound variables are looked into; the rest stays.
    mutating func renamed(_ id: ID, _ replacements: [Int: Affine]) -> ID {
        let replaced = replacements.keys.reduce(UInt64(0)) { $0 | Self.bit($1) }
        // A scalar may be part of others on as many ways as two to the depth of it.
        var known: [ID: ID] = [:]
        return renamed(id, replacements, replaced, &known)
    }

    /// - Parameters:
    ///   - replaced: the variables that are replaced, as bits.
    ///   - known: what scalars have become.
    private mutating func renamed(_ id: ID, _ replacements: [Int: Affine], _ replaced: UInt64, _ known: inout [ID: ID]) -> ID {
        guard facts[id].variables & replaced != 0 else { return id }
        if let result = known[id] { return result }
        func moved(_ index: [Affine]) -> [Affine] {
            index.map { affine in
                affine.terms.reduce(Affine(offset: affine.offset)) {
                    $0 + (replacements[$1.variable] ?? .variable($1.variable)) * $1.coefficient
                }
            }
        }
        let result: ID
        switch nodes[id] {
        case .number, .reduce: result = id
        case .known(let value, let index): result = intern(.known(value, moved(index)))
        case .state(let slot, let index): result = intern(.state(slot, moved(index)))
        case .opaque(let value, let index): result = intern(.opaque(value, moved(index)))
        case .index(let index): result = intern(.index(moved([index])[0]))
        case .unary(let function, let a): result = intern(.unary(function, renamed(a, replacements, replaced, &known)))
        case .binary(let function, let a, let b):
            let left = renamed(a, replacements, replaced, &known)
            let right = renamed(b, replacements, replaced, &known)
            result = intern(.binary(function, left, right))
        case .select(let c, let a, let b):
            let test = renamed(c, replacements, replaced, &known)
            let yes = renamed(a, replacements, replaced, &known)
            let no = renamed(b, replacements, replaced, &known)
            result = intern(.select(test, yes, no))
        case .polynomial(let monomials):
            var terms: [Monomial] = []
            for monomial in monomials {
                var factors: [Factor] = []
                for factor in monomial.factors {
                    factors.append(Factor(scalar: renamed(factor.scalar, replacements, replaced, &known), power: factor.power))
                }
                terms.append(Monomial(coefficient: monomial.coefficient, factors: factors.sorted { $0.scalar < $1.scalar }))
            }
            result = sum(of: terms)
        }
        known[id] = result
        return result
    }
}
