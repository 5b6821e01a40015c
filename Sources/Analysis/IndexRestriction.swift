import RecStream

/// Writes scalars with one index variable replaced by another that runs over a part of its values, and decides choices that
/// depend on the index alone: what is summed over a concatenation is then a sum over one of its parts.
struct IndexRestriction {
    private let graph: StreamGraph
    private(set) var scalars: Scalars
    private let variable: Int
    private let place: Affine
    private var found: [Scalars.ID: Scalars.ID] = [:]

    /// - Parameters:
    ///   - variable: what is replaced by `fresh + offset`.
    ///   - extent: of the fresh variable.
    init(_ graph: StreamGraph, _ scalars: Scalars, _ variable: Int, startingAt offset: Int, extent: Int) {
        self.graph = graph
        self.scalars = scalars
        self.variable = variable
        place = Affine.variable(self.scalars.variable(extent: extent)) + offset
    }

    func moved(_ index: [Affine]) -> [Affine] {
        index.map { affine in
            let coefficient = affine.coefficient(of: variable)
            return coefficient == 0 ? affine : affine + Affine.variable(variable) * -coefficient + place * coefficient
        }
    }

    /// The fresh variable.
    var fresh: Int { place.terms[0].variable }

    mutating func restricted(_ id: Scalars.ID) -> Scalars.ID {
        guard scalars.variables(of: id) & Scalars.bit(variable) != 0 else { return id }
        if let known = found[id] { return known }
        let result = compute(id)
        if let named = scalars.facts[id].named {
            scalars.note(result, isElementOf: named.value, at: moved(named.index), sizes: graph[named.value].shape.sizes)
        }
        found[id] = result
        return result
    }

    private mutating func compute(_ id: Scalars.ID) -> Scalars.ID {
        switch scalars.nodes[id] {
        case .number: return id
        case .known(let value, let index): return scalars.intern(.known(value, moved(index)))
        case .opaque(let value, let index): return scalars.intern(.opaque(value, moved(index)))
        case .state(let slot, let index): return scalars.intern(.state(slot, moved(index)))
        case .index(let index): return scalars.intern(.index(moved([index])[0]))
        case .polynomial(let monomials):
            return monomials.reduce(scalars.number(0)) { sum, monomial in
                let product = monomial.factors.reduce(scalars.number(monomial.coefficient)) { product, factor in
                    scalars.multiply(product, scalars.power(restricted(factor.scalar), factor.power))
                }
                return scalars.add(sum, product)
            }
        case .unary(let function, let a):
            let inner = restricted(a)
            if function == .not, case .number(let truth) = scalars.nodes[inner] { return scalars.number(truth == 0 ? 1 : 0) }
            return scalars.intern(.unary(function, inner))
        case .binary(let function, let a, let b):
            let (left, right) = (restricted(a), restricted(b))
            if function == .less, let truth = isLess(left, right) { return scalars.number(truth ? 1 : 0) }
            if function == .and {
                if scalars.isNumber(left, 0) || scalars.isNumber(right, 1) { return left }
                if scalars.isNumber(right, 0) || scalars.isNumber(left, 1) { return right }
            }
            return scalars.intern(.binary(function, left, right))
        case .select(let test, let yes, let no):
            let test = restricted(test)
            if case .number(let truth) = scalars.nodes[test] { return restricted(truth != 0 ? yes : no) }
            let (left, right) = (restricted(yes), restricted(no))
            return left == right ? left : scalars.intern(.select(test, left, right))
        case .reduce(let kind, let body, let variables):
            let inner = restricted(body)
            return kind == .sum ? scalars.sum(inner, over: variables) : scalars.intern(.reduce(kind, inner, variables))
        }
    }

    /// Whether an index is less than a number wherever it runs; nil where that differs.
    private func isLess(_ a: Scalars.ID, _ b: Scalars.ID) -> Bool? {
        guard case .index(let index) = scalars.nodes[a], case .number(let bound) = scalars.nodes[b] else { return nil }
        let ends = index.terms.map { ($0.coefficient * (scalars.extents[$0.variable] - 1)) }
        if Double(ends.reduce(index.offset) { $0 + max(0, $1) }) < bound { return true }
        return Double(ends.reduce(index.offset) { $0 + min(0, $1) }) >= bound ? false : nil
    }
}
