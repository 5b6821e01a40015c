/// One message to the user. `docs/errors.md` has a section for every id.
package struct Diagnostic: Error, Equatable, Sendable {
    /// More than anyone reads at once; a text that is no program has one for each byte.
    package static let most = 100

    package enum Severity: String, Sendable { case error, warning, note }

    /// A second place that explains the first.
    package struct Label: Equatable, Sendable {
        package var span: SourceSpan
        package var text: String
        package init(span: SourceSpan, text: String) {
            self.span = span
            self.text = text
        }
    }

    package var id: DiagnosticID
    package var severity: Severity
    /// What rule is broken, in the user's names, without a final stop.
    package var message: String
    /// The smallest place at fault; nil for faults outside any source (a data file, an option).
    package var span: SourceSpan?
    /// Short text behind the caret, such as both shapes.
    package var caption: String?
    package var labels: [Label]
    /// The likely mend.
    package var help: String?

    package init(
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

    /// Help where there is no code for a program, which the interpreter runs all the same.
    package static let interpretingHelp = "run it with 'recc run --interpret'; training needs code"
}
