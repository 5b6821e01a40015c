import RecStream

/// Which values have an adjoint: those that depend on a target and lead to a seed, through operations with a derivative.
struct Activity {
    private let dependsOnTarget: [Bool]
    private let leadsToSeed: [Bool]

    /// `targets` and `seeds` are where dependence begins and ends.
    init(_ graph: StreamGraph, targets: [ValueID], seeds: [ValueID]) {
        var users = [[ValueID]](repeating: [], count: graph.values.count)
        for id in graph.ids { for operand in graph.differentiableOperands(of: id) { users[operand.index].append(id) } }
        dependsOnTarget = Self.reachable(targets, graph.values.count) { users[$0.index] }
        leadsToSeed = Self.reachable(seeds, graph.values.count, graph.differentiableOperands)
    }

    func isActive(_ id: ValueID) -> Bool { dependsOnTarget[id.index] && leadsToSeed[id.index] }

    /// Whether a value depends on a target, whatever it leads to.
    func varies(_ id: ValueID) -> Bool { dependsOnTarget[id.index] }

    private static func reachable(_ start: [ValueID], _ count: Int, _ next: (ValueID) -> [ValueID]) -> [Bool] {
        var reached = [Bool](repeating: false, count: count)
        var waiting = start
        while let id = waiting.popLast() {
            guard !reached[id.index] else { continue }
            reached[id.index] = true
            waiting += next(id)
        }
        return reached
    }
}

extension StreamGraph {
    /// The operands of a value through which a derivative passes; complex values have been taken apart.
    func differentiableOperands(of id: ValueID) -> [ValueID] {
        guard self[id].element == .real else { return [] }
        return self[id].operation.differentiableOperands.filter { self[$0].element == .real }
    }
}
