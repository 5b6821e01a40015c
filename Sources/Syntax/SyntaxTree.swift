import RecSource

/// A parsed file. The tree holds exactly what the user wrote; nothing is resolved.
package struct SyntaxFile: Equatable, Sendable {
    package var file: FileID
    package var items: [TopLevelItem]
    /// Every comment in order of position, documentation comments included, for the formatter.
    package var comments: [Comment]
    /// False where something outside of models could not be parsed: what names stand for is not known then.
    package var isComplete: Bool
}

package struct Comment: Equatable, Sendable {
    package var text: String
    package var span: SourceSpan
}

package struct Identifier: Equatable, Sendable {
    package var text: String
    package var span: SourceSpan

    package init(text: String, span: SourceSpan) {
        self.text = text
        self.span = span
    }
}

package enum TopLevelItem: Equatable, Sendable {
    case importFile(ImportDeclaration)
    case model(ModelDeclaration)
    case function(FunctionDeclaration)
    case monoid(MonoidDeclaration)
}

/// `import "gru.rec"` or `import std.gru`
package struct ImportDeclaration: Equatable, Sendable {
    package enum Source: Equatable, Sendable {
        /// A path, as seen from the file that imports.
        case file(String)
        /// A module of the library, with the dots in its name.
        case module(String)
    }

    package var source: Source
    package var sourceSpan: SourceSpan
    package var span: SourceSpan
}

/// `func swish(x) = x * sigmoid(x)`, `func spike(v) = step(v) gradient (dy) = dy / (1 + v * v)`
package struct FunctionDeclaration: Equatable, Sendable {
    package var documentation: String?
    package var name: Identifier
    package var parameters: [Identifier]
    package var body: Expression
    package var gradient: Gradient?
    package var span: SourceSpan

    /// What reverse mode gives the arguments, in place of what follows from the body.
    package struct Gradient: Equatable, Sendable {
        /// The name of the adjoint of the function's value.
        package var adjoint: Identifier
        /// One for each parameter.
        package var values: [Expression]
        /// From the word 'gradient' on.
        package var span: SourceSpan
    }

    /// The body, and the expressions of the gradient.
    package var expressions: [Expression] { [body] + (gradient?.values ?? []) }
}

/// `monoid Name(m, u: [], w: [V]) { identity (…) combine (a, b) { … } }`
package struct MonoidDeclaration: Equatable, Sendable {
    package var documentation: String?
    package var name: Identifier
    package var fields: [FieldGroup]
    package var identity: [Expression]
    /// From the word 'identity' to the end of its values.
    package var identitySpan: SourceSpan
    package var left: Identifier
    package var right: Identifier
    package var equations: [Equation]
    /// From the word 'combine' to the end of its equations.
    package var combineSpan: SourceSpan
    package var span: SourceSpan

    /// Names that share one type; without a type they are scalars.
    package struct FieldGroup: Equatable, Sendable {
        package var names: [Identifier]
        package var type: TypeSyntax?
    }
}

/// `model Name(D, H = 64) over (t, k: K) until halt { … }`
package struct ModelDeclaration: Equatable, Sendable {
    package var documentation: String?
    package var name: Identifier
    package var dims: [DimParameter]
    /// Empty where nothing is written: then the axis is `t`.
    package var axes: [AxisDeclaration]
    /// The name of the condition that ends the rounds of the inner axis.
    package var until: Identifier?
    package var members: [Member]
    package var span: SourceSpan

    package struct DimParameter: Equatable, Sendable {
        package var name: Identifier
        package var defaultValue: Expression?
    }

    package struct AxisDeclaration: Equatable, Sendable {
        package var name: Identifier
        /// The fixed length of a second axis.
        package var length: Expression?
    }
}

package enum Member: Equatable, Sendable {
    case input(InputDeclaration)
    case parameter(ParameterDeclaration)
    case state(StateDeclaration)
    case dim(DimDeclaration)
    case layer(LayerDeclaration)
    case equation(Equation)
    case output(OutputDeclaration)
    case loss(LossDeclaration)
    case require(RequireDeclaration)
    case example(ExampleDeclaration)
    /// A line that could not be parsed, and has been reported: the names it seems to define.
    case broken([Identifier])
}

/// A text in quotes; the span has the quotes.
package struct TextSyntax: Equatable, Sendable {
    package var text: String
    package var span: SourceSpan
}

/// `complex[N]`, `[H, D]`, `int`: an element type, dims, or both.
package struct TypeSyntax: Equatable, Sendable {
    package var element: Identifier?
    /// Nil where no brackets are written; empty for `[]`.
    package var dims: [Expression]?
    package var span: SourceSpan
}

/// `input q, k: [K]`, `input h0: [H] once = 0`, `input x: [D] over t`
package struct InputDeclaration: Equatable, Sendable {
    package var names: [Identifier]
    package var type: TypeSyntax
    /// `over s`: the axes that it runs over; none where it does not say so.
    package var axes: [Identifier]
    package var isOnce: Bool
    /// Only for `once`: the value where the data have none.
    package var defaultValue: Expression?
    package var span: SourceSpan
}

/// `param W: [H, D] = normal(0.02) from "name"`, and the same with `const`
package struct ParameterDeclaration: Equatable, Sendable {
    package var isTrained: Bool
    package var names: [Identifier]
    package var type: TypeSyntax
    package var initializer: Expression?
    package var tensorName: TextSyntax?
    package var span: SourceSpan
}

package struct StateDeclaration: Equatable, Sendable {
    package var names: [Identifier]
    package var type: TypeSyntax
    package var initial: Expression?
    package var span: SourceSpan
}

/// `dim G = 4 * H`
package struct DimDeclaration: Equatable, Sendable {
    package var name: Identifier
    package var value: Expression
    package var span: SourceSpan
}

/// `reverse`, or `reverse[i]`, around an instance of a model.
package struct ReversalSyntax: Equatable, Sendable {
    package var word: Identifier
    /// The axes in its brackets; nil where there are none.
    package var axes: [Expression]?
}

/// `layer blocks = repeat(L, Block(D, H)) from "blocks.{i}.{}"`, `layer g = LSTM(D, H)`, `layer b = reverse(LSTM(D, H))`
package struct LayerDeclaration: Equatable, Sendable {
    package var name: Identifier
    package var reversed: ReversalSyntax?
    package var count: Expression?
    package var model: Identifier
    package var arguments: [Argument]
    /// `over s`: the axes of this model for those of the layer's; none where it does not say so.
    package var axes: [Identifier]
    /// Where its tensors are in files of weights.
    package var tensors: TextSyntax?
    package var span: SourceSpan
}

/// `h = …`, or `i, f, g, o = split(gates, 4)`
package struct Equation: Equatable, Sendable {
    package var names: [Identifier]
    package var value: Expression
    package var span: SourceSpan

    package init(names: [Identifier], value: Expression, span: SourceSpan) {
        self.names = names
        self.value = value
        self.span = span
    }
}

/// `output y = …`, or `output h`
package struct OutputDeclaration: Equatable, Sendable {
    package var name: Identifier
    package var value: Expression?
    package var span: SourceSpan
}

package struct LossDeclaration: Equatable, Sendable {
    package var name: Identifier
    package var value: Expression
    package var span: SourceSpan
}

/// `require affine(S)`, `require plan(S) in (scan, sequential)`
package struct RequireDeclaration: Equatable, Sendable {
    package var property: Identifier
    package var state: Identifier
    package var choices: [Identifier]
    package var span: SourceSpan
}

/// `example bit = [1, 0], H = 2 -> odd = [1, 1]`
package struct ExampleDeclaration: Equatable, Sendable {
    package var given: [Binding]
    package var expected: [Binding]
    package var span: SourceSpan

    package struct Binding: Equatable, Sendable {
        package var name: Identifier
        /// `~` in place of `=`.
        package var isApproximate: Bool
        package var value: Expression
    }
}

package struct Argument: Equatable, Sendable {
    /// `c0:` in `g(x, c0: s)`.
    package var label: Identifier?
    package var value: Expression

    package init(label: Identifier?, value: Expression) {
        self.label = label
        self.value = value
    }
}

package struct Expression: Equatable, Sendable {
    package indirect enum Kind: Equatable, Sendable {
        case integer(Int)
        case real(Double)
        case boolean(Bool)
        case name(String)
        case unary(UnarySyntax, Expression)
        case binary(BinarySyntax, Expression, Expression)
        case conditional(Expression, then: Expression, otherwise: Expression)
        /// `f(x)`, `sum[K, V](x)`, `conv[L](x, W, stride: 2)`: brackets are nil where none are written. A name with dots is that of
        /// another library, and has been reported: `torch.tanh`, or `.sum` for `h.sum()`, whose first argument is `h` then.
        case call(Identifier, brackets: [Expression]?, arguments: [Argument])
        /// `h[t-1]`, `E[token]`, `x[0:H]`: what the items mean is for typing to decide.
        case index(Expression, [IndexItem])
        /// `W.T`, `y.h`
        case member(Expression, Identifier)
        /// `x as [J]`
        case rename(Expression, [Expression])
        /// `x |> f`
        case pipe(Expression, Expression)
        /// `fold Monoid(a, b, c)`
        case fold(Identifier, [Expression])
        /// `[1, 0, 1]`: in examples, and as the shape of `reshape`
        case array([Expression])
        /// `s <= t where ok[s]`, in the brackets of a call only: an index of its own over the steps, and which of them it goes through.
        case steps(StepRangeSyntax)
        /// Stands where an expression could not be parsed; already reported.
        case error
    }

    package var kind: Kind
    package var span: SourceSpan

    package init(_ kind: Kind, _ span: SourceSpan) {
        self.kind = kind
        self.span = span
    }
}

/// `s <= t`, `t-256 < s <= t` or `s in t`, each perhaps with `where k[s] == q`: the steps that a reduction goes through.
package struct StepRangeSyntax: Equatable, Sendable {
    package enum Bounds: Equatable, Sendable {
        /// `s in t`
        case all(Identifier, of: Identifier)
        /// `s <= t`, `t-256 < s <= t`: two terms or three, with what stands between them.
        case compared([Expression], by: [BinarySyntax])
        /// `s where …`: the steps of an axis of the model itself.
        case axis(Identifier)
    }

    package var bounds: Bounds
    package var condition: Expression?

    /// What the bounds are made of, and the condition.
    package var expressions: [Expression] {
        switch bounds {
        case .all(let step, let axis): [step, axis].map { Expression(.name($0.text), $0.span) } + (condition.map { [$0] } ?? [])
        case .compared(let terms, _): terms + (condition.map { [$0] } ?? [])
        case .axis(let axis): [Expression(.name(axis.text), axis.span)] + (condition.map { [$0] } ?? [])
        }
    }

    /// The names that may be that of the index: which of them it is shows where the axes are known.
    package var names: [String] {
        switch bounds {
        case .all(let step, _): [step.text]
        case .compared(let terms, _):
            (terms.count == 3 ? [terms[1]] : terms).compactMap { if case .name(let name) = $0.kind { name } else { nil } }
        case .axis: []
        }
    }
}

package enum IndexItem: Equatable, Sendable {
    case at(Expression)
    case range(Expression?, Expression?, SourceSpan)
}

package enum UnarySyntax: String, Sendable, CaseIterable {
    case negate = "-"
    case not = "not"
}

package enum BinarySyntax: String, Sendable, CaseIterable {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case power = "^"
    case matmul = "@"
    case less = "<"
    case lessOrEqual = "<="
    case equal = "=="
    case notEqual = "!="
    case greaterOrEqual = ">="
    case greater = ">"
    case and = "and"
    case or = "or"
}
