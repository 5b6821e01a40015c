import RecStream

/// An element after the step as a product of powers, `c · Π state ^ weight`: affine once logarithms are taken, which they
/// can be where every factor is certain to be positive.
struct LogarithmicForms {
    struct Failure: Error {}

    private(set) var scalars: Scalars
    private var found: [Scalars.ID: LinearForm] = [:]

    init(_ scalars: Scalars) { self.scalars = scalars }

    /// The logarithm of the scalar as a sum of weighted logarithms of states.
    mutating func form(of id: Scalars.ID) throws(Failure) -> LinearForm {
        if let form = found[id] { return form }
        let form = try newForm(of: id)
        found[id] = form
        return form
    }

    private mutating func newForm(of id: Scalars.ID) throws(Failure) -> LinearForm {
        if scalars.isKnown(id) {
            guard scalars.isPositive(id) else { throw Failure() }
            return LinearForm(offset: scalars.intern(.unary(.log, id)))
        }
        switch scalars.nodes[id] {
        case .state(let slot, let index):
            return LinearForm(terms: [LinearForm.Term(slot: slot, index: index, weight: scalars.number(1), bound: [])])
        case .unary(.exp, let a): return try exponent(a)
        case .unary(.sqrt, let a): return weighed(try form(of: a), by: scalars.number(0.5))
        case .unary(.rsqrt, let a): return weighed(try form(of: a), by: scalars.number(-0.5))
        case .binary(.power, let base, let power):
            guard scalars.isKnown(power) else { throw Failure() }
            return weighed(try form(of: base), by: power)
        case .polynomial(let monomials):
            guard monomials.count == 1, let only = monomials.first, only.coefficient > 0 else { throw Failure() }
            var result = LinearForm()
            if only.coefficient != 1 { result = try form(of: scalars.number(only.coefficient)) }
            for factor in only.factors {
                result = sum(result, weighed(try form(of: factor.scalar), by: scalars.number(Double(factor.power))))
            }
            return result
        case .number, .known, .unary, .binary, .select, .reduce, .index, .opaque: throw Failure()
        }
    }

    /// What stands in an exponential: known things, and weighted logarithms.
    private mutating func exponent(_ id: Scalars.ID) throws(Failure) -> LinearForm {
        var result = LinearForm()
        for monomial in scalars.monomials(of: id) {
            let (known, rest) = scalars.split(monomial)
            guard let only = rest.first else {
                result = sum(result, LinearForm(offset: known))
                continue
            }
            guard rest.count == 1, only.power == 1, case .unary(.log, let inner) = scalars.nodes[only.scalar] else { throw Failure() }
            result = sum(result, weighed(try form(of: inner), by: known))
        }
        return result
    }

    private mutating func weighed(_ form: LinearForm, by weight: Scalars.ID) -> LinearForm {
        var result = form
        for k in result.terms.indices { result.terms[k].weight = scalars.multiply(result.terms[k].weight, weight) }
        result.offset = result.offset.map { scalars.multiply($0, weight) }
        return result
    }

    private mutating func sum(_ a: LinearForm, _ b: LinearForm) -> LinearForm {
        var result = a
        for term in b.terms {
            if let k = result.terms.firstIndex(where: { $0.slot == term.slot && $0.index == term.index }) {
                result.terms[k].weight = scalars.add(result.terms[k].weight, term.weight)
            } else {
                result.terms.append(term)
            }
        }
        if let offset = b.offset { result.offset = result.offset.map { scalars.add($0, offset) } ?? offset }
        return result
    }
}
