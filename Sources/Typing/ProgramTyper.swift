import RecSource
import RecStream
import RecSyntax

/// Types every model of a program.
package func typeProgram(_ program: ProgramSyntax, sources: SourceMap) -> (program: TypedProgram, diagnostics: [Diagnostic]) {
    let typer = ProgramTyper(program, sources)
    for name in program.monoids.keys.sorted() { typer.check(monoid: name) }
    for name in program.functions.keys.sorted() { typer.check(function: name) }
    typer.checkFunctionCircles()
    for name in typer.modelsInOrder() { _ = typer.model(named: name) }
    var used: Set<String> = []
    for name in program.mainFileModels {
        for member in program.models[name]?.members ?? [] {
            if case .layer(let layer) = member, let full = layer.fullModelName(in: program) { used.insert(full) }
        }
    }
    let candidates = program.mainFileModels.filter { !used.contains($0) }
    return (
        TypedProgram(
            models: typer.done, mainFileModels: program.mainFileModels,
            mainModel: candidates.count == 1 ? candidates[0] : nil),
        typer.diagnostics.sorted { ($0.span?.file.index ?? 0, $0.span?.start ?? 0) < ($1.span?.file.index ?? 0, $1.span?.start ?? 0) }
    )
}

/// Types models in the order in which layers need them.
private final class ProgramTyper {
    private let program: ProgramSyntax
    private let sources: SourceMap
    private(set) var done: [String: TypedModel] = [:]
    private(set) var diagnostics: [Diagnostic] = []
    private var open: [String] = []
    /// Models with mistakes: layers of them stay silent.
    private var failedModels: Set<String> = []
    /// How deep each model's layers stand inside each other.
    private var levels: [String: Int] = [:]
    private var failedMonoids: Set<String> = []
    private var failedFunctions: Set<String> = []

    /// Deeper nesting of layers in layers than any network has.
    private static let deepestNesting = 100

    init(_ program: ProgramSyntax, _ sources: SourceMap) {
        self.program = program
        self.sources = sources
    }

    /// Each model after those it uses as layers, as far as they do not use each other in a circle.
    func modelsInOrder() -> [String] {
        let names = program.models.keys.sorted()
        let place = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
        let uses = names.map { name in program.models[name].map { layers(of: $0).compactMap { place[$0] } } ?? [] }
        return stronglyConnected(uses).joined().map { names[$0] }
    }

    private func layers(of model: ModelDeclaration) -> [String] {
        model.members.compactMap { if case .layer(let layer) = $0 { layer.fullModelName(in: program) } else { nil } }
    }

    func model(named name: String) -> TypedModel? {
        if let model = done[name] { return failedModels.contains(name) ? nil : model }
        guard let syntax = program.models[name] else { return nil }
        if open.contains(name) {
            diagnostics.append(
                Diagnostic(
                    .circularModel, "the model '\(name)' is a layer of itself: \((open.drop { $0 != name } + [name]).joined(separator: " → "))",
                    at: syntax.name.span, help: "what depends on its own past is a state: h[t-1]"))
            failedModels.formUnion(open.drop { $0 != name })
            return nil
        }
        let level = 1 + (layers(of: syntax).compactMap { levels[$0] }.max() ?? 0)
        levels[name] = level
        if level == Self.deepestNesting + 1 {
            diagnostics.append(
                Diagnostic(
                    .nestingTooDeep, "layers stand inside each other more than \(Self.deepestNesting) deep", at: syntax.name.span))
        }
        if level > Self.deepestNesting {
            failedModels.insert(name)
            return nil
        }
        open.append(name)
        defer { open.removeLast() }
        func typed(_ axes: [UInt8]) -> (typer: ModelTyper, model: TypedModel) {
            let typer = ModelTyper(
                syntax, named: name, span: syntax.name.span, program: program, sources: sources,
                lookUpModel: { [unowned self] in self.model(named: $0) })
            typer.failedMonoids = failedMonoids
            typer.failedFunctions = failedFunctions
            typer.knownAxes = axes
            return (typer, typer.run())
        }
        var (typer, model) = typed([])
        // Each time some state has more axes, and of those there are few.
        while let axes = typer.furtherAxesOfStates { (typer, model) = typed(axes) }
        add(typer.diagnostics)
        done[name] = model
        if !typer.diagnostics.isEmpty || syntax.members.contains(where: \.isBroken) { failedModels.insert(name) }
        return failedModels.contains(name) ? nil : model
    }

    /// The same mistake in a function or an operator that several models use is told once.
    private func add(_ more: [Diagnostic]) {
        for diagnostic in more where diagnostics.count < Diagnostic.most && !diagnostics.contains(where: { $0.id == diagnostic.id && $0.span == diagnostic.span }) {
            diagnostics.append(diagnostic)
        }
    }

    func check(monoid name: String) {
        guard let monoid = program.monoids[name] else { return }
        let typer = ModelTyper(
            nil, named: name, span: monoid.name.span, program: program, sources: sources, lookUpModel: { _ in nil })
        typer.check(monoid: monoid)
        add(typer.diagnostics)
        if !typer.diagnostics.isEmpty { failedMonoids.insert(name) }
    }

    /// Functions are inlined, so none may call itself, be it through others.
    func checkFunctionCircles() {
        let names = program.functions.keys.sorted()
        let place = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
        let calls = names.map { name in program.functions[name].map { $0.expressions.flatMap(calledFunctions) } ?? [] }
        func callee(_ call: (name: String, span: SourceSpan)) -> Int? { program.fullName(call.name, at: call.span).flatMap { place[$0] } }
        let callees = calls.map { $0.compactMap(callee) }
        for component in stronglyConnected(callees) {
            let members = Set(component)
            let first = component[0]
            guard let call = calls[first].first(where: { callee($0).map(members.contains) ?? false }) else { continue }
            diagnostics.append(
                Diagnostic(
                    .circularFunction, "the function '\(names[first])' calls itself\(component.count > 1 ? " through '\(call.name)'" : "")",
                    at: call.span, help: "what depends on its own past is a state of a model"))
            failedFunctions.formUnion(component.map { names[$0] })
        }
    }

    /// The names called in an expression, in order.
    private func calledFunctions(in body: Expression) -> [(name: String, span: SourceSpan)] {
        var result: [(name: String, span: SourceSpan)] = []
        var stack = [body]
        while let expression = stack.popLast() {
            if case .call(let called, _, _) = expression.kind { result.append((called.text, called.span)) }
            if case .pipe(_, let stage) = expression.kind, case .name(let name) = stage.kind { result.append((name, stage.span)) }
            stack += expression.children.reversed()
        }
        return result
    }

    /// What is wrong with a function whatever it is called with: names it cannot know.
    func check(function name: String) {
        guard let function = program.functions[name], diagnostics.count < Diagnostic.most else { return }
        var known: Set<String> = ["inf", "nan", "pi"]
        for parameter in function.parameters where !known.insert(parameter.text).inserted {
            diagnostics.append(
                Diagnostic(.duplicateDefinition, "'\(parameter.text)' stands twice among the parameters", at: parameter.span))
        }
        known.formUnion(function.expressions.flatMap(indexNames))
        var problems: [Diagnostic] = []
        var stack = function.expressions
        if let gradient = function.gradient {
            if !known.insert(gradient.adjoint.text).inserted {
                problems.append(
                    Diagnostic(
                        .duplicateDefinition, "'\(gradient.adjoint.text)' is a parameter, and the derivative of the result as well", at: gradient.adjoint.span))
            }
            if gradient.values.count != function.parameters.count {
                problems.append(
                    Diagnostic(
                        .wrongArgument, "'\(name)' has \(function.parameters.count) parameter\(function.parameters.count == 1 ? "" : "s"), and its gradient \(gradient.values.count) expression\(gradient.values.count == 1 ? "" : "s")",
                        at: gradient.span, help: "write one for each parameter, in order; 0 for one that nothing passes to"))
            }
        }
        while let expression = stack.popLast() {
            switch expression.kind {
            case .name(let name):
                guard !known.contains(name) else { continue }
                problems.append(
                    Diagnostic(
                        .unknownName, "there is no '\(name)' here", at: expression.span,
                        help: nearest(name, among: known.sorted()).map { "did you mean '\($0)'?" }
                            ?? "a function sees its parameters only: add '\(name)' to them"))
            case .call(let called, let brackets, let arguments):
                for case .steps(let range) in (brackets ?? []).map(\.kind) { if let condition = range.condition { stack.append(condition) } }
                // One of another library has been reported.
                if program.function(called) == nil, !Builtins.names.contains(called.text), !called.text.contains(".") {
                    problems.append(
                        Diagnostic(
                            .unknownName, "there is no function '\(called.text)'", at: called.span,
                            help: OtherNames.mend(called.text, among: program.names(of: \.functions, at: called.span))))
                }
                // What stands for sizes and modes has names of its own.
                let hasSizes = called.text == "reshape" || called.text == "pad"
                stack += (hasSizes ? Array(arguments.prefix(1)) : arguments).map(\.value)
            case .pipe(let subject, let stage):
                stack.append(subject)
                if case .name = stage.kind { continue }
                stack.append(stage)
            // Brackets speak of dims and axes, which are those of the model that calls.
            case .index(let base, _), .member(let base, _), .rename(let base, _): stack.append(base)
            case .integer, .real, .boolean, .unary, .binary, .conditional, .fold, .array, .steps, .error: stack += expression.children
            }
        }
        add(problems)
    }
}
