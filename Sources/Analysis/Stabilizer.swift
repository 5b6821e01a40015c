/// Takes a stabiliser out of a logarithm of exponentials: `m + log(exp(a − m) + exp(b − m))` is `log(exp a + exp b)`,
/// whatever `m` is.
enum Stabilizer {
    /// - Parameter monomials: those of a sum.
    /// - Returns: the same without the stabiliser; nil where there is none.
    static func removed(from monomials: [Scalars.Monomial], in scalars: inout Scalars) -> Scalars.ID? {
        func single(_ monomial: Scalars.Monomial) -> Scalars.ID? {
            guard monomial.coefficient == 1, monomial.factors.count == 1, monomial.factors[0].power == 1 else { return nil }
            return monomial.factors[0].scalar
        }
        for (k, monomial) in monomials.enumerated() {
            guard let logarithm = single(monomial), case .unary(.log, let body) = scalars.nodes[logarithm],
                !scalars.isKnown(body)
            else { continue }
            for (other, candidate) in monomials.enumerated() where other != k {
                guard let stabilizer = single(candidate), !scalars.isKnown(stabilizer) else { continue }
                var found: [Scalars.ID: Scalars.ID?] = [:]
                guard let freed = multiplied(body, byExpOf: stabilizer, in: &scalars, &found) else { continue }
                var rest = monomials
                rest[k].factors = [Scalars.Factor(scalar: scalars.intern(.unary(.log, freed)), power: 1)]
                rest.remove(at: other)
                return scalars.sum(of: rest)
            }
        }
        return nil
    }

    /// A sum of exponentials that all contain `−m`, times `exp m`.
    ///
    /// - Parameter found: of parts that were met before.
    private static func multiplied(
        _ id: Scalars.ID, byExpOf m: Scalars.ID, in scalars: inout Scalars, _ found: inout [Scalars.ID: Scalars.ID?]
    ) -> Scalars.ID? {
        if let known = found[id] { return known }
        let fresh = newlyMultiplied(id, byExpOf: m, in: &scalars, &found)
        found[id] = .some(fresh)
        return fresh
    }

    private static func newlyMultiplied(
        _ id: Scalars.ID, byExpOf m: Scalars.ID, in scalars: inout Scalars, _ found: inout [Scalars.ID: Scalars.ID?]
    ) -> Scalars.ID? {
        switch scalars.nodes[id] {
        case .unary(.exp, let exponent):
            let hasStabilizer = scalars.monomials(of: exponent).contains {
                $0.coefficient == -1 && $0.factors == [Scalars.Factor(scalar: m, power: 1)]
            }
            guard hasStabilizer || exponent == scalars.scale(m, by: -1) else { return nil }
            return scalars.intern(.unary(.exp, scalars.add(exponent, m)))
        case .reduce(.sum, let body, let variables):
            guard let inner = multiplied(body, byExpOf: m, in: &scalars, &found) else { return nil }
            return scalars.intern(.reduce(.sum, inner, variables))
        case .polynomial(let monomials):
            var result: [Scalars.Monomial] = []
            for monomial in monomials {
                guard let place = monomial.factors.firstIndex(where: { !scalars.isKnown($0.scalar) }),
                    monomial.factors[place].power == 1,
                    let inner = multiplied(monomial.factors[place].scalar, byExpOf: m, in: &scalars, &found)
                else { return nil }
                var rest = monomial
                rest.factors.remove(at: place)
                result += scalars.monomials(of: inner).map { Scalars.product(rest, $0) }
            }
            return scalars.sum(of: result)
        case .number, .known, .state, .unary, .binary, .select, .reduce, .index, .opaque: return nil
        }
    }
}
