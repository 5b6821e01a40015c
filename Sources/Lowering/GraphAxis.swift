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

/// What counts steps: the delay of the count, and the number that is made of it.
struct StepCounter {
    var delay: ValueID
    var number: ValueID

    /// For whom it counts: along which axis, from which end, and over which rounds.
    struct Key: Hashable {
        var axis: GraphAxis
        var taken: ValueID?
    }
}

extension Lowering {
    /// The number of the step along an axis: how many steps a counter has seen before this one. The counter is a state of the name of
    /// the axis, one for all layers, so that the number goes on wherever states do: over pieces of a stream and from run to run.
    ///
    /// - Parameter rounds: those that are taken; who counts from the end counts from the last of them.
    mutating func step(along axis: GraphAxis, _ rounds: Rounds?, _ span: SourceSpan) -> ValueID {
        let rounds = axis.isReversed && rounds?.axis == axis.position ? rounds : nil
        let key = StepCounter.Key(axis: axis, taken: rounds?.taken)
        if let known = steps[key] { return known.number }
        var variance = Variance(batch: true, axes: 1 << UInt8(axis.position))
        if let rounds { variance = variance.union(graph[rounds.taken].variance) }
        var offsets = [Int](repeating: 0, count: graph.axes.count)
        offsets[axis.position] = axis.isReversed ? 1 : -1
        var name = graph.axes[axis.position].name + (axis.isReversed ? ".reversed" : "")
        if steps.keys.contains(where: { $0.axis == axis }) { name += "#\(steps.keys.count { $0.axis == axis } + 1)" }
        // What it looks at comes below.
        let delay = graph.add(
            Value(
                .delay(ValueID(graph.values.count), offsets: offsets, initial: nil), element: .int, shape: [], variance: variance, name: name,
                span: span))
        let number = rounds.map { reading(delay, in: $0, span) } ?? delay
        let one = graph.add(Value(.constant(.int(1)), element: .int, shape: [], variance: .none, span: span))
        let count = graph.add(Value(.binary(.add, number, one), element: .int, shape: [], variance: variance, name: name, span: span))
        graph[delay].operation = .delay(count, offsets: offsets, initial: nil)
        ownDelays.insert(delay)
        graph.states.append(StreamGraph.State(name: name, value: count, initial: nil, span: span))
        steps[key] = StepCounter(delay: delay, number: number)
        return number
    }
}
