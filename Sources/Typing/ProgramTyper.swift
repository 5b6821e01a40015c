import RecSource
import RecStream
import RecSyntax

/// Types every model of a program.
public func typeProgram(_ program: ProgramSyntax, sources: SourceMap) -> (program: TypedProgram, diagnostics: [Diagnostic]) {
    let typer = ProgramTyper(program, sources)
    for name in program.models.keys.sorted() { _ = typer.model(named: name) }
    for name in program.functions.keys.sorted() { typer.check(function: name) }
    var used: Set<String> = []
    for name in program.mainFileModels {
        for member in program.models[name]?.members ?? [] {
            if case .layer(let layer) = member { used.insert(layer.model.text) }
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

    /// Deeper nesting of layers in layers than any network has.
    private static let deepestNesting = 100

    init(_ program: ProgramSyntax, _ sources: SourceMap) {
        self.program = program
        self.sources = sources
    }

    func model(named name: String) -> TypedModel? {
        if let model = done[name] { return model }
        guard let syntax = program.models[name] else { return nil }
        if open.contains(name) {
            diagnostics.append(
                Diagnostic(
                    .circularModel, "the model '\(name)' is a layer of itself: \((open.drop { $0 != name } + [name]).joined(separator: " → "))",
                    at: syntax.name.span))
            return nil
        }
        guard open.count < Self.deepestNesting else {
            diagnostics.append(
                Diagnostic(.nestingTooDeep, "layers are nested more than \(Self.deepestNesting) levels deep", at: syntax.name.span))
            return nil
        }
        open.append(name)
        defer { open.removeLast() }
        let typer = ModelTyper(
            syntax, named: name, span: syntax.name.span, program: program, sources: sources,
            lookUpModel: { [unowned self] in self.model(named: $0) })
        let model = typer.run()
        diagnostics += typer.diagnostics.filter { !diagnostics.contains($0) }
        done[name] = model
        return model
    }

    /// A function that is never called is looked at for unknown names only: its shapes are not known.
    func check(function name: String) {
        guard let function = program.functions[name] else { return }
        var seen: Set<String> = []
        for parameter in function.parameters where !seen.insert(parameter.text).inserted {
            diagnostics.append(
                Diagnostic(.duplicateDefinition, "'\(parameter.text)' stands twice among the parameters", at: parameter.span))
        }
    }
}
