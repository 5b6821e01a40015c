import RecSource
import RecStream

extension ModelTyper {
    /// Reports each recurrence whose steps have no order: it looks at steps both before and after its own, or at a value
    /// that is known behind its last step only. What closes through a layer is seen only in the graph.
    func checkDirections() {
        let needs = model.values.map { model.operands(of: $0).map(\.index) }
        for component in stronglyConnected(needs) where component.count > 1 {
            let members = Set(component)
            let delays = delays(in: members).sorted { $0.span.start < $1.span.start }
            let passesLayer = component.contains { if case .callOutput = model.values[$0].operation { true } else { false } }
            let elsewhere = component.sorted().first { index in
                if case .along(let operand, _) = model.values[index].operation { members.contains(operand.index) } else { false }
            }
            if let elsewhere, !passesLayer {
                let names = component.sorted().compactMap { model.values[$0].name }
                report(
                    .cycleOverSteps,
                    "\(names.map { "'\($0)'" }.joined(separator: ", ")) depend\(names.count == 1 ? "s" : "") on \(names.count == 1 ? "itself" : "each other") through a reduction over other steps",
                    at: model.values[elsewhere].span, help: "what a recurrence reads of itself is a constant number of steps away: h[t-1], or a window h[t-8:t]")
                continue
            }
            guard !passesLayer, let first = delays.first, !hasOrder(component, inside: []) else { continue }
            let axes = Array(model.axes.indices)
            let names = model.states.filter { members.contains($0.value.index) }.map { "'\($0.name)'" }.joined(separator: ", ")
            if LoopOrder.admitting(delays.map(\.offsets), axes: axes) != nil, let whole = wholeAxis(in: members) {
                report(
                    .bothDirections, "this is known behind the last step of '\(model.axes[whole.axis].name)', and feeds the steps before it",
                    at: model.values[whole.index].span, labels: [Diagnostic.Label(span: first.span, text: "the recurrence of \(names)")],
                    help: "carry it from step to step with a state")
                continue
            }
            let other = delays.first { LoopOrder.admitting([first.offsets, $0.offsets], axes: axes) == nil } ?? delays[delays.count - 1]
            report(
                .bothDirections, "the recurrence of \(names) looks both ways", at: other.span,
                labels: [Diagnostic.Label(span: first.span, text: "and the other way here")],
                help: "use two states, one for each direction")
        }
    }

    /// Whether loops over the axes, one inside the other, can take the steps of these values: as in
    /// `StreamGraph.loopNests`, each loop is carried by delays that all look one way along it.
    private func hasOrder(_ members: [Int], inside loops: [Int]) -> Bool {
        var place: [Int: Int] = [:]
        for (position, index) in members.enumerated() { place[index] = position }
        let needs = members.map { index -> [Int] in
            let value = model.values[index]
            var isCarried = false
            var initial: ValueID?
            if case .primitive(.delay(_, let offsets, let first)) = value.operation {
                (isCarried, initial) = (loops.contains { offsets[$0] != 0 }, first)
            } else if case .window(_, let window) = value.operation {
                (isCarried, initial) = (loops.contains(where: window.isElsewhere), window.initial)
            }
            if isCarried { return initial.flatMap { place[$0.index] }.map { [$0] } ?? [] }
            return model.operands(of: value).compactMap { place[$0.index] }
        }
        return stronglyConnected(needs).allSatisfy { component in
            if component.count == 1, !needs[component[0]].contains(component[0]) { return true }
            let inner = component.map { members[$0] }
            guard let axis = carryingAxis(of: Set(inner), inside: loops) else { return false }
            return hasOrder(inner, inside: loops + [axis])
        }
    }

    private func carryingAxis(of members: Set<Int>, inside loops: [Int]) -> Int? {
        let open = delays(in: members).map(\.offsets).filter { offsets in !loops.contains { offsets[$0] != 0 } }
        let whole = wholeAxis(in: members)?.axis
        return model.axes.indices.first { axis in
            let along = open.map { $0[axis] }
            return axis != whole && !loops.contains(axis) && along.contains { $0 != 0 }
                && (along.allSatisfy { $0 <= 0 } || along.allSatisfy { $0 >= 0 })
        }
    }

    private func delays(in members: Set<Int>) -> [(offsets: [Int], span: SourceSpan)] {
        members.flatMap { index -> [(offsets: [Int], span: SourceSpan)] in
            let value = model.values[index]
            if case .primitive(.delay(let operand, let offsets, _)) = value.operation, members.contains(operand.index) {
                return [(offsets, value.span)]
            }
            if case .window(let operand, let window) = value.operation, members.contains(operand.index) {
                return window.outermost(of: value.shape[0].size).map { ($0, value.span) }
            }
            return []
        }
    }

    /// A value over a whole axis, of a value among these.
    private func wholeAxis(in members: Set<Int>) -> (index: Int, axis: Int)? {
        for index in members.sorted() {
            if case .primitive(.overTime(_, let operand, let axis)) = model.values[index].operation, members.contains(operand.index) {
                return (index, axis)
            }
        }
        return nil
    }
}
