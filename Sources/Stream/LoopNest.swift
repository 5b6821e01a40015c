/// In which order the values of a graph can be computed: sweeps over the axes, one inside the other where a recurrence
/// needs it.
package indirect enum LoopNest: Hashable, Sendable {
    /// A value at every step along `axes`, in any order.
    case value(ValueID, axes: [Int])
    /// Step by step along an axis, all of `body` at each.
    case loop(LoopOrder.Loop, body: [LoopNest])
    /// A recurrence whose steps have no order: it looks both ways, depends on itself within a step, or on its own future
    /// through a reduction over time.
    case impossible([ValueID])
}

extension LoopNest {
    /// The values computed from the last step to the first.
    package var reversedValues: Set<ValueID> {
        switch self {
        case .value, .impossible: []
        case .loop(let loop, let body):
            body.reduce(into: Set<ValueID>()) { values, inner in
                if loop.isReversed, case .value(let id, _) = inner { values.insert(id) }
                values.formUnion(inner.reversedValues)
            }
        }
    }
}

extension StreamGraph {
    /// Every value once, each after what it depends on.
    ///
    /// Allen and Kennedy, "Automatic translation of Fortran programs to vector form", TOPLAS 9 (1987): components of the
    /// dependences become loops, outermost first; a delay that a loop carries binds nothing inside it.
    package var loopNests: [LoopNest] {
        loopNests(of: ids, axes: Array(axes.indices), inside: [])
    }

    private func loopNests(of members: [ValueID], axes: [Int], inside loops: [Int]) -> [LoopNest] {
        let needs: [[Int]]
        if members.count == values.count {
            needs = members.map { dependences(of: $0, inside: loops).map(\.index) }
        } else {
            var place: [ValueID: Int] = [:]
            place.reserveCapacity(members.count)
            for (position, id) in members.enumerated() { place[id] = position }
            needs = members.map { id in dependences(of: id, inside: loops).compactMap { place[$0] } }
        }
        return stronglyConnected(needs).map { component in
            let ids = component.map { members[$0] }
            if let only = ids.first, ids.count == 1, !needs[component[0]].contains(component[0]) {
                return .value(only, axes: axes.filter { self[only].variance.varies(over: $0) })
            }
            guard let loop = carryingLoop(of: Set(ids), axes: axes, inside: loops) else { return .impossible(ids) }
            let inner = axes.filter { $0 != loop.axis }
            return .loop(loop, body: loopNests(of: ids, axes: inner, inside: loops + [loop.axis]))
        }
    }

    /// What a value needs at a step of the loops around it.
    private func dependences(of id: ValueID, inside loops: [Int]) -> [ValueID] {
        let operation = self[id].operation
        if case .delay(_, let offsets, _) = operation, loops.contains(where: { offsets[$0] != 0 }) {
            return operation.instantOperands
        }
        return operation.operands
    }

    /// A loop that no delay of the recurrence opposes, and that some delay needs.
    private func carryingLoop(of members: Set<ValueID>, axes: [Int], inside loops: [Int]) -> LoopOrder.Loop? {
        var steps: [[Int]] = []
        var whole: Set<Int> = []
        for id in members {
            switch self[id].operation {
            case .delay(let operand, let offsets, _) where members.contains(operand) && !loops.contains { offsets[$0] != 0 }:
                steps.append(offsets)
            case .overTime(_, let operand, let axis) where members.contains(operand):
                whole.insert(axis)
            case .along(let operand, let axis) where members.contains(operand):
                whole.insert(axis)
                if let other = counterpart(of: axis) { whole.insert(other) }
            case .chunks(let operand, let axis, _) where members.contains(operand),
                .steps(let operand, let axis) where members.contains(operand):
                whole.insert(axis)
                if let chunks = self.axes[axis].chunks { whole.insert(chunks.axis) }
            case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape,
                .slice, .concat, .pad, .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                break
            }
        }
        for axis in axes where !whole.contains(axis) {
            let along = steps.map { $0[axis] }
            guard along.contains(where: { $0 != 0 }) else { continue }
            if along.allSatisfy({ $0 <= 0 }) { return LoopOrder.Loop(axis: axis, isReversed: false) }
            if along.allSatisfy({ $0 >= 0 }) { return LoopOrder.Loop(axis: axis, isReversed: true) }
        }
        return nil
    }
}
