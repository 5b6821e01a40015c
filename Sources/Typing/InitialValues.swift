import RecSource
import RecStream
import RecSyntax

/// What a state is before the first step: one value for all steps before it, or a list, `state h: [H] = [a, b]`, of which the first is the
/// value one step before the first, the second the one before that, and the last stands for all earlier ones.
extension ModelTyper {
    /// The initial values of a state, from the most recent backwards; none where none is written.
    func initialValues(of state: DeclaredState) throws -> [ValueID] {
        guard let initial = state.initial else { return [] }
        guard case .array(let items) = initial.kind else { return [try initialValue(initial, of: state)] }
        guard let first = items.first else {
            throw report(
                .wrongArgument, "the list of initial values of '\(state.name.text)' is empty", at: initial.span,
                help: "without '=' the state is 0 before the first step")
        }
        guard model.axes.count == 1 else {
            throw report(
                .unsupported, "several initial values belong to a model over one axis; '\(model.name)' runs over \(model.axes.count)", at: initial.span,
                help: "give one value: \(sources.text(of: first.span))")
        }
        let values = items.map { item in Result { try initialValue(item, of: state) } }
        return try values.map { try $0.get() }
    }

    /// Reports initial values that nothing reads. False where there are some.
    func areRead(_ initials: [ValueID], of state: DeclaredState) -> Bool {
        guard initials.count > 1, case .array(let items)? = state.initial?.kind else { return true }
        if let window = state.delays.first(where: { if case .window = model[$0].operation { true } else { false } }) {
            report(
                .unsupported, "a window or a convolution over time of '\(state.name.text)', which has several initial values", at: model[window].span,
                help: "give it one initial value, or read its steps one by one")
            return false
        }
        let back = state.delays.map { delay in
            guard case .primitive(.delay(_, let offsets, _)) = model[delay].operation else { return 0 }
            return abs(offsets[0])
        }.max() ?? 0
        guard items.count > back else { return true }
        let numbers = items.map { sources.text(of: $0.span) }.joined(separator: ", ")
        report(
            .wrongArgument, "nothing reads '\(state.name.text)' \(items.count) steps back, where this initial value stands", at: items[items.count - 1].span,
            help: initials.allSatisfy { isScalar($0) } && !state.type.shape.isEmpty
                ? "values of different steps stand in a list, the last step first; the elements of a vector are concat(\(numbers))"
                : "it is read \(back) step\(back == 1 ? "" : "s") back at most: leave out what is behind that")
        return false
    }

    /// Whether an initial value was written as a number, and fills the shape of its state.
    private func isScalar(_ value: ValueID) -> Bool {
        guard case .primitive(.broadcast(let source, _)) = model[value].operation else { return model[value].shape.isEmpty }
        return model[source].shape.isEmpty
    }

    /// Completes the delays of a state with several initial values. They stand in a chain of single steps, each with a start of its own:
    /// what is read two steps back is, one step later, what was read one step back. Returns the delays that read the state itself.
    func delays(of index: Int, at value: ValueID, from initials: [ValueID]) -> [ValueID] {
        let state = states[index]
        var own: [ValueID] = []
        // The links of the chain for each way along the axis; a state that looks both ways is a mistake, which is told elsewhere.
        var chains: [Int: [ValueID]] = [:]
        func link(_ back: Int, _ way: Int) -> ValueID {
            let time = model.axes[0].name
            while chains[way, default: []].count < back {
                let links = chains[way, default: []]
                let typed = model[value]
                let next = add(
                    .primitive(.delay(links.last ?? value, offsets: [way], initial: initials[links.count])), typed.element, typed.shape, state.axes,
                    state.name.span, named: "\(state.name.text)[\(time)\(way < 0 ? "-" : "+")\(links.count + 1)]")
                if links.isEmpty { own.append(next) }
                chains[way, default: []].append(next)
            }
            return chains[way, default: []][back - 1]
        }
        for delay in state.delays {
            guard case .primitive(.delay(_, let offsets, _)) = model[delay].operation else { continue }
            let (back, way) = (abs(offsets[0]), offsets[0].signum())
            if back == 1 { own.append(delay) }
            // Behind the last of the list, one step for each of its values but the last.
            let links = min(back, initials.count) - 1
            let operand = links == 0 ? value : link(links, way)
            model.values[delay.index].operation = .primitive(
                .delay(operand, offsets: [way * (back - links)], initial: initials[links]))
        }
        return own
    }
}
