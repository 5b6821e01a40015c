import RecStream

/// Shares of what is reduced over time, and where along an axis a step stands.
extension ReverseMode {
    mutating func overTimeShare(_ kind: TimeReduceKind, _ x: ValueID, _ axis: Int, _ y: ValueID, _ adjoint: ValueID) -> ValueID {
        let shape = primal[x].shape
        switch kind {
        case .sum: return adjoint
        case .mean: return builder.binary(.divide, adjoint, builder.filled(builder.length(axis: axis), shape))
        case .first: return builder.chosen(builder.isFirst(axis: axis), adjoint)
        case .last: return builder.chosen(builder.isLast(axis: axis), adjoint)
        case .max, .min:
            let isFirst = builder.isFirstEqual(x, y, axis: axis)
            return builder.select(isFirst, adjoint, builder.zeros(shape))
        }
    }
}

extension GraphBuilder {
    /// The variance of a scalar over one axis, or several.
    private func over(_ axes: [Int]) -> Variance { Variance(batch: true, axes: axes.reduce(0) { $0 | 1 << UInt8($1) }) }

    private mutating func ones(over axes: [Int]) -> ValueID { rename(constant(1), over: over(axes)) }

    /// The number of steps of each sequence along an axis, as a real.
    mutating func length(axis: Int) -> ValueID { overTime(.sum, ones(over: [axis]), axis: axis) }

    /// Whether what these offsets lead to lies outside the sequence.
    mutating func isOutside(_ offsets: [Int]) -> ValueID {
        let inside = add(.delay(ones(over: offsets.indices.filter { offsets[$0] != 0 }), offsets: offsets, initial: nil))
        return binary(.equal, inside, constant(0))
    }

    mutating func isFirst(axis: Int) -> ValueID {
        isOutside(graph.axes.indices.map { $0 == axis ? -1 : 0 })
    }

    mutating func isLast(axis: Int) -> ValueID {
        isOutside(graph.axes.indices.map { $0 == axis ? 1 : 0 })
    }

    /// Where along an axis `x` is equal to `y` for the first time; NaN is equal to NaN here.
    mutating func isFirstEqual(_ x: ValueID, _ y: ValueID, axis: Int) -> ValueID {
        let areNaN = binary(.and, binary(.notEqual, x, x), binary(.notEqual, y, y))
        let hit = binary(.or, binary(.equal, x, y), areNaN)
        if graph.axes[axis].again != nil, graph.isPair(x) {
            // Pairs of steps are told apart by their distance, which is largest at the first step.
            let distance = filled(unary(.toReal, self.distance(axis: axis)), self[x].shape)
            let largest = overTime(.max, select(hit, distance, constant(.real(-.infinity), self[x].shape)), axis: axis)
            return binary(.and, hit, binary(.equal, distance, largest))
        }
        let offsets = graph.axes.indices.map { $0 == axis ? -1 : 0 }
        let before = delay(ofLater: self[hit].type, offsets)
        let reached = binary(.or, before, hit)
        // For explanations: it is a recurrence of its own.
        name(reached, "reached.\(graph[y].name ?? "extremum")")
        close(before, with: reached)
        return binary(.and, hit, unary(.not, before))
    }

    /// An adjoint that is 0 where the step it is read from, `offset` further on, lies in another block of `count` steps.
    ///
    /// Williams and Peng, "An efficient gradient-based algorithm for on-line training of recurrent network trajectories",
    /// Neural Computation 2 (1990).
    mutating func within(blocksOf count: Int, _ adjoint: ValueID, reading offset: Int) -> ValueID {
        guard abs(offset) < count else { return rename(zeros(self[adjoint].shape), over: self[adjoint].variance) }
        // The step's place in its block, counted from 0.
        let type = ValueType(.int, [], over([0]))
        let before = delay(ofLater: type, graph.axes.indices.map { $0 == 0 ? -1 : 0 }, from: constant(.int(-1)))
        let next = binary(.add, before, constant(.int(1)))
        let place = select(binary(.equal, next, constant(.int(count))), constant(.int(0)), next)
        name(place, "step_of_block")
        close(before, with: place)
        let isSame = offset < 0
            ? binary(.greaterOrEqual, place, constant(.int(-offset))) : binary(.less, place, constant(.int(count - offset)))
        return chosen(isSame, adjoint)
    }
}
