import RecStream

/// Which values are written to memory. All others are computed inside the loops that use them.
struct Roots {
    let isRoot: [Bool]

    init(_ graph: StreamGraph, placement: Placement, staging: Staging) {
        var isRoot = [Bool](repeating: false, count: graph.values.count)
        let costs = InlineCost(graph, placement)
        func mark(_ id: ValueID) { isRoot[id.index] = true }

        for output in graph.outputs + graph.losses { mark(output.value) }
        for state in graph.states {
            mark(state.value)
            if let initial = state.initial { mark(initial) }
        }
        for id in graph.ids {
            let operation = graph[id].operation
            if !operation.isPointwise || staging.products[id] != nil { mark(id) }
            if case .reshape = operation { isRoot[id.index] = false }
            for operand in operation.operands where Self.crosses(from: operand, to: id, placement, staging) {
                // A view of what is computed once lies in memory already.
                mark(graph[operand].variance.isStream ? operand : Self.viewed(operand, in: graph, isRoot: isRoot))
            }
            switch operation {
            case .reshape(let operand): if !graph.isRegrouping(id) { mark(operand) }
            case .gather(let table, _): mark(table)
            case .delay(let operand, _, let initial):
                mark(operand)
                if let initial { mark(initial) }
            case .broadcast(let operand, _) where graph[id].shape.elementCount > graph[operand].shape.elementCount,
                .window(let operand, _, _):
                if costs.isDear[operand.index] { mark(operand) }
            case .contract(let contraction):
                // What is dear is not computed again for every element that it weighs.
                for (labels, operand) in [(contraction.leftLabels, contraction.left), (contraction.rightLabels, contraction.right)]
                where costs.isDear[operand.index] && !Set(contraction.resultLabels).isSubset(of: labels) { mark(operand) }
            case .input, .parameter, .constant, .unary, .binary, .select, .reduce, .broadcast, .rename, .slice,
                .concat, .pad, .scatter, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                break
            }
        }
        // What a product reads must lie in memory behind a chain of views.
        for (product, shape) in staging.products {
            mark(Self.viewed(shape.weight, in: graph, isRoot: isRoot))
            let seen = Self.viewed(shape.input, in: graph, isRoot: isRoot)
            if case .delay(let operand, _, _) = graph[seen].operation, staging.stage[product.index] % 2 == 1,
                !Self.crosses(from: operand, to: product, placement, staging)
            {
                continue  // The ring of the recurrence is read in place.
            }
            mark(seen)
        }
        for (_, shape) in staging.totals {
            mark(Self.viewed(shape.left, in: graph, isRoot: isRoot))
            mark(Self.viewed(shape.right, in: graph, isRoot: isRoot))
        }
        // A reshape is another view of memory; as an output or delayed it must be written itself.
        let users = graph.users
        let kept = Set((graph.outputs + graph.losses).map(\.value) + graph.states.flatMap { [$0.value] + ($0.initial.map { [$0] } ?? []) })
        for id in graph.ids {
            guard case .reshape = graph[id].operation else { continue }
            let isRead = users[id.index].contains { user in
                switch graph[user].operation {
                case .delay, .reshape: return true
                case .gather(let table, _): return table == id
                case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .slice, .concat,
                    .pad, .window, .scatter, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                    return Self.crosses(from: id, to: user, placement, staging)
                }
            }
            if isRead || kept.contains(id) { mark(id) }
        }
        for id in graph.ids {
            switch graph[id].operation {
            case .input, .parameter, .constant: isRoot[id.index] = false
            case .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat,
                .pad, .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                break
            }
        }
        for part in staging.totals.values.flatMap(\.unwritten) { isRoot[part.index] = false }
        for (_, scatter) in staging.scattered { isRoot[scatter.index] = false }
        self.isRoot = isRoot
    }

    /// Whether a value is used in another segment or stage than it is computed in.
    static func crosses(from operand: ValueID, to user: ValueID, _ placement: Placement, _ staging: Staging) -> Bool {
        guard let made = placement.segment[operand.index] else { return false }
        return made != placement.segment[user.index] || staging.stage[operand.index] != staging.stage[user.index]
    }

    /// The value whose memory a chain of views reads.
    static func viewed(_ id: ValueID, in graph: StreamGraph, isRoot: [Bool]) -> ValueID {
        var id = id
        while !isRoot[id.index] {
            switch graph[id].operation {
            case .broadcast(let operand, _), .rename(let operand), .slice(let operand, _, _, _),
                .window(let operand, _, _), .reshape(let operand):
                id = operand
            case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .concat, .pad, .gather,
                .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                return id
            }
        }
        return id
    }
}
