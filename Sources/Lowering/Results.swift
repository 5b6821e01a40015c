import RecSource
import RecStream
import RecTyping

/// What a model gives and what it remembers, in the graph.
extension Lowering {
    /// Writes down what a model gives, its states, folds and promises.
    mutating func record(
        _ model: TypedModel, _ lowered: [ValueID?], _ rows: [Int: [ValueID]], _ results: [ValueID?], path: String, dims: [String: Int], isMain: Bool
    ) {
        let taken = Set(graph.folds.flatMap(\.states) + model.folds.flatMap { $0.states.compactMap { lowered[$0.index] } })
        for state in model.states {
            guard var value = lowered[state.value.index] else { continue }
            let delays = state.delays.flatMap { id in rows[id.index] ?? lowered[id.index].map { [$0] } ?? [] }
            if taken.contains(value) || graph.states.contains(where: { $0.value == value }) {
                value = copy(value)
                for delay in delays { read(value, by: delay) }
            }
            ownDelays.formUnion(delays)
            let initial = state.initial.flatMap { lowered[$0.index] }
            if let initial, graph[initial].variance.isStream {
                fail(.unsupported, "what '\(path + state.name)' begins with differs from step to step here, as what its layer is given does", state.span)
            }
            graph.states.append(
                StreamGraph.State(name: path + state.name, value: value, initial: initial, span: state.span))
        }
        for fold in model.folds {
            var inner = Lowering(program, graph: StreamGraph(name: fold.monoid, axes: []))
            inner.inline(fold.combine, dims: dims, path: "", inputs: nil, axes: [])
            guard let combine = try? inner.finish() else { continue }
            graph.folds.append(
                StreamGraph.Fold(
                    monoid: fold.monoid, fields: fold.fields, elements: fold.elements.compactMap { lowered[$0.index] },
                    states: fold.states.compactMap { lowered[$0.index] }, combine: combine, identity: fold.identity,
                    span: fold.span))
        }
        for requirement in model.requirements {
            var full = requirement
            full.state = path + requirement.state
            graph.requirements.append(full)
        }
        if isMain {
            for output in outputs(model.outputs, results) { graph.outputs.append(perSequence(output)) }
            graph.losses = outputs(model.losses, lowered)
        }
    }

    /// The same value once more: each state has a value of its own, whose delays begin with what the state begins with.
    private mutating func copy(_ id: ValueID) -> ValueID {
        var value = graph[id]
        value.operation = .rename(id)
        return graph.add(value)
    }

    private mutating func read(_ value: ValueID, by delay: ValueID) {
        guard case .delay(_, let offsets, let initial) = graph[delay].operation else { return }
        graph[delay].operation = .delay(value, offsets: offsets, initial: initial)
    }

    /// Lets what is read at another step by another name than the state's, or from outside of its layer, be another value: it is 0
    /// before the first step, whatever the state is.
    mutating func separateStates() {
        let states = Set(graph.states.map(\.value))
        var copies: [ValueID: ValueID] = [:]
        for id in graph.ids where !ownDelays.contains(id) {
            guard case .delay(let operand, _, _) = graph[id].operation, states.contains(operand) else { continue }
            let copy = copies[operand] ?? copy(operand)
            copies[operand] = copy
            read(copy, by: id)
        }
    }

    private func outputs(_ typed: [TypedOutput], _ lowered: [ValueID?]) -> [StreamGraph.Output] {
        typed.compactMap { output in
            lowered[output.value.index].map { StreamGraph.Output(name: output.name, value: $0, span: output.span) }
        }
    }

    /// An output is given for each sequence, also where it is the same for all; not so the results of an operator.
    private mutating func perSequence(_ output: StreamGraph.Output) -> StreamGraph.Output {
        var value = graph[output.value]
        guard !value.variance.batch, !graph.axes.isEmpty else { return output }
        value.operation = .rename(output.value)
        value.variance = .once
        return StreamGraph.Output(name: output.name, value: graph.add(value), span: output.span)
    }
}
