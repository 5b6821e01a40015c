import RecAnalysis
import RecStream

/// Decides how a graph is computed. The graph has no complex values any more.
public func schedule(_ graph: StreamGraph) -> Plan {
    let graph = prepared(graph)
    let components = components(of: graph)
    let placement = Placement(graph, components: components)
    let staging = Staging(graph, components: components, placement: placement)
    let roots = Roots(graph, placement: placement, staging: staging)
    let homes = Homes(graph, placement: placement, staging: staging, roots: roots)

    let segments = placement.kinds.indices.map { segment in
        let members = graph.ids.filter { placement.segment[$0.index] == segment && roots.isRoot[$0.index] }
        let levels = Set(members.map { staging.stage[$0.index] }).sorted()
        let stages = levels.map { level in
            StageBuilder.build(
                members.filter { staging.stage[$0.index] == level }, isSequential: level % 2 == 1, graph: graph,
                homes: homes, staging: staging)
        }
        return Segment(kind: placement.kinds[segment], stages: stages)
    }
    return Plan(
        graph: graph, buffers: homes.buffers, segments: segments,
        states: graph.states.compactMap { state in
            homes.rings[state.value].map { Plan.StateHome(name: state.name, ring: $0) }
        },
        losses: homes.losses, inputHistory: inputHistory(of: graph))
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
