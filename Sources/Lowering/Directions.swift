import RecSource
import RecStream

/// Checks that every recurrence can be run: no cycle within a step, and an order of the steps in which every delay looks
/// back.
func checkDirections(of graph: StreamGraph) throws(DiagnosticList) {
    var problems: [Diagnostic] = []
    for component in components(of: graph) where component.isRecurrence {
        let members = Set(component.members)
        if let cycle = instantCycle(in: graph, members) {
            problems.append(cycle)
            continue
        }
        // What runs over a whole axis is known only behind it, so it cannot feed the steps that it is made of.
        let whole = component.members.first { member in
            if case .overTime = graph[member].operation { true } else { false }
        }
        if let whole {
            problems.append(
                Diagnostic(
                    .unsupported, "this runs over a whole axis, and its result feeds the recurrence that it runs over",
                    at: graph[whole].span, help: "carry it from step to step with a state"))
            continue
        }
        let delays = component.members.filter { member in
            if case .delay(let operand, _, _) = graph[member].operation { return members.contains(operand) }
            return false
        }
        let offsets = delays.compactMap { delay -> [Int]? in
            if case .delay(_, let offsets, _) = graph[delay].operation { return offsets }
            return nil
        }
        guard LoopOrder.admitting(offsets, axes: Array(graph.axes.indices)) == nil else { continue }
        let back = delays.first { delay in
            if case .delay(_, let offsets, _) = graph[delay].operation { return (offsets.first { $0 != 0 } ?? 0) < 0 }
            return false
        }
        let ahead = delays.first { $0 != back }
        let names = component.members.compactMap { graph[$0].name }.filter { name in graph.states.contains { $0.name == name } }
        var labels: [Diagnostic.Label] = []
        if let span = ahead.flatMap({ graph[$0].span }) { labels.append(Diagnostic.Label(span: span, text: "and the other way here")) }
        problems.append(
            Diagnostic(
                .bothDirections, "the recurrence of \(names.map { "'\($0)'" }.joined(separator: ", ")) looks both ways",
                at: back.flatMap { graph[$0].span }, labels: labels,
                help: "use two states, one for each direction"))
    }
    if !problems.isEmpty { throw DiagnosticList(problems) }
}

/// A cycle among instant operands, which can only close through a layer.
private func instantCycle(in graph: StreamGraph, _ members: Set<ValueID>) -> Diagnostic? {
    var done: Set<ValueID> = []
    for member in members.sorted() {
        // Values are in order, so an instant operand that comes later closes a cycle.
        for operand in graph[member].operation.instantOperands where members.contains(operand) && !done.contains(operand) {
            let names = [graph[operand].name, graph[member].name].compactMap { $0 }.map { "'\($0)'" }
            return Diagnostic(
                .instantCycle, "a layer's result feeds its own input at the same step: \(names.joined(separator: " → "))",
                at: graph[member].span, help: "put a delay into the loop")
        }
        done.insert(member)
    }
    return nil
}
