import RecDifferentiation
import RecSource
import RecStream
import RecTyping

/// Fixes the dims of a model and unfolds its layers: typed model to stream graph.
///
/// - Throws: `DiagnosticList` where a dim is missing or not a positive whole number, where a slice does not fit, or where
///   the graph would be too large.
///
/// - Parameters:
///   - isTraining: whether the graph is to be trained, so that dropout drops.
///   - unfolds: whether inner axes of constant length become dims where code cannot take their steps otherwise.
package func lower(
    _ program: TypedProgram, model name: String, dims: [String: Int], isTraining: Bool = false, unfolding unfolds: Bool = true
) throws(DiagnosticList) -> StreamGraph {
    guard let model = program.models[name] else {
        throw DiagnosticList([Diagnostic(.unknownName, "there is no model '\(name)'", at: nil)])
    }
    let values = try dimValues(of: model, given: dims)
    var axes: [StreamAxis] = []
    for axis in model.axes {
        var length: Int?
        if let expression = axis.length {
            length = expression.evaluate(values)
            guard let length, length >= 1 else {
                throw DiagnosticList([
                    Diagnostic(
                        .unsolvableDim, "the length of the axis '\(axis.name)', \(expression), is not a whole number of 1 or more",
                        at: model.span)
                ])
            }
        }
        axes.append(StreamAxis(name: axis.name, length: length))
    }
    let own = axes.indices.map { GraphAxis($0) }
    for (axis, index) in model.secondIndices.sorted(by: { $0.key < $1.key }) { axes.appendSecondIndex(named: index, over: axis) }
    var lowering = Lowering(program, graph: StreamGraph(name: name, axes: axes), isTraining: isTraining)
    lowering.inline(model, dims: values, path: "", inputs: nil, axes: own)
    if !lowering.diagnostics.isEmpty { throw DiagnosticList(lowering.diagnostics) }
    let graph = try lowering.finish()
    return unfolds ? graph.unfoldingInnerAxes() : graph
}

/// The numbers of a model's dims and of the names for them.
func dimValues(of model: TypedModel, given: [String: Int]) throws(DiagnosticList) -> [String: Int] {
    var values: [String: Int] = [:]
    var problems: [Diagnostic] = []
    for dim in model.dims {
        if let value = given[dim] ?? model.defaults[dim]?.evaluate(values.merging(given) { a, _ in a }) {
            values[dim] = value
        } else {
            problems.append(
                Diagnostic(
                    .unsolvableDim, "the dim '\(dim)' of '\(model.name)' is not known", at: model.span,
                    help: "give it: -D \(dim)=64"))
        }
    }
    if problems.isEmpty {
        for (name, expression) in model.aliases.sorted(by: { $0.key < $1.key }) {
            guard let value = expression.evaluate(values) else {
                problems.append(
                    Diagnostic(.unsolvableDim, "the dim '\(name)' = \(expression) is not a whole number", at: model.span))
                continue
            }
            values[name] = value
        }
    }
    for (name, value) in values.sorted(by: { $0.key < $1.key }) where value < 1 || value > 1 << 31 {
        problems.append(
            Diagnostic(.unsolvableDim, "the dim '\(name)' is \(value); dims are 1 or more, and below 2^31", at: model.span))
    }
    if !problems.isEmpty { throw DiagnosticList(problems) }
    return values
}

/// A graph in the making.
struct Lowering {
    let program: TypedProgram
    var graph: StreamGraph
    private(set) var diagnostics: [Diagnostic] = []
    /// Parameters by path: calls of one layer share them.
    private var parameters: [String: ValueID] = [:]
    /// How often each layer has been called, so that each call has states of its own name.
    private var calls: [String: Int] = [:]
    /// Delays that read a state by its own name, and so what it was before the first step.
    var ownDelays: Set<ValueID> = []
    /// Which rounds are taken some way away, and values as they are in the last round that is taken.
    var movedRounds: [Rounds.Place: ValueID] = [:]
    var heldValues: [Rounds.Held: ValueID] = [:]
    /// The number of the step along each axis, for who counts from its beginning and who from its end.
    var steps: [StepCounter.Key: StepCounter] = [:]
    /// Whether dropout drops.
    private let isTraining: Bool
    /// How many values draw by chance, and from what all of them draw.
    var draws = 0
    var seed: ValueID?
    /// The ints from 0, by how many.
    var counts: [Int: ValueID] = [:]
    /// Set when the graph has outgrown its limits; nothing more is added then.
    private var isTooLarge = false

    /// More values than any network has, and few enough to compile.
    private static let mostValues = 200_000
    private static let mostElements = 1 << 31

    init(_ program: TypedProgram, graph: StreamGraph, isTraining: Bool = false) {
        self.program = program
        self.isTraining = isTraining
        self.graph = graph
    }

    /// Adds a model's values. `inputs` are the values of a layer's inputs, nil for the main model; `axes` are the model's
    /// axes in the graph; `rounds` are those that the model around ends on a condition. Returns the outputs.
    @discardableResult
    mutating func inline(
        _ model: TypedModel, dims: [String: Int], path: String, tensors: TensorScope = TensorScope(), statePath: String? = nil,
        inputs: [String: ValueID]?, axes: [GraphAxis], rounds outer: Rounds? = nil
    ) -> [ValueID] {
        let statePath = statePath ?? path
        guard haveSameLengths(model, dims, axes) else { return [] }
        let further = furtherAxes(than: axes, inputs, outer)
        guard model.until == nil || !axes[1].isReversed else {
            fail(.unsupported, "'\(model.name)' ends its rounds on a condition, so that they begin with the first, and is turned round here", model.span)
            return []
        }
        let rounds = model.until.map { beginRounds(along: axes[1].position, within: outer, model[$0].span) } ?? outer
        var lowered: [ValueID?] = [ValueID?](repeating: nil, count: model.values.count)
        var callOutputs: [Int: [ValueID]] = [:]
        var delays: [(delay: ValueID, operand: ValueID)] = []
        // The delays of each window, and those behind a choice of rounds.
        var rows: [Int: [ValueID]] = [:]
        // What is read in place of a delay that may lead to a round that is not taken.
        var readings: [ValueID: ValueID] = [:]
        // A value's instant operands come first; typing wrote them in that order but for delays' initial values.
        for index in model.order {
            guard !isTooLarge else { return [] }
            let value = model.values[index]
            guard let shape = shape(value.shape, dims, value.span) else { return [] }
            var variance = Variance(batch: value.variance.batch, axes: 0)
            for (k, axis) in axes.enumerated() where value.variance.varies(over: k) { variance.axes |= 1 << UInt8(axis.position) }
            for (k, axis) in axes.enumerated() where value.variance.varies(over: axes.count + k) {
                if let second = secondAxis(of: axis.position) { variance.axes |= 1 << UInt8(second) }
            }
            if value.variance.batch { variance.axes |= further }
            let name = value.name.map { statePath + $0 }
            func operand(_ id: ValueID) -> ValueID { lowered[id.index] ?? ValueID(0) }
            func differsFromRoundToRound(_ id: ValueID) -> Bool {
                guard let rounds else { return false }
                let (variance, bit) = (model[id].variance, UInt8(1) << UInt8(rounds.axis))
                return axes.indices.contains { axes[$0].position == rounds.axis && variance.varies(over: $0) } || variance.batch && further & bit != 0
            }
            func emit(_ operation: Operation) -> ValueID {
                var variance = variance
                // What a layer is given may vary less than its input was declared to.
                if operation.isElementwiseInVariance {
                    variance = operation.operands.reduce(Variance.none) { $0.union(graph[$1].variance) }
                }
                return graph.add(
                    Value(operation, element: value.element, shape: shape, variance: variance, name: name, span: value.span))
            }
            switch value.operation {
            case .primitive(.input(let inputName, let fallback)):
                if let given = inputs?[inputName] {
                    lowered[index] = adapted(given, to: shape, value.span)
                } else {
                    lowered[index] = emit(.input(name: inputName, fallback: fallback))
                }
            case .primitive(.delay(let target, let offsets, let initial)):
                var moved = [Int](repeating: 0, count: graph.axes.count)
                for (k, axis) in axes.enumerated() { moved[axis.position] = axis.isReversed ? -offsets[k] : offsets[k] }
                // The operand may not be there yet; it is set when all values are.
                let delay = emit(.delay(ValueID(graph.values.count), offsets: moved, initial: initial.map(operand)))
                delays.append((delay, target))
                if initial != target, let rounds, graph[delay].variance.varies(over: rounds.axis), rounds.mayLeave(by: moved),
                    moved[rounds.axis] != 0 || differsFromRoundToRound(target)
                {
                    readings[delay] = reading(delay, in: rounds, value.span)
                    rows[index] = [delay]
                }
                lowered[index] = readings[delay] ?? delay
            case .primitive(.overTime(let kind, let target, let axis)) where axis >= axes.count:
                lowered[index] = overSteps(kind, operand(target), of: axes[axis - axes.count].position, named: name, value.span)
            case .primitive(.overTime(let kind, let target, let axis)):
                lowered[index] = overTime(axes[axis].kind(kind), operand(target), axes[axis].position, rounds, named: name, value.span)
            case .primitive(let operation):
                lowered[index] = emit(operation.mapOperands(operand))
            case .parameter(var info):
                let tensorName = tensors.name(info.tensorName ?? info.path)
                info.path = path + info.path
                info.tensorName = tensorName == info.path ? nil : tensorName
                let place = info.path
                let parameter = parameters[place] ?? emit(.parameter(info))
                graph[parameter].name = place
                parameters[place] = parameter
                lowered[index] = parameter
            case .dim(let expression):
                guard let number = expression.evaluate(dims) else { return [] }
                lowered[index] = emit(.constant(.int(number)))
            case .slice(let target, let axis, let start, let stride):
                guard let first = sliceStart(start, of: operand(target), axis, shape[axis].size, stride, dims, value.span)
                else { return [] }
                lowered[index] = emit(.slice(operand(target), axis: axis, start: first, stride: stride))
            case .pad(let target, let axis, let before, let after, let mode):
                guard let front = before.evaluate(dims), let back = after.evaluate(dims), front >= 0, back >= 0 else {
                    fail(.badSlice, "a padding is a whole number, 0 or more", value.span)
                    return []
                }
                let size = graph[operand(target)].shape[axis].size
                if mode == .reflect, max(front, back) >= size {
                    fail(.badSlice, "reflection by \(max(front, back)) needs more than \(max(front, back)) elements, there are \(size)", value.span)
                    return []
                }
                lowered[index] = emit(.pad(operand(target), axis: axis, before: front, after: back, mode: mode))
            case .callOutput(let call, let output):
                if callOutputs[call] == nil {
                    let typed = model.calls[call]
                    callOutputs[call] = inline(
                        typed, of: model, inputs: typed.inputs.mapValues(operand), dims: dims, path: path, tensors: tensors,
                        statePath: statePath, axes: axes, rounds: rounds)
                }
                guard let outputs = callOutputs[call], output < outputs.count else { return [] }
                lowered[index] = adapted(outputs[output], to: shape, value.span)
            case .pick(let rows, let target):
                lowered[index] = picked(operand(rows), operand(target), value.span)
            case .own(let inner, let gradient):
                lowered[index] = own(operand(inner), model.ownGradients[gradient], lowered, named: name, value.span)
            case .adjoint:
                // It is taken out of the gradient when that is made a rule, and stands nowhere in the end.
                let scalar = graph.add(Value(.constant(.real(.nan)), element: .real, shape: [], variance: .none, span: value.span))
                let spread = graph.add(
                    Value(.broadcast(scalar, from: shape.map { _ in nil }), element: .real, shape: shape, variance: .none, span: value.span))
                // Nothing may look through it to what it is made of.
                lowered[index] = graph.add(Value(.unary(.stop, spread), element: .real, shape: shape, variance: .none, span: value.span))
            case .derivative(let result, let place):
                var places = model.sameValues(as: place).compactMap { lowered[$0.index] }
                if case .primitive(.delay(let target, _, _)) = model[place].operation,
                    let first = (rows[place.index] ?? places).first
                {
                    // A window may have the same step in it.
                    let rows = delays.filter { $0.operand == target && graph.isMovedAlike($0.delay, first) }.map { readings[$0.delay] ?? $0.delay }
                    places += rows.filter { !places.contains($0) }
                }
                lowered[index] = derivative(of: operand(result), by: places, named: name, value.span)
            case .window(let target, let window):
                guard let offsets = offsets(of: window, shape[0].size, dims, axes, value.span) else { return [] }
                let added = graph.addWindow(
                    Value(.concat([], axis: 0), element: value.element, shape: shape, variance: variance, name: name, span: value.span),
                    of: lowered[target.index], offsets: offsets, from: window.initial.map(operand))
                delays += added.delays.map { ($0, target) }
                rows[index] = added.delays
                lowered[index] = added.window
                if let rounds {
                    let chosen = reading(added, in: rounds, differs: differsFromRoundToRound(target), value.span)
                    readings.merge(chosen.readings) { $1 }
                    lowered[index] = chosen.window
                }
            case .step(let axis):
                lowered[index] = step(along: axes[axis], rounds, value.span)
            case .along(let target, let axis):
                lowered[index] = along(operand(target), of: axes[axis].position, named: name, value.span)
            case .distance(let axis):
                lowered[index] = distance(along: axes[axis], value.span)
            case .draw(let isNormal):
                let steps = axes.indices.filter { value.variance.varies(over: $0) }.map { axes[$0] }
                lowered[index] = draw(shape, isNormal: isNormal, along: steps, named: name, value.span)
            case .training(let trained, let otherwise):
                lowered[index] = operand(isTraining ? trained : otherwise)
            }
        }
        var results = lowered
        if let rounds, let until = model.until, let condition = lowered[until.index] {
            end(rounds, on: condition, named: statePath + graph.axes[rounds.axis].name + ".taken", model[until].span)
            for output in model.outputs { results[output.value.index] = lowered[output.value.index].map { result($0, of: rounds, output.span) } }
        }
        for (delay, target) in delays {
            guard let operand = lowered[target.index], case .delay(_, let offsets, let initial) = graph[delay].operation
            else { continue }
            graph[delay].operation = .delay(operand, offsets: offsets, initial: initial)
        }
        record(model, lowered, rows, results, path: statePath, dims: dims, isMain: inputs == nil)
        return model.outputs.compactMap { results[$0.value.index] }
    }

    private mutating func inline(
        _ call: TypedCall, of model: TypedModel, inputs: [String: ValueID], dims: [String: Int], path: String,
        tensors: TensorScope, statePath: String, axes: [GraphAxis], rounds: Rounds?
    ) -> [ValueID] {
        let layer = model.layers[call.layer]
        let path = path + layer.name
        var statePath = statePath + layer.name
        calls[statePath, default: 0] += 1
        if let count = calls[statePath], count > 1 { statePath += "#\(count)" }
        guard let inner = program.models[layer.model] else { return [] }
        var given: [String: Int] = [:]
        for (name, expression) in layer.dims {
            guard let value = expression.evaluate(dims) else {
                fail(.unsolvableDim, "'\(name)' of the layer '\(layer.name)' is \(expression), which is not a whole number", layer.span)
                return []
            }
            given[name] = value
        }
        let values: [String: Int]
        do { values = try dimValues(of: inner, given: given) } catch {
            diagnostics += error.diagnostics
            return []
        }
        let innerAxes = layer.axes.map { axes[$0].turned(layer.reversedAxes.contains($0)) }
        guard let count = layer.count else {
            return inline(
                inner, dims: values, path: path + ".", tensors: tensors.inside(layer), statePath: statePath + ".", inputs: inputs,
                axes: innerAxes, rounds: rounds)
        }
        guard let number = count.evaluate(dims), (1...TypedLayer.mostCopies).contains(number) else {
            let given = count.evaluate(dims).map { ", not \($0)" } ?? ""
            fail(.tooLarge, "'repeat' needs a number of copies from 1 to \(TypedLayer.mostCopies)\(given)", layer.span)
            return []
        }
        var chained = inputs
        var outputs: [ValueID] = []
        let stream = inner.inputs.first { !$0.isOnce }?.name ?? ""
        for copy in 0..<number {
            outputs = inline(
                inner, dims: values, path: "\(path).\(copy).", tensors: tensors.inside(layer, copy: copy),
                statePath: "\(statePath).\(copy).", inputs: chained, axes: innerAxes, rounds: rounds)
            guard let next = outputs.first else { return [] }
            chained[stream] = next
        }
        return outputs
    }

    /// Whether a model takes as many steps along axes of a fixed length as there are; if not, it is reported.
    private mutating func haveSameLengths(_ model: TypedModel, _ dims: [String: Int], _ axes: [GraphAxis]) -> Bool {
        for (own, axis) in zip(model.axes, axes) {
            guard let length = own.length?.evaluate(dims), length != graph.axes[axis.position].length else { continue }
            let around = graph.axes[axis.position].length.map { "\($0)" } ?? "as many as the data have"
            fail(.shapeMismatch, "'\(model.name)' takes \(length) steps along '\(own.name)', and the model around it \(around)", model.span)
            return false
        }
        return true
    }

    // MARK: Parts

    mutating func fail(_ id: DiagnosticID, _ message: String, _ span: SourceSpan, help: String? = nil) {
        diagnostics.append(Diagnostic(id, message, at: span, help: help))
        isTooLarge = true
    }

    private mutating func shape(_ dims: TypedShape, _ values: [String: Int], _ span: SourceSpan) -> Shape? {
        var shape: Shape = []
        var count = 1
        for dim in dims {
            guard let size = dim.size.evaluate(values) else {
                fail(.unsolvableDim, "the size \(dim.size) is not a whole number here", span)
                return nil
            }
            guard size >= 1 else {
                fail(.unsolvableDim, "the size \(dim.size) is \(size), sizes are 1 or more", span)
                return nil
            }
            let (next, overflow) = count.multipliedReportingOverflow(by: size)
            guard !overflow, next <= Self.mostElements else {
                fail(.tooLarge, "one step of this holds more than 2^31 elements", span)
                return nil
            }
            count = next
            shape.append(Dim(dim.name, size))
        }
        guard graph.values.count < Self.mostValues else {
            fail(.tooLarge, "the model unfolds into more than \(Self.mostValues) values", span)
            return nil
        }
        return shape
    }

    private mutating func sliceStart(
        _ start: DimExpression, of operand: ValueID, _ axis: Int, _ count: Int, _ stride: Int, _ dims: [String: Int],
        _ span: SourceSpan
    ) -> Int? {
        let dim = graph[operand].shape[axis]
        guard let first = start.evaluate(dims), first >= 0, first + (count - 1) * stride < dim.size else {
            fail(.badSlice, "the slice from \(start) of length \(count) does not lie within '\(dim.name)' of size \(dim.size)", span)
            return nil
        }
        return first
    }

    /// How far each step of a window is away, along the axes of the graph.
    private mutating func offsets(
        of window: StepWindow, _ count: Int, _ dims: [String: Int], _ axes: [GraphAxis], _ span: SourceSpan
    ) -> [[Int]]? {
        guard count <= StepWindow.mostSteps else {
            fail(.tooLarge, "a window has at most \(StepWindow.mostSteps) steps, not \(count)", span)
            return nil
        }
        guard let first = window.first.evaluate(dims), let spacing = window.spacing.evaluate(dims), spacing >= 1,
            case let (reach, overflow) = (count - 1).multipliedReportingOverflow(by: spacing), !overflow,
            max(abs(first), abs(first + reach)) <= StepWindow.longestReach
        else {
            fail(.tooLarge, "a window reaches at most \(StepWindow.longestReach) steps from its own", span)
            return nil
        }
        return (0..<count).map { k in
            var moved = [Int](repeating: 0, count: graph.axes.count)
            for (axis, place) in axes.enumerated() {
                let offset = axis == window.axis ? first + k * spacing : window.offsets[axis]
                moved[place.position] = place.isReversed ? -offset : offset
            }
            return moved
        }
    }

    /// A value from outside a layer under the layer's names, or the other way about.
    private mutating func adapted(_ value: ValueID, to shape: Shape, _ span: SourceSpan) -> ValueID {
        let old = graph[value]
        guard old.shape != shape else { return value }
        let operation: Operation =
            old.shape.sizes == shape.sizes
            ? .rename(value) : .broadcast(value, from: [Int?](repeating: nil, count: shape.count))
        return graph.add(Value(operation, element: old.element, shape: shape, variance: old.variance, span: span))
    }

    /// The graph in order, without values that nothing needs.
    mutating func finish() throws(DiagnosticList) -> StreamGraph {
        separateStates()
        leaveOutIdleCounters()
        let graph = graph.ordered().withoutIdleSecondIndices
        try checkDirections(of: graph)
        return graph
    }
}

extension Operation {
    /// Whether the result varies over exactly what the operands vary over.
    fileprivate var isElementwiseInVariance: Bool {
        switch self {
        case .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window,
            .gather, .scatter:
            true
        case .input, .parameter, .constant, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve: false
        }
    }
}
