import RecSource

/// A value of the graph: what it is, and what it varies over.
package struct Value: Hashable, Sendable {
    package var operation: Operation
    package var element: ElementType
    /// The axes within one step; batch and time are not among them.
    package var shape: Shape
    package var variance: Variance
    /// The user's name, where the value is what a name stands for; with the path of its layer (`blocks.0.h`).
    package var name: String?
    package var span: SourceSpan?

    package init(
        _ operation: Operation, element: ElementType, shape: Shape, variance: Variance, name: String? = nil,
        span: SourceSpan? = nil
    ) {
        self.operation = operation
        self.element = element
        self.shape = shape
        self.variance = variance
        self.name = name
        self.span = span
    }

    /// Whether it holds complex numbers, as they are or as parts along a last axis.
    package var isComplex: Bool { element == .complex || shape.last == .complexParts }
}

/// A model with its dims fixed: a graph of streams. Batch and the lengths of open axes stay open.
///
/// Recurrences are the cycles, and every cycle passes through a `delay`. `values` is ordered so that every instant
/// operand precedes its user; only the delayed operand of a `delay` may come later.
package struct StreamGraph: Equatable, Sendable {
    package var name: String
    /// Outermost first.
    package var axes: [StreamAxis]
    package var values: [Value] = []
    package var states: [State] = []
    package var outputs: [Output] = []
    package var losses: [Output] = []
    package var folds: [Fold] = []
    package var requirements: [Requirement] = []
    /// Functions of the program with gradients of their own.
    package var ownGradients: [OwnGradient] = []

    /// A declared state: the value that its equation defines, and what it is before the first step.
    package struct State: Equatable, Sendable {
        package var name: String
        package var value: ValueID
        package var initial: ValueID?
        package var span: SourceSpan?
        package init(name: String, value: ValueID, initial: ValueID?, span: SourceSpan? = nil) {
            self.name = name
            self.value = value
            self.initial = initial
            self.span = span
        }
    }

    /// An output, or a loss. The tensor of an output has the batch and axes that its value varies over, and then its shape;
    /// a loss has no axes and no shape, and its number is the mean over the batch.
    package struct Output: Equatable, Sendable {
        package var name: String
        package var value: ValueID
        package var span: SourceSpan?
        package init(name: String, value: ValueID, span: SourceSpan? = nil) {
            self.name = name
            self.value = value
            self.span = span
        }
    }

    /// A running fold over a user's associative operator. Its values are in the graph as an ordinary recurrence
    /// (`state = combine(state[t-1], element)`); this records that the combination is associative.
    package struct Fold: Equatable, Sendable {
        package var monoid: String
        package var fields: [String]
        package var elements: [ValueID]
        package var states: [ValueID]
        /// The operator alone: inputs `a.FIELD` and `b.FIELD` without batch or axes, one output for each field.
        package var combine: StreamGraph
        package var identity: [Scalar]
        package var span: SourceSpan?
        package init(
            monoid: String, fields: [String], elements: [ValueID], states: [ValueID], combine: StreamGraph,
            identity: [Scalar], span: SourceSpan? = nil
        ) {
            self.monoid = monoid
            self.fields = fields
            self.elements = elements
            self.states = states
            self.combine = combine
            self.identity = identity
            self.span = span
        }
    }

    /// A promise of the source, checked when compiled: `require plan(S) in (scan, sequential)`.
    package struct Requirement: Equatable, Sendable {
        package enum Property: Equatable, Sendable {
            case affine, diagonal
            case plan([String])
        }
        package var property: Property
        package var state: String
        package var span: SourceSpan?
        package init(property: Property, state: String, span: SourceSpan? = nil) {
            self.property = property
            self.state = state
            self.span = span
        }
    }

    package init(name: String, axes: [StreamAxis]) {
        self.name = name
        self.axes = axes
    }

    package subscript(_ id: ValueID) -> Value {
        get { values[id.index] }
        set { values[id.index] = newValue }
    }

    /// The axes that data run over: all but those that count chunks, and second indices over others. They come first.
    package var dataAxes: Range<Int> { 0..<(axes.firstIndex { $0.chunks != nil || $0.again != nil } ?? axes.count) }

    /// Whether an axis is a dim within the steps of others, and one chunk of all its steps (`keepingStreams(along:count:)`).
    package var hasUnfoldedAxis: Bool { axes.contains { $0.chunks?.isWhole == true } }

    /// Of two indices over one axis the other one.
    package func counterpart(of axis: Int) -> Int? {
        guard axes.indices.contains(axis) else { return nil }
        return axes[axis].again ?? axes.firstIndex { $0.again == axis }
    }

    /// Whether a value stands for pairs of steps of one axis.
    package func isPair(_ id: ValueID) -> Bool {
        axes.indices.contains { axis in
            axes[axis].again.map { self[id].variance.varies(over: axis) && self[id].variance.varies(over: $0) } ?? false
        }
    }

    /// Whether a value varies over a second index over some axis, be it along with the first one or alone.
    package func isAlongSecondIndex(_ id: ValueID) -> Bool { axes.indices.contains { axes[$0].again != nil && self[id].variance.varies(over: $0) } }

    package var ids: [ValueID] { values.indices.map(ValueID.init) }

    /// Adds a value; its instant operands must be in the graph already.
    package mutating func add(_ value: Value) -> ValueID {
        values.append(value)
        return ValueID(values.count - 1)
    }
}
