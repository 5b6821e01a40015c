import RecAnalysis

extension Nest {
    /// The same nest with neighbouring loops joined wherever every access runs through them as through one, so that
    /// vectors are long and loops few. Loops over a single element go away.
    func collapsed(carries: Int = 0) -> Nest {
        var nest = self
        var axis = nest.domain.count - 1
        while axis >= 0 {
            if nest.domain[axis] == 1, nest.domain.count > 1 || carries == 0 {
                nest.removeLoop(axis)
            } else if axis + 1 < nest.domain.count, nest.joins(axis) {
                nest.joinLoop(axis)
            }
            axis -= 1
        }
        return nest
    }

    private var positions: [Affine] {
        stores.map(\.position)
            + nodes.flatMap { node -> [Affine] in
                if case .position(let affine) = node.operation { return [affine] }
                return node.operation.accesses.map(\.position)
            }
    }

    /// Whether loops `axis` and `axis + 1` can be one: moving on by one in the outer is moving on by the inner's extent.
    private func joins(_ axis: Int) -> Bool {
        positions.allSatisfy { $0.coefficient(of: axis) == $0.coefficient(of: axis + 1) * domain[axis + 1] }
    }

    private mutating func joinLoop(_ axis: Int) {
        let joined = domain[axis] * domain[axis + 1]
        domain[axis + 1] = joined
        extents[axis + 1] = joined
        dropVariable(axis)
    }

    private mutating func removeLoop(_ axis: Int) { dropVariable(axis) }

    /// Takes variable `axis` out: its terms vanish, later variables move down by one.
    private mutating func dropVariable(_ axis: Int) {
        domain.remove(at: axis)
        extents.remove(at: axis)
        func moved(_ affine: Affine) -> Affine {
            Affine(
                offset: affine.offset,
                terms: affine.terms.compactMap { term in
                    guard term.variable != axis else { return nil }
                    return Affine.Term(
                        variable: term.variable > axis ? term.variable - 1 : term.variable, coefficient: term.coefficient)
                })
        }
        for k in stores.indices { stores[k].position = moved(stores[k].position) }
        for k in nodes.indices {
            switch nodes[k].operation {
            case .load(var access):
                access.position = moved(access.position)
                nodes[k].operation = .load(access)
            case .gather(var access, let index, let stride, let count):
                access.position = moved(access.position)
                nodes[k].operation = .gather(access, index: index, stride: stride, count: count)
            case .position(let affine): nodes[k].operation = .position(moved(affine))
            case .reduce(let kind, let body, let variables):
                nodes[k].operation = .reduce(kind, body, variables: variables.map { $0 > axis ? $0 - 1 : $0 })
            case .constant, .unary, .binary, .select, .carried, .scanned:
                break
            }
        }
    }
}
