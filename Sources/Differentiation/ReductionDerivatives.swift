import RecStream

/// Shares of what is reduced within a step.
extension ReverseMode {
    mutating func reductionShare(_ kind: ReduceKind, _ x: ValueID, _ axes: [Int], _ y: ValueID, _ adjoint: ValueID) -> ValueID {
        let shape = primal[x].shape
        let wide = builder.spreadBack(adjoint, over: axes, of: shape)
        let kept = shape.indices.filter { !axes.contains($0) }
        let live = liveness[y].onAxes { kept[$0] }
        switch kind {
        case .sum: return wide
        case .min, .max:
            return builder.select(builder.isFirstExtreme(kind, x, axes), wide, builder.zeros(shape))
        case .product:
            return builder.binary(.multiply, wide, masked(builder.productOfOthers(x, axes), live))
        case .logsumexp:
            return builder.binary(.multiply, wide, masked(builder.softmaxSlope(x, y, axes), live))
        // An index has no derivative.
        case .argmax: return builder.zeros(shape)
        }
    }
}

extension GraphBuilder {
    /// A reduced value along the axes again that were reduced.
    mutating func spreadBack(_ a: ValueID, over axes: [Int], of shape: Shape) -> ValueID {
        let kept = shape.indices.filter { !axes.contains($0) }
        return broadcast(a, to: shape, from: shape.indices.map { kept.firstIndex(of: $0) })
    }

    /// exp(x − y) / Σ exp(x − y); 0 for a term −∞, also where all are.
    ///
    /// `y` is within its rounding of the logarithm of the sum. The quotient does not depend on it, so that the slopes add up to 1
    /// whatever offset the terms share, and it has no slope itself.
    mutating func softmaxSlope(_ x: ValueID, _ y: ValueID, _ axes: [Int]) -> ValueID {
        let shape = self[x].shape
        let weight = unary(.exp, binary(.subtract, x, spreadBack(unary(.stop, y), over: axes, of: shape)))
        let total = spreadBack(reduce(.sum, weight, axes: axes), over: axes, of: shape)
        return bounded(binary(.divide, weight, total))
    }

    /// Where the first of several equal extremes stands.
    mutating func isFirstExtreme(_ kind: ReduceKind, _ x: ValueID, _ axes: [Int]) -> ValueID {
        let rows = rows(x, axes)
        let width = self[rows].shape.count - 1
        let key = kind == .min ? unary(.negate, rows) : rows
        let place = reduce(.argmax, key, axes: [width])
        let shape = self[rows].shape
        let places = spreadBack(place, over: [width], of: shape)
        let own = broadcast(counting(to: shape[width].size), to: shape, from: shape.indices.map { $0 == width ? 0 : nil })
        return unrows(binary(.equal, places, own), axes, of: self[x].shape)
    }

    /// For each factor the product of all others, which is right where one of them is 0.
    mutating func productOfOthers(_ x: ValueID, _ axes: [Int]) -> ValueID {
        let rows = rows(x, axes)
        let axis = self[rows].shape.count - 1
        let count = self[rows].shape[axis].size
        var (before, behind) = (rows, rows)
        var reach = 1
        // Products of the factors up to each place and from each place on, of twice as many each time; Hillis and Steele,
        // "Data parallel algorithms", CACM 29 (1986).
        while reach < count {
            before = binary(.multiply, before, moved(before, by: reach, axis: axis))
            behind = binary(.multiply, behind, moved(behind, by: -reach, axis: axis))
            reach *= 2
        }
        let others = binary(.multiply, moved(before, by: 1, axis: axis), moved(behind, by: -1, axis: axis))
        return unrows(others, axes, of: self[x].shape)
    }

    /// Elements moved along an axis, with ones behind them.
    private mutating func moved(_ a: ValueID, by distance: Int, axis: Int) -> ValueID {
        let shape = self[a].shape
        let count = shape[axis].size
        guard abs(distance) < count else { return constant(.real(1), shape) }
        var edge = shape
        edge[axis] = Dim("\(abs(distance))", abs(distance))
        let ones = constant(.real(1), edge)
        let rest = slice(a, axis: axis, start: max(0, -distance), count: count - abs(distance))
        let whole = concat(distance > 0 ? [ones, rest] : [rest, ones], axis: axis)
        return rename(whole, to: shape)
    }

    /// The reduced axes merged to one that stands last.
    private mutating func rows(_ x: ValueID, _ axes: [Int]) -> ValueID {
        let shape = self[x].shape
        let order = shape.indices.filter { !axes.contains($0) } + axes
        let turned = order == Array(shape.indices) ? x : broadcast(x, to: order.map { shape[$0] }, from: order)
        guard axes.count != 1 else { return turned }
        let count = axes.reduce(1) { $0 * shape[$1].size }
        return reshape(turned, to: order.dropLast(axes.count).map { shape[$0] } + [Dim("\(count)", count)])
    }

    private mutating func unrows(_ rows: ValueID, _ axes: [Int], of shape: Shape) -> ValueID {
        let order = shape.indices.filter { !axes.contains($0) } + axes
        let turned = axes.count == 1 ? rows : reshape(rows, to: order.map { shape[$0] })
        guard order != Array(shape.indices) else { return self[turned].shape == shape ? turned : rename(turned, to: shape) }
        return broadcast(turned, to: shape, from: shape.indices.map { order.firstIndex(of: $0) })
    }

    /// The ints 0, 1, …, `count` − 1.
    private mutating func counting(to count: Int) -> ValueID {
        var numbers = constant(.int(0), [Dim("1", 1)])
        var size = 1
        while size < count {
            numbers = concat([numbers, binary(.add, numbers, constant(.int(size), self[numbers].shape))], axis: 0)
            size *= 2
        }
        return size == count ? numbers : slice(numbers, axis: 0, start: 0, count: count)
    }
}
