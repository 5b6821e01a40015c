import RecStream

/// What a formula of liveness is made of.
enum LiveCondition: Hashable {
    /// A formula by itself: its axes are those of `shape`.
    struct Part: Hashable {
        var live: Live
        var shape: Shape
    }

    /// A bool of the graph that is differentiated.
    case holds(ValueID)
    case isPositive(ValueID)
    /// `function(a, b)`, a comparison of the two sides of `max` or `min`.
    case compares(BinaryOperator, ValueID, ValueID)
    /// Where a delay reads outside the sequence.
    case outside(offsets: [Int])
    /// Where what reads a delay is live, at the step that the delay's operand stands at; the delay is looked at later.
    case through(ValueID, axes: [Int])
    /// The same for a delay that has been looked at.
    case moved(Part, offsets: [Int])
    /// Where the formula holds for some element along these axes.
    case any(Part, axes: [Int])
    /// Where it holds at some place that `variance` does not tell apart.
    case ever(Part, leaving: Variance)
    case whole(Part)
    case sliced(Part, axis: Int, start: Int, count: Int)
    case reshaped(Part, to: Shape)
    case gathered(Part, index: ValueID)
    // Transposes: an element is live where one of its copies is.
    case unsliced(Part, axis: Int, start: Int, stride: Int, size: Int)
    case unpadded(Part, axis: Int, before: Int, after: Int, mode: PadMode)
    case overlapped(Part, axis: Int, stride: Int, size: Int)
    case scattered(Part, index: ValueID, count: Int)
}
