import RecSource

/// A value of the graph: what it is, and what it varies over.
public struct Value: Hashable, Sendable {
    public var operation: Operation
    public var element: ElementType
    /// The axes within one step; batch and time are not among them.
    public var shape: Shape
    public var variance: Variance
    /// The user's name, where the value is what a name stands for; with the path of its layer (`blocks.0.h`).
    public var name: String?
    public var span: SourceSpan?

    public init(
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
}

/// A model with its dims fixed: a graph of streams. Batch and the lengths of open axes stay open.
///
/// Recurrences are the cycles, and every cycle passes through a `delay`. `values` is ordered so that every instant
/// operand precedes its user; only the delayed operand of a `delay` may come later.
public struct StreamGraph: Equatable, Sendable {
    public var name: String
    /// Outermost first.
    public var axes: [StreamAxis]
    public var values: [Value] = []
    public var states: [State] = []
    public var outputs: [Output] = []
    public var losses: [Output] = []
    public var folds: [Fold] = []
    public var requirements: [Requirement] = []

    /// A declared state: the value that its equation defines, and what it is before the first step.
    public struct State: Equatable, Sendable {
        public var name: String
        public var value: ValueID
        public var initial: ValueID?
        public var span: SourceSpan?
        public init(name: String, value: ValueID, initial: ValueID?, span: SourceSpan? = nil) {
            self.name = name
            self.value = value
            self.initial = initial
            self.span = span
        }
    }

    /// An output, or a loss. The tensor of an output has the batch and axes that its value varies over, and then its shape;
    /// a loss has no axes and no shape, and its number is the mean over the batch.
    public struct Output: Equatable, Sendable {
        public var name: String
        public var value: ValueID
        public var span: SourceSpan?
        public init(name: String, value: ValueID, span: SourceSpan? = nil) {
            self.name = name
            self.value = value
            self.span = span
        }
    }

    /// A running fold over a user's associative operator. Its values are in the graph as an ordinary recurrence
    /// (`state = combine(state[t-1], element)`); this records that the combination is associative.
    public struct Fold: Equatable, Sendable {
        public var monoid: String
        public var fields: [String]
        public var elements: [ValueID]
        public var states: [ValueID]
        /// The operator alone: inputs `a.FIELD` and `b.FIELD` without batch or axes, one output for each field.
        public var combine: StreamGraph
        public var identity: [Scalar]
        public var span: SourceSpan?
        public init(
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
    public struct Requirement: Equatable, Sendable {
        public enum Property: Equatable, Sendable {
            case affine, diagonal
            case plan([String])
        }
        public var property: Property
        public var state: String
        public var span: SourceSpan?
        public init(property: Property, state: String, span: SourceSpan? = nil) {
            self.property = property
            self.state = state
            self.span = span
        }
    }

    public init(name: String, axes: [StreamAxis]) {
        self.name = name
        self.axes = axes
    }

    public subscript(_ id: ValueID) -> Value {
        get { values[id.index] }
        set { values[id.index] = newValue }
    }

    public var ids: [ValueID] { values.indices.map(ValueID.init) }

    /// Adds a value; its instant operands must be in the graph already.
    public mutating func add(_ value: Value) -> ValueID {
        values.append(value)
        return ValueID(values.count - 1)
    }
}
