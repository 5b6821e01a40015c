import RecSource
import RecStream

/// Checks that the steps of every recurrence have an order: loops over the axes in which every delay looks back.
package func checkDirections(of graph: StreamGraph) throws(DiagnosticList) {
    var problems: [Diagnostic] = []
    func visit(_ nest: LoopNest) {
        switch nest {
        case .value: break
        case .loop(_, let body): body.forEach(visit)
        case .impossible(let members): problems.append(mistake(in: graph, members.sorted()))
        }
    }
    graph.loopNests.forEach(visit)
    if !problems.isEmpty { throw DiagnosticList(problems) }
}

/// Checks that there is code for the steps of every recurrence, in sweeps over the axes or with one of them as a dim of each step.
package func checkCode(of graph: StreamGraph) throws(DiagnosticList) {
    guard graph.axisToUnfold == nil else { return }
    try checkSweeps(of: graph)
}

/// Checks that compiled code can take the steps of every recurrence. It does so in one sweep over the axes, in one order;
/// the interpreter nests loops, so that a value over a whole inner axis may feed the next step of the outer one.
package func checkSweeps(of graph: StreamGraph) throws(DiagnosticList) {
    var problems: [Diagnostic] = []
    if graph.dataAxes.count > 2 {
        problems.append(
            Diagnostic(
                .unsupported, "'\(graph.name)' runs over \(graph.dataAxes.count) axes, and code over two, with a third as rows of each step where inputs and outputs have it last: only the interpreter can run it", at: nil,
                help: Diagnostic.interpretingHelp))
    }
    for component in components(of: graph) where component.isRecurrence {
        let delays = delays(in: graph, component.members)
        var reason: String?
        var place: ValueID?
        if let whole = wholeAxis(in: graph, component.members) {
            reason = "this is known behind a sweep over '\(graph.axes[whole.axis].name)', and the recurrence of \(states(in: graph, component.members)) goes on from it"
            place = whole.value
        } else if LoopOrder.admitting(delays.map(\.offsets), axes: Array(graph.axes.indices)) == nil {
            reason = "the recurrence of \(states(in: graph, component.members)) takes several sweeps, one inside another"
            place = delays.first?.value
        }
        guard let reason else { continue }
        problems.append(
            Diagnostic(
                .unsupported, "\(reason): only the interpreter can run it", at: place.flatMap { graph[$0].span },
                help: Diagnostic.interpretingHelp))
    }
    if !problems.isEmpty { throw DiagnosticList(problems) }
}

/// What is wrong with values whose steps have no order.
private func mistake(in graph: StreamGraph, _ members: [ValueID]) -> Diagnostic {
    let all = Set(members)
    let elsewhere = members.first { member in
        if case .along(let operand, _) = graph[member].operation { all.contains(operand) } else { false }
    }
    if let elsewhere {
        let names = members.compactMap { graph[$0].name }.map { "'\($0)'" }
        return Diagnostic(
            .cycleOverSteps, "what is read here depends on itself through a reduction over other steps\(names.isEmpty ? "" : ": \(names.joined(separator: " → "))")",
            at: graph[elsewhere].span, help: "what a recurrence reads of itself is a constant number of steps away: h[t-1], or a window h[t-8:t]")
    }
    if let whole = wholeAxis(in: graph, members) {
        return Diagnostic(
            .bothDirections, "this is known behind the last step of '\(graph.axes[whole.axis].name)', and feeds the steps before it",
            at: graph[whole.value].span, help: "carry it from step to step with a state")
    }
    if let cycle = instantCycle(in: graph, members) { return cycle }
    let delays = delays(in: graph, members)
    let back = delays.first { ($0.offsets.first { $0 != 0 } ?? 0) < 0 } ?? delays.first
    let ahead = delays.first { $0.value != back?.value }
    var labels: [Diagnostic.Label] = []
    if let span = ahead.flatMap({ graph[$0.value].span }) { labels.append(Diagnostic.Label(span: span, text: "and the other way here")) }
    return Diagnostic(
        .bothDirections, "the recurrence of \(states(in: graph, members)) looks both ways", at: back.flatMap { graph[$0.value].span },
        labels: labels, help: "use two states, one for each direction")
}

/// The names of the states among some values.
private func states(in graph: StreamGraph, _ members: [ValueID]) -> String {
    let names = graph.states.filter { members.contains($0.value) }.map { "'\($0.name)'" }
    return names.isEmpty ? "these values" : names.joined(separator: ", ")
}

private func delays(in graph: StreamGraph, _ members: [ValueID]) -> [(value: ValueID, offsets: [Int])] {
    let all = Set(members)
    return members.compactMap { member in
        guard case .delay(let operand, let offsets, _) = graph[member].operation, all.contains(operand) else { return nil }
        return (member, offsets)
    }
}

/// A value over a whole axis, of a value among these.
private func wholeAxis(in graph: StreamGraph, _ members: [ValueID]) -> (value: ValueID, axis: Int)? {
    let all = Set(members)
    for member in members {
        if case .overTime(_, let operand, let axis) = graph[member].operation, all.contains(operand) { return (member, axis) }
    }
    return nil
}

/// A cycle among instant operands, which can only close through a layer.
private func instantCycle(in graph: StreamGraph, _ members: [ValueID]) -> Diagnostic? {
    let all = Set(members)
    var done: Set<ValueID> = []
    for member in members {
        // Values are in order, so an instant operand that comes later closes a cycle.
        for operand in graph[member].operation.instantOperands where all.contains(operand) && !done.contains(operand) {
            let names = [graph[operand].name, graph[member].name].compactMap { $0 }.map { "'\($0)'" }
            return Diagnostic(
                .instantCycle, "a layer's result feeds its own input at the same step: \(names.joined(separator: " → "))",
                at: graph[member].span, help: "put a delay into the loop")
        }
        done.insert(member)
    }
    return nil
}
