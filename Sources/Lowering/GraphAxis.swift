import RecSource
import RecStream

/// An axis of a model in the graph. In a layer that is run in reverse its steps are taken from the end of the sequence: every delay looks
/// the other way, and what is first is last.
struct GraphAxis: Hashable {
    /// The axis of the graph.
    var position: Int
    var isReversed: Bool

    init(_ position: Int, isReversed: Bool = false) {
        self.position = position
        self.isReversed = isReversed
    }

    /// The same axis, the other way where `isTurned`.
    func turned(_ isTurned: Bool) -> GraphAxis { GraphAxis(position, isReversed: isReversed != isTurned) }

    /// What a reduction over the axis is in the graph.
    func kind(_ kind: TimeReduceKind) -> TimeReduceKind {
        guard isReversed else { return kind }
        return switch kind {
        case .first: .last
        case .last: .first
        case .sum, .mean, .max, .min: kind
        }
    }
}

extension Lowering {
    /// The number of the step along an axis: how many steps a counter has seen before this one. The counter is a state of the name of
    /// the axis, one for all layers, so that the number goes on wherever states do: over pieces of a stream and from run to run.
    mutating func step(along axis: GraphAxis, _ span: SourceSpan) -> ValueID {
        if let known = steps[axis] { return known }
        let variance = Variance(batch: true, axes: 1 << UInt8(axis.position))
        var offsets = [Int](repeating: 0, count: graph.axes.count)
        offsets[axis.position] = axis.isReversed ? 1 : -1
        let name = graph.axes[axis.position].name + (axis.isReversed ? ".reversed" : "")
        let number = graph.add(
            Value(
                .delay(ValueID(graph.values.count + 2), offsets: offsets, initial: nil), element: .int, shape: [], variance: variance, name: name,
                span: span))
        let one = graph.add(Value(.constant(.int(1)), element: .int, shape: [], variance: .none, span: span))
        let count = graph.add(Value(.binary(.add, number, one), element: .int, shape: [], variance: variance, name: name, span: span))
        ownDelays.insert(number)
        graph.states.append(StreamGraph.State(name: name, value: count, initial: nil, span: span))
        steps[axis] = number
        return number
    }
}
