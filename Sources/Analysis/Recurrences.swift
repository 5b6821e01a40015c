import RecSource
import RecStream

/// What is known of one recurrence.
public struct RecurrenceFacts: Equatable, Sendable {
    /// A place in the source, and what it does.
    public struct Reason: Equatable, Sendable {
        public var span: SourceSpan?
        public var text: String
    }

    /// The declared states in it, by name.
    public var states: [String]
    public var members: [ValueID]
    public var order: LoopOrder
    /// Nil where the next state is an affine function of the one before.
    public var notAffine: Reason?
    /// Nil where every element of a state depends on the same element of the states before alone.
    public var notDiagonal: Reason?
}

/// The recurrences of a graph, each after those it depends on.
public func recurrences(of graph: StreamGraph) -> [RecurrenceFacts] {
    components(of: graph).filter(\.isRecurrence).map { component in
        let members = Set(component.members)
        let delays = component.members.compactMap { member -> [Int]? in
            guard case .delay(let operand, let offsets, _) = graph[member].operation, members.contains(operand) else { return nil }
            return offsets
        }
        let axes = Array(graph.axes.indices)
        let dependence = StateDependence(graph, members: members)
        return RecurrenceFacts(
            states: graph.states.filter { members.contains($0.value) }.map(\.name), members: component.members,
            order: LoopOrder.admitting(delays, axes: axes) ?? .forward(axes: axes), notAffine: dependence.notAffine,
            notDiagonal: dependence.notDiagonal)
    }
}

/// How the values of a recurrence depend on the states before: a sound abstract interpretation that follows each value
/// from the delays on.
private struct StateDependence {
    private(set) var notAffine: RecurrenceFacts.Reason?
    private(set) var notDiagonal: RecurrenceFacts.Reason?
    private let graph: StreamGraph
    private let members: Set<ValueID>

    init(_ graph: StreamGraph, members: Set<ValueID>) {
        self.graph = graph
        self.members = members
        for id in graph.ids where members.contains(id) { visit(id) }
    }

    private func depends(_ id: ValueID) -> Bool { members.contains(id) }

    private func name(_ id: ValueID) -> String { graph[id].name.map { "'\($0)'" } ?? "the state" }

    private mutating func breaks(_ id: ValueID, affine: String) {
        if notAffine == nil { notAffine = RecurrenceFacts.Reason(span: graph[id].span, text: affine) }
    }

    private mutating func mixes(_ id: ValueID, _ text: String) {
        if notDiagonal == nil { notDiagonal = RecurrenceFacts.Reason(span: graph[id].span, text: text) }
    }

    private mutating func visit(_ id: ValueID) {
        switch graph[id].operation {
        case .input, .parameter, .constant, .delay, .rename:
            break
        case .unary(let function, _):
            switch function {
            case .negate, .toReal, .toComplex, .re, .im, .stop: break
            case .conj: break
            case .abs, .sign, .floor, .not, .exp, .log, .log1p, .expm1, .sqrt, .rsqrt, .sin, .cos, .tanh, .sigmoid,
                .logsigmoid, .relu, .gelu, .silu, .softplus, .step, .cis, .toInt:
                breaks(id, affine: "the state before enters \(function.rawValue) here")
            }
        case .binary(let function, let a, let b):
            switch function {
            case .add, .subtract, .complex: break
            case .multiply:
                if depends(a), depends(b) { breaks(id, affine: "two factors depend on the state before") }
            case .divide:
                if depends(b) { breaks(id, affine: "the divisor depends on the state before") }
            case .power, .min, .max, .logaddexp, .less, .lessOrEqual, .equal, .notEqual, .greaterOrEqual, .greater, .and, .or:
                breaks(id, affine: "the state before enters \(function.rawValue) here")
            }
        case .select(let condition, _, _):
            if depends(condition) { breaks(id, affine: "the choice depends on the state before") }
        case .contract(let contraction):
            if depends(contraction.left), depends(contraction.right) {
                breaks(id, affine: "two factors depend on the state before")
            }
            let result = Set(contraction.resultLabels)
            let sums = Set(contraction.leftLabels).union(contraction.rightLabels).subtracting(result)
            if !sums.isEmpty { mixes(id, "this sums over elements of the state before") }
        case .reduce(let kind, _, _):
            if kind != .sum { breaks(id, affine: "the state before enters \(kind.rawValue) here") }
            mixes(id, "this runs over elements of the state before")
        case .broadcast(let a, let from):
            if depends(a), from != Array(from.indices.map { Optional($0) }) {
                mixes(id, "the axes of the state before are rearranged here")
            }
        case .reshape, .slice, .concat, .pad, .window:
            mixes(id, "the elements of the state before are rearranged here")
        case .gather(let table, let index):
            if depends(index) { breaks(id, affine: "the state before is an index here") }
            if depends(table) || depends(index) { mixes(id, "elements of the state before are picked out here") }
        case .scatter(_, let index, _):
            if depends(index) { breaks(id, affine: "the state before is an index here") }
            mixes(id, "elements of the state before are picked out here")
        case .overTime:
            breaks(id, affine: "this runs over the whole sequence")
        case .overBatch:
            breaks(id, affine: "this runs over the whole batch")
        }
    }
}
