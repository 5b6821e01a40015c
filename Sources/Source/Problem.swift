/// Something that is wrong with a program, with data, or with what a call was given.
public struct Problem: Hashable, Sendable, CustomStringConvertible {
    /// How much it matters: an error keeps a program from being compiled, a warning does not.
    public enum Severity: String, Sendable { case error, warning, note }

    /// The stable name of its kind, such as `shape-mismatch`: its section in `docs/errors.md`.
    public let id: String
    /// How much it matters.
    public let severity: Severity
    /// What rule is broken, in the names of the program or the data, without a final stop.
    public let message: String
    /// The likely mend; nil where there is none to tell.
    public let help: String?
    /// The source file at fault; nil for data, options and calls.
    public let file: String?
    /// The 1-based line at fault; nil without a file.
    public let line: Int?
    /// The 1-based column at fault, in Unicode scalars; nil without a file.
    public let column: Int?
    /// All of it as `recc` prints it: place, message, the line with a caret, help.
    public let description: String

    package init(_ diagnostic: Diagnostic, in sources: SourceMap?) {
        id = diagnostic.id.rawValue
        severity = Severity(rawValue: diagnostic.severity.rawValue) ?? .error
        message = diagnostic.message
        help = diagnostic.help
        description = DiagnosticRenderer(sources ?? SourceMap()).text(diagnostic)
        guard let span = diagnostic.span, let sources, sources.files.indices.contains(span.file.index) else {
            (file, line, column) = (nil, nil, nil)
            return
        }
        let position = sources.position(of: span.start, in: span.file)
        (file, line, column) = (sources[span.file].path, position.line, position.column)
    }
}
