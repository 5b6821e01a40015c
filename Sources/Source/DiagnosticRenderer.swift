/// Draws diagnostics for a terminal, or as JSON for editors.
package struct DiagnosticRenderer: Sendable {
    private let sources: SourceMap
    private let usesColor: Bool

    package init(_ sources: SourceMap, usesColor: Bool = false) {
        self.sources = sources
        self.usesColor = usesColor
    }

    private enum Style: String {
        case bold = "1", red = "1;31", yellow = "1;33", blue = "1;34", green = "1;32"
    }

    private func styled(_ text: String, _ style: Style) -> String {
        usesColor ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
    }

    private func color(_ severity: Diagnostic.Severity) -> Style {
        switch severity {
        case .error: .red
        case .warning: .yellow
        case .note: .blue
        }
    }

    // MARK: Text

    package func text(_ diagnostics: [Diagnostic]) -> String { diagnostics.map(text).joined(separator: "\n") }

    /// `file:line:column: error: message [id]`, the line with a caret, labels and help; ends with a line end.
    package func text(_ diagnostic: Diagnostic) -> String {
        let severity = styled("\(diagnostic.severity.rawValue):", color(diagnostic.severity))
        let message = styled(diagnostic.message, .bold)
        var lines = ["\(place(diagnostic.span))\(severity) \(message) [\(diagnostic.id.rawValue)]"]
        if let span = known(diagnostic.span) {
            lines += excerpt(span, caption: diagnostic.caption, mark: "^", style: color(diagnostic.severity))
        } else if let caption = diagnostic.caption {
            lines.append("   \(caption)")
        }
        for label in diagnostic.labels {
            lines.append("\(place(label.span))\(styled("note:", .blue)) \(label.text)")
            if let span = known(label.span) { lines += excerpt(span, caption: nil, mark: "-", style: .blue) }
        }
        if let help = diagnostic.help { lines.append("\(styled("help:", .green)) \(help)") }
        return lines.joined(separator: "\n") + "\n"
    }

    /// A span in one of the files; nil for one of others.
    private func known(_ span: SourceSpan?) -> SourceSpan? {
        span.flatMap { sources.files.indices.contains($0.file.index) ? $0 : nil }
    }

    private func place(_ span: SourceSpan?) -> String {
        guard let span = known(span) else { return "" }
        let position = sources.position(of: span.start, in: span.file)
        return styled("\(sources[span.file].path):\(position.line):\(position.column): ", .bold)
    }

    /// Longer lines are shown around the fault only.
    private static let widestLine = 160

    private func excerpt(_ span: SourceSpan, caption: String?, mark: String, style: Style) -> [String] {
        let start = sources.position(of: span.start, in: span.file)
        let end = sources.position(of: max(span.end, span.start), in: span.file)
        var scalars = Array(sources.line(start.line, of: span.file).unicodeScalars)
        var column = start.column - 1
        // A span of several lines is marked to the end of its first.
        var width = end.line == start.line ? max(1, end.column - start.column) : max(1, scalars.count - column)
        if scalars.count > Self.widestLine {
            let first = max(0, column - 60)
            scalars = Array(scalars.dropFirst(first).prefix(Self.widestLine))
            column -= first
            width = max(1, min(width, scalars.count - column))
        }
        let shown = String(String.UnicodeScalarView(scalars.map { $0.value < 0x20 && $0 != "\t" ? "\u{FFFD}" : $0 }))
        // Tabs stay tabs under the line, so that the caret stands right however wide they are drawn.
        let indent = scalars.prefix(column).map { $0 == "\t" ? "\t" : String(repeating: " ", count: Self.columns($0)) }.joined()
        let under = mark + String(repeating: mark == "^" ? "~" : "-", count: max(0, width - 1))
        return ["   \(shown)", "   \(indent)\(styled(under, style))\(caption.map { " \($0)" } ?? "")"]
    }

    /// How many columns a scalar takes on a terminal: two for East Asian wide ones, none for combining marks.
    private static func columns(_ scalar: Unicode.Scalar) -> Int {
        switch scalar.value {
        case 0x300...0x36F, 0x200B...0x200F, 0xFE00...0xFE0F: 0
        case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60,
            0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
            2
        default: 1
        }
    }

    // MARK: JSON

    /// An array of objects with id, severity, message, file, line, column, endLine, endColumn, caption, labels and help.
    package func json(_ diagnostics: [Diagnostic]) -> String {
        "[" + diagnostics.map(json).joined(separator: ",\n ") + "]\n"
    }

    private func json(_ diagnostic: Diagnostic) -> String {
        var fields = [
            ("id", quoted(diagnostic.id.rawValue)), ("severity", quoted(diagnostic.severity.rawValue)),
            ("message", quoted(diagnostic.message)),
        ]
        if let span = known(diagnostic.span) { fields += position(span) }
        if let caption = diagnostic.caption { fields.append(("caption", quoted(caption))) }
        if !diagnostic.labels.isEmpty {
            let labels = diagnostic.labels.map { object((known($0.span).map(position) ?? []) + [("text", quoted($0.text))]) }
            fields.append(("labels", "[\(labels.joined(separator: ", "))]"))
        }
        if let help = diagnostic.help { fields.append(("help", quoted(help))) }
        return object(fields)
    }

    private func position(_ span: SourceSpan) -> [(String, String)] {
        let start = sources.position(of: span.start, in: span.file)
        let end = sources.position(of: span.end, in: span.file)
        return [
            ("file", quoted(sources[span.file].path)), ("line", "\(start.line)"), ("column", "\(start.column)"),
            ("endLine", "\(end.line)"), ("endColumn", "\(end.column)"),
        ]
    }

    private func object(_ fields: [(String, String)]) -> String {
        "{\(fields.map { "\"\($0.0)\": \($0.1)" }.joined(separator: ", "))}"
    }

    private func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            default:
                if scalar.value < 0x20 {
                    result += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
                } else {
                    result.unicodeScalars.append(scalar)
                }
            }
        }
        return result + "\""
    }
}
