import RecSource

/// An axis of known length within the steps of the others.
///
/// Code takes the steps of a recurrence in one sweep over the axes. What is known behind all steps of an inner axis, and feeds the next step
/// of an outer one, needs loops within loops: here the inner axis becomes a dim of each step, and where its steps need each other, as many
/// values.
extension StreamGraph {
    /// The graph in which an axis is a dim in front of all others, and an axis no more; nil where steps along it attend to others.
    ///
    /// Inputs and outputs keep their layout where the axis is the last one that they vary over. A state over the axis is one state of all
    /// its steps, or, where these need each other, one for each: `h.0`, `h.1`, ….
    ///
    /// - Parameter count: the steps of the axis, at least one.
    package func unfolding(_ axis: Int, count: Int) -> StreamGraph? {
        guard canUnfold(axis) else { return nil }
        var work = AxisUnfolding(self, axis: axis, count: count, chunks: nil)
        return work.run()
    }

    /// The graph in which an axis is a dim wherever something varies over others as well, or waits for their steps, and stays an axis
    /// elsewhere: between the two lies an axis of one chunk of all its steps. Nil where steps along it attend to others within the steps of
    /// other axes.
    ///
    /// States and what belongs to them are left out: over several axes no state has a last step.
    ///
    /// - Parameter count: the steps of the axis, at least one.
    package func keepingStreams(along axis: Int, count: Int) -> StreamGraph? {
        guard canUnfold(axis, keepsStreams: true), axes.count < 8 else { return nil }
        var work = AxisUnfolding(self, axis: axis, count: count, chunks: axes.count)
        return work.run()
    }

    /// How many values unfolding makes, at least.
    ///
    /// - Parameter keepsStreams: as `keepingStreams` does.
    package func countUnfolding(_ axis: Int, count: Int, keepingStreams keepsStreams: Bool = false) -> Int {
        let stepped = UnfoldedForms(self, axis: axis, keepsStreams: keepsStreams).countOfSteps
        return values.count + stepped * (count - 1)
    }

    private func canUnfold(_ axis: Int, keepsStreams: Bool = false) -> Bool {
        guard dataAxes.contains(axis), !axes.contains(where: { $0.chunks != nil }) else { return false }
        guard let other = counterpart(of: axis) else { return true }
        guard keepsStreams else { return false }
        // Steps attend to others along the axis alone.
        let forms = UnfoldedForms(self, axis: axis, keepsStreams: true)
        let own: UInt8 = 1 << UInt8(axis) | 1 << UInt8(other)
        return ids.allSatisfy { id in
            let variance = self[id].variance
            return !variance.varies(over: other) || variance.axes & ~own == 0 && (forms[id] == .stream || !variance.varies(over: axis))
        }
    }
}

/// The work of unfolding an axis. Every value has its places in the new graph from the beginning, so that operations may name what comes
/// later; the result is put in order at the end.
struct AxisUnfolding {
    let source: StreamGraph
    let axis: Int
    let count: Int
    /// The axis of one chunk of all steps, where streams along the axis stay.
    let chunks: Int?
    let forms: UnfoldedForms
    var builder: GraphBuilder
    /// The values that stand for a value: one, or one for each step.
    private(set) var places: [[ValueID]] = []
    private var known: [Reading: ValueID] = [:]

    private enum Reading: Hashable {
        case rows(ValueID)
        case stream(ValueID)
        case step(ValueID, Int)
    }

    init(_ source: StreamGraph, axis: Int, count: Int, chunks: Int?) {
        (self.source, self.axis, self.count, self.chunks) = (source, axis, count, chunks)
        forms = UnfoldedForms(source, axis: axis, keepsStreams: chunks != nil)
        var axes = source.axes
        if chunks == nil {
            axes.remove(at: axis)
            for k in axes.indices { axes[k].again = axes[k].again.map { $0 > axis ? $0 - 1 : $0 } }
        } else {
            axes[axis].length = count
            for k in axes.indices where axes[k].again == axis { axes[k].length = count }
            axes.append(StreamAxis(name: axes[axis].name + "'", chunks: StreamAxis.Chunks(of: axis, count: count, isWhole: true)))
        }
        builder = GraphBuilder(source.name, axes: axes)
    }

    /// The dim of the steps of the axis.
    var dim: Dim { Dim(source.axes[axis].name, count) }

    mutating func run() -> StreamGraph {
        for id in source.ids { places.append(declared(id)) }
        for id in source.ids { define(id) }
        addResults()
        return builder.graph.ordered()
    }

    // MARK: Places

    private mutating func declared(_ id: ValueID) -> [ValueID] {
        let value = source[id]
        builder.span = value.span
        switch forms[id] {
        case .apart, .stream: return [builder.declare(ValueType(value.element, value.shape, variance(value.variance)), name: value.name)]
        case .rows: return [builder.declare(ValueType(value.element, [dim] + value.shape, rowsVariance(value.variance)), name: value.name)]
        case .steps:
            return (0..<count).map { step in
                builder.declare(ValueType(value.element, value.shape, rowsVariance(value.variance)), name: value.name.map { "\($0).\(step)" })
            }
        }
    }

    /// The position of another axis in the new graph.
    func moved(_ other: Int) -> Int { chunks == nil && other > axis ? other - 1 : other }

    func variance(_ old: Variance) -> Variance {
        var axes: UInt8 = 0
        for k in source.axes.indices where old.varies(over: k) { axes |= 1 << UInt8(moved(k)) }
        return Variance(batch: old.batch, axes: axes)
    }

    /// What varies over the axis otherwise.
    func rowsVariance(_ old: Variance) -> Variance {
        var result = variance(old.removing(axis: axis))
        if let chunks { result = result.union(Variance(batch: true, axes: 1 << UInt8(chunks))) }
        return result
    }

    /// The steps of a delay along the other axes.
    func others(of offsets: [Int]) -> [Int] {
        var result = offsets
        if chunks == nil { result.remove(at: axis) } else {
            result[axis] = 0
            result.append(0)
        }
        return result
    }

    // MARK: Readings

    /// A value that varies over the axis no more, or never did.
    func apart(_ id: ValueID) -> ValueID { places[id.index][0] }

    /// A value at all steps of the axis; the same at each where it does not vary over it.
    mutating func rows(_ id: ValueID) -> ValueID {
        if forms[id] == .rows { return places[id.index][0] }
        if let known = known[.rows(id)] { return known }
        builder.span = source[id].span
        let shape = [dim] + source[id].shape
        let result: ValueID
        switch forms[id] {
        case .apart: result = builder.broadcast(apart(id), to: shape, from: [nil] + source[id].shape.indices.map { $0 })
        case .stream: result = builder.chunks(apart(id), axis: chunks ?? 0, named: dim.name)
        case .rows, .steps: result = whole(places[id.index])
        }
        known[.rows(id)] = result
        return result
    }

    /// A value at a step of the axis.
    mutating func step(_ id: ValueID, _ step: Int) -> ValueID {
        switch forms[id] {
        case .apart: return apart(id)
        case .steps: return places[id.index][step]
        case .rows, .stream:
            if let known = known[.step(id, step)] { return known }
            let rows = rows(id)
            builder.span = source[id].span
            let result = row(step, of: rows)
            known[.step(id, step)] = result
            return result
        }
    }

    /// A value along the axis as it was; what does not vary over it as it is.
    mutating func stream(_ id: ValueID) -> ValueID {
        if forms[id] == .stream || forms[id] == .apart { return apart(id) }
        if let known = known[.stream(id)] { return known }
        let rows = rows(id)
        builder.span = source[id].span
        let result = builder.steps(rows, axis: chunks ?? 0)
        known[.stream(id)] = result
        return result
    }

    func row(_ step: Int, of rows: ValueID, in builder: inout GraphBuilder) -> ValueID {
        let shape = Array(builder[rows].shape.dropFirst())
        return builder.reshape(builder.slice(rows, axis: 0, start: step, count: 1), to: shape)
    }

    mutating func row(_ step: Int, of rows: ValueID) -> ValueID { row(step, of: rows, in: &builder) }

    /// Values at all steps one behind the other.
    mutating func whole(_ steps: [ValueID]) -> ValueID {
        let rows = steps.map { builder.reshape($0, to: [Dim("1", 1)] + builder[$0].shape) }
        return builder.concat(rows, axis: 0, named: dim.name)
    }

    // MARK: Definitions

    private mutating func define(_ id: ValueID) {
        builder.span = source[id].span
        switch forms[id] {
        case .apart: defineApart(id)
        case .stream: replace(places[id.index][0], by: movedOperation(source[id].operation) { $0.stream($1) })
        case .rows: defineRows(id)
        case .steps:
            for (step, place) in places[id.index].enumerated() { defineStep(id, step, place) }
        }
    }

    private mutating func defineApart(_ id: ValueID) {
        let place = apart(id)
        if case .overTime(let kind, let operand, axis) = source[id].operation, forms[operand] != .stream {
            let reduction = reduction(kind, operand, source[id].type)
            guard let chunks else {
                replace(place, by: reduction)
                return
            }
            // There is one chunk.
            let type = ValueType(source[id].element, source[id].shape, rowsVariance(source[operand].variance))
            let ofChunk = builder.declare(type)
            replace(ofChunk, by: reduction)
            replace(place, by: .overTime(.first, ofChunk, axis: chunks))
        } else {
            replace(place, by: movedOperation(source[id].operation) { $0.stream($1) })
        }
    }

    private mutating func defineStep(_ id: ValueID, _ step: Int, _ place: ValueID) {
        switch source[id].operation {
        case .delay(let operand, let offsets, let initial):
            let from = step + offsets[axis]
            let rest = others(of: offsets)
            if !(0..<count ~= from) {
                replace(place, by: .rename(outside(id, initial)))
            } else if rest.allSatisfy({ $0 == 0 }) {
                replace(place, by: .rename(self.step(operand, from)))
            } else {
                replace(place, by: .delay(self.step(operand, from), offsets: rest, initial: initial.map(apart)))
            }
        case .input:
            preconditionFailure("an input is no recurrence")
        case .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window,
            .gather, .scatter, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            replace(place, by: movedOperation(source[id].operation) { $0.step($1, step) })
        }
    }

    /// What a delay gives outside of the axis.
    mutating func outside(_ id: ValueID, _ initial: ValueID?) -> ValueID {
        if let initial { return apart(initial) }
        let value = source[id]
        return builder.constant(value.element.zero, value.shape)
    }

    /// The same operation on other operands, with axes at their new positions.
    private mutating func movedOperation(_ operation: Operation, _ reading: (inout AxisUnfolding, ValueID) -> ValueID) -> Operation {
        let operands = operation.operands
        var readings: [ValueID: ValueID] = [:]
        for operand in operands where readings[operand] == nil { readings[operand] = reading(&self, operand) }
        let result = operation.mapOperands { readings[$0] ?? $0 }
        switch result {
        case .delay(let a, let offsets, let initial):
            var moved = offsets
            if chunks == nil { moved.remove(at: axis) } else { moved.append(0) }
            return .delay(a, offsets: moved, initial: initial)
        case .overTime(let kind, let a, let other): return .overTime(kind, a, axis: moved(other))
        case .along(let a, let other): return .along(a, axis: moved(other))
        case .distance(let other): return .distance(axis: moved(other))
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad,
            .window, .gather, .scatter, .overBatch, .chunks, .steps, .runningAffine, .solve:
            return result
        }
    }

    mutating func replace(_ place: ValueID, by operation: Operation) { builder.replace(place, by: operation) }
}
