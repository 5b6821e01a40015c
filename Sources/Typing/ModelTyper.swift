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

    private enum Progress {
        case pending, inProgress, failed
        case done(Meaning)
    }

    struct DeclaredState {
        var name: Identifier
        var type: TypeInfo
        var initial: Expression?
        var equation: Int?
        var delays: [ValueID] = []
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
    private var definitionSpans: [String: SourceSpan] = [:]
    var dims: [String: DimExpression] = [:]
    /// Dims in the order in which they lend their names to sizes.
    var dimOrder: [String] = []
    var states: [DeclaredState] = []
    private var equations: [Equation] = []
    private var progress: [Progress] = []
    /// The names being typed, and whether each was reached through a delay.
    private var path: [(name: String, isDelayed: Bool)] = []
    /// Where inlined functions were called from, innermost last.
    var callSites: [SourceSpan] = []
    var environment: Environment?

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

    @discardableResult
    func report(
        _ id: DiagnosticID, _ message: String, at span: SourceSpan, caption: String? = nil, labels: [Diagnostic.Label] = [],
        help: String? = nil
    ) -> Abandoned {
        let calls = callSites.reversed().map { Diagnostic.Label(span: $0, text: "in the function called here") }
        let diagnostic = Diagnostic(id, message, at: span, caption: caption, labels: labels + calls, help: help)
        if !diagnostics.contains(diagnostic) { diagnostics.append(diagnostic) }
        return Abandoned()
    }

    // MARK: The model

    func run() -> TypedModel {
        guard let syntax else { return model }
        declareDims(syntax)
        declareAxes(syntax)
        // Equations come last: a state may be declared below its equation.
        for member in syntax.members where !member.isEquation { declare(member) }
        for member in syntax.members where member.isEquation { declare(member) }
        for k in equations.indices { _ = try? meaning(ofEquation: k) }
        finishStates()
        for member in syntax.members { finish(member) }
        return model
    }

    private func declareDims(_ syntax: ModelDeclaration) {
        for parameter in syntax.dims {
            guard define(dim: parameter.name, as: DimExpression(symbol: parameter.name.text)) else { continue }
            model.dims.append(parameter.name.text)
            if let value = parameter.defaultValue, let size = try? dimExpression(value) {
                model.defaults[parameter.name.text] = size
            }
        }
        // In order of declaration, but a dim may use one that is declared below it.
        var waiting = syntax.members.compactMap { if case .dim(let dim) = $0 { dim } else { nil } }
        while !waiting.isEmpty {
            let names = Set(waiting.map(\.name.text))
            let ready = waiting.filter { namesIn($0.value).isDisjoint(with: names) }
            if ready.isEmpty {
                for dim in waiting {
                    report(.instantCycle, "the dim '\(dim.name.text)' depends on itself", at: dim.name.span)
                }
                return
            }
            for dim in ready {
                if let value = try? dimExpression(dim.value), define(dim: dim.name, as: value) {
                    model.aliases[dim.name.text] = value
                }
            }
            waiting.removeAll { dim in ready.contains { $0.name == dim.name } }
        }
    }

    private func define(dim name: Identifier, as value: DimExpression) -> Bool {
        guard claim(name) else { return false }
        dims[name.text] = value
        dimOrder.append(name.text)
        return true
    }

    private func namesIn(_ expression: Expression) -> Set<String> {
        switch expression.kind {
        case .name(let name): [name]
        case .binary(_, let a, let b): namesIn(a).union(namesIn(b))
        case .unary(_, let a): namesIn(a)
        case .integer, .real, .boolean, .conditional, .call, .index, .member, .rename, .pipe, .fold, .array, .error: []
        }
    }

    private func declareAxes(_ syntax: ModelDeclaration) {
        var axes: [(name: String, length: DimExpression?)] = []
        for axis in syntax.axes where claim(axis.name) {
            axes.append((axis.name.text, axis.length.flatMap { try? dimExpression($0) }))
        }
        if syntax.axes.count > 2 {
            report(.unsupported, "a model runs over one axis or two, not \(syntax.axes.count)", at: syntax.axes[2].name.span)
        }
        if syntax.axes.isEmpty {
            axes = [("t", nil)]
            if definitionSpans["t"] == nil { definitionSpans["t"] = syntax.name.span }
        }
        if let first = syntax.axes.first, first.length != nil {
            report(
                .unsupported, "the first axis '\(first.name.text)' cannot have a fixed length", at: first.name.span,
                help: "give the length to the second axis")
        }
        model.axes = axes
    }

    /// Takes a name; false where it is taken already.
    private func claim(_ name: Identifier) -> Bool {
        if let previous = definitionSpans[name.text] {
            report(
                .duplicateDefinition, "'\(name.text)' is defined twice", at: name.span,
                labels: [Diagnostic.Label(span: previous, text: "the first definition")],
                help: "give one of them another name")
            return false
        }
        definitionSpans[name.text] = name.span
        return true
    }

    var allAxes: Variance { Variance(batch: true, axes: UInt8((1 << model.axes.count) - 1)) }

    private func declare(_ member: Member) {
        switch member {
        case .input(let declaration):
            guard let type = try? typeInfo(declaration.type) else { return fail(declaration.names) }
            var fallback: Double?
            if let value = declaration.defaultValue {
                fallback = try? constantNumber(value)
                if !declaration.isOnce {
                    report(.onceNeedsConstant, "only a 'once' input can have a default", at: value.span, help: "write 'once' before '='")
                }
            }
            for name in declaration.names where claim(name) {
                let value = add(
                    .primitive(.input(name: name.text, fallback: fallback)), type.element, type.shape,
                    declaration.isOnce ? .once : allAxes, name.span, named: name.text)
                definitions[name.text] = .value(value)
                model.inputs.append(TypedInput(name: name.text, isOnce: declaration.isOnce, value: value))
            }
        case .parameter(let declaration):
            guard let type = try? typeInfo(declaration.type) else { return fail(declaration.names) }
            let initializer = initializer(declaration, rank: type.shape.count)
            for name in declaration.names where claim(name) {
                let info = ParameterInfo(
                    path: name.text, isTrained: declaration.isTrained, initializer: initializer,
                    tensorName: declaration.tensorName)
                definitions[name.text] = .value(
                    add(.parameter(info), type.element, type.shape, .none, name.span, named: name.text))
            }
        case .state(let declaration):
            guard let type = try? typeInfo(declaration.type) else { return fail(declaration.names) }
            for name in declaration.names where claim(name) {
                definitions[name.text] = .state(states.count)
                states.append(DeclaredState(name: name, type: type, initial: declaration.initial))
            }
        case .layer(let declaration):
            guard claim(declaration.name) else { return }
            definitions[declaration.name.text] = declare(layer: declaration).map { .layer($0) } ?? .failed
        case .equation(let equation):
            declare(equation)
        case .output(let declaration):
            // `output y = …` also defines the name y.
            guard let value = declaration.value else { return }
            declare(Equation(names: [declaration.name], value: value, span: declaration.span))
        case .loss(let declaration):
            declare(Equation(names: [declaration.name], value: declaration.value, span: declaration.span))
        case .dim, .require, .example:
            break
        }
    }

    private func fail(_ names: [Identifier]) { for name in names where claim(name) { definitions[name.text] = .failed } }

    private func declare(_ equation: Equation) {
        equations.append(equation)
        progress.append(.pending)
        for (component, name) in equation.names.enumerated() {
            if case .state(let index) = definitions[name.text] {
                attach(equations.count - 1, toState: index, at: name)
            } else if claim(name) {
                definitions[name.text] = .equation(equations.count - 1, component: component)
            }
        }
    }

    private func attach(_ equation: Int, toState index: Int, at name: Identifier) {
        if let first = states[index].equation {
            report(
                .duplicateDefinition, "the state '\(name.text)' has two equations", at: name.span,
                labels: [Diagnostic.Label(span: equations[first].span, text: "the first one")], help: "keep one of them")
            return
        }
        states[index].equation = equation
    }

    private func finishStates() {
        for k in states.indices {
            let state = states[k]
            var initial: ValueID?
            if let expression = state.initial { initial = try? initialValue(expression, of: state) }
            guard state.equation != nil else {
                report(
                    .stateWithoutEquation, "the state '\(state.name.text)' has no equation", at: state.name.span,
                    help: "add an equation '\(state.name.text) = …'")
                continue
            }
            guard let value = try? value(ofState: k) else { continue }
            for delay in states[k].delays {
                guard case .primitive(.delay(_, let offsets, _)) = model[delay].operation else { continue }
                model.values[delay.index].operation = .primitive(.delay(value, offsets: offsets, initial: initial))
            }
            model.states.append(TypedState(name: state.name.text, value: value, initial: initial, span: state.name.span))
        }
    }

    private func initialValue(_ expression: Expression, of state: DeclaredState) throws -> ValueID {
        let value = try value(of: expression)
        guard !model[value].variance.isStream else {
            throw report(
                .onceNeedsConstant, "the initial value of '\(state.name.text)' varies over time", at: expression.span,
                help: "use parameters, constants and 'once' inputs")
        }
        return try fit(value, to: state.type, what: "the initial value of '\(state.name.text)'", at: expression.span)
    }

    /// The value of a state's equation in the state's own shape.
    func value(ofState index: Int) throws -> ValueID {
        guard let equation = states[index].equation else { throw Abandoned() }
        let meaning = try meaning(ofEquation: equation)
        switch meaning {
        case .value(let value): return value
        case .tuple(let parts):
            guard let component = equations[equation].names.firstIndex(where: { $0.text == states[index].name.text }),
                component < parts.count
            else { throw Abandoned() }
            return parts[component]
        case .record: throw Abandoned()
        }
    }

    private func finish(_ member: Member) {
        switch member {
        case .output(let declaration):
            guard let value = try? value(named: declaration.name) else { return }
            if model.outputs.contains(where: { $0.name == declaration.name.text }) {
                report(.duplicateDefinition, "'\(declaration.name.text)' is an output already", at: declaration.name.span)
                return
            }
            model.outputs.append(TypedOutput(name: declaration.name.text, value: value, span: declaration.span))
        case .loss(let declaration):
            guard let value = try? value(named: declaration.name) else { return }
            let typed = model[value]
            guard typed.shape.isEmpty, !typed.variance.isStream, typed.element == .real else {
                report(
                    .shapeMismatch, "a loss is one real number for each sequence, '\(declaration.name.text)' is \(describe(value))",
                    at: declaration.value.span, help: "reduce it over time and its dims, as in mean[t](…)")
                return
            }
            model.losses.append(TypedOutput(name: declaration.name.text, value: value, span: declaration.span))
        case .require(let declaration):
            finish(declaration)
        case .example(let declaration):
            if let example = try? example(declaration) { model.examples.append(example) }
        case .input, .parameter, .state, .dim, .layer, .equation:
            break
        }
    }

    private func finish(_ declaration: RequireDeclaration) {
        guard states.contains(where: { $0.name.text == declaration.state.text }) else {
            let close = nearest(declaration.state.text, among: states.map(\.name.text))
            report(
                .unknownName, "'\(declaration.state.text)' is not a state", at: declaration.state.span,
                help: close.map { "did you mean '\($0)'?" })
            return
        }
        let property: StreamGraph.Requirement.Property
        switch declaration.property.text {
        case "affine": property = .affine
        case "diagonal": property = .diagonal
        case "plan":
            let known = ["map", "sequential", "scan", "chunkwise", "shooting", "newton"]
            for choice in declaration.choices where !known.contains(choice.text) {
                report(
                    .unknownName, "'\(choice.text)' is not a plan", at: choice.span,
                    help: nearest(choice.text, among: known).map { "did you mean '\($0)'?" } ?? "plans are \(known.joined(separator: ", "))")
                return
            }
            property = .plan(declaration.choices.map(\.text))
        default:
            report(
                .unknownName, "'\(declaration.property.text)' is nothing that can be required", at: declaration.property.span,
                help: "use affine(S), diagonal(S) or plan(S) in (…)")
            return
        }
        model.requirements.append(
            StreamGraph.Requirement(property: property, state: declaration.state.text, span: declaration.span))
    }

    // MARK: Names

    func value(named name: Identifier) throws -> ValueID {
        try single(meaning(of: name.text, at: name.span), at: name.span)
    }

    /// What a name stands for at the present step.
    func meaning(of name: String, at span: SourceSpan) throws -> Meaning {
        if let environment { return try meaning(of: name, in: environment, at: span) }
        switch definitions[name] {
        case .value(let value): return .value(value)
        case .state(let index):
            guard let equation = states[index].equation else { throw Abandoned() }
            _ = try meaning(ofEquation: equation)
            return .value(try value(ofState: index))
        case .equation(let index, let component):
            let meaning = try meaning(ofEquation: index)
            if case .tuple(let parts) = meaning, equations[index].names.count > 1 {
                guard component < parts.count else { throw Abandoned() }
                return .value(parts[component])
            }
            return meaning
        case .failed: throw Abandoned()
        case .layer:
            throw report(.wrongArgument, "'\(name)' is a layer, not a value", at: span, help: "call it: \(name)(x)")
        case nil: break
        }
        return try global(name, at: span)
    }

    private func meaning(of name: String, in environment: Environment, at span: SourceSpan) throws -> Meaning {
        if let meaning = environment.meanings[name] { return meaning }
        if let (equation, component) = environment.equations[name] {
            if environment.inProgress.contains(name) {
                throw report(.instantCycle, "'\(name)' depends on itself", at: span)
            }
            environment.inProgress.append(name)
            defer { environment.inProgress.removeLast() }
            let meaning = try meaning(of: equation.value)
            if case .tuple(let parts) = meaning, equation.names.count > 1 {
                guard parts.count == equation.names.count else { throw Abandoned() }
                environment.meanings[name] = .value(parts[component])
                return .value(parts[component])
            }
            environment.meanings[name] = meaning
            return meaning
        }
        return try global(name, at: span)
    }

    private func global(_ name: String, at span: SourceSpan) throws -> Meaning {
        switch name {
        case "inf": return .value(constant(.infinity, span))
        case "pi": return .value(constant(.pi, span))
        default: break
        }
        if environment == nil || environment?.meanings[name] == nil, let size = dims[name] {
            return .value(add(.dim(size), .int, [], .none, span))
        }
        if model.axes.contains(where: { $0.name == name }) {
            throw report(
                .notAStream, "'\(name)' is an axis, not a value", at: span,
                help: "count the steps with a state: n = n[\(name)-1] + 1")
        }
        if Builtins.names.contains(name) || program.functions[name] != nil {
            throw report(.wrongArgument, "'\(name)' is a function", at: span, help: "call it: \(name)(x)")
        }
        var visible = Array(definitions.keys) + Array(dims.keys)
        if let environment { visible = Array(environment.meanings.keys) + Array(environment.equations.keys) }
        throw report(
            .unknownName, "there is no '\(name)' here", at: span,
            help: nearest(name, among: visible.sorted()).map { "did you mean '\($0)'?" }
                ?? "declare it as an input, a param or a state, or give it an equation")
    }

    private func meaning(ofEquation index: Int) throws -> Meaning {
        let equation = equations[index]
        switch progress[index] {
        case .done(let meaning): return meaning
        case .failed: throw Abandoned()
        case .inProgress: throw reportCycle(equation)
        case .pending: break
        }
        progress[index] = .inProgress
        path.append((equation.names[0].text, false))
        let saved = environment
        environment = nil
        defer {
            path.removeLast()
            environment = saved
        }
        do {
            let meaning = try checked(meaning(of: equation.value), of: equation)
            progress[index] = .done(meaning)
            return meaning
        } catch {
            progress[index] = .failed
            throw error
        }
    }

    private func reportCycle(_ equation: Equation) -> Abandoned {
        let name = equation.names[0].text
        guard let start = path.firstIndex(where: { $0.name == name }) else { return Abandoned() }
        let cycle = path[start...]
        let names = cycle.map(\.name) + [name]
        if let delayed = cycle.dropFirst().first(where: \.isDelayed) {
            return report(
                .undeclaredState, "'\(delayed.name)' is read at another step within its own recurrence", at: equation.names[0].span,
                help: "declare it: state \(delayed.name): […]")
        }
        let isState = states.contains { $0.name.text == name }
        let axis = model.axes.first?.name ?? "t"
        return report(
            .instantCycle, "'\(name)' depends on itself at the same step: \(names.joined(separator: " → "))",
            at: equation.names[0].span,
            help: isState
                ? "use \(name)[\(axis)-1] for the value of the step before"
                : "make one of them a state and use its value of the step before")
    }

    /// Names the values of an equation and brings states into their declared types.
    private func checked(_ meaning: Meaning, of equation: Equation) throws -> Meaning {
        switch meaning {
        case .value(let value):
            guard equation.names.count == 1 else {
                throw report(
                    .wrongArgument, "\(equation.names.count) names on the left, one value on the right", at: equation.span)
            }
            return .value(try named(value, equation.names[0], at: equation.value.span))
        case .tuple(let parts):
            guard parts.count == equation.names.count else {
                throw report(
                    .wrongArgument, "\(equation.names.count) names on the left, \(parts.count) values on the right",
                    at: equation.span)
            }
            return .tuple(try zip(parts, equation.names).map { try named($0, $1, at: equation.value.span) })
        case .record(let fields, let what):
            guard equation.names.count == 1 else {
                throw report(
                    .wrongArgument, "'\(what)' gives one record, not \(equation.names.count) values", at: equation.span,
                    help: "name it, and use \(fields.map { "NAME.\($0.name)" }.joined(separator: ", "))")
            }
            return meaning
        }
    }

    private func named(_ value: ValueID, _ name: Identifier, at span: SourceSpan) throws -> ValueID {
        var value = value
        if case .state(let index) = definitions[name.text] {
            value = try fit(value, to: states[index].type, what: "the equation of '\(name.text)'", at: span)
            if !model[value].variance.isStream {
                // A state is a stream even where its equation is constant.
                var copy = model[value]
                copy.operation = .primitive(.rename(value))
                copy.variance = allAxes
                model.values.append(copy)
                value = ValueID(model.values.count - 1)
            }
        }
        if model[value].name == nil { model.values[value.index].name = name.text }
        return value
    }

    /// A state or stream read at another step.
    func delayed(_ subject: Expression, offsets: [Int], span: SourceSpan) throws -> ValueID {
        if environment == nil, case .name(let name) = subject.kind, case .state(let index) = definitions[name] {
            let type = states[index].type
            guard offsets.contains(where: { $0 != 0 }) else { return try value(of: subject) }
            let delay = add(
                .primitive(.delay(ValueID(0), offsets: offsets, initial: nil)), type.element, type.shape, allAxes, span)
            states[index].delays.append(delay)
            return delay
        }
        path.append(("", true))
        let last = path.count - 1
        if case .name(let name) = subject.kind { path[last].name = name }
        defer { path.removeLast() }
        let value = try value(of: subject)
        guard offsets.contains(where: { $0 != 0 }) else { return value }
        guard model[value].variance.isStream else {
            throw report(
                .notAStream, "'\(sources.text(of: subject.span))' does not vary over time", at: span,
                help: "use it without an index of time")
        }
        return add(
            .primitive(.delay(value, offsets: offsets, initial: nil)), model[value].element, model[value].shape,
            model[value].variance, span)
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

extension Member {
    /// Whether the member gives names values by an expression.
    fileprivate var isEquation: Bool {
        switch self {
        case .equation, .output, .loss: true
        case .input, .parameter, .state, .dim, .layer, .require, .example: false
        }
    }
}
