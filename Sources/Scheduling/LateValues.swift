import RecAnalysis
import RecStream

extension Staging {
    /// Moves what follows from memory alone to the maps right before the stages that use it.
    ///
    /// Such values wait for nothing, so that all of them would be computed in the first map of a pass. On the way back through many
    /// layers that would be one long loop, and what each layer needs would lie in blocks until it is the layer's turn.
    mutating func computeLate(_ graph: StreamGraph, components: [Component], placement: Placement) {
        let users = graph.users
        var isFixed = [Bool](repeating: false, count: graph.values.count)
        for id in (graph.outputs + graph.losses).map(\.value) + graph.states.flatMap({ [$0.value] + ($0.initial.map { [$0] } ?? []) })
            + totals.values.flatMap(\.unwritten) + Array(totals.keys) + Array(scattered.keys) + Array(scattered.values)
            + Array(products.keys) + components.filter(\.isRecurrence).flatMap(\.members)
        {
            isFixed[id.index] = true
        }
        func own(_ id: ValueID) -> [ValueID] {
            graph[id].operation.operands.filter { placement.segment[$0.index] != nil && placement.segment[$0.index] == placement.segment[id.index] }
        }
        // What is computed from memory alone, and of that what only later maps and recurrences of its own segment use.
        var isReady = [Bool](repeating: false, count: graph.values.count)
        var late = stage
        var movable: [ValueID] = []
        for id in graph.ids {
            guard let segment = placement.segment[id.index], case .sweep = placement.kinds[segment], graph[id].variance.isStream,
                stage[id.index] % 2 == 0, !isSequential[id.index], !isOfMap[id.index], own(id).allSatisfy({ isReady[$0.index] && $0 < id })
            else { continue }
            switch graph[id].operation {
            case .overTime, .overBatch: continue
            case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat,
                .pad, .window, .gather, .scatter, .delay, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                break
            }
            isReady[id.index] = true
            let isUsedHere = users[id.index].allSatisfy { user in
                if case .delay = graph[user].operation { return false }
                return placement.segment[user.index] == segment
            }
            if isUsedHere, !users[id.index].isEmpty, !isFixed[id.index] { movable.append(id) }
        }
        for id in movable.reversed() {
            let first = users[id.index].map { late[$0.index] }.min() ?? 0
            late[id.index] = max(stage[id.index], first - first % 2)
        }
        func settle() {
            // Operands go along; of those that stay, one lies in memory in place of the value.
            var changes = true
            while changes {
                changes = false
                func move(_ id: ValueID, to level: Int) {
                    guard late[id.index] > level, level >= stage[id.index] else { return }
                    late[id.index] = level
                    changes = true
                }
                for id in movable {
                    let before = own(id).map { late[$0.index] }.filter { $0 < late[id.index] }
                    if before.count > 1 { move(id, to: max(stage[id.index], before.max() ?? 0)) }
                }
                for id in movable.reversed() { for operand in own(id) { move(operand, to: late[id.index]) } }
            }
        }
        settle()
        let overfull = StageFilling.overfull(graph, placement, movable: movable, from: stage, to: late)
        for id in movable where StageFilling.Place(id, placement, late).map(overfull.contains) ?? false { late[id.index] = stage[id.index] }
        if !overfull.isEmpty { settle() }
        stage = late
    }
}
