import Foundation
@_exported import RecLibrary
@_exported import RecSource
import RecLowering
@_exported import RecStream
import RecTyping

/// A program read from a file or a text: parsed, its imports followed, and typed.
///
/// ```swift
/// let program = try Program(path: "gru.rec")
/// for problem in program.problems { print(problem) }
/// ```
public struct Program: Sendable {
    package let sources: SourceMap
    package let typed: TypedProgram
    /// Everything found wrong; a program with errors has models only as far as they are sound.
    package let diagnostics: [Diagnostic]
    /// What is no mistake, and most likely not meant; none where there are mistakes.
    package let warnings: [Diagnostic]
    /// Whether its models are to be trained, so that `dropout` drops.
    package private(set) var isTraining = false

    /// Reads a `.rec` file and those that it imports; or a module of the library, as `std.gru`, where no file is called so.
    ///
    /// - Throws: where the file cannot be read. What is wrong with what it says is in `problems`.
    public init(path: String) throws(DiagnosticList) { try self.init(path: path, times: nil) }

    /// A program from text; `path` is what messages call it, and where imports are looked for.
    public init(text: String, path: String = "program.rec") { self.init(text: text, path: path, times: nil) }

    package init(path: String, times: PassTimes?) throws(DiagnosticList) {
        if let text = Library.text(of: path), !FileManager.default.fileExists(atPath: path) {
            self.init(text: text, path: Library.path(of: path), times: times)
            return
        }
        let text: String
        do throws(Diagnostic) {
            text = try times.measure("read") { () throws(Diagnostic) in try ProgramText.read(path) }
        } catch {
            var problem = error
            if path.hasPrefix("std."), !path.contains("/") { problem.help = Library.help(forUnknown: path) }
            throw DiagnosticList([problem])
        }
        self.init(text: text, path: path, times: times)
    }

    package init(text: String, path: String, times: PassTimes?) {
        (sources, typed, diagnostics, warnings) = onDeepStack { Self.read(text, path, times) }
    }

    private static func read(
        _ text: String, _ path: String, _ times: PassTimes?
    ) -> (SourceMap, TypedProgram, [Diagnostic], warnings: [Diagnostic]) {
        // A file may be named in several ways; it is the first of them to everyone.
        var names = [Program.place(of: path): path]
        let loader = times.measure("parse") {
            ProgramLoader(path: path, text: text) { imported, importing in
                let folder = (importing as NSString).deletingLastPathComponent
                var full = ((folder as NSString).appendingPathComponent(imported) as NSString).standardizingPath
                guard !imported.isEmpty, FileManager.default.fileExists(atPath: full) else { return nil }
                let place = Program.place(of: full)
                if let known = names[place] { full = known }
                names[place] = full
                return (full, try ProgramText.read(full))
            }
        }
        let (typed, more) = times.measure("type") { typeProgram(loader.program, sources: loader.sources) }
        let diagnostics = loader.joined(with: more)
        return (loader.sources, typed, diagnostics, diagnostics.isEmpty ? RecTyping.warnings(about: loader.program, loader.sources, typed: typed) : [])
    }

    private static func place(of path: String) -> String { URL(fileURLWithPath: path).resolvingSymlinksInPath().standardizedFileURL.path }

    /// The same program with models as they are while they are trained: `dropout` drops there, and does nothing elsewhere.
    public var training: Program {
        var result = self
        result.isTraining = true
        return result
    }

    /// Everything found wrong, errors and warnings, in the order in which it was found.
    public var problems: [Problem] { (diagnostics + warnings).map { Problem($0, in: sources) } }

    /// Whether any problem is an error; there are no models of such a program then.
    public var hasErrors: Bool { diagnostics.contains { $0.severity == .error } }

    /// The models that stand in the file itself, in its order; those of imported files are left out.
    public var modelNames: [String] { typed.mainFileModels }

    /// The model to work with: the one named, else the main model.
    package func model(named name: String? = nil) throws(DiagnosticList) -> TypedModel {
        if hasErrors { throw DiagnosticList(diagnostics, in: sources) }
        if let name {
            if let model = typed.models[name] { return model }
            throw DiagnosticList([
                Diagnostic(
                    .unknownName, "there is no model '\(name)'", at: nil,
                    help: nearest(name, among: typed.models.keys.sorted()).map { "did you mean '\($0)'?" }
                        ?? "models are \(typed.models.keys.sorted().joined(separator: ", "))")
            ])
        }
        if let main = typed.mainModel, let model = typed.models[main] { return model }
        let names = typed.mainFileModels
        throw DiagnosticList([
            Diagnostic(
                .noMainModel, names.isEmpty ? "the file has no model" : "the file has several models: \(names.joined(separator: ", "))",
                at: nil, help: names.isEmpty ? nil : "choose one with --model")
        ])
    }

    /// The stream graph of a model with its dims fixed.
    package func graph(of model: TypedModel, dims: [String: Int], times: PassTimes? = nil) throws(DiagnosticList) -> StreamGraph {
        try onDeepStack { () throws(DiagnosticList) in
            let graph = try times.measure("lower") { () throws(DiagnosticList) in try lower(typed, model: model.name, dims: dims, isTraining: isTraining) }
            try times.measure("check folds") { () throws(DiagnosticList) in try checkMonoids(of: graph) }
            return graph
        }
    }
}
