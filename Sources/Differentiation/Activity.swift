import RecStream

/// Which values have an adjoint: those that depend on a target and lead to a seed, through operations with a derivative.
struct Activity {
    private let dependsOnTarget: [Bool]
    private let leadsToSeed: [Bool]

    /// `targets` and `seeds` are where dependence begins and ends.
    init(_ graph: StreamGraph, targets: [ValueID], seeds: [ValueID]) {
        var users = [[ValueID]](repeating: [], count: graph.values.count)
        let own = graph.furtherOperands
        func operands(_ id: ValueID) -> [ValueID] { graph.differentiableOperands(of: id, own) }
        for id in graph.ids { for operand in operands(id) { users[operand.index].append(id) } }
        dependsOnTarget = Self.reachable(targets, graph.values.count) { users[$0.index] }
        leadsToSeed = Self.reachable(seeds, graph.values.count, operands)
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
    ///
    /// - Parameter own: the arguments of calls with gradients of their own, by value.
    func differentiableOperands(of id: ValueID, _ own: [ValueID: [ValueID]]) -> [ValueID] {
        guard self[id].element == .real else { return [] }
        return (own[id] ?? self[id].operation.differentiableOperands).filter { self[$0].element == .real }
    }
}
