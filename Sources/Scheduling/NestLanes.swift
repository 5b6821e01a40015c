import RecAnalysis
import RecStream

/// Which loop of a nest runs in vector lanes.
extension Nest {
    /// Whether reductions run their own last variable in lanes, rather than the nest its last loop.
    package var reducesInLanes: Bool {
        let reductions = nodes.indices.filter { if case .reduce = nodes[$0].operation { true } else { false } }
        guard !reductions.isEmpty else { return false }
        guard let last = domain.indices.last else { return true }
        let dependencies = dependencies
        var alongDomain = 0
        var alongReduction = 0
        for reduction in reductions {
            guard case .reduce(let kind, _, let variables) = nodes[reduction].operation, let inner = variables.last else { continue }
            if kind == .argmax { return false }
            for (node, bits) in zip(nodes, dependencies) where bits & (1 << UInt64(inner)) != 0 {
                for access in node.operation.accesses {
                    let outer = access.position.coefficient(of: last)
                    let own = access.position.coefficient(of: inner)
                    if outer == 1 || (outer == 0 && own != 1) { alongDomain += 1 }
                    if own == 1 || (own == 0 && outer != 1) { alongReduction += 1 }
                }
            }
        }
        return alongReduction > alongDomain
    }

    /// Whether neighbouring elements go to places of their own, which may be the same: they are taken one by one.
    package var scattersAcrossLanes: Bool {
        guard let last = domain.indices.last else { return false }
        let dependencies = dependencies
        return stores.contains { store in store.scatter.map { dependencies[$0.index] & (1 << UInt64(last)) != 0 } ?? false }
    }
}
