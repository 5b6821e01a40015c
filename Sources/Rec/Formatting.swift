import RecSource
import RecSyntax

/// The text of a program in its one layout.
///
/// - Throws: what is wrong with the program, where it cannot be parsed; `sources` is for drawing it.
package func formatted(_ text: String, path: String) throws(FormattingError) -> String {
    var sources = SourceMap()
    let file = sources.add(path: path, text: text)
    let (tree, problems) = parse(file, in: sources)
    guard problems.isEmpty else { throw FormattingError(diagnostics: problems, sources: sources) }
    return format(tree, in: sources)
}

/// A program that cannot be formatted.
package struct FormattingError: Error {
    package var diagnostics: [Diagnostic]
    package var sources: SourceMap
}
