import Foundation
@_exported import RecSource
import RecLowering
@_exported import RecStream
import RecTyping

/// A program read from a file or a text: parsed, its imports followed, and typed.
public struct Program: Sendable {
    public let sources: SourceMap
    public let typed: TypedProgram
    /// Everything found wrong; a program with errors has models only as far as they are sound.
    public let diagnostics: [Diagnostic]

    /// Reads a `.rec` file.
    public init(path: String) throws(DiagnosticList) {
        let text: String
        do { text = try Program.read(path) } catch {
            throw DiagnosticList([Diagnostic(.fileProblem, "\(path): \(error)", at: nil)])
        }
        self.init(text: text, path: path)
    }

    /// A program from text; `path` is what messages call it, and where imports are looked for.
    public init(text: String, path: String = "program.rec") {
        let loader = ProgramLoader(path: path, text: text) { imported, importing in
            let folder = (importing as NSString).deletingLastPathComponent
            let full = ((folder as NSString).appendingPathComponent(imported) as NSString).standardizingPath
            guard let text = try? Program.read(full) else { return nil }
            return (full, text)
        }
        sources = loader.sources
        var problems = loader.diagnostics
        let (typed, more) = typeProgram(loader.program, sources: loader.sources)
        // A construct that could not be parsed is missing; what would be said about names in it is not worth saying.
        if problems.isEmpty { problems += more }
        self.typed = typed
        diagnostics = problems
    }

    /// A problem of reading a file, as the user should see it.
    private struct Unreadable: Error, CustomStringConvertible {
        var description: String
    }

    private static let largestFile = 16 << 20

    private static func read(_ path: String) throws -> String {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
            throw Unreadable(description: "there is no such file")
        }
        guard !isDirectory.boolValue else { throw Unreadable(description: "this is a folder") }
        guard let data = FileManager.default.contents(atPath: path) else { throw Unreadable(description: "the file cannot be read") }
        guard data.count <= largestFile else { throw Unreadable(description: "the file is too large for a program") }
        return String(decoding: data, as: UTF8.self)
    }

    public var hasErrors: Bool { diagnostics.contains { $0.severity == .error } }

    /// The model to work with: the one named, else the main model.
    public func model(named name: String? = nil) throws(DiagnosticList) -> TypedModel {
        if hasErrors { throw DiagnosticList(diagnostics) }
        if let name {
            if let model = typed.models[name] { return model }
            throw DiagnosticList([
                Diagnostic(
                    .unknownName, "there is no model '\(name)'", at: nil,
                    help: nearest(name, among: typed.models.keys.sorted()).map { "did you mean '\($0)'?" })
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
    public func graph(of model: TypedModel, dims: [String: Int]) throws(DiagnosticList) -> StreamGraph {
        let graph = try lower(typed, model: model.name, dims: dims)
        try checkMonoids(of: graph)
        return graph
    }
}
