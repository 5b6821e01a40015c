import RecSource

/// A parsed file. The tree holds exactly what the user wrote; nothing is resolved.
public struct SyntaxFile: Equatable, Sendable {
    public var file: FileID
    public var items: [TopLevelItem]
    /// Every comment in order of position, documentation comments included, for the formatter.
    public var comments: [Comment]
}

public struct Comment: Equatable, Sendable {
    public var text: String
    public var span: SourceSpan
}

public struct Identifier: Equatable, Sendable {
    public var text: String
    public var span: SourceSpan

    public init(text: String, span: SourceSpan) {
        self.text = text
        self.span = span
    }
}

public enum TopLevelItem: Equatable, Sendable {
    case importFile(ImportDeclaration)
    case model(ModelDeclaration)
    case function(FunctionDeclaration)
    case monoid(MonoidDeclaration)
}

/// `import "gru.rec"`
public struct ImportDeclaration: Equatable, Sendable {
    public var path: String
    public var pathSpan: SourceSpan
    public var span: SourceSpan
}

/// `func swish(x) = x * sigmoid(x)`
public struct FunctionDeclaration: Equatable, Sendable {
    public var documentation: String?
    public var name: Identifier
    public var parameters: [Identifier]
    public var body: Expression
    public var span: SourceSpan
}

/// `monoid Name(m, u: [], w: [V]) { identity (…) combine (a, b) { … } }`
public struct MonoidDeclaration: Equatable, Sendable {
    public var documentation: String?
    public var name: Identifier
    public var fields: [FieldGroup]
    public var identity: [Expression]
    /// From the word 'identity' to the end of its values.
    public var identitySpan: SourceSpan
    public var left: Identifier
    public var right: Identifier
    public var equations: [Equation]
    /// From the word 'combine' to the end of its equations.
    public var combineSpan: SourceSpan
    public var span: SourceSpan

    /// Names that share one type; without a type they are scalars.
    public struct FieldGroup: Equatable, Sendable {
        public var names: [Identifier]
        public var type: TypeSyntax?
    }
}

/// `model Name(D, H = 64) over (t, k: K) { … }`
public struct ModelDeclaration: Equatable, Sendable {
    public var documentation: String?
    public var name: Identifier
    public var dims: [DimParameter]
    /// Empty where nothing is written: then the axis is `t`.
    public var axes: [AxisDeclaration]
    public var members: [Member]
    public var span: SourceSpan

    public struct DimParameter: Equatable, Sendable {
        public var name: Identifier
        public var defaultValue: Expression?
    }

    public struct AxisDeclaration: Equatable, Sendable {
        public var name: Identifier
        /// The fixed length of a second axis.
        public var length: Expression?
    }
}

public enum Member: Equatable, Sendable {
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
}

/// `complex[N]`, `[H, D]`, `int`: an element type, dims, or both.
public struct TypeSyntax: Equatable, Sendable {
    public var element: Identifier?
    /// Nil where no brackets are written; empty for `[]`.
    public var dims: [Expression]?
    public var span: SourceSpan
}

/// `input q, k: [K]`, `input h0: [H] once = 0`
public struct InputDeclaration: Equatable, Sendable {
    public var names: [Identifier]
    public var type: TypeSyntax
    public var isOnce: Bool
    /// Only for `once`: the value where the data have none.
    public var defaultValue: Expression?
    public var span: SourceSpan
}

/// `param W: [H, D] = normal(0.02) from "name"`, and the same with `const`
public struct ParameterDeclaration: Equatable, Sendable {
    public var isTrained: Bool
    public var names: [Identifier]
    public var type: TypeSyntax
    public var initializer: Expression?
    public var tensorName: String?
    public var span: SourceSpan
}

public struct StateDeclaration: Equatable, Sendable {
    public var names: [Identifier]
    public var type: TypeSyntax
    public var initial: Expression?
    public var span: SourceSpan
}

/// `dim G = 4 * H`
public struct DimDeclaration: Equatable, Sendable {
    public var name: Identifier
    public var value: Expression
    public var span: SourceSpan
}

/// `layer blocks = repeat(L, Block(D, H))`, `layer g = LSTM(D, H)`
public struct LayerDeclaration: Equatable, Sendable {
    public var name: Identifier
    public var count: Expression?
    public var model: Identifier
    public var arguments: [Argument]
    public var span: SourceSpan
}

/// `h = …`, or `i, f, g, o = split(gates, 4)`
public struct Equation: Equatable, Sendable {
    public var names: [Identifier]
    public var value: Expression
    public var span: SourceSpan

    public init(names: [Identifier], value: Expression, span: SourceSpan) {
        self.names = names
        self.value = value
        self.span = span
    }
}

/// `output y = …`, or `output h`
public struct OutputDeclaration: Equatable, Sendable {
    public var name: Identifier
    public var value: Expression?
    public var span: SourceSpan
}

public struct LossDeclaration: Equatable, Sendable {
    public var name: Identifier
    public var value: Expression
    public var span: SourceSpan
}

/// `require affine(S)`, `require plan(S) in (scan, sequential)`
public struct RequireDeclaration: Equatable, Sendable {
    public var property: Identifier
    public var state: Identifier
    public var choices: [Identifier]
    public var span: SourceSpan
}

/// `example bit = [1, 0], H = 2 -> odd = [1, 1]`
public struct ExampleDeclaration: Equatable, Sendable {
    public var given: [Binding]
    public var expected: [Binding]
    public var span: SourceSpan

    public struct Binding: Equatable, Sendable {
        public var name: Identifier
        /// `~` in place of `=`.
        public var isApproximate: Bool
        public var value: Expression
    }
}

public struct Argument: Equatable, Sendable {
    /// `c0:` in `g(x, c0: s)`.
    public var label: Identifier?
    public var value: Expression

    public init(label: Identifier?, value: Expression) {
        self.label = label
        self.value = value
    }
}

public struct Expression: Equatable, Sendable {
    public indirect enum Kind: Equatable, Sendable {
        case integer(Int)
        case real(Double)
        case boolean(Bool)
        case name(String)
        case unary(UnarySyntax, Expression)
        case binary(BinarySyntax, Expression, Expression)
        case conditional(Expression, then: Expression, otherwise: Expression)
        /// `f(x)`, `sum[K, V](x)`, `conv[L](x, W, stride: 2)`: brackets are nil where none are written.
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
        /// Stands where an expression could not be parsed; already reported.
        case error
    }

    public var kind: Kind
    public var span: SourceSpan

    public init(_ kind: Kind, _ span: SourceSpan) {
        self.kind = kind
        self.span = span
    }
}

public enum IndexItem: Equatable, Sendable {
    case at(Expression)
    case range(Expression?, Expression?, SourceSpan)
}

public enum UnarySyntax: String, Sendable, CaseIterable {
    case negate = "-"
    case not = "not"
}

public enum BinarySyntax: String, Sendable, CaseIterable {
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
