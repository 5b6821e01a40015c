import RecSource
import RecSyntax

/// All files of a program, parsed: the main file and what it imports.
package struct ProgramSyntax: Sendable {
    package var models: [String: ModelDeclaration] = [:]
    package var functions: [String: FunctionDeclaration] = [:]
    package var monoids: [String: MonoidDeclaration] = [:]
    /// Models of the main file in order.
    package var mainFileModels: [String] = []
}

/// Reads a file and those it imports.
package struct ProgramLoader {
    /// Gives the text and the full path of an import, as seen from the importing file, one path for each file; nil where
    /// there is none. Throws a `Diagnostic` where there is one that cannot be read.
    package typealias Reader = (_ path: String, _ importingPath: String) throws -> (path: String, text: String)?

    package private(set) var sources = SourceMap()
    package private(set) var program = ProgramSyntax()
    package private(set) var diagnostics: [Diagnostic] = []
    /// Whether every construct outside of models could be read.
    private var isComplete = true
    private let reader: Reader
    private var loaded: Set<String> = []
    private var open: [String] = []

    /// A longer chain of imports is not meant.
    private static let deepestImport = 100

    package init(path: String, text: String, reader: @escaping Reader) {
        self.reader = reader
        load(path: path, text: text, isMain: true)
    }

    private mutating func load(path: String, text: String, isMain: Bool) {
        loaded.insert(path)
        open.append(path)
        defer { open.removeLast() }
        let file = sources.add(path: path, text: text)
        let (tree, problems) = parse(file, in: sources)
        diagnostics += problems
        if !tree.isComplete { isComplete = false }
        for item in tree.items {
            switch item {
            case .importFile(let declaration): follow(declaration, from: path)
            case .model(let model):
                if claim(model.name) {
                    program.models[model.name.text] = model
                    if isMain { program.mainFileModels.append(model.name.text) }
                }
            case .function(let function):
                if claim(function.name) { program.functions[function.name.text] = function }
            case .monoid(let monoid):
                if claim(monoid.name) { program.monoids[monoid.name.text] = monoid }
            }
        }
    }

    /// The mistakes found in reading and in typing. Where a construct outside of models is missing, what would be said about names in
    /// it is not worth saying; and typing knows more of some mistakes than reading does.
    package func joined(with typing: [Diagnostic]) -> [Diagnostic] {
        guard isComplete else { return diagnostics }
        let reading = diagnostics.filter { known in !typing.contains { $0.id == known.id && $0.span == known.span } }
        let all = (reading + typing).sorted { ($0.span?.file.index ?? 0, $0.span?.start ?? 0) < ($1.span?.file.index ?? 0, $1.span?.start ?? 0) }
        return Array(all.prefix(Diagnostic.most))
    }

    private mutating func follow(_ declaration: ImportDeclaration, from path: String) {
        var problem = Diagnostic(
            .importNotFound, "there is no file '\(declaration.path)'", at: declaration.pathSpan,
            help: "paths are relative to the file that imports")
        var found: (path: String, text: String)?
        do { found = try reader(declaration.path, path) } catch {
            if let reason = error as? Diagnostic { (problem.message, problem.help) = (reason.message, reason.help) }
        }
        guard let (full, text) = found else {
            isComplete = false
            if diagnostics.count < Diagnostic.most { diagnostics.append(problem) }
            return
        }
        if open.contains(full) {
            isComplete = false
            diagnostics.append(
                Diagnostic(
                    .circularImport, "the files import each other: \((open.drop { $0 != full } + [full]).joined(separator: " → "))",
                    at: declaration.pathSpan, help: "move what both need into a third file"))
            return
        }
        guard open.count < Self.deepestImport else {
            isComplete = false
            diagnostics.append(
                Diagnostic(
                    .nestingTooDeep, "files import each other more than \(Self.deepestImport) deep", at: declaration.pathSpan))
            return
        }
        if !loaded.contains(full) { load(path: full, text: text, isMain: false) }
    }

    private mutating func claim(_ name: Identifier) -> Bool {
        let previous = program.models[name.text]?.name ?? program.functions[name.text]?.name ?? program.monoids[name.text]?.name
        guard let previous else { return true }
        diagnostics.append(
            Diagnostic(
                .duplicateDefinition, "'\(name.text)' is defined twice", at: name.span,
                labels: [Diagnostic.Label(span: previous.span, text: "the first definition")]))
        return false
    }
}
