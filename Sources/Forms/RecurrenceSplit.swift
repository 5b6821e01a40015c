import RecSource
import RecStream

/// A graph taken apart around one recurrence: what the recurrence needs, its steps with what is computed of them at the same step, and
/// all the rest. The three run one after another over whole sequences and hand tensors on, named after their values.
package struct RecurrenceSplit: Sendable {
    /// What is computed for the recurrence, and for whoever reads the same; nil where all of that is given.
    package let before: StreamGraph?
    /// The steps of the recurrence: reads inputs and parameters, and has the states of the recurrence.
    package let cell: StreamGraph
    /// Everything else; nil where nothing is left.
    package let after: StreamGraph?
    /// Whether the recurrence runs from the last step to the first.
    package let isReversed: Bool
    /// Whether the elements of a step do not meet, in the recurrence and in what is computed with it.
    package let isLaneWise: Bool
    /// Outputs of the whole graph that are handed on as they are, by name: the name of the tensor. No part computes them.
    package let handedOn: [String: String]

    /// What is computed with a recurrence, step by step.
    package enum Reach: Sendable {
        /// What is computed for it and of it at the same step, so that no stream of that goes through memory.
        case neighbours
        /// The recurrence alone, for steps that are computed several times.
        case alone
    }

    /// In front of the names that inputs and states of the cell have in the whole graph, so that what is carried can have names of its own.
    package static let mark = "="

    private typealias Names = [ValueID: String]

    /// - Parameters:
    ///   - members: the values of the recurrence.
    ///   - prefix: in front of the names of tensors that are handed on.
    /// - Throws: where the recurrence has no steps of its own.
    package init(_ graph: StreamGraph, around members: [ValueID], reach: Reach = .neighbours, prefix: String) throws(FormRefusal) {
        guard graph.axes.count == 1 else { throw FormRefusal(reason: "it runs over \(graph.axes.count) axes", span: nil) }
        let recurrence = Set(members)
        var directions: Set<Bool> = []
        for id in members {
            if case .delay(let operand, let offsets, _) = graph[id].operation, recurrence.contains(operand) { directions.insert(offsets[0] > 0) }
            if case .overTime = graph[id].operation { throw FormRefusal(reason: "its steps need a whole sequence", span: graph[id].span) }
            if case .overBatch = graph[id].operation { throw FormRefusal(reason: "its steps need all sequences", span: graph[id].span) }
            if graph[id].element == .complex { throw FormRefusal(reason: "it is complex", span: graph[id].span) }
            if !graph[id].variance.batch { throw FormRefusal(reason: "no input reaches it, so that it is the same for all sequences", span: graph[id].span) }
        }
        isReversed = directions.contains(true)
        isLaneWise = members.allSatisfy { graph[$0].operation.isLaneWise || graph[$0].operation.isDelay }
        let own = Self.withNeighbours(recurrence, in: graph, reach, isLaneWise: isLaneWise)
        var names: Names = [:]
        func handOn(_ id: ValueID) { names[id] = "\(prefix)\(id)" }
        // What the steps read of others.
        var read: Set<ValueID> = []
        for id in own { for operand in graph[id].operation.operands where !own.contains(operand) { read.insert(operand) } }
        for state in graph.states where own.contains(state.value) { if let initial = state.initial, !own.contains(initial) { read.insert(initial) } }
        for id in read where !graph[id].operation.isGiven { handOn(id) }
        // What others read of the steps.
        var results: Set<ValueID> = []
        for id in graph.ids where !own.contains(id) { results.formUnion(graph[id].operation.operands.filter(own.contains)) }
        results.formUnion((graph.outputs + graph.losses).map(\.value).filter(own.contains))
        results = results.filter { graph[$0].variance.isStream && graph[$0].variance.batch && !graph[$0].operation.isGiven }
        for id in results { handOn(id) }

        cell = Self.cell(graph, own, read, results, names)
        var roots = read.filter { names[$0] != nil }
        // States end where they are computed: what is handed on does not say which way it was computed.
        let needed = Self.closure(of: roots, in: graph, given: [:])
        let early = graph.states.filter { needed.contains($0.value) }
        func moving(_ states: [StreamGraph.State], _ new: [ValueID: ValueID]) -> [StreamGraph.State] {
            states.compactMap { state in
                new[state.value].map { StreamGraph.State(name: state.name, value: $0, initial: state.initial.flatMap { new[$0] }, span: state.span) }
            }
        }
        before = roots.isEmpty ? nil : Self.part(graph, "what '\(prefix)' needs", computing: roots.union(early.compactMap(\.initial)), given: [:]) { result, new in
            for id in roots.sorted() { if let value = new[id], let name = names[id] { result.outputs.append(StreamGraph.Output(name: name, value: value)) } }
            result.states = moving(early, new)
        }
        let kept = graph.states.filter { !own.contains($0.value) && !needed.contains($0.value) }
        // A tensor that is there need not be copied.
        let isThere = graph.outputs.filter { names[$0.value] != nil && graph[$0.value].variance.isStream && graph[$0.value].variance.batch }
        handedOn = Dictionary(isThere.compactMap { output in names[output.value].map { (output.name, $0) } }) { a, _ in a }
        let computed = graph.outputs.filter { [handedOn] output in handedOn[output.name] == nil }
        roots = Set((computed + graph.losses + graph.folds.flatMap(Self.outputs)).map(\.value) + kept.flatMap { [$0.value] + ($0.initial.map { [$0] } ?? []) })
        // A stream that is the same for all sequences is no input; it is computed again.
        let given = names.filter { graph[$0.key].variance.batch || graph[$0.key].variance.isStatic }
        after = roots.isEmpty ? nil : Self.part(graph, graph.name, computing: roots, given: given) { result, new in
            func moved(_ outputs: [StreamGraph.Output]) -> [StreamGraph.Output] {
                outputs.compactMap { output in new[output.value].map { StreamGraph.Output(name: output.name, value: $0, span: output.span) } }
            }
            result.outputs = moved(computed)
            result.losses = moved(graph.losses)
            result.states = moving(kept, new)
            for fold in graph.folds {
                var fold = fold
                let (elements, states) = (fold.elements.compactMap { new[$0] }, fold.states.compactMap { new[$0] })
                guard elements.count == fold.elements.count, states.count == fold.states.count else { continue }
                (fold.elements, fold.states) = (elements, states)
                result.folds.append(fold)
            }
        }
    }

    /// The recurrence, with what else is computed step by step with it.
    ///
    /// - Parameter isLaneWise: whether only what keeps elements apart is taken along.
    private static func withNeighbours(_ recurrence: Set<ValueID>, in graph: StreamGraph, _ reach: Reach, isLaneWise: Bool) -> Set<ValueID> {
        var own = recurrence
        var isRecurrent: Set<ValueID> = []
        for component in components(of: graph) where component.isRecurrence { isRecurrent.formUnion(component.members) }
        let states = Set(graph.states.map(\.value))
        func isTaken(_ id: ValueID) -> Bool {
            let operation = graph[id].operation
            return !isRecurrent.contains(id) && !states.contains(id) && (isLaneWise ? operation.isLaneWise : operation.isOfOneStep)
                && (graph[id].variance.isStatic || reach == .neighbours && graph[id].variance.batch)
        }
        // What is computed of the recurrence, and then all that any of these needs.
        let following = graph.following(recurrence)
        for id in graph.ids where isTaken(id) {
            let operands = graph[id].operation.operands
            guard operands.contains(where: own.contains), operands.allSatisfy({ own.contains($0) || !following.contains($0) }) else { continue }
            own.insert(id)
        }
        var rest = Array(own)
        while let id = rest.popLast() {
            for operand in graph[id].operation.operands where !own.contains(operand) && isTaken(operand) {
                own.insert(operand)
                rest.append(operand)
            }
        }
        return own
    }

    private static func outputs(of fold: StreamGraph.Fold) -> [StreamGraph.Output] { fold.states.map { StreamGraph.Output(name: "", value: $0) } }

    /// The graph of some values with all they are computed from, down to what is given by a name.
    private static func part(
        _ graph: StreamGraph, _ name: String, computing roots: Set<ValueID>, given: Names,
        finish: (inout StreamGraph, [ValueID: ValueID]) -> Void
    ) -> StreamGraph {
        let needed = closure(of: roots, in: graph, given: given)
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

    /// Some values with all they are computed from, down to what is given.
    private static func closure(of roots: Set<ValueID>, in graph: StreamGraph, given: Names) -> Set<ValueID> {
        var result: Set<ValueID> = []
        var rest = Array(roots)
        while let id = rest.popLast() {
            guard result.insert(id).inserted, given[id] == nil else { continue }
            rest += graph[id].operation.operands
        }
        return result
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
                value.operation = given(value.variance.isStatic ? name : mark + name, value.variance)
                value.name = nil
                if value.variance.isStream { value.variance.batch = true }
            } else {
                value.operation = value.operation.mapOperands { new[$0] ?? $0 }
                if case .input(let name, let fallback) = value.operation { value.operation = .input(name: mark + name, fallback: fallback) }
                // Windows go from the first step to the last; their inputs are turned round.
                if case .delay(let operand, let offsets, let initial) = value.operation {
                    value.operation = .delay(operand, offsets: offsets.map { -abs($0) }, initial: initial)
                }
            }
            _ = result.add(value)
        }
        for state in graph.states {
            guard own.contains(state.value), let value = new[state.value] else { continue }
            result.states.append(StreamGraph.State(name: mark + state.name, value: value, initial: state.initial.flatMap { new[$0] }, span: state.span))
        }
        for id in results.sorted() {
            if let value = new[id], let name = names[id] { result.outputs.append(StreamGraph.Output(name: name, value: value)) }
        }
        return result.ordered()
    }
}

extension StreamGraph {
    /// All that depends on these values, at whatever step, and they themselves.
    func following(_ values: Set<ValueID>) -> Set<ValueID> {
        var readers = [[ValueID]](repeating: [], count: self.values.count)
        for id in ids { for operand in self[id].operation.operands { readers[operand.index].append(id) } }
        var result = values
        var rest = Array(values)
        while let id = rest.popLast() { for reader in readers[id.index] where result.insert(reader).inserted { rest.append(reader) } }
        return result
    }
}

extension Operation {
    /// Whether it stands for data or a number, which any part may have for itself.
    fileprivate var isGiven: Bool {
        switch self {
        case .input, .parameter, .constant: true
        case .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window, .gather, .scatter,
            .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            false
        }
    }

    var isDelay: Bool { if case .delay = self { true } else { false } }

    /// Whether it follows from the same step alone, and no element meets another.
    fileprivate var isLaneWise: Bool {
        switch self {
        // Steps of a window are counted from its beginning.
        case .unary(.numbered, _): false
        case .input, .parameter, .constant, .unary, .binary, .select, .broadcast, .rename: true
        case .contract, .reduce, .reshape, .slice, .concat, .pad, .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps,
            .runningAffine, .solve:
            false
        }
    }

    /// Whether it follows from the same step alone.
    fileprivate var isOfOneStep: Bool {
        switch self {
        case .unary(.numbered, _): false
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad,
            .window, .gather, .scatter:
            true
        case .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve: false
        }
    }
}
