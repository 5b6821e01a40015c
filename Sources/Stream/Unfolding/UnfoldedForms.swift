/// How each value of a graph stands where an axis of known length is unfolded.
struct UnfoldedForms: Sendable {
    enum Form: Sendable {
        /// It does not vary over the axis.
        case apart
        /// It still varies over the axis.
        case stream
        /// All steps at once, along a first dim.
        case rows
        /// A value for each step, since each needs the one before.
        case steps
    }

    private let forms: [Form]

    subscript(_ id: ValueID) -> Form { forms[id.index] }

    /// How many values stand for each step.
    var countOfSteps: Int { forms.count { $0 == .steps } }

    /// - Parameter keepsStreams: whether what varies over the axis alone, and does not wait for steps of other axes, keeps doing so.
    init(_ graph: StreamGraph, axis: Int, keepsStreams: Bool) {
        var found = graph.values.map { $0.variance.varies(over: axis) ? Form.rows : .apart }
        if keepsStreams {
            for id in graph.ids where found[id.index] == .rows && graph.variesAlone(id, over: axis) { found[id.index] = .stream }
        }
        for component in components(of: graph) where component.isRecurrence {
            if keepsStreams, !component.members.contains(where: { found[$0.index] == .apart || found[$0.index] == .rows }) { continue }
            for id in component.members where found[id.index] == .stream { found[id.index] = .rows }
            for id in graph.steppedMembers(of: component.members, along: axis) where found[id.index] == .rows { found[id.index] = .steps }
        }
        for id in graph.ids where found[id.index] == .rows && !graph.hasRows(id, axis: axis) {
            // What follows at a step from that step alone is known for each.
            found[id.index] = .steps
        }
        for own in graph.ownGradients where found[own.value.index] != .apart { found[own.value.index] = .steps }
        forms = found
    }
}

extension StreamGraph {
    /// Whether a value follows along one axis from what varies over no other; a second index over the same axis is none.
    fileprivate func variesAlone(_ id: ValueID, over axis: Int) -> Bool {
        let own: UInt8 = 1 << UInt8(axis) | (counterpart(of: axis).map { 1 << UInt8($0) } ?? 0)
        return self[id].variance.axes & ~own == 0 && self[id].operation.operands.allSatisfy { self[$0].variance.axes & ~own == 0 }
    }

    /// The members of a recurrence whose steps along an axis need each other, at one step of the other axes.
    fileprivate func steppedMembers(of members: [ValueID], along axis: Int) -> [ValueID] {
        let all = Set(members)
        var elsewhere: [[Int]] = []
        for id in members {
            guard case .delay(let operand, let offsets, _) = self[id].operation, all.contains(operand) else { continue }
            let others = offsets.indices.map { $0 == axis ? 0 : offsets[$0] }
            if others.contains(where: { $0 != 0 }) { elsewhere.append(others) }
        }
        // Where the other axes have an order, delays along them bind nothing within a step.
        let hasOrder = LoopOrder.admitting(elsewhere, axes: axes.indices.filter { $0 != axis }) != nil
        var place: [ValueID: Int] = [:]
        for (k, id) in members.enumerated() { place[id] = k }
        let needs = members.map { id -> [Int] in
            if hasOrder, case .delay(_, let offsets, _) = self[id].operation, offsets.indices.contains(where: { $0 != axis && offsets[$0] != 0 }) {
                return []
            }
            return self[id].operation.operands.compactMap { place[$0] }
        }
        return stronglyConnected(needs).flatMap { inner -> [ValueID] in
            let ids = inner.map { members[$0] }
            let isStepped = ids.contains { id in
                guard case .delay(let operand, let offsets, _) = self[id].operation, offsets[axis] != 0 else { return false }
                return ids.contains(operand)
            }
            return isStepped ? ids : []
        }
    }

    /// Whether an operation can be taken for all steps of an axis at once, along a first dim.
    fileprivate func hasRows(_ id: ValueID, axis: Int) -> Bool {
        switch self[id].operation {
        // Rows of a table that is another one at each step.
        case .gather(let table, _): !self[table].variance.varies(over: axis)
        case .scatter: false
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad,
            .window, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            true
        }
    }
}
