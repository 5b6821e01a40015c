import RecSource
import RecStream

extension ModelTyper {
    /// Reports each recurrence that looks at steps both before and after its own. What closes through a layer is seen
    /// only in the graph.
    func checkDirections() {
        let needs = model.values.map { operands(of: $0).map(\.index) }
        for component in stronglyConnected(needs) where component.count > 1 {
            let members = Set(component)
            var delays: [(offsets: [Int], span: SourceSpan)] = []
            var passesLayer = false
            for index in component {
                switch model.values[index].operation {
                case .primitive(.delay(let operand, let offsets, _)) where members.contains(operand.index):
                    delays.append((offsets, model.values[index].span))
                case .callOutput: passesLayer = true
                case .primitive, .parameter, .dim, .slice, .pad, .pick: break
                }
            }
            delays.sort { $0.span.start < $1.span.start }
            let axes = Array(model.axes.indices)
            guard !passesLayer, let first = delays.first, LoopOrder.admitting(delays.map(\.offsets), axes: axes) == nil else {
                continue
            }
            let other = delays.first { LoopOrder.admitting([first.offsets, $0.offsets], axes: axes) == nil } ?? delays[delays.count - 1]
            let names = model.states.filter { members.contains($0.value.index) }.map { "'\($0.name)'" }
            report(
                .bothDirections, "the recurrence of \(names.joined(separator: ", ")) looks both ways", at: other.span,
                labels: [Diagnostic.Label(span: first.span, text: "and the other way here")],
                help: "use two states, one for each direction")
        }
    }

    private func operands(of value: TypedValue) -> [ValueID] {
        switch value.operation {
        case .primitive(let operation): operation.operands
        case .parameter, .dim: []
        case .slice(let operand, _, _, _), .pad(let operand, _, _, _, _): [operand]
        case .pick(let rows, let index): [rows, index]
        case .callOutput(let call, _): model.calls[call].inputs.values.sorted()
        }
    }
}
