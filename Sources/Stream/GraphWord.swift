/// A word of a graph's text: a name, a number, a sign, or a text in quotes.
struct GraphWord {
    /// As it stands in the text; a text in quotes begins with its quote.
    var text: String
    /// What stands between the quotes, where there are some.
    var quoted: String?
    /// 1-based.
    var line: Int

    /// The words of a text. Comments run from `#` to the end of the line. An unfinished quote ends with its line.
    static func all(in text: String) -> [GraphWord] {
        // Scalars rather than characters: a mark that combines with a quote must not hide it.
        let scalars = Array(text.unicodeScalars)
        var words: [GraphWord] = []
        var line = 1
        var at = 0
        while at < scalars.count {
            let start = at
            switch scalars[at] {
            case "\n":
                line += 1
                at += 1
            case " ", "\t", "\r":
                at += 1
            case "#":
                while at < scalars.count, scalars[at] != "\n" { at += 1 }
            case "\"":
                let content = quoted(scalars, &at)
                words.append(GraphWord(text: string(scalars[start..<at]), quoted: content, line: line))
            case let sign where signs.contains(sign):
                at += 1
                words.append(GraphWord(text: string(scalars[start..<at]), quoted: nil, line: line))
            default:
                while at < scalars.count, !signs.contains(scalars[at]), !ends.contains(scalars[at]) { at += 1 }
                words.append(GraphWord(text: string(scalars[start..<at]), quoted: nil, line: line))
            }
        }
        return words
    }

    private static let signs = Set<Unicode.Scalar>("[](){}:,=".unicodeScalars)
    private static let ends = Set<Unicode.Scalar>(" \t\r\n\"#".unicodeScalars)

    private static func string(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: scalars)
        return String(view)
    }

    /// The content of the quote that opens at `at`, which moves behind it; nil where no quote closes it.
    private static func quoted(_ scalars: [Unicode.Scalar], _ at: inout Int) -> String? {
        var content = String.UnicodeScalarView()
        at += 1
        while at < scalars.count, scalars[at] != "\n" {
            let scalar = scalars[at]
            at += 1
            if scalar == "\"" { return String(content) }
            guard scalar == "\\", at < scalars.count, scalars[at] != "\n" else {
                content.append(scalar)
                continue
            }
            switch scalars[at] {
            case "n": content.append("\n")
            case "r": content.append("\r")
            case "t": content.append("\t")
            default: content.append(scalars[at])
            }
            at += 1
        }
        return nil
    }
}
