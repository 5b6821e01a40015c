import RecSource
import RecStream
import RecSyntax

/// An axis of a typed value: its name, and its size as an expression over the model's dims.
package struct TypedDim: Hashable, Sendable {
    package var name: String
    package var size: DimExpression
    package init(_ name: String, _ size: DimExpression) {
        self.name = name
        self.size = size
    }
}

package typealias TypedShape = [TypedDim]

/// What a typed value is. Mirrors `Operation`, with what depends on dims left symbolic.
package enum TypedOperation: Equatable, Sendable {
    /// An operation of the stream graph on values of this model; none of those that follow.
    case primitive(Operation)
    case parameter(ParameterInfo)
    /// A dim as a number.
    case dim(DimExpression)
    case slice(ValueID, axis: Int, start: DimExpression, stride: Int)
    case pad(ValueID, axis: Int, before: DimExpression, after: DimExpression, mode: PadMode)
    /// Of each row, along the last axis, the element at an index of the shape of the other axes.
    case pick(rows: ValueID, index: ValueID)
    /// Several steps of a value, one behind the other along a new first axis.
    case window(ValueID, StepWindow)
    /// An output of a call of a layer.
    case callOutput(call: Int, output: Int)
    /// The derivative of a number by a value of the same step.
    case derivative(of: ValueID, by: ValueID)
    /// What a function with a gradient of its own gives: its value, and which gradient of the model.
    case own(ValueID, gradient: Int)
    /// What stands for the adjoint of a function's value in its gradient.
    case adjoint
    /// The number of the step along an axis of the model, from 0; an int.
    case step(axis: Int)
    /// A value at the step of the second index over an axis, `x[s]`: what varies over the axis varies over the second index instead.
    case along(ValueID, axis: Int)
    /// `t - s`: how many steps the present one is behind that of the second index over an axis; an int.
    case distance(axis: Int)
    /// A number by chance for each element, new at each step where it varies over time: from a standard normal distribution, or between 0 and
    /// 1. Each such value is a source of its own.
    case draw(isNormal: Bool)
    /// One value where the model is trained, another one elsewhere.
    case training(ValueID, otherwise: ValueID)
}

package struct TypedValue: Equatable, Sendable {
    package var operation: TypedOperation
    package var element: ElementType
    package var shape: TypedShape
    package var variance: Variance
    package var name: String?
    package var span: SourceSpan
}

/// A call of a layer: the values for the model's inputs, by name.
package struct TypedCall: Equatable, Sendable {
    package var layer: Int
    package var inputs: [String: ValueID]
    package var span: SourceSpan
}

package struct TypedLayer: Equatable, Sendable {
    package var name: String
    package var model: String
    /// The copies of `repeat`, chained; nil for a single instance.
    package var count: DimExpression?
    package var dims: [String: DimExpression]
    /// The name each dim was given by, which its axes have outside the layer.
    package var names: [String: String]
    /// For each axis of the layer's model the axis of the enclosing model.
    package var axes: [Int]
    /// The axes of the enclosing model along which it runs from the end.
    package var reversedAxes: Set<Int>
    /// Where its tensors are in files of weights; nil for names behind that of the layer.
    package var tensors: TensorTemplate?
    package var span: SourceSpan

    /// As many copies as a model may have values.
    package static let mostCopies = 200_000
}

package struct TypedFold: Equatable, Sendable {
    package var monoid: String
    package var fields: [String]
    package var elements: [ValueID]
    package var states: [ValueID]
    package var identity: [Scalar]
    /// The operator on its own: a model without axes whose inputs are `a.FIELD` and `b.FIELD`.
    package var combine: TypedModel
    package var span: SourceSpan
}

/// The gradient of its own that a function has, at a call.
package struct TypedOwnGradient: Equatable, Sendable {
    package var function: String
    package var arguments: [ValueID]
    /// By argument, in its shape; nil for ints and bools.
    package var shares: [ValueID?]
    package var adjoint: ValueID
    package var span: SourceSpan
}

package struct TypedInput: Equatable, Sendable {
    package var name: String
    package var isOnce: Bool
    package var value: ValueID
}

package struct TypedOutput: Equatable, Sendable {
    package var name: String
    package var value: ValueID
    package var span: SourceSpan
}

package struct TypedState: Equatable, Sendable {
    package var name: String
    package var value: ValueID
    package var initial: ValueID?
    /// Where it is read at other steps, by its own name.
    package var delays: [ValueID]
    package var span: SourceSpan
}

/// A model whose names are resolved and whose shapes are known, symbolic in its dims.
package struct TypedModel: Equatable, Sendable {
    package var name: String
    /// The dims to be given, in order, with defaults.
    package var dims: [String]
    package var defaults: [String: DimExpression]
    /// Names for dims: `dim G = 4 * H`.
    package var aliases: [String: DimExpression]
    package var axes: [(name: String, length: DimExpression?)]
    /// The condition that ends the rounds of the inner axis; nil where all of them are taken.
    package var until: ValueID?
    package var values: [TypedValue]
    package var inputs: [TypedInput]
    package var outputs: [TypedOutput]
    package var losses: [TypedOutput]
    package var states: [TypedState]
    package var layers: [TypedLayer]
    package var calls: [TypedCall]
    package var folds: [TypedFold]
    package var ownGradients: [TypedOwnGradient] = []
    package var requirements: [StreamGraph.Requirement]
    package var examples: [TypedExample]
    /// By axis the name of the first second index over it that a reduction binds, here or in a layer.
    package var secondIndices: [Int: String] = [:]
    package var span: SourceSpan

    package static func == (a: TypedModel, b: TypedModel) -> Bool {
        a.name == b.name && a.dims == b.dims && a.values == b.values && a.outputs == b.outputs && a.calls == b.calls
    }

    package subscript(_ id: ValueID) -> TypedValue { values[id.index] }
}

/// `example x = [1, 0] -> y = [1, 1]`
package struct TypedExample: Equatable, Sendable {
    package struct Binding: Equatable, Sendable {
        package var name: String
        package var isApproximate: Bool
        package var shape: [Int]
        package var numbers: [Double]
        package var span: SourceSpan
    }
    /// Dims and inputs.
    package var given: [Binding]
    package var expected: [Binding]
    package var span: SourceSpan
}

/// Every model of a program, by name, and the one that stands for the file.
package struct TypedProgram: Sendable {
    package var models: [String: TypedModel]
    /// The models of the main file, in order.
    package var mainFileModels: [String]
    /// The model of the main file that no other model there uses as a layer; nil where that is not one model.
    package var mainModel: String?
}
