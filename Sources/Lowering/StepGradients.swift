import RecDifferentiation
import RecSource
import RecStream
import RecTyping

/// Gradients that a program states or asks for within a step.
extension Lowering {
    /// What a function with a gradient of its own gives: its value, through which no other derivative passes.
    mutating func own(
        _ inner: ValueID, _ gradient: TypedOwnGradient, _ lowered: [ValueID?], named name: String?, _ span: SourceSpan
    ) -> ValueID? {
        let arguments = gradient.arguments.compactMap { lowered[$0.index] }
        guard let adjoint = lowered[gradient.adjoint.index], arguments.count == gradient.arguments.count else { return nil }
        let shares = gradient.shares.map { $0.flatMap { lowered[$0.index] } }
        guard let rule = graph.rule(shares, adjoint: adjoint, arguments: arguments) else {
            fail(
                .unsupported, "the gradient of '\(gradient.function)' takes values of other steps", span,
                help: "a gradient of one's own is made of the arguments, at their own step")
            return nil
        }
        // The value is given wherever an argument is, so that each has its share there.
        let variance = arguments.reduce(graph[inner].variance) { $0.union(graph[$1].variance) }
        var value = graph[inner]
        value.span = span
        value.name = nil
        value.variance = variance
        var source = inner
        if graph[inner].variance != variance {
            value.operation = .rename(inner)
            source = graph.add(value)
        }
        value.operation = .unary(.stop, source)
        value.name = name
        let result = graph.add(value)
        graph.ownGradients.append(
            StreamGraph.OwnGradient(function: gradient.function, value: result, arguments: arguments, rule: rule, span: span))
        return result
    }

    /// The derivative of a number by a value of the same step, which stands at `places`. It varies over all that both vary over.
    mutating func derivative(of result: ValueID, by places: [ValueID], named name: String?, _ span: SourceSpan) -> ValueID? {
        for id in graph.withinStep(result, places) {
            guard case .overTime(_, let operand, let axis) = graph[id].operation,
                !Set(graph.withinStep(operand, places)).isDisjoint(with: places)
            else { continue }
            fail(
                .derivativeOverTime, "'grad' is taken within one step, and a layer here sees all steps of '\(graph.axes[axis].name)'", span,
                help: "differentiate what one step adds to it; of whole sequences there are gradients of a loss")
            return nil
        }
        let first = graph.values.count
        let variance = places.reduce(graph[result].variance) { $0.union(graph[$1].variance) }
        var gradient = graph.addDerivative(of: result, by: places, at: span)
        if graph[gradient].variance != variance {
            var wide = graph[gradient]
            wide.operation = .rename(gradient)
            wide.variance = variance
            wide.span = span
            gradient = graph.add(wide)
        }
        if gradient.index >= first { graph[gradient].name = name }
        return gradient
    }
}
