import Foundation

/// What every call of the library throws: one or more problems, drawn as `recc` prints them when the error is printed.
///
/// ```swift
/// do { _ = try Model("gru.rec") } catch {
///     print(error)                 // gru.rec:4:11: error: …, the line, a caret, help
///     print(error.problems[0].id)  // "shape-mismatch"
/// }
/// ```
public struct DiagnosticList: Error, Sendable {
    package var diagnostics: [Diagnostic]
    /// The files that the places of the diagnostics lie in; nil where none has a place, or nobody has said.
    package private(set) var sources: SourceMap?

    package init(_ diagnostics: [Diagnostic], in sources: SourceMap? = nil) {
        self.diagnostics = diagnostics
        self.sources = sources
    }

    /// A list of one.
    package init(_ id: DiagnosticID, _ message: String, help: String? = nil) {
        self.init([Diagnostic(id, message, at: nil, help: help)])
    }

    /// The same list, with its places in these files where it has not said so yet.
    package func placed(in sources: SourceMap?) -> DiagnosticList {
        guard self.sources == nil else { return self }
        return DiagnosticList(diagnostics, in: sources)
    }

    /// What was thrown somewhere below, whatever it is, as a list.
    package init(_ error: any Error, in sources: SourceMap?) {
        switch error {
        case let list as DiagnosticList: self = list.placed(in: sources)
        case let single as Diagnostic: self.init([single], in: sources)
        default: self.init([Diagnostic(.unsupported, "\(error)", at: nil)], in: sources)
        }
    }

    /// The problems one by one; there is at least one.
    public var problems: [Problem] { diagnostics.map { Problem($0, in: sources) } }
}

extension DiagnosticList: CustomStringConvertible, CustomDebugStringConvertible, LocalizedError {
    /// Every problem with its place, the line at fault and the likely mend, as `recc` prints it.
    public var description: String { DiagnosticRenderer(sources ?? SourceMap()).text(diagnostics) }
    /// The same, for errors that nobody catches.
    public var debugDescription: String { description }
    /// The same, for `localizedDescription`.
    public var errorDescription: String? { description }
}

/// Runs `body`; whatever it throws is thrown as a list, with its places in these files.
package func reportingProblems<T>(in sources: SourceMap? = nil, _ body: () throws -> T) throws(DiagnosticList) -> T {
    do { return try body() } catch { throw DiagnosticList(error, in: sources) }
}
