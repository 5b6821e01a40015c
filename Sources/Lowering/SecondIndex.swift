import RecSource
import RecStream

/// A second index over the axis of time: values at its steps, and reductions over them.
extension Lowering {
    /// The axis that is a second index over another one.
    var secondAxis: Int? { graph.axes.firstIndex { $0.again != nil } }

    /// A value at the step of the second index. What a layer is given may be the same at every step, and then it is itself.
    mutating func along(_ operand: ValueID, named name: String?, _ span: SourceSpan) -> ValueID? {
        guard let axis = secondAxis, let first = graph.axes[axis].again else { return nil }
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
        guard let second = secondAxis else { return nil }
        let variance = Variance(batch: true, axes: 1 << UInt8(axis.position) | 1 << UInt8(second))
        let distance = graph.add(Value(.distance(axis: second), element: .int, shape: [], variance: variance, span: span))
        guard axis.isReversed else { return distance }
        return graph.add(Value(.unary(.negate, distance), element: .int, shape: [], variance: variance, span: span))
    }

    /// A reduction over the steps of the second index, also of what is the same at each of them.
    mutating func overSteps(_ kind: TimeReduceKind, _ operand: ValueID, named name: String?, _ span: SourceSpan) -> ValueID? {
        guard let axis = secondAxis else { return nil }
        var value = graph[operand]
        (value.name, value.span) = (nil, span)
        var operand = operand
        if !value.variance.varies(over: axis) {
            value.operation = .rename(operand)
            value.variance = value.variance.union(Variance(batch: true, axes: 1 << UInt8(axis)))
            operand = graph.add(value)
        }
        value.operation = .overTime(kind, operand, axis: axis)
        value.variance = value.variance.removing(axis: axis)
        value.name = name
        return graph.add(value)
    }
}

extension [StreamAxis] {
    /// Adds a second index over the first axis, by its name or, where an axis has that, by a longer one.
    mutating func appendSecondIndex(named name: String) {
        var name = name
        while contains(where: { $0.name == name }) { name += "'" }
        append(StreamAxis(name: name, length: self[0].length, again: 0))
    }
}
