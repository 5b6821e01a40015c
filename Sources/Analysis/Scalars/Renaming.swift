extension Scalars {
    /// The scalar with variables replaced. Only shapes without bound variables are looked into; the rest stays.
    mutating func renamed(_ id: ID, _ replacements: [Int: Affine]) -> ID {
        func moved(_ index: [Affine]) -> [Affine] {
            index.map { affine in
                affine.terms.reduce(Affine(offset: affine.offset)) {
                    $0 + (replacements[$1.variable] ?? .variable($1.variable)) * $1.coefficient
                }
            }
        }
        switch nodes[id] {
        case .number, .reduce: return id
        case .known(let value, let index): return intern(.known(value, moved(index)))
        case .state(let slot, let index): return intern(.state(slot, moved(index)))
        case .opaque(let value, let index): return intern(.opaque(value, moved(index)))
        case .index(let index): return intern(.index(moved([index])[0]))
        case .unary(let function, let a): return intern(.unary(function, renamed(a, replacements)))
        case .binary(let function, let a, let b):
            let (left, right) = (renamed(a, replacements), renamed(b, replacements))
            return intern(.binary(function, left, right))
        case .select(let c, let a, let b):
            let (test, yes, no) = (renamed(c, replacements), renamed(a, replacements), renamed(b, replacements))
            return intern(.select(test, yes, no))
        case .polynomial(let monomials):
            return sum(
                of: monomials.map { monomial in
                    let factors = monomial.factors.map { Factor(scalar: renamed($0.scalar, replacements), power: $0.power) }
                    return Monomial(coefficient: monomial.coefficient, factors: factors.sorted { $0.scalar < $1.scalar })
                })
        }
    }
}
