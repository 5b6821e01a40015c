import RecSource

/// Parses a file. What cannot be parsed is reported and left out of the tree; parsing goes on behind it.
package func parse(_ file: FileID, in sources: SourceMap) -> (tree: SyntaxFile, diagnostics: [Diagnostic]) {
    let lexer = Lexer(file, in: sources)
    var parser = Parser(lexer, file: file, sources: sources)
    let items = parser.topLevelItems()
    let tree = SyntaxFile(file: file, items: items, comments: lexer.comments, isComplete: parser.isComplete)
    let diagnostics = (lexer.diagnostics + parser.diagnostics).sorted { ($0.span?.start ?? 0) < ($1.span?.start ?? 0) }
    return (tree, Array(diagnostics.prefix(Diagnostic.most)))
}

/// A recursive-descent parser. Each production of `grammar/rec.ebnf` has its function, in the files beside this one.
struct Parser {
    /// Thrown where a construct is given up, after its error has been reported.
    struct Abandoned: Error {}

    let tokens: [Token]
    var index = 0
    private let comments: [Comment]
    let sources: SourceMap
    let fileID: FileID
    private(set) var diagnostics: [Diagnostic] = []
    /// How many brackets are open: inside them a line may end anywhere.
    var brackets = 0
    /// How many were open at the last mistake.
    var bracketsAtMistake = 0
    /// Whether everything outside of models could be parsed.
    var isComplete = true
    private var depth = 0
    /// How high the tree of the expression parsed last is.
    var height = 0

    /// Deeper nesting than any program needs, and shallow enough for the stack.
    private static let deepestNesting = 200

    init(_ lexer: Lexer, file: FileID, sources: SourceMap) {
        tokens = lexer.tokens
        comments = lexer.comments
        self.sources = sources
        fileID = file
    }

    // MARK: Tokens

    /// The next token; line ends are passed over inside brackets.
    var next: Token {
        var at = index
        if brackets > 0 { while tokens[at].kind == .newline { at += 1 } }
        return tokens[at]
    }

    /// The token after the next one.
    var second: Token {
        func place(from start: Int) -> Int {
            var at = min(start, tokens.count - 1)
            if brackets > 0 { while tokens[at].kind == .newline { at += 1 } }
            return at
        }
        return tokens[place(from: place(from: index) + 1)]
    }

    /// The first token that is not a line end.
    var nextOnAnyLine: Token {
        var at = index
        while tokens[at].kind == .newline { at += 1 }
        return tokens[at]
    }

    var previousEnd: Int { index == 0 ? 0 : tokens[index - 1].span.end }

    func span(from start: Int) -> SourceSpan { SourceSpan(file: fileID, start: start, end: max(start, previousEnd)) }

    @discardableResult
    mutating func advance() -> Token {
        if brackets > 0 { skipNewlines() }
        let token = tokens[index]
        if index < tokens.count - 1 { index += 1 }
        return token
    }

    mutating func skipNewlines() { while tokens[index].kind == .newline { index += 1 } }

    func isNext(_ symbol: String) -> Bool { next.kind == .symbol(symbol) }
    func isNext(_ keyword: Keyword) -> Bool { next.kind == .keyword(keyword) }
    func isNextWord(_ word: String) -> Bool { next.kind == .identifier(word) }

    mutating func accept(_ symbol: String) -> Bool {
        guard isNext(symbol) else { return false }
        advance()
        if symbol == "=" { skipNewlines() }
        return true
    }

    mutating func accept(_ keyword: Keyword) -> Bool {
        guard isNext(keyword) else { return false }
        advance()
        return true
    }

    /// A word that is a name elsewhere.
    mutating func acceptWord(_ word: String) -> Bool {
        guard isNextWord(word) else { return false }
        advance()
        return true
    }

    @discardableResult
    mutating func expect(_ symbol: String, _ place: String, help: String? = nil) throws -> Token {
        guard isNext(symbol) else { throw unexpected("'\(symbol)' \(place)", help: help) }
        let token = advance()
        // A line never ends behind '='.
        if symbol == "=" { skipNewlines() }
        return token
    }

    mutating func expect(_ keyword: Keyword, _ place: String, help: String? = nil) throws {
        guard accept(keyword) else { throw unexpected("'\(keyword.rawValue)' \(place)", help: help) }
    }

    mutating func identifier(_ what: String) throws -> Identifier {
        guard case .identifier(let name) = next.kind else {
            if case .keyword(let word) = next.kind {
                throw unexpected(what, help: "'\(word.rawValue)' is a word of the language and cannot be a name")
            }
            throw unexpected(what)
        }
        let token = advance()
        return Identifier(text: name, span: token.span)
    }

    // MARK: Errors

    mutating func report(_ id: DiagnosticID, _ message: String, at span: SourceSpan, help: String? = nil, labels: [Diagnostic.Label] = []) {
        bracketsAtMistake = brackets
        guard diagnostics.count < Diagnostic.most else { return }
        diagnostics.append(Diagnostic(id, message, at: span, labels: labels, help: help))
    }

    /// Reports a mistake that is understood: parsing goes on.
    mutating func reportUnderstood(_ id: DiagnosticID, _ message: String, at span: SourceSpan, help: String?) {
        guard diagnostics.count < Diagnostic.most else { return }
        diagnostics.append(Diagnostic(id, message, at: span, help: help))
    }

    /// Reports that something else was expected here.
    mutating func unexpected(_ expected: String, help: String? = nil) -> Abandoned {
        let token = next
        // What could not be read has been reported already.
        if token.kind == .invalid { return Abandoned() }
        report(.unexpectedToken, "expected \(expected), found \(token.description)", at: token.span, help: help)
        return Abandoned()
    }

    /// Runs a nested production, unless the nesting has become too deep.
    mutating func nested<T>(_ body: (inout Parser) throws -> T) throws -> T {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.deepestNesting else {
            report(
                .nestingTooDeep, "this is nested more than \(Self.deepestNesting) levels deep", at: next.span,
                help: "give parts of it names of their own")
            throw Abandoned()
        }
        return try body(&self)
    }

    /// Requires that nothing else stands on the line.
    mutating func endOfStatement(_ what: String) throws {
        switch next.kind {
        case .newline:
            index += 1
        case .end, .symbol("}"):
            break
        case .identifier, .keyword, .integer, .real, .text, .symbol, .invalid:
            throw unexpected("the end of the line after \(what)", help: help(behind: what))
        }
    }

    private func help(behind what: String) -> String? {
        switch next.kind {
        case .symbol("="): "compare with '=='; an equation has one '='"
        case .symbol(")"), .symbol("]"): "no bracket is open that it could close"
        case .symbol(",") where what == "the output": "each output has a line of its own"
        case .symbol(":") where what == "the output": "an output has the type of its value"
        case .symbol(",") where what == "the declaration": "one type belongs to all names in front of it: a, b: […]; other types go on lines of their own"
        case .symbol("~"): "an initialiser follows '='"
        case .identifier, .integer, .real, .symbol("("): what == "the declaration" ? nil : "write a product with '*'"
        case .keyword, .text, .symbol, .newline, .invalid, .end: nil
        }
    }

    /// The `///` lines directly above the next token.
    func documentation() -> String? {
        let start = nextOnAnyLine.span.start
        var line = sources.lineNumber(of: start, in: fileID)
        var lines: [String] = []
        var low = 0
        var high = comments.count
        while low < high {
            let middle = (low + high) / 2
            if comments[middle].span.start < start { low = middle + 1 } else { high = middle }
        }
        for comment in comments[..<low].reversed() {
            guard sources.lineNumber(of: comment.span.start, in: fileID) == line - 1, comment.text.hasPrefix("///") else { break }
            lines.append(String(comment.text.dropFirst(3).drop { $0 == " " }))
            line -= 1
        }
        return lines.isEmpty ? nil : lines.reversed().joined(separator: "\n")
    }

    private var argumentHelp: String? {
        guard isNext("=") else { return nil }
        if case .identifier(let label) = tokens[max(0, index - 1)].kind, Habits.namesAxes(label) { return Habits.axes }
        return "an argument is named with ':', as in eps: 1e-5"
    }

    /// Items separated by commas between brackets that are open already; consumes the closing one.
    mutating func list<T>(until close: String, _ place: String, _ item: (inout Parser) throws -> T) throws -> [T] {
        var items: [T] = []
        var tallest = 0
        let opening = tokens[max(0, index - 1)].span
        brackets += 1
        defer { brackets -= 1 }
        while !isNext(close) {
            height = 0
            items.append(try item(&self))
            tallest = max(tallest, height)
            guard accept(",") else { break }
        }
        guard isNext(close) else {
            throw unclosed(opening, "',' or '\(close)' \(place)", help: argumentHelp)
        }
        height = tallest
        // Consumed with the bracket still open: the line end behind it counts again afterwards.
        advance()
        return items
    }
}
