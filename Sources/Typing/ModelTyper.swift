import RecSource
import RecStream
import RecSyntax

/// Types one model: resolves names, finds shapes and element types, and writes everything out in primitive operations.
///
/// Equations may stand in any order, so each is typed when a name first asks for it. An error gives up the equation it is
/// in; names that depend on it stay silent.
final class ModelTyper {
    /// Thrown where an expression is given up, after its error has been reported.
    struct Abandoned: Error {}

    /// What an expression stands for.
    enum Meaning {
        case value(ValueID)
        /// Fields of a fold, outputs of a layer.
        case record([(name: String, value: ValueID)], of: String)
        case tuple([ValueID])
    }

    /// Names that are visible while a function or an operator is inlined.
    final class Environment {
        var meanings: [String: Meaning]
        var equations: [String: (equation: Equation, component: Int)] = [:]
        var inProgress: [String] = []
        init(_ meanings: [String: Meaning]) { self.meanings = meanings }
    }

    enum Definition {
        case value(ValueID)
        case state(Int)
        case equation(Int, component: Int)
        case layer(Int)
        case failed
    }

    /// How an equation reads a name: at its own step, at a step a constant away, or at those that a reduction goes through.
    enum Reading {
        case here, delayed, elsewhere
    }

    enum Progress {
        case pending, inProgress, failed
        case done(Meaning)
    }

    struct DeclaredState {
        var name: Identifier
        var type: TypeInfo
        var initial: Expression?
        var equation: Int?
        var delays: [ValueID] = []
        /// What it varies over.
        var axes: Variance
        /// Whether nothing is known to vary it yet.
        var isUnmoved = false
    }

    struct TypeInfo {
        var element: ElementType
        var shape: TypedShape
    }

    let program: ProgramSyntax
    let sources: SourceMap
    let syntax: ModelDeclaration?
    /// Typed models that layers may use; filled by the program in the order of use.
    let lookUpModel: (String) -> TypedModel?
    var diagnostics: [Diagnostic] = []
    var model: TypedModel
    var definitions: [String: Definition] = [:]
    var definitionSpans: [String: SourceSpan] = [:]
    var dims: [String: DimExpression] = [:]
    /// Dims in the order in which they lend their names to sizes.
    var dimOrder: [String] = []
    var states: [DeclaredState] = []
    var equations: [Equation] = []
    var progress: [Progress] = []
    /// The names being typed, how each is read, and where.
    var path: [(name: String, reading: Reading, place: SourceSpan)] = []
    /// The second indices that reductions have bound here, the innermost last.
    var secondIndices: [SecondIndex] = []
    /// The steps of axes of the model that reductions around what is typed go through, where a condition says which, the innermost last.
    var reducedSteps: [ReducedSteps] = []
    /// The axes in the head of the model, over which inputs run that say nothing else.
    var headAxes = Variance.none
    /// The axes that states are known to vary over, in the order of their declarations.
    var knownAxes: [UInt8] = []
    /// The names that reductions of the model give to indices of their own, each with where the first of them stands.
    lazy var indexPlaces = boundNames()
    /// The functions being inlined and where they were called from, innermost last.
    var callSites: [(name: String, span: SourceSpan)] = []
    /// Names that stand for nothing, as far as they have been met.
    var unknownNames: Set<String> = []
    static let initializers: Set<String> = ["zeros", "ones", "glorot", "orthogonal", "hippo", "constant", "uniform", "normal", "linspace"]
    /// Dims whose declaration failed: their uses stay silent.
    var failedDims: Set<String> = []
    /// Operators and functions whose declaration failed: their uses stay silent.
    var failedMonoids: Set<String> = []
    var failedFunctions: Set<String> = []
    /// How many expressions have been typed; functions, being inlined, may multiply them.
    var effort = 0
    /// More than any program needs, and few enough to be typed in seconds.
    static let mostEffort = 400_000
    /// What is to be written in place of parts of the source, as far as it has been told.
    var mends: [(span: SourceSpan, text: String)] = []
    /// How deep expressions are nested at the moment.
    var depth = 0
    static let deepestExpression = 400
    private(set) var reported: Set<Place> = []
    /// Outputs and losses, and what a broken line may have declared as one.
    lazy var resultNames = Set((syntax?.members ?? []).flatMap { member -> [String] in
        switch member {
        case .output(let output): [output.name.text]
        case .loss(let loss): [loss.name.text]
        case .broken(let names): names.map(\.text)
        case .input, .parameter, .state, .dim, .layer, .equation, .require, .example: []
        }
    })

    /// A fault found again at the same place, as in a function inlined twice, is the same mistake.
    struct Place: Hashable {
        var id: DiagnosticID
        var span: SourceSpan
    }
    var environment: Environment?
    /// Whether chance draws once for a sequence, as in an initial value.
    var drawsOnce = false

    init(
        _ syntax: ModelDeclaration?, named name: String, span: SourceSpan, program: ProgramSyntax, sources: SourceMap,
        lookUpModel: @escaping (String) -> TypedModel?
    ) {
        self.syntax = syntax
        self.program = program
        self.sources = sources
        self.lookUpModel = lookUpModel
        model = TypedModel(
            name: name, dims: [], defaults: [:], aliases: [:], axes: [], values: [], inputs: [], outputs: [], losses: [],
            states: [], layers: [], calls: [], folds: [], requirements: [], examples: [], span: span)
    }

    // MARK: Reporting

    /// Runs `body` without reporting what goes wrong in it.
    func quietly<T>(_ body: () throws -> T) throws -> T {
        let saved = (diagnostics, reported, unknownNames)
        defer { (diagnostics, reported, unknownNames) = saved }
        return try body()
    }

    @discardableResult
    func report(
        _ id: DiagnosticID, _ message: String, at span: SourceSpan, caption: String? = nil, labels: [Diagnostic.Label] = [],
        help: @autoclosure () -> String? = nil
    ) -> Abandoned {
        guard diagnostics.count < Diagnostic.most, reported.insert(Place(id: id, span: span)).inserted else { return Abandoned() }
        let calls = callSites.reversed().prefix(3).map { Diagnostic.Label(span: $0.span, text: "in '\($0.name)', called here") }
        diagnostics.append(Diagnostic(id, message, at: span, caption: caption, labels: labels + calls, help: help()))
        return Abandoned()
    }

    // MARK: The model

    func run() -> TypedModel {
        guard let syntax else { return model }
        declareDims(syntax)
        declareAxes(syntax)
        // Equations come last: a state may be declared below its equation.
        for member in syntax.members where !member.isEquation && !member.isBroken { declare(member) }
        for member in syntax.members where member.isEquation { declare(member) }
        for member in syntax.members where member.isBroken { declare(member) }
        findAxesOfStates(known: knownAxes)
        typeEquations()
        finishStates()
        finishRounds(syntax)
        for member in syntax.members { finish(member) }
        if diagnostics.isEmpty, !syntax.members.contains(where: \.isBroken) {
            checkDirections()
            checkRounds()
            checkStepDerivatives()
        }
        return model
    }

    // MARK: Values

    func add(
        _ operation: TypedOperation, _ element: ElementType, _ shape: TypedShape, _ variance: Variance, _ span: SourceSpan,
        named name: String? = nil
    ) -> ValueID {
        model.values.append(
            TypedValue(operation: operation, element: element, shape: shape, variance: variance, name: name, span: span))
        return ValueID(model.values.count - 1)
    }

    func constant(_ value: Double, _ span: SourceSpan) -> ValueID {
        add(.primitive(.constant(.real(value))), .real, [], .none, span)
    }

    func single(_ meaning: Meaning, at span: SourceSpan) throws -> ValueID {
        switch meaning {
        case .value(let value): return value
        case .record(let fields, let what):
            if fields.count == 1 { return fields[0].value }
            throw report(
                .wrongArgument, "'\(what)' has several results", at: span,
                help: "name one: \(fields.map { ".\($0.name)" }.joined(separator: ", "))")
        case .tuple(let parts):
            throw report(
                .wrongArgument, "these are \(parts.count) values, not one", at: span, help: "give each a name: a, b = …")
        }
    }

    func value(of expression: Expression) throws -> ValueID { try single(meaning(of: expression), at: expression.span) }

    /// `[H, D]` and the like, for messages.
    func describe(_ value: ValueID) -> String { describe(model[value].shape, model[value].element) }

    func describe(_ shape: TypedShape, _ element: ElementType) -> String {
        let dims = "[\(shape.map(\.name).joined(separator: ", "))]"
        if element == .real { return dims }
        return shape.isEmpty ? element.rawValue : element.rawValue + dims
    }
}
