import RecStream

/// An element after the step as `⊕ weight ⊗ state` over elements before it, joined with something that depends on no
/// state, in some semiring.
package struct LinearForm {
    package struct Term: Equatable {
        package var slot: Scalars.Slot
        package var index: [Affine]
        /// Known.
        package var weight: Scalars.ID
        /// Variables of the index that run over all their values.
        package var bound: [Int]
        /// Known: where there is a term at all, as choices of the step say; nil: everywhere. Elsewhere the weight is the semiring's zero, and
        /// the state is not read, so that it does not matter that it may be NaN or infinite.
        package var condition: Scalars.ID?
    }
    package var terms: [Term] = []
    /// What depends on no state; nil where there is nothing, the semiring's zero.
    package var offset: Scalars.ID?
}

/// Finds linear forms.
///
/// Fisher and Ghuloum, "Parallelizing complex scans and reductions", PLDI 1994, extract such forms from the composition
/// of loop bodies; here sums of products have one form already, so that reading it off is enough.
struct LinearForms {
    /// The scalar is not linear in the states.
    struct Failure: Error {}

    private(set) var scalars: Scalars
    let semiring: Semiring
    private var found: [Scalars.ID: LinearForm] = [:]
    /// Of parts that are looked at otherwise; a part may be met on as many ways as two to the depth of what it is in.
    private var tropicals: [Tropical: LinearForm] = [:]
    private var exponentials: [Scalars.ID: LinearForm] = [:]
    private var logarithms: [Scalars.ID: Scalars.ID] = [:]
    /// More terms than this make a form of no use.
    private static let mostTerms = 256

    init(_ scalars: Scalars, over semiring: Semiring) {
        self.scalars = scalars
        self.semiring = semiring
    }

    mutating func form(of id: Scalars.ID) throws(Failure) -> LinearForm {
        if let form = found[id] { return form }
        let form: LinearForm
        if scalars.isKnown(id) {
            form = LinearForm(offset: id)
        } else {
            switch semiring {
            case .plusTimes: form = try affine(id)
            case .maxPlus: form = try tropical(id, isMax: true, isNegated: false)
            case .minPlus: form = try tropical(id, isMax: false, isNegated: false)
            case .logSumExp: form = try logarithmic(id)
            case .orAnd: form = try boolean(id)
            }
        }
        guard form.terms.count <= Self.mostTerms else { throw Failure() }
        found[id] = form
        return form
    }

    // MARK: Combining

    private mutating func state(_ slot: Scalars.Slot, _ index: [Affine]) -> LinearForm {
        LinearForm(terms: [LinearForm.Term(slot: slot, index: index, weight: scalars.number(semiring.one), bound: [])])
    }

    private mutating func join(_ a: Scalars.ID, _ b: Scalars.ID) -> Scalars.ID {
        switch semiring {
        case .plusTimes: scalars.add(a, b)
        case .maxPlus: scalars.intern(.binary(.max, min(a, b), max(a, b)))
        case .minPlus: scalars.intern(.binary(.min, min(a, b), max(a, b)))
        case .logSumExp: scalars.intern(.binary(.logaddexp, min(a, b), max(a, b)))
        case .orAnd: scalars.intern(.binary(.or, min(a, b), max(a, b)))
        }
    }

    private mutating func weigh(_ a: Scalars.ID, _ b: Scalars.ID) -> Scalars.ID {
        switch semiring {
        case .plusTimes: scalars.multiply(a, b)
        case .maxPlus, .minPlus, .logSumExp: scalars.isNumber(a, 0) ? b : scalars.isNumber(b, 0) ? a : scalars.add(a, b)
        case .orAnd: scalars.isNumber(a, 1) ? b : scalars.isNumber(b, 1) ? a : scalars.intern(.binary(.and, min(a, b), max(a, b)))
        }
    }

    private mutating func join(_ a: LinearForm, _ b: LinearForm) -> LinearForm {
        var result = a
        for term in b.terms {
            if let k = result.terms.firstIndex(where: { $0.slot == term.slot && $0.index == term.index && $0.bound == term.bound }) {
                result.terms[k].weight = join(result.terms[k].weight, term.weight)
                result.terms[k].condition = scalars.either(result.terms[k].condition, term.condition)
            } else {
                result.terms.append(term)
            }
        }
        if semiring == .plusTimes { result.terms.removeAll { scalars.isNumber($0.weight, 0) } }
        if let offset = b.offset { result.offset = result.offset.map { join($0, offset) } ?? offset }
        return result
    }

    private mutating func weighed(_ form: LinearForm, by weight: Scalars.ID) -> LinearForm {
        var result = form
        for k in result.terms.indices { result.terms[k].weight = weigh(result.terms[k].weight, weight) }
        result.offset = result.offset.map { weigh($0, weight) }
        return result
    }

    /// The join over all values of bound variables.
    private mutating func bind(_ form: LinearForm, _ variables: [Int], _ kind: ReduceKind) -> LinearForm {
        var result = form
        for k in result.terms.indices {
            let used = Scalars.bits(result.terms[k].index)
            let inIndex = variables.filter { used & Scalars.bit($0) != 0 }
            let free = variables.filter { used & Scalars.bit($0) == 0 }
            result.terms[k].bound += inIndex
            guard !free.isEmpty else { continue }
            result.terms[k].weight = reduce(result.terms[k].weight, free, kind)
            result.terms[k].condition = result.terms[k].condition.map { reduce($0, free, .max) }
        }
        result.offset = result.offset.map { reduce($0, variables, kind) }
        return result
    }

    private mutating func reduce(_ known: Scalars.ID, _ variables: [Int], _ kind: ReduceKind) -> Scalars.ID {
        if kind == .sum { return scalars.sum(known, over: variables) }
        let bits = variables.reduce(UInt64(0)) { $0 | Scalars.bit($1) }
        if kind != .logsumexp, scalars.variables(of: known) & bits == 0 { return known }
        return scalars.intern(.reduce(kind, known, variables))
    }

    /// A choice that does not depend on the states chooses between weights. A term of one side alone is there only where that is chosen.
    private mutating func choice(_ test: Scalars.ID, _ yes: LinearForm, _ no: LinearForm) -> LinearForm {
        let nothing = scalars.number(semiring.zero)
        let otherwise = scalars.not(test)
        var result = LinearForm()
        var unpaired = no.terms
        for var term in yes.terms {
            if let k = unpaired.firstIndex(where: { $0.slot == term.slot && $0.index == term.index && $0.bound == term.bound }) {
                let other = unpaired.remove(at: k)
                term.weight = chosen(test, term.weight, other.weight)
                // Where the sides have it alike, the choice does not matter.
                if term.condition != other.condition {
                    term.condition = scalars.either(scalars.both(test, term.condition), scalars.both(otherwise, other.condition))
                }
            } else {
                term.weight = chosen(test, term.weight, nothing)
                term.condition = scalars.both(test, term.condition)
            }
            result.terms.append(term)
        }
        for var term in unpaired {
            term.weight = chosen(test, nothing, term.weight)
            term.condition = scalars.both(otherwise, term.condition)
            result.terms.append(term)
        }
        if yes.offset != nil || no.offset != nil { result.offset = chosen(test, yes.offset ?? nothing, no.offset ?? nothing) }
        return result
    }

    private mutating func chosen(_ test: Scalars.ID, _ yes: Scalars.ID, _ no: Scalars.ID) -> Scalars.ID {
        yes == no ? yes : scalars.intern(.select(test, yes, no))
    }

    private mutating func select(_ test: Scalars.ID, _ yes: Scalars.ID, _ no: Scalars.ID) throws(Failure) -> LinearForm {
        guard scalars.isKnown(test) else { throw Failure() }
        return choice(test, try form(of: yes), try form(of: no))
    }

    // MARK: Semirings

    private mutating func affine(_ id: Scalars.ID) throws(Failure) -> LinearForm {
        switch scalars.nodes[id] {
        case .state(let slot, let index): return state(slot, index)
        case .select(let test, let yes, let no): return try select(test, yes, no)
        case .reduce(.sum, let body, let variables): return bind(try form(of: body), variables, .sum)
        case .polynomial(let monomials):
            var result = LinearForm()
            for monomial in monomials {
                let (known, rest) = scalars.split(monomial)
                guard let only = rest.first else {
                    result = join(result, LinearForm(offset: known))
                    continue
                }
                guard rest.count == 1, only.power == 1 else { throw Failure() }
                let factor = try form(of: only.scalar)
                result = join(result, weighed(factor, by: known))
            }
            return result
        case .number, .known, .unary, .binary, .reduce, .index, .opaque: throw Failure()
        }
    }

    /// A part of a step over max-plus or min-plus, and whether it stands under a minus sign.
    private struct Tropical: Hashable {
        var id: Scalars.ID
        var isNegated: Bool
    }

    /// Max-plus and min-plus; under a minus sign the one is the other.
    private mutating func tropical(_ id: Scalars.ID, isMax: Bool, isNegated: Bool) throws(Failure) -> LinearForm {
        let key = Tropical(id: id, isNegated: isNegated)
        if let form = tropicals[key] { return form }
        let form = try newTropical(id, isMax: isMax, isNegated: isNegated)
        guard form.terms.count <= Self.mostTerms else { throw Failure() }
        tropicals[key] = form
        return form
    }

    private mutating func newTropical(_ id: Scalars.ID, isMax: Bool, isNegated: Bool) throws(Failure) -> LinearForm {
        func inner(_ id: Scalars.ID, _ forms: inout LinearForms, flipped: Bool = false) throws(Failure) -> LinearForm {
            let negated = isNegated != flipped
            if forms.scalars.isKnown(id) { return LinearForm(offset: negated ? forms.scalars.scale(id, by: -1) : id) }
            return try forms.tropical(id, isMax: isMax, isNegated: negated)
        }
        let joinsMax = isMax != isNegated
        switch scalars.nodes[id] {
        case .state(let slot, let index):
            guard !isNegated else { throw Failure() }
            return state(slot, index)
        case .binary(let function, let a, let b) where function == (joinsMax ? .max : .min):
            return join(try inner(a, &self), try inner(b, &self))
        case .unary(.relu, let a) where joinsMax:
            return join(try inner(a, &self), LinearForm(offset: scalars.number(0)))
        case .reduce(let kind, let body, let variables) where kind == (joinsMax ? .max : .min):
            return bind(try inner(body, &self), variables, isMax ? .max : .min)
        case .select(let test, let yes, let no):
            guard scalars.isKnown(test) else { throw Failure() }
            return choice(test, try inner(yes, &self), try inner(no, &self))
        case .polynomial(let monomials):
            let (factor, sign, rest) = try shifted(monomials)
            return weighed(try inner(factor, &self, flipped: sign < 0), by: isNegated ? scalars.scale(rest, by: -1) : rest)
        case .number, .known, .unary, .binary, .reduce, .index, .opaque: throw Failure()
        }
    }

    /// A sum of one thing that depends on the states, taken once with its sign, and of known things.
    private mutating func shifted(_ monomials: [Scalars.Monomial]) throws(Failure) -> (Scalars.ID, Double, Scalars.ID) {
        var known: [Scalars.Monomial] = []
        var found: (Scalars.ID, Double)?
        for monomial in monomials {
            if monomial.factors.allSatisfy({ scalars.isKnown($0.scalar) }) {
                known.append(monomial)
                continue
            }
            guard found == nil, abs(monomial.coefficient) == 1, monomial.factors.count == 1, monomial.factors[0].power == 1
            else { throw Failure() }
            found = (monomial.factors[0].scalar, monomial.coefficient)
        }
        guard let (factor, sign) = found else { throw Failure() }
        return (factor, sign, scalars.sum(of: known))
    }

    private mutating func logarithmic(_ id: Scalars.ID) throws(Failure) -> LinearForm {
        switch scalars.nodes[id] {
        case .state(let slot, let index): return state(slot, index)
        case .binary(.logaddexp, let a, let b): return join(try form(of: a), try form(of: b))
        case .unary(.softplus, let a): return join(try form(of: a), LinearForm(offset: scalars.number(0)))
        case .unary(.log, let a): return try exponential(a)
        case .unary(.log1p, let a): return join(try exponential(a), LinearForm(offset: scalars.number(0)))
        case .reduce(.logsumexp, let body, let variables): return bind(try form(of: body), variables, .logsumexp)
        case .select(let test, let yes, let no): return try select(test, yes, no)
        case .polynomial(let monomials):
            if let stabilised = Stabilizer.removed(from: monomials, in: &scalars) { return try form(of: stabilised) }
            let (factor, sign, rest) = try shifted(monomials)
            guard sign > 0 else { throw Failure() }
            return weighed(try form(of: factor), by: rest)
        case .number, .known, .unary, .binary, .reduce, .index, .opaque: throw Failure()
        }
    }

    /// The form of the logarithm of a scalar: a sum of exponentials, each weighed with something positive.
    private mutating func exponential(_ id: Scalars.ID) throws(Failure) -> LinearForm {
        if let form = exponentials[id] { return form }
        let form = try newExponential(id)
        exponentials[id] = form
        return form
    }

    private mutating func newExponential(_ id: Scalars.ID) throws(Failure) -> LinearForm {
        switch scalars.nodes[id] {
        case .unary(.exp, let a): return try form(of: a)
        case .reduce(.sum, let body, let variables): return bind(try exponential(body), variables, .logsumexp)
        case .polynomial(let monomials):
            var result = LinearForm()
            for monomial in monomials {
                let (known, rest) = scalars.split(monomial)
                guard scalars.isPositive(known) else { throw Failure() }
                let weight = logarithm(of: known)
                guard let only = rest.first else {
                    result = join(result, LinearForm(offset: weight))
                    continue
                }
                guard rest.count == 1, only.power == 1 else { throw Failure() }
                let factor = try exponential(only.scalar)
                result = join(result, scalars.isNumber(known, 1) ? factor : weighed(factor, by: weight))
            }
            return result
        case .number, .known, .state, .unary, .binary, .select, .reduce, .index, .opaque:
            guard scalars.isKnown(id), scalars.isPositive(id) else { throw Failure() }
            return LinearForm(offset: logarithm(of: id))
        }
    }

    /// The logarithm of something known. What it is the exponential of is taken as it stands, so that nothing overflows on the way
    /// which does not in the step: `m + log(exp(s[t-1] − m) + exp(x − m))` has the rest `x`, not `log(exp x)`.
    private mutating func logarithm(of id: Scalars.ID) -> Scalars.ID {
        if let known = logarithms[id] { return known }
        let fresh = newLogarithm(of: id)
        logarithms[id] = fresh
        return fresh
    }

    private mutating func newLogarithm(of id: Scalars.ID) -> Scalars.ID {
        switch scalars.nodes[id] {
        case .number, .known, .state, .binary, .index, .opaque: break
        case .unary(let function, let a): if function == .exp { return a }
        case .select(let test, let yes, let no):
            let (a, b) = (logarithm(of: yes), logarithm(of: no))
            return scalars.intern(.select(test, a, b))
        case .reduce(let kind, let body, let variables):
            if kind == .sum, case .unary(.exp, let a) = scalars.nodes[body] { return scalars.intern(.reduce(.logsumexp, a, variables)) }
        case .polynomial(let monomials):
            guard monomials.count == 1, let monomial = monomials.first else { break }
            var terms: [Scalars.ID] = []
            var rest = monomial
            rest.factors.removeAll { factor in
                guard case .unary(.exp, let a) = scalars.nodes[factor.scalar] else { return false }
                terms.append(scalars.scale(a, by: Double(factor.power)))
                return true
            }
            guard !terms.isEmpty else { break }
            let other = scalars.sum(of: [rest])
            let start = scalars.isNumber(other, 1) ? scalars.number(0) : scalars.intern(.unary(.log, other))
            return terms.reduce(start) { scalars.add($0, $1) }
        }
        return scalars.intern(.unary(.log, id))
    }

    private mutating func boolean(_ id: Scalars.ID) throws(Failure) -> LinearForm {
        switch scalars.nodes[id] {
        case .state(let slot, let index): return state(slot, index)
        case .binary(.or, let a, let b): return join(try form(of: a), try form(of: b))
        case .binary(.and, let a, let b):
            if scalars.isKnown(a) { return weighed(try form(of: b), by: a) }
            guard scalars.isKnown(b) else { throw Failure() }
            return weighed(try form(of: a), by: b)
        case .select(let test, let yes, let no): return try select(test, yes, no)
        case .reduce(.max, let body, let variables): return bind(try form(of: body), variables, .max)
        case .number, .known, .polynomial, .unary, .binary, .reduce, .index, .opaque: throw Failure()
        }
    }
}
