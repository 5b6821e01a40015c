import RecLibrary
import RecSource
import RecSyntax

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
    private var loaded: Set<Origin> = []
    private var open: [Origin] = []
    private var modules: [Module] = []
    /// The modules that the program's own files import, in order.
    private var imported: [String] = []

    /// Where a text is from.
    private enum Origin: Hashable {
        case file(String)
        case module(String)

        var path: String {
            switch self {
            case .file(let path): path
            case .module(let name): Library.path(of: name)
            }
        }
    }

    /// A module of the library, with the modules that it imports.
    private struct Module {
        var name: String
        var file: FileID
        var definitions: [(name: Identifier, item: TopLevelItem)] = []
        var imported: [String] = []
    }

    /// A longer chain of imports is not meant.
    private static let deepestImport = 100

    package init(path: String, text: String, reader: @escaping Reader) {
        self.reader = reader
        load(.file(path), text)
        addModules()
    }

    private mutating func load(_ origin: Origin, _ text: String) {
        loaded.insert(origin)
        open.append(origin)
        defer { open.removeLast() }
        let isMain = sources.files.isEmpty
        var module: Module?
        let file: FileID
        if case .module(let name) = origin {
            file = sources.add(path: origin.path, text: text, isLibrary: true)
            module = Module(name: name, file: file)
        } else {
            file = sources.add(path: origin.path, text: text)
        }
        let (tree, problems) = parse(file, in: sources)
        diagnostics += problems
        if !tree.isComplete { isComplete = false }
        for item in tree.items {
            switch item {
            case .importFile(let declaration):
                follow(declaration, from: origin)
                guard case .module(let name) = declaration.source else { continue }
                if module != nil { module?.imported.append(name) } else { imported.append(name) }
            case .model(let model): define(model.name, item, in: &module, isMain: isMain)
            case .function(let function): define(function.name, item, in: &module)
            case .monoid(let monoid): define(monoid.name, item, in: &module)
            }
        }
        if let module { modules.append(module) }
    }

    /// The mistakes found in reading and in typing. Where a construct outside of models is missing, what would be said about names in
    /// it is not worth saying; and typing knows more of some mistakes than reading does.
    package func joined(with typing: [Diagnostic]) -> [Diagnostic] {
        guard isComplete else { return diagnostics }
        let reading = diagnostics.filter { known in !typing.contains { $0.id == known.id && $0.span == known.span } }
        let all = (reading + typing).sorted { ($0.span?.file.index ?? 0, $0.span?.start ?? 0) < ($1.span?.file.index ?? 0, $1.span?.start ?? 0) }
        return Array(all.prefix(Diagnostic.most))
    }

    // MARK: Imports

    private mutating func follow(_ declaration: ImportDeclaration, from origin: Origin) {
        guard let (found, text) = find(declaration, from: origin.path) else {
            isComplete = false
            return
        }
        if let first = open.firstIndex(of: found) {
            isComplete = false
            let circle = open[first...].map(\.path) + [found.path]
            diagnostics.append(
                Diagnostic(
                    .circularImport, "the files import each other: \(circle.joined(separator: " → "))",
                    at: declaration.sourceSpan, help: "move what both need into a third file"))
            return
        }
        guard open.count < Self.deepestImport else {
            isComplete = false
            diagnostics.append(
                Diagnostic(
                    .nestingTooDeep, "files import each other more than \(Self.deepestImport) deep", at: declaration.sourceSpan))
            return
        }
        if !loaded.contains(found) { load(found, text) }
    }

    /// What is imported, and its text; nil where it has been reported that there is none.
    private mutating func find(_ declaration: ImportDeclaration, from path: String) -> (origin: Origin, text: String)? {
        var problem: Diagnostic
        switch declaration.source {
        case .module(let name):
            if let text = Library.text(of: name) { return (.module(name), text) }
            problem = Diagnostic(
                .importNotFound, "there is no module '\(name)' in the library", at: declaration.sourceSpan, help: Library.help(forUnknown: name))
        case .file(let wanted):
            problem = Diagnostic(
                .importNotFound, "there is no file '\(wanted)'", at: declaration.sourceSpan,
                help: "paths are relative to the file that imports\(Library.text(of: wanted) == nil ? "" : "; the module of the library is imported without quotes: import \(wanted)")")
            do {
                if let (full, text) = try reader(wanted, path) { return (.file(full), text) }
            } catch {
                if let reason = error as? Diagnostic { (problem.message, problem.help) = (reason.message, reason.help) }
            }
        }
        if diagnostics.count < Diagnostic.most { diagnostics.append(problem) }
        return nil
    }

    // MARK: Names

    private mutating func define(_ name: Identifier, _ item: TopLevelItem, in module: inout Module?, isMain: Bool = false) {
        if module != nil {
            module?.definitions.append((name, item))
        } else if claim(name) {
            add(item, as: name.text)
            program.scopes.program[name.text] = name.text
            if isMain { program.mainFileModels.append(name.text) }
        }
    }

    private mutating func add(_ item: TopLevelItem, as name: String) {
        switch item {
        case .model(let model): program.models[name] = model
        case .function(let function): program.functions[name] = function
        case .monoid(let monoid): program.monoids[name] = monoid
        case .importFile: break
        }
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

    /// Gives the definitions of modules their full names, and says which files see them.
    private mutating func addModules() {
        var seen: [String: [String: String]] = [:]
        for module in modules {
            var own: [String: String] = [:]
            for (name, item) in module.definitions where own[name.text] == nil {
                let full = isTaken(name.text) ? "\(module.name).\(name.text)" : name.text
                own[name.text] = full
                add(item, as: full)
            }
            seen[module.name] = own.filter { !$0.key.hasPrefix("_") }
            program.scopes.modules[module.file.index] = own
        }
        for module in modules {
            for name in module.imported { program.scopes.modules[module.file.index]?.merge(seen[name] ?? [:]) { own, _ in own } }
        }
        let own = Set(program.scopes.program.keys)
        for module in imported {
            for name in own where seen[module]?[name] != nil { program.scopes.hidden[name] = module }
            program.scopes.program.merge(seen[module] ?? [:]) { first, _ in first }
        }
    }

    private func isTaken(_ name: String) -> Bool {
        program.models[name] != nil || program.functions[name] != nil || program.monoids[name] != nil
    }
}
