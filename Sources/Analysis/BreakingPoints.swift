import RecSource
import RecStream

/// A place in the source, and what happens there.
package struct Reason: Equatable, Sendable {
    package var span: SourceSpan?
    /// What the expression at the span does: `enters sigmoid`.
    package var text: String
    /// The conclusion: `not affine in h`.
    package var conclusion: String

    package init(span: SourceSpan?, text: String, conclusion: String) {
        self.span = span
        self.text = text
        self.conclusion = conclusion
    }
}

/// The first places where a recurrence stops being affine, and where its elements meet: for explanations, in the values
/// of the graph and in its order.
struct BreakingPoints {
    private(set) var notAffine: Reason?
    private(set) var notDiagonal: Reason?
    private let graph: StreamGraph
    private let members: Set<ValueID>
    private let states: String

    init(_ graph: StreamGraph, members: [ValueID], states: [String]) {
        self.graph = graph
        self.members = Set(members)
        self.states = states.isEmpty ? "the state" : states.joined(separator: ", ")
        for id in members { visit(id) }
    }

    private func depends(_ id: ValueID) -> Bool { members.contains(id) }

    /// The smallest part of an expression that brings the state in: `U @ h[t-1]` of `W @ x + U @ h[t-1] + b`.
    private func core(of id: ValueID) -> ValueID {
        var id = id
        while graph[id].name == nil {
            let next: [ValueID]
            switch graph[id].operation {
            case .binary(.add, let a, let b), .binary(.subtract, let a, let b): next = [a, b].filter(depends)
            case .rename(let a), .broadcast(let a, _), .unary(.negate, let a): next = depends(a) ? [a] : []
            case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .reshape, .slice, .concat, .pad,
                .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve: next = []
            }
            guard next.count == 1 else { break }
            id = next[0]
        }
        return id
    }

    private mutating func breaks(_ operand: ValueID, _ text: String) {
        guard notAffine == nil else { return }
        notAffine = Reason(span: graph[core(of: operand)].span, text: text, conclusion: "not affine in \(states)")
    }

    private mutating func mixes(_ id: ValueID, _ text: String) {
        guard notDiagonal == nil else { return }
        notDiagonal = Reason(span: graph[id].span, text: text, conclusion: "not diagonal in \(states)")
    }

    private mutating func visit(_ id: ValueID) {
        switch graph[id].operation {
        case .input, .parameter, .constant, .distance, .delay, .rename, .broadcast, .reshape:
            break
        case .unary(let function, let a):
            switch function {
            case .negate, .toReal, .toComplex, .re, .im, .conj, .stop: break
            case .abs, .sign, .floor, .not, .exp, .log, .log2, .log1p, .expm1, .sqrt, .rsqrt, .sin, .cos, .tan, .erf, .tanh, .sigmoid,
                .logsigmoid, .relu, .gelu, .silu, .softplus, .step, .cis, .toInt, .numbered:
                breaks(a, "enters \(function.rawValue)")
            }
        case .binary(let function, let a, let b):
            switch function {
            case .add, .subtract, .complex: break
            case .multiply:
                if depends(a), depends(b) { breaks(a, "is multiplied by another factor that depends on the state") }
            case .divide:
                if depends(b) { breaks(b, "is divided by") }
            case .power, .min, .max, .logaddexp, .atan2, .mod, .less, .lessOrEqual, .equal, .notEqual, .greaterOrEqual, .greater, .and,
                .or, .random, .uniform, .uniformNext:
                breaks(depends(a) ? a : b, "enters \(function.rawValue)")
            }
        case .select(let condition, _, _):
            if depends(condition) { breaks(condition, "decides a choice") }
        case .contract(let contraction):
            if depends(contraction.left), depends(contraction.right) {
                breaks(contraction.left, "is multiplied by another factor that depends on the state")
            }
            let result = Set(contraction.resultLabels)
            let sums = Set(contraction.leftLabels).union(contraction.rightLabels).subtracting(result)
            if !sums.isEmpty { mixes(id, "sums over elements of the state") }
        case .reduce(let kind, let a, _):
            if kind != .sum { breaks(a, "enters \(kind.rawValue)") }
            mixes(id, "runs over elements of the state")
        case .slice, .concat, .pad, .window:
            mixes(id, "moves elements of the state")
        case .gather(let table, let index):
            if depends(index) { breaks(index, "is an index") }
            if depends(table) || depends(index) { mixes(id, "picks elements of the state") }
        case .scatter(_, let index, _):
            if depends(index) { breaks(index, "is an index") }
            mixes(id, "adds up elements of the state")
        case .overTime(_, let a, _):
            breaks(a, "is reduced over the whole sequence")
        case .overBatch(let a):
            breaks(a, "is summed over the batch")
        case .along(let a, _), .chunks(let a, _, _), .steps(let a, _):
            breaks(a, "is taken from other steps")
        case .runningAffine(let factor, let term, _, _), .solve(let factor, let term, _):
            if depends(factor) { breaks(factor, "is multiplied by what depends on the state") }
            if depends(term) { mixes(id, "runs over elements of the state") }
        }
    }
}
