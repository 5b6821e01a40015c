import RecSource
import RecStream
import RecSyntax

/// An axis of a typed value: its name, and its size as an expression over the model's dims.
public struct TypedDim: Hashable, Sendable {
    public var name: String
    public var size: DimExpression
    public init(_ name: String, _ size: DimExpression) {
        self.name = name
        self.size = size
    }
}

public typealias TypedShape = [TypedDim]

/// What a typed value is. Mirrors `Operation`, with what depends on dims left symbolic.
public enum TypedOperation: Equatable, Sendable {
    /// An operation of the stream graph on values of this model; none of those that follow.
    case primitive(Operation)
    case parameter(ParameterInfo)
    /// A dim as a number.
    case dim(DimExpression)
    case slice(ValueID, axis: Int, start: DimExpression, stride: Int)
    case pad(ValueID, axis: Int, before: DimExpression, after: DimExpression, mode: PadMode)
    /// Of each row, along the last axis, the element at an index of the shape of the other axes.
    case pick(rows: ValueID, index: ValueID)
    /// An output of a call of a layer.
    case callOutput(call: Int, output: Int)
}

public struct TypedValue: Equatable, Sendable {
    public var operation: TypedOperation
    public var element: ElementType
    public var shape: TypedShape
    public var variance: Variance
    public var name: String?
    public var span: SourceSpan
}

/// A call of a layer: the values for the model's inputs, by name.
public struct TypedCall: Equatable, Sendable {
    public var layer: Int
    public var inputs: [String: ValueID]
    public var span: SourceSpan
}

public struct TypedLayer: Equatable, Sendable {
    public var name: String
    public var model: String
    /// The copies of `repeat`, chained; nil for a single instance.
    public var count: DimExpression?
    public var dims: [String: DimExpression]
    /// The name each dim was given by, which its axes have outside the layer.
    public var names: [String: String]
    /// For each axis of the layer's model the axis of the enclosing model.
    public var axes: [Int]
    public var span: SourceSpan
}

public struct TypedFold: Equatable, Sendable {
    public var monoid: String
    public var fields: [String]
    public var elements: [ValueID]
    public var states: [ValueID]
    public var identity: [Scalar]
    /// The operator on its own: a model without axes whose inputs are `a.FIELD` and `b.FIELD`.
    public var combine: TypedModel
    public var span: SourceSpan
}

public struct TypedInput: Equatable, Sendable {
    public var name: String
    public var isOnce: Bool
    public var value: ValueID
}

public struct TypedOutput: Equatable, Sendable {
    public var name: String
    public var value: ValueID
    public var span: SourceSpan
}

public struct TypedState: Equatable, Sendable {
    public var name: String
    public var value: ValueID
    public var initial: ValueID?
    public var span: SourceSpan
}

/// A model whose names are resolved and whose shapes are known, symbolic in its dims.
public struct TypedModel: Equatable, Sendable {
    public var name: String
    /// The dims to be given, in order, with defaults.
    public var dims: [String]
    public var defaults: [String: DimExpression]
    /// Names for dims: `dim G = 4 * H`.
    public var aliases: [String: DimExpression]
    public var axes: [(name: String, length: DimExpression?)]
    public var values: [TypedValue]
    public var inputs: [TypedInput]
    public var outputs: [TypedOutput]
    public var losses: [TypedOutput]
    public var states: [TypedState]
    public var layers: [TypedLayer]
    public var calls: [TypedCall]
    public var folds: [TypedFold]
    public var requirements: [StreamGraph.Requirement]
    public var examples: [TypedExample]
    public var span: SourceSpan

    public static func == (a: TypedModel, b: TypedModel) -> Bool {
        a.name == b.name && a.dims == b.dims && a.values == b.values && a.outputs == b.outputs && a.calls == b.calls
    }

    public subscript(_ id: ValueID) -> TypedValue { values[id.index] }
}

/// `example x = [1, 0] -> y = [1, 1]`
public struct TypedExample: Equatable, Sendable {
    public struct Binding: Equatable, Sendable {
        public var name: String
        public var isApproximate: Bool
        public var shape: [Int]
        public var numbers: [Double]
        public var span: SourceSpan
    }
    /// Dims and inputs.
    public var given: [Binding]
    public var expected: [Binding]
    public var span: SourceSpan
}

/// Every model of a program, by name, and the one that stands for the file.
public struct TypedProgram: Sendable {
    public var models: [String: TypedModel]
    /// The models of the main file, in order.
    public var mainFileModels: [String]
    /// The model of the main file that no other model there uses as a layer; nil where that is not one model.
    public var mainModel: String?
}
