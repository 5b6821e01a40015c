import RecSource
import RecStream

/// A second index over the axis of time: values at its steps, and reductions over them.
extension Lowering {
    /// The axis that is a second index over another one.
    func secondAxis(of axis: Int) -> Int? { graph.axes.firstIndex { $0.again == axis } }

    /// A value at the step of the second index. What a layer is given may be the same at every step, and then it is itself.
    mutating func along(_ operand: ValueID, of first: Int, named name: String?, _ span: SourceSpan) -> ValueID? {
        guard let axis = secondAxis(of: first) else { return nil }
        var value = graph[operand]
        guard value.variance.varies(over: first) else { return operand }
        value.operation = .along(operand, axis: axis)
        value.variance = value.variance.removing(axis: first).union(Variance(batch: true, axes: 1 << UInt8(axis)))
        value.name = name
        value.span = span
        return graph.add(value)
    }

    /// How many steps the present one is behind that of the second index, as the axis is gone along here.
    mutating func distance(along axis: GraphAxis, _ span: SourceSpan) -> ValueID? {
        guard let second = secondAxis(of: axis.position) else { return nil }
        let variance = Variance(batch: true, axes: 1 << UInt8(axis.position) | 1 << UInt8(second))
        let distance = graph.add(Value(.distance(axis: second), element: .int, shape: [], variance: variance, span: span))
        guard axis.isReversed else { return distance }
        return graph.add(Value(.unary(.negate, distance), element: .int, shape: [], variance: variance, span: span))
    }

    /// A reduction over the steps of the second index.
    ///
    /// Values for pairs of steps are reduced so. What does not depend on the present step is reduced over the axis itself, as in `sum[t](x)`, and
    /// what does not depend on the other one is the same at each of them.
    mutating func overSteps(_ kind: TimeReduceKind, _ operand: ValueID, of first: Int, named name: String?, _ span: SourceSpan) -> ValueID? {
        guard let axis = secondAxis(of: first) else { return nil }
        let variance = graph[operand].variance
        if variance.varies(over: axis), variance.varies(over: first) { return reduced(kind, operand, over: axis, named: name, span) }
        if variance.varies(over: axis) { return reduced(kind, atPresentStep(operand, axis, first), over: first, named: name, span) }
        guard variance.varies(over: first) else { return reduced(kind, everywhere(operand, first, span), over: first, named: name, span) }
        switch kind {
        case .mean, .max, .min, .first, .last: return operand
        case .sum:
            let isInt = graph[operand].element == .int
            let one = graph.add(Value(.constant(isInt ? .int(1) : .real(1)), element: isInt ? .int : .real, shape: [], variance: .none, span: span))
            var count = reduced(.sum, everywhere(one, first, span), over: first, named: nil, span)
            let shape = graph[operand].shape
            if !shape.isEmpty {
                var spread = graph[count]
                (spread.operation, spread.shape) = (.broadcast(count, from: shape.map { _ in nil }), shape)
                count = graph.add(spread)
            }
            var value = graph[operand]
            (value.operation, value.name, value.span) = (.binary(.multiply, operand, count), name, span)
            return graph.add(value)
        }
    }

    private mutating func reduced(_ kind: TimeReduceKind, _ operand: ValueID, over axis: Int, named name: String?, _ span: SourceSpan) -> ValueID {
        var value = graph[operand]
        value.operation = .overTime(kind, operand, axis: axis)
        value.variance = value.variance.removing(axis: axis)
        (value.name, value.span) = (name, span)
        return graph.add(value)
    }

    /// A stream of what is the same at every step.
    private mutating func everywhere(_ operand: ValueID, _ axis: Int, _ span: SourceSpan) -> ValueID {
        var value = graph[operand]
        value.operation = .delay(operand, offsets: graph.axes.indices.map { $0 == axis ? -1 : 0 }, initial: operand)
        value.variance = Variance(batch: true, axes: 1 << UInt8(axis))
        (value.name, value.span) = (nil, span)
        return graph.add(value)
    }

    /// What varies over the second index alone, as it is at the present step: what was taken along the index is taken as it was.
    private mutating func atPresentStep(_ operand: ValueID, _ axis: Int, _ first: Int) -> ValueID {
        var known: [ValueID: ValueID] = [:]
        func isWithinStep(_ operation: Operation) -> Bool {
            switch operation {
            case .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window, .gather, .scatter: true
            case .input, .parameter, .constant, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve: false
            }
        }
        // Operands first, without recursion: expressions may be long.
        var stack = [(id: operand, isReady: false)]
        while let (id, isReady) = stack.popLast() {
            guard known[id] == nil else { continue }
            var value = graph[id]
            if !value.variance.varies(over: axis) {
                known[id] = id
            } else if case .along(let original, axis) = value.operation {
                known[id] = original
            } else if isReady || !isWithinStep(value.operation) {
                if isWithinStep(value.operation) {
                    value.operation = value.operation.mapOperands { known[$0] ?? $0 }
                } else {
                    value.operation = .along(id, axis: first)
                }
                value.variance = value.variance.removing(axis: axis).union(Variance(batch: true, axes: 1 << UInt8(first)))
                known[id] = graph.add(value)
            } else {
                stack.append((id, true))
                stack += value.operation.operands.map { ($0, false) }
            }
        }
        return known[operand] ?? operand
    }
}

extension StreamGraph {
    /// The graph without second indices that nothing varies over: what they were bound for is not needed.
    var withoutIdleSecondIndices: StreamGraph {
        let kept = axes.indices.filter { axis in axes[axis].again == nil || values.contains { $0.variance.varies(over: axis) } }
        guard kept.count < axes.count else { return self }
        // Second indices stand behind the axes of data, so that what they are over keeps its place.
        var result = self
        result.axes = kept.map { axes[$0] }
        func moved(_ axis: Int) -> Int { kept.firstIndex(of: axis) ?? axis }
        for id in ids {
            let value = self[id]
            result[id].variance.axes = kept.reduce(0) { value.variance.varies(over: $1) ? $0 | 1 << UInt8(moved($1)) : $0 }
            switch value.operation {
            case .delay(let operand, let offsets, let initial):
                result[id].operation = .delay(operand, offsets: kept.map { offsets[$0] }, initial: initial)
            case .overTime(let kind, let operand, let axis): result[id].operation = .overTime(kind, operand, axis: moved(axis))
            case .along(let operand, let axis): result[id].operation = .along(operand, axis: moved(axis))
            case .distance(let axis): result[id].operation = .distance(axis: moved(axis))
            case .chunks(let operand, let axis, let fill): result[id].operation = .chunks(operand, axis: moved(axis), fill: fill)
            case .steps(let operand, let axis): result[id].operation = .steps(operand, axis: moved(axis))
            case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad,
                .window, .gather, .scatter, .overBatch, .runningAffine, .solve:
                continue
            }
        }
        return result
    }
}

extension [StreamAxis] {
    /// Adds a second index over an axis, by its name or, where an axis has that, by a longer one.
    mutating func appendSecondIndex(named name: String, over axis: Int) {
        var name = name
        while contains(where: { $0.name == name }) { name += "'" }
        append(StreamAxis(name: name, length: self[axis].length, again: axis))
    }
}
