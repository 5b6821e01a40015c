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
    /// The operands of a value through which a derivative passes.
    func differentiableOperands(of id: ValueID) -> [ValueID] {
        guard self[id].element == .real else { return [] }
        let operands: [ValueID]
        switch self[id].operation {
        case .input, .parameter, .constant: return []
        case .unary(let function, let a): operands = function.hasDerivative ? [a] : []
        case .binary, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window, .delay, .overTime,
            .overBatch, .chunks, .steps, .runningAffine, .solve:
            operands = self[id].operation.operands
        case .select(_, let a, let b): operands = [a, b]
        case .gather(let a, _), .scatter(let a, _, _): operands = [a]
        }
        return operands.filter { self[$0].element == .real }
    }
}

extension UnaryOperator {
    /// Whether a derivative passes; it is 0 everywhere, or stopped, where none does.
    fileprivate var hasDerivative: Bool {
        switch self {
        case .negate, .abs, .exp, .log, .log2, .log1p, .expm1, .sqrt, .rsqrt, .sin, .cos, .tan, .erf, .tanh, .sigmoid, .logsigmoid, .relu,
            .gelu, .silu, .softplus:
            true
        case .sign, .floor, .not, .step, .stop, .toReal, .toInt: false
        // Complex values have been taken apart.
        case .re, .im, .conj, .cis, .toComplex: false
        }
    }
}
