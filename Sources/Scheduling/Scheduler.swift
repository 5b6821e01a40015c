import RecAnalysis
import RecStream

/// Decides how a graph is computed, every recurrence one step after another. The graph has no complex values any more.
///
/// - Throws: the reason where there is no such plan.
package func schedule(_ graph: StreamGraph) throws(PlanRefusal) -> Plan {
    let recomputed = Recomputation(prepared(graph).joiningProducts().readingJoinedParts())
    return try plan(recomputed.graph, later: recomputed.later, scans: [])
}

/// Decides how a graph is computed, the recurrences of these states as scans over time blocks.
///
/// - Throws: the reason where one of them is no scan.
package func schedule(_ graph: StreamGraph, scanning states: Set<String>) throws(PlanRefusal) -> Plan {
    // What a scan composes it reads in the words of the program.
    let recomputed = Recomputation(prepared(graph).joiningProducts(leaving: states).readingJoinedParts())
    var graph = recomputed.graph
    var scans: [BlockMapValues] = []
    var wavefronts: [Wavefront] = []
    let traits = GraphTraits(graph)
    for facts in elementaryRecurrences(of: graph) where !states.isDisjoint(with: facts.states) {
        if graph.axes.count > 1 {
            wavefronts.append(try Wavefront(facts, in: graph))
        } else {
            scans.append(try BlockMapBuilder.build(facts, in: &graph, traits))
        }
    }
    return try plan(graph, later: recomputed.later, scans: scans, wavefronts: wavefronts)
}

/// For each recurrence of a graph, in order, why it cannot run as a scan; nil where it can.
package func scanRefusals(of graph: StreamGraph) -> [PlanRefusal?] {
    let graph = Recomputation(prepared(graph)).graph
    let traits = GraphTraits(graph)
    var trial = graph
    return elementaryRecurrences(of: graph).map { facts -> PlanRefusal? in
        do throws(PlanRefusal) {
            if graph.axes.count > 1 {
                _ = try Wavefront(facts, in: graph)
            } else {
                _ = try BlockMapBuilder.build(facts, in: &trial, traits)
            }
            return nil
        } catch {
            return error
        }
    }
}

private func plan(
    _ original: StreamGraph, later: Set<ValueID>, scans: [BlockMapValues], wavefronts: [Wavefront] = []
) throws(PlanRefusal) -> Plan {
    var graph = original
    var components = components(of: graph)
    let carried = Set(scans.flatMap(\.carried))
    for component in components where !component.isRecurrence {
        guard carried.isDisjoint(with: component.members) else {
            throw PlanRefusal("a part of its map is not carried from step to step")
        }
    }
    let totals = TotalShape.all(in: graph)
    var placement = Placement(graph, components: components, totals: totals, later: later, scans: scans)
    let lasts = lastValues(of: &graph, components, placement)
    if !lasts.isEmpty {
        components = RecStream.components(of: graph)
        placement = Placement(graph, components: components, totals: totals, later: later, scans: scans)
    }
    let staging = Staging(graph, components: components, placement: placement, totals: totals, scans: scans)
    let roots = Roots(graph, placement: placement, staging: staging)
    let homes = Homes(graph, placement: placement, staging: staging, roots: roots)

    let segments = try placement.kinds.indices.map { segment throws(PlanRefusal) in
        let members = graph.ids.filter { placement.segment[$0.index] == segment && roots.isRoot[$0.index] }
        let levels = Dictionary(grouping: members) { staging.stage[$0.index] }.sorted { $0.key < $1.key }
        let stages = try levels.map { level, roots throws(PlanRefusal) -> [Stage] in
            func stage(_ roots: [ValueID]) throws(PlanRefusal) -> Stage {
                try StageBuilder.build(roots, isSequential: level % 2 == 1, isOfSteps: placement.kinds[segment].isSweep, graph: graph, homes: homes, staging: staging)
            }
            var totals: [Item] = []
            for root in roots {
                if let shape = staging.totals[root] { totals.append(.total(try Total(root, shape, graph: graph, homes: homes))) }
            }
            let after = totals.isEmpty ? [] : [Stage(form: .totals, items: totals)]
            let own = roots.filter { !staging.isOfMap[$0.index] && staging.totals[$0] == nil }
            if own.isEmpty { return after }
            let here = Set(roots)
            let maps = scans.filter { scan in scan.states.contains(where: here.contains) }
            if let registers = RegisterScan.stage(own, maps, graph: graph, homes: homes, staging: staging) { return [registers] + after }
            var built = try stage(own)
            if !maps.isEmpty {
                let summary = try stage(roots.filter { staging.isOfMap[$0.index] })
                built.scan = Scan(
                    form: summary.form, items: summary.items,
                    maps: try maps.map { map throws(PlanRefusal) in try BlockMap(map, homes: homes) })
            }
            if built.items.count > Stage.mostItemsOnce, case .map = built.form, !placement.kinds[segment].isSweep {
                // Each item is a stage of its own: those of equal layers have one code.
                return built.items.map { Stage(form: .map, items: [$0]) } + after
            }
            let reaches = wavefronts.filter { !$0.states.isDisjoint(with: own) }.map(\.reach)
            if let most = reaches.max(), built.isRowWise { built.wavefront = most }
            return [built] + after
        }
        return Segment(kind: placement.kinds[segment], stages: Array(stages.joined()))
    }
    return Plan(
        graph: graph, buffers: homes.buffers, segments: segments,
        states: graph.states.compactMap { state in
            homes.rings[state.value].map { ring in
                Plan.StateHome(
                    name: state.name, ring: ring, initial: state.initial.flatMap { homes.current[$0]?.buffer },
                    last: lasts[state.value].flatMap { homes.current[$0]?.buffer })
            }
        },
        losses: homes.losses, inputHistory: inputHistory(of: graph),
        recomputed: later.sorted { $0.index < $1.index })
}

/// Adds to a graph the value at the last step of each state that is no recurrence and is computed on the way from the last step
/// to the first: behind that, its ring holds the first.
private func lastValues(
    of graph: inout StreamGraph, _ components: [Component], _ placement: Placement
) -> [ValueID: ValueID] {
    guard graph.axes.count == 1 else { return [:] }
    let recurrent = Set(components.filter(\.isRecurrence).flatMap(\.members))
    var result: [ValueID: ValueID] = [:]
    /// A copy under the same dims is made of what a recurrence passes through, and ends where that does.
    func isRecurrent(_ id: ValueID) -> Bool {
        if recurrent.contains(id) { return true }
        guard case .rename(let a) = graph[id].operation else { return false }
        return recurrent.contains(a) && graph[a].shape == graph[id].shape
    }
    for state in graph.states where !isRecurrent(state.value) && result[state.value] == nil {
        guard let segment = placement.segment[state.value.index], case .sweep(_, let order) = placement.kinds[segment],
            order.loops.contains(where: \.isReversed)
        else { continue }
        let value = graph[state.value]
        result[state.value] = graph.add(
            Value(.overTime(.last, state.value, axis: 0), element: value.element, shape: value.shape, variance: .once))
    }
    return result
}

/// How many steps back each input stream is read.
private func inputHistory(of graph: StreamGraph) -> [String: Int] {
    var result: [String: Int] = [:]
    for value in graph.values {
        guard case .delay(let operand, let offsets, _) = value.operation,
            case .input(let name, _) = graph[operand].operation, let first = offsets.first, first < 0
        else { continue }
        result[name] = max(result[name] ?? 0, -first)
    }
    return result
}
