import RecSource
import RecStream

/// A graph taken apart around one recurrence: what the recurrence needs, its steps alone, and all the rest. The three run one after
/// another over whole sequences and hand tensors on, named after their values.
package struct RecurrenceSplit: Sendable {
    /// What is computed for the recurrence, and for whoever reads the same; nil where all of that is given.
    package let before: StreamGraph?
    /// The steps of the recurrence: reads inputs and parameters, and has the states of the recurrence.
    package let cell: StreamGraph
    /// Everything else; nil where nothing is left.
    package let after: StreamGraph?
    /// Whether the recurrence runs from the last step to the first.
    package let isReversed: Bool

    private typealias Names = [ValueID: String]

    /// - Parameters:
    ///   - members: the values of the recurrence.
    ///   - prefix: in front of the names of tensors that are handed on.
    /// - Throws: where the recurrence has no steps of its own.
    package init(_ graph: StreamGraph, around members: [ValueID], prefix: String) throws(FormRefusal) {
        guard graph.axes.count == 1 else { throw FormRefusal(reason: "it runs over \(graph.axes.count) axes", span: nil) }
        let own = Set(members)
        var directions: Set<Bool> = []
        for id in members {
            if case .delay(let operand, let offsets, _) = graph[id].operation, own.contains(operand) { directions.insert(offsets[0] > 0) }
            if case .overTime = graph[id].operation { throw FormRefusal(reason: "its steps need a whole sequence", span: graph[id].span) }
            if case .overBatch = graph[id].operation { throw FormRefusal(reason: "its steps need all sequences", span: graph[id].span) }
            if graph[id].element == .complex { throw FormRefusal(reason: "it is complex", span: graph[id].span) }
            if !graph[id].variance.batch { throw FormRefusal(reason: "no input reaches it, so that it is the same for all sequences", span: graph[id].span) }
        }
        isReversed = directions.contains(true)
        var names: Names = [:]
        func handOn(_ id: ValueID) { names[id] = "\(prefix)\(id)" }
        // What the recurrence reads of others.
        var read: Set<ValueID> = []
        for id in members { for operand in graph[id].operation.operands where !own.contains(operand) { read.insert(operand) } }
        for state in graph.states where own.contains(state.value) { if let initial = state.initial { read.insert(initial) } }
        for id in read where !graph[id].operation.isGiven { handOn(id) }
        // What others read of the recurrence.
        var results: Set<ValueID> = []
        for id in graph.ids where !own.contains(id) { results.formUnion(graph[id].operation.operands.filter(own.contains)) }
        results.formUnion((graph.outputs + graph.losses).map(\.value).filter(own.contains))
        for id in results { handOn(id) }

        cell = Self.cell(graph, own, read, results, names)
        var roots = read.filter { names[$0] != nil }
        before = roots.isEmpty ? nil : Self.part(graph, "what '\(prefix)' needs", computing: roots, given: [:]) { result, new in
            for id in roots.sorted() { if let value = new[id], let name = names[id] { result.outputs.append(StreamGraph.Output(name: name, value: value)) } }
        }
        let kept = graph.states.filter { !own.contains($0.value) }
        roots = Set((graph.outputs + graph.losses + graph.folds.flatMap(Self.outputs)).map(\.value) + kept.flatMap { [$0.value] + ($0.initial.map { [$0] } ?? []) })
        // A stream that is the same for all sequences is no input; it is computed again.
        let given = names.filter { graph[$0.key].variance.batch || graph[$0.key].variance.isStatic }
        after = roots.isEmpty ? nil : Self.part(graph, graph.name, computing: roots, given: given) { result, new in
            func moved(_ outputs: [StreamGraph.Output]) -> [StreamGraph.Output] {
                outputs.compactMap { output in new[output.value].map { StreamGraph.Output(name: output.name, value: $0, span: output.span) } }
            }
            result.outputs = moved(graph.outputs)
            result.losses = moved(graph.losses)
            for state in kept {
                guard let value = new[state.value] else { continue }
                result.states.append(StreamGraph.State(name: state.name, value: value, initial: state.initial.flatMap { new[$0] }, span: state.span))
            }
            for fold in graph.folds {
                var fold = fold
                let (elements, states) = (fold.elements.compactMap { new[$0] }, fold.states.compactMap { new[$0] })
                guard elements.count == fold.elements.count, states.count == fold.states.count else { continue }
                (fold.elements, fold.states) = (elements, states)
                result.folds.append(fold)
            }
        }
    }

    private static func outputs(of fold: StreamGraph.Fold) -> [StreamGraph.Output] { fold.states.map { StreamGraph.Output(name: "", value: $0) } }

    /// The graph of some values with all they are computed from, down to what is given by a name.
    private static func part(
        _ graph: StreamGraph, _ name: String, computing roots: Set<ValueID>, given: Names,
        finish: (inout StreamGraph, [ValueID: ValueID]) -> Void
    ) -> StreamGraph {
        var needed: Set<ValueID> = []
        var rest = Array(roots)
        while let id = rest.popLast() {
            guard needed.insert(id).inserted, given[id] == nil else { continue }
            rest += graph[id].operation.operands
        }
        var result = StreamGraph(name: name, axes: graph.axes)
        var new: [ValueID: ValueID] = [:]
        for (k, id) in needed.sorted().enumerated() { new[id] = ValueID(k) }
        for id in needed.sorted() {
            var value = graph[id]
            if let name = given[id] {
                value.operation = Self.given(name, value.variance)
                value.name = nil
            } else {
                value.operation = value.operation.mapOperands { new[$0] ?? $0 }
            }
            _ = result.add(value)
        }
        finish(&result, new)
        return result.ordered()
    }

    private static func given(_ name: String, _ variance: Variance) -> Operation {
        variance.isStatic ? .parameter(ParameterInfo(path: name, isTrained: false, initializer: .zeros)) : .input(name: name, fallback: nil)
    }

    /// The recurrence alone; what it reads is given.
    private static func cell(
        _ graph: StreamGraph, _ own: Set<ValueID>, _ read: Set<ValueID>, _ results: Set<ValueID>, _ names: Names
    ) -> StreamGraph {
        var result = StreamGraph(name: "\(graph.name), a recurrence", axes: graph.axes)
        var new: [ValueID: ValueID] = [:]
        let all = own.union(read).sorted()
        for (k, id) in all.enumerated() { new[id] = ValueID(k) }
        for id in all {
            var value = graph[id]
            if let name = names[id], read.contains(id) {
                value.operation = given(name, value.variance)
                value.name = nil
                if value.variance.isStream { value.variance.batch = true }
            } else {
                value.operation = value.operation.mapOperands { new[$0] ?? $0 }
                // Windows go from the first step to the last; their inputs are turned round.
                if case .delay(let operand, let offsets, let initial) = value.operation {
                    value.operation = .delay(operand, offsets: offsets.map { -abs($0) }, initial: initial)
                }
            }
            _ = result.add(value)
        }
        for state in graph.states {
            guard own.contains(state.value), let value = new[state.value] else { continue }
            result.states.append(StreamGraph.State(name: state.name, value: value, initial: state.initial.flatMap { new[$0] }, span: state.span))
        }
        for id in results.sorted() {
            if let value = new[id], let name = names[id] { result.outputs.append(StreamGraph.Output(name: name, value: value)) }
        }
        return result.ordered()
    }
}

extension Operation {
    /// Whether it stands for data or a number, which any part may have for itself.
    fileprivate var isGiven: Bool {
        switch self {
        case .input, .parameter, .constant: true
        case .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window, .gather, .scatter,
            .delay, .overTime, .overBatch, .chunks, .steps, .runningAffine, .solve:
            false
        }
    }
}
