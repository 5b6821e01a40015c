/// One message to the user. `docs/errors.md` has a section for every id.
public struct Diagnostic: Error, Equatable, Sendable {
    /// More than anyone reads at once; a text that is no program has one for each byte.
    public static let most = 100

    public enum Severity: String, Sendable { case error, warning, note }

    /// A second place that explains the first.
    public struct Label: Equatable, Sendable {
        public var span: SourceSpan
        public var text: String
        public init(span: SourceSpan, text: String) {
            self.span = span
            self.text = text
        }
    }

    public var id: DiagnosticID
    public var severity: Severity
    /// What rule is broken, in the user's names, without a final stop.
    public var message: String
    /// The smallest place at fault; nil for faults outside any source (a data file, an option).
    public var span: SourceSpan?
    /// Short text behind the caret, such as both shapes.
    public var caption: String?
    public var labels: [Label]
    /// The likely mend.
    public var help: String?

    public init(
        _ id: DiagnosticID, _ message: String, at span: SourceSpan?, caption: String? = nil,
        labels: [Label] = [], help: String? = nil, severity: Severity = .error
    ) {
        self.id = id
        self.severity = severity
        self.message = message
        self.span = span
        self.caption = caption
        self.labels = labels
        self.help = help
    }
}

/// Several diagnostics thrown as one.
public struct DiagnosticList: Error, Sendable {
    public var diagnostics: [Diagnostic]
    public init(_ diagnostics: [Diagnostic]) { self.diagnostics = diagnostics }
}
