import RecSource
import RecStream

/// A graph that computes, beside the results of `graph`, how they change along a direction: forward mode.
///
/// The direction is given by parameters `tangent.PATH`, inputs `tangent.NAME` and once inputs `tangent.initial.STATE`. What
/// has a derivative gets a further output `tangent.NAME`, or a loss `tangent.NAME`. It is the transpose of `gradient`, with the
/// same conventions.
///
/// Wengert, "A simple automatic derivative evaluation program", CACM 7 (1964).
///
/// - Parameter assumingFinite: whether all numbers are taken to be finite, as in `GradientRequest.assumesFinite`.
/// - Returns: `graph` without complex values, with its tangents.
/// - Throws: where a name is not known, or what it stands for is no real or complex value.
package func tangent(
    of graph: StreamGraph, along targets: [GradientRequest.Target], assumingFinite: Bool = false
) throws(DiagnosticList) -> StreamGraph {
    var request = GradientRequest(seeds: [], targets: targets)
    request.assumesFinite = assumingFinite
    var forward = ForwardMode(try Differentiation(graph, request))
    if let own = forward.ownGradient {
        throw DiagnosticList([
            Diagnostic(
                .unsupported, "'\(own.function)' has a gradient of its own, which says nothing of directions: forward mode cannot pass it",
                at: own.span, help: "use gradients, which reverse mode computes")
        ])
    }
    return forward.run().sharingCommonValues()
}

/// The work of forward mode.
private struct ForwardMode {
    private let primal: StreamGraph
    private let request: Differentiation
    private let poles: Poles
    private var builder: GraphBuilder
    /// Nil for what does not change.
    private var tangents: [ValueID?]
    /// Of the value of each state before its first step, by the state's value.
    private var initialTangents: [ValueID: ValueID] = [:]
    private var open: [(delay: ValueID, operand: ValueID)] = []
    private let activity: Activity

    init(_ request: Differentiation) {
        self.request = request
        primal = request.primal
        let graph = request.primal
        poles = Poles(graph)
        builder = GraphBuilder(continuing: graph)
        tangents = [ValueID?](repeating: nil, count: graph.values.count)
        var starts: [ValueID] = []
        for target in request.targets {
            guard case .initialState = target.target else {
                starts += target.values
                continue
            }
            starts += graph.ids.filter { id in
                if case .delay(let operand, _, _) = graph[id].operation { target.values.contains(operand) } else { false }
            }
        }
        activity = Activity(graph, targets: starts, seeds: [])
    }

    /// A call on the way whose function has a gradient of its own.
    var ownGradient: StreamGraph.OwnGradient? { primal.ownGradients.first { activity.varies($0.value) } }

    mutating func run() -> StreamGraph {
        for target in request.targets { addDirection(target) }
        for id in primal.ids where activity.varies(id) && tangents[id.index] == nil {
            builder.span = primal[id].span
            tangents[id.index] = tangent(of: id)
        }
        for (delay, operand) in open { builder.close(delay, with: wide(operand)) }
        for output in primal.outputs where primal[output.value].element == .real {
            builder.output("tangent.\(output.name)", wide(output.value))
        }
        for loss in primal.losses { builder.loss("tangent.\(loss.name)", wide(loss.value)) }
        return builder.graph
    }

    // MARK: Directions

    private mutating func addDirection(_ target: (target: GradientRequest.Target, values: [ValueID], isPair: Bool)) {
        let type = primal[target.values[0]].type
        switch target.target {
        case .parameter(let path):
            let info = ParameterInfo(path: "tangent.\(path)", isTrained: false, initializer: .zeros)
            tangents[target.values[0].index] = builder.add(.parameter(info), proposing: type)
        case .input(let name):
            tangents[target.values[0].index] = builder.add(.input(name: "tangent.\(name)", fallback: nil), proposing: type)
        case .initialState(let name):
            for (value, part) in zip(target.values, target.isPair ? [".re", ".im"] : [""]) {
                initialTangents[value] = builder.once("tangent.initial.\(name)\(part)", primal[value].shape)
            }
        }
    }

    /// The tangent of a value in all that the value varies over; 0 where it does not change.
    private mutating func wide(_ id: ValueID) -> ValueID {
        let tangent = tangents[id.index] ?? builder.zeros(primal[id].shape)
        let variance = primal[id].variance
        return builder[tangent].variance == variance ? tangent : builder.rename(tangent, over: variance)
    }

    private mutating func orZero(_ id: ValueID) -> ValueID { tangents[id.index] ?? builder.zeros(primal[id].shape) }

    // MARK: Operations

    private mutating func tangent(of id: ValueID) -> ValueID? {
        let shape = primal[id].shape
        switch primal[id].operation {
        case .input, .parameter, .constant: return nil
        case .unary(let function, let a):
            guard let tangent = tangents[a.index] else { return nil }
            if function == .negate { return builder.unary(.negate, tangent) }
            if function == .relu { return builder.select(builder.isPositive(a), tangent, builder.zeros(shape)) }
            return builder.slope(of: function, a, id).map { builder.binary(.multiply, tangent, $0) }
        case .binary(let function, let a, let b):
            let terms = [(a, true), (b, false)].compactMap { operand, isFirst -> ValueID? in
                guard let tangent = tangents[operand.index] else { return nil }
                return builder.scaled(tangent, by: builder.partial(function, a, b, id, ofFirst: isFirst, poles: poles))
            }
            return builder.sum(terms)
        case .select(let condition, let a, let b):
            return builder.select(condition, orZero(a), orZero(b))
        case .contract(let c):
            let sides = [(c.left, c.leftLabels, c.right, c.rightLabels), (c.right, c.rightLabels, c.left, c.leftLabels)]
            let terms = sides.compactMap { own, labels, other, otherLabels -> ValueID? in
                guard let tangent = tangents[own.index] else { return nil }
                let factor = poles[other] ? builder.bounded(other) : other
                let term = builder.contract(tangent, labels, factor, otherLabels, to: c.resultLabels)
                // The factors may call a dim differently.
                return builder[term].shape == shape ? term : builder.rename(term, to: shape)
            }
            return builder.sum(terms)
        case .reduce(let kind, let a, let axes):
            return tangents[a.index].map { reduced(kind, a, axes, id, $0) }
        case .rename(let a):
            return tangents[a.index].map { builder.rename($0, to: shape) }
        case .broadcast, .reshape, .slice, .concat, .pad, .window:
            let operands = primal[id].operation.operands.map { ($0, orZero($0)) }
            let same = primal[id].operation.mapOperands { operand in operands.first { $0.0 == operand }?.1 ?? operand }
            return builder.add(same, proposing: ValueType(.real, shape, .none))
        case .gather(let table, let index):
            return tangents[table.index].map {
                builder.add(.gather(table: $0, index: index), proposing: ValueType(.real, shape, .none))
            }
        case .scatter(let updates, let index, let count):
            return tangents[updates.index].map {
                builder.add(.scatter($0, index: index, count: count), proposing: ValueType(.real, shape, .none))
            }
        case .delay(let operand, let offsets, let initial):
            let start = initialTangent(operand, initial)
            let delay = builder.delay(ofLater: primal[id].type, offsets, from: start)
            open.append((delay, operand))
            return delay
        case .overTime(let kind, let a, let axis):
            return overTime(kind, a, axis, id)
        case .overBatch(let a):
            return builder.overBatch(wide(a))
        case .along(let a, let axis): return builder.along(wide(a), axis: axis)
        case .distance: return nil
        case .chunks(let a, let axis, _):
            return builder.chunks(wide(a), axis: axis, named: shape[0].name)
        case .steps(let a, let axis):
            return builder.steps(wide(a), axis: axis)
        case .runningAffine(let factor, let term, let axis, let isReversed):
            let terms = [
                tangents[term.index],
                tangents[factor.index].map { builder.binary(.multiply, $0, builder.shifted(id, axis: axis, isReversed: isReversed)) },
            ]
            return builder.sum(terms.compactMap { $0 }).map {
                builder.runningAffine(factor, $0, axis: axis, isReversed: isReversed)
            }
        case .solve(let matrix, let right, let isTransposed):
            let terms = [
                tangents[right.index], tangents[matrix.index].map { builder.strictlyLower($0, times: id, isTransposed: isTransposed) },
            ]
            return builder.sum(terms.compactMap { $0 }).map { builder.solve(matrix, $0, isTransposed: isTransposed) }
        }
    }

    private mutating func initialTangent(_ operand: ValueID, _ initial: ValueID?) -> ValueID? {
        let terms = [initialTangents[operand], initial.flatMap { tangents[$0.index] }].compactMap { $0 }
        return builder.sum(terms.map { builder[$0].shape == primal[operand].shape ? $0 : builder.rename($0, to: primal[operand].shape) })
    }

    private mutating func reduced(_ kind: ReduceKind, _ a: ValueID, _ axes: [Int], _ y: ValueID, _ tangent: ValueID) -> ValueID {
        let term: ValueID
        switch kind {
        case .sum: term = tangent
        case .product: term = builder.binary(.multiply, tangent, builder.productOfOthers(a, axes))
        case .logsumexp: term = builder.binary(.multiply, tangent, builder.softmaxSlope(a, y, axes))
        case .min, .max: term = builder.select(builder.isFirstExtreme(kind, a, axes), tangent, builder.zeros(primal[a].shape))
        // An index has no derivative.
        case .argmax: return builder.zeros(primal[y].shape)
        }
        return builder.reduce(.sum, term, axes: axes)
    }

    private mutating func overTime(_ kind: TimeReduceKind, _ a: ValueID, _ axis: Int, _ y: ValueID) -> ValueID {
        switch kind {
        case .sum, .mean, .first, .last: return builder.overTime(kind, wide(a), axis: axis)
        case .min, .max:
            let isFirst = builder.isFirstEqual(a, y, axis: axis)
            return builder.overTime(.sum, builder.select(isFirst, wide(a), builder.zeros(primal[a].shape)), axis: axis)
        }
    }
}
