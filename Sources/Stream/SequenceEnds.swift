/// Lengths of sequences as data: for graphs over several axes, whose code goes along all steps of each.
extension StreamGraph {
    /// The input that has the lengths along an axis.
    package func lengthsName(of axis: Int) -> String { "lengths.\(axes[axis].name)" }

    /// The graph whose sequences end where inputs say so, `lengths.s`, along some axes of data.
    ///
    /// Steps behind the end of a sequence are computed, and nothing sees them: inputs and outputs are 0 there, reductions leave them out, and
    /// what looks ahead finds there what is outside of the sequence.
    package func ending(along axes: [Int]) -> StreamGraph {
        var work = EndedGraph(self, axes)
        return work.run()
    }
}

private struct EndedGraph {
    private let source: StreamGraph
    private let axes: [Int]
    private var builder: GraphBuilder
    /// By axis: the lengths, the number of the step, and whether it lies before the end.
    private var lengths: [Int: ValueID] = [:]
    private var steps: [Int: ValueID] = [:]
    private var inside: [Int: ValueID] = [:]

    init(_ source: StreamGraph, _ axes: [Int]) {
        self.source = source
        self.axes = axes
        builder = GraphBuilder(continuing: source)
    }

    mutating func run() -> StreamGraph {
        for axis in axes {
            lengths[axis] = builder.once(source.lengthsName(of: axis), [], .int)
            let step = step(along: axis)
            steps[axis] = step
            inside[axis] = builder.binary(.less, step, lengths[axis] ?? step)
        }
        var replaced: [ValueID: Operation] = [:]
        for id in source.ids {
            if let operation = ended(id) { replaced[id] = operation }
        }
        var outputs = source.outputs
        for k in outputs.indices where source[outputs[k].value].variance.isStream {
            let id = outputs[k].value
            if case .input = source[id].operation { continue }
            outputs[k].value = kept(id, else: zero(source[id]), along: axes.filter { source[id].variance.varies(over: $0) })
        }
        var result = builder.graph
        for (id, operation) in replaced { result[id].operation = operation }
        result.outputs = outputs
        return result.ordered()
    }

    /// A counter from 0.
    private mutating func step(along axis: Int) -> ValueID {
        let variance = Variance(batch: true, axes: 1 << UInt8(axis))
        let offsets = source.axes.indices.map { $0 == axis ? -1 : 0 }
        let one = builder.constant(.int(1))
        let number = builder.delay(ofLater: ValueType(.int, [], variance), offsets)
        builder.close(number, with: builder.binary(.add, number, one))
        return number
    }

    /// What an operation is where sequences end; nil where that makes no difference.
    private mutating func ended(_ id: ValueID) -> Operation? {
        let value = source[id]
        switch value.operation {
        case .input:
            let own = axes.filter { value.variance.varies(over: $0) }
            guard !own.isEmpty else { return nil }
            let input = kept(copy(id), else: zero(value), along: own)
            return builder[input].operation
        case .delay(_, let offsets, let initial):
            let ahead = axes.filter { offsets[$0] > 0 }
            guard !ahead.isEmpty else { return nil }
            let outside = initial ?? builder.constant(zero(value), value.shape)
            let isInside = ahead.map { axis in
                let step = builder.binary(.add, steps[axis] ?? id, builder.constant(.int(offsets[axis])))
                return builder.binary(.less, step, lengths[axis] ?? id)
            }
            let delay = chosen(isInside, copy(id), outside)
            return builder[delay].operation
        case .overTime(let kind, let operand, let axis):
            let base = source.axes[axis].again ?? axis
            guard let length = lengths[base], let within = inside[base] else { return nil }
            let isInside = axis == base ? within : builder.along(within, axis: axis)
            let reduction = ended(kind, operand, axis, isInside, length)
            return builder[reduction].operation
        case .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window,
            .gather, .scatter, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            return nil
        }
    }

    /// A reduction over the steps before the end.
    private mutating func ended(_ kind: TimeReduceKind, _ operand: ValueID, _ axis: Int, _ isInside: ValueID, _ length: ValueID) -> ValueID {
        let value = builder[operand]
        func number(_ real: Double, _ int: Int) -> Scalar { value.element == .int ? .int(int) : .real(real) }
        switch kind {
        case .sum: return builder.overTime(.sum, chosen([isInside], operand, builder.constant(zero(value), value.shape)), axis: axis)
        case .max: return builder.overTime(.max, chosen([isInside], operand, builder.constant(number(-.infinity, .min), value.shape)), axis: axis)
        case .min: return builder.overTime(.min, chosen([isInside], operand, builder.constant(number(.infinity, .max), value.shape)), axis: axis)
        case .mean:
            let total = builder.overTime(.sum, chosen([isInside], operand, builder.constant(zero(value), value.shape)), axis: axis)
            let count = builder.unary(.toReal, length)
            return builder.binary(.divide, total, builder.spread(count, to: value.shape))
        case .first:
            let isAny = builder.binary(.less, builder.constant(.int(0)), length)
            return chosen([isAny], builder.overTime(.first, operand, axis: axis), builder.constant(zero(value), value.shape))
        case .last:
            // The only step that is not 0.
            let base = source.axes[axis].again ?? axis
            let here = axis == base ? steps[base] ?? length : builder.along(steps[base] ?? length, axis: axis)
            let isLast = builder.binary(.equal, builder.binary(.add, here, builder.constant(.int(1))), length)
            guard value.element == .bool else {
                return builder.overTime(.sum, chosen([isLast], operand, builder.constant(zero(value), value.shape)), axis: axis)
            }
            let (one, none) = (builder.constant(.int(1), value.shape), builder.constant(.int(0), value.shape))
            let count = builder.overTime(.sum, chosen([isLast], builder.select(operand, one, none), none), axis: axis)
            return builder.binary(.equal, count, one)
        }
    }

    // MARK: Parts

    /// The same value again, so that the first can be what is made of it.
    private mutating func copy(_ id: ValueID) -> ValueID {
        guard case .delay(let operand, let offsets, let initial) = source[id].operation else {
            return builder.add(source[id].operation, proposing: source[id].type)
        }
        let delay = builder.delay(ofLater: source[id].type, offsets, from: initial)
        builder.close(delay, with: operand)
        return delay
    }

    private mutating func kept(_ id: ValueID, else number: Scalar, along axes: [Int]) -> ValueID {
        let other = builder.constant(number, builder[id].shape)
        return chosen(axes.compactMap { inside[$0] }, id, other)
    }

    /// A value where all conditions hold, and another one elsewhere.
    private mutating func chosen(_ conditions: [ValueID], _ value: ValueID, _ other: ValueID) -> ValueID {
        guard let first = conditions.first else { return value }
        let all = conditions.dropFirst().reduce(first) { builder.binary(.and, $0, $1) }
        return builder.select(builder.spread(all, to: builder[value].shape), value, other)
    }

    private func zero(_ value: Value) -> Scalar { value.element.zero }
}
