import RecSource

/// Cuts a file into tokens. What it cannot read it reports and leaves out.
struct Lexer {
    private(set) var tokens: [Token] = []
    private(set) var comments: [Comment] = []
    private(set) var diagnostics: [Diagnostic] = []

    private let bytes: [UInt8]
    private let file: FileID
    private var position = 0
    /// The words so far.
    private var names: Set<String> = []

    /// Symbols by their bytes: two, of which the first is the lower one, or one.
    private static let symbols: [UInt16: String] = {
        let all = [
            "|>", "->", "<=", ">=", "==", "!=", "+", "-", "*", "/", "^", "@", "<", ">", "=", "~", "(", ")", "[", "]", "{", "}",
            ",", ":", ".",
        ]
        return Dictionary(uniqueKeysWithValues: all.map { symbol in (symbol.utf8.reversed().reduce(0) { $0 << 8 | UInt16($1) }, symbol) })
    }()

    init(_ file: FileID, in sources: SourceMap) {
        self.file = file
        bytes = Array(sources[file].text.utf8)
        while position < bytes.count { scan() }
        tokens.append(Token(kind: .end, span: span(from: bytes.count)))
    }

    private func span(from start: Int) -> SourceSpan { SourceSpan(file: file, start: start, end: position) }

    private func text(_ start: Int) -> String { String(decoding: bytes[start..<position], as: UTF8.self) }

    private mutating func add(_ kind: TokenKind, from start: Int) { tokens.append(Token(kind: kind, span: span(from: start))) }

    private mutating func scan() {
        let start = position
        let byte = bytes[position]
        switch byte {
        case UInt8(ascii: "\n"):
            position += 1
            add(.newline, from: start)
        case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"):
            position += 1
        case UInt8(ascii: "/") where position + 1 < bytes.count && bytes[position + 1] == UInt8(ascii: "/"):
            if reportDivision() { return }
            while position < bytes.count, bytes[position] != UInt8(ascii: "\n") { position += 1 }
            comments.append(Comment(text: trimmed(text(start)), span: span(from: start)))
        case UInt8(ascii: "/") where position + 1 < bytes.count && bytes[position + 1] == UInt8(ascii: "*"):
            skipForeignComment()
        case UInt8(ascii: "\""):
            scanText()
        case UInt8(ascii: "0")...UInt8(ascii: "9"):
            scanNumber()
        case UInt8(ascii: ".") where position + 1 < bytes.count && Self.isDigit(bytes[position + 1]) && !followsName:
            scanNumber()
        default:
            if Self.isNameStart(byte) {
                scanName()
            } else {
                scanSymbol()
            }
        }
    }

    /// `x // 2` was meant to divide: a comment behind an operand, with less than two spaces before it, that reads like an
    /// operand. Then it is reported, and the signs are a token that nothing takes.
    private mutating func reportDivision() -> Bool {
        guard let last = tokens.last, position - last.span.end < 2 else { return false }
        switch last.kind {
        case .identifier, .integer, .real, .symbol(")"), .symbol("]"): break
        case .keyword, .text, .symbol, .newline, .invalid, .end: return false
        }
        var end = position + 2
        while end < bytes.count, bytes[end] != UInt8(ascii: "\n") { end += 1 }
        guard CommentedOperand(bytes[position + 2..<end], names: names).isOperand else { return false }
        let start = position
        position += 2
        report(
            .unexpectedCharacter, "'//' does not divide: it begins a comment", from: start,
            help: "write floor(x / y); a comment behind code stands two spaces behind it")
        add(.invalid, from: start)
        return true
    }

    /// `/* … */` is reported once and passed over.
    private mutating func skipForeignComment() {
        let start = position
        position += 2
        report(.unexpectedCharacter, "'/*' has no meaning here", from: start, help: Habits.character("/*"))
        while position < bytes.count, !(bytes[position - 1] == UInt8(ascii: "/") && bytes[position - 2] == UInt8(ascii: "*") && position >= start + 4) {
            position += 1
        }
    }

    private func trimmed(_ text: String) -> String {
        var text = text[...]
        while let last = text.last, last == " " || last == "\t" || last == "\r" { text = text.dropLast() }
        return String(text)
    }

    /// Whether a dot here would select a member: `x.5` is not `x` and `.5`.
    private var followsName: Bool {
        guard let last = tokens.last, last.span.end == position else { return false }
        switch last.kind {
        case .identifier, .symbol(")"), .symbol("]"): return true
        case .keyword, .integer, .real, .text, .symbol, .newline, .invalid, .end: return false
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
    private static func isNameStart(_ byte: UInt8) -> Bool {
        (byte | 0x20) >= UInt8(ascii: "a") && (byte | 0x20) <= UInt8(ascii: "z") || byte == UInt8(ascii: "_")
    }

    private mutating func scanName() {
        let start = position
        while position < bytes.count, Self.isNameStart(bytes[position]) || Self.isDigit(bytes[position]) { position += 1 }
        let name = text(start)
        names.insert(name)
        add(Keyword(rawValue: name).map { .keyword($0) } ?? .identifier(name), from: start)
    }

    private mutating func scanNumber() {
        let start = position
        var isReal = false
        func digits() { while position < bytes.count, Self.isDigit(bytes[position]) { position += 1 } }
        digits()
        if position + 1 < bytes.count, bytes[position] == UInt8(ascii: "."), Self.isDigit(bytes[position + 1]) {
            isReal = true
            position += 1
            digits()
        } else if position < bytes.count, bytes[position] == UInt8(ascii: "."),
            position + 1 >= bytes.count || !Self.isNameStart(bytes[position + 1])
        {
            isReal = true
            position += 1
        }
        if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
            var ahead = position + 1
            if ahead < bytes.count, bytes[ahead] == UInt8(ascii: "+") || bytes[ahead] == UInt8(ascii: "-") { ahead += 1 }
            if ahead < bytes.count, Self.isDigit(bytes[ahead]) {
                isReal = true
                position = ahead
                digits()
            }
        }
        if position < bytes.count, Self.isNameStart(bytes[position]) {
            while position < bytes.count, Self.isNameStart(bytes[position]) || Self.isDigit(bytes[position]) { position += 1 }
            report(.malformedNumber, "'\(text(start))' is not a number", from: start, help: "write a product with '*', a name with a letter first")
            add(.integer(1), from: start)
            return
        }
        let digitsText = text(start)
        if !isReal, let value = Int(digitsText) {
            add(.integer(value), from: start)
        } else if !isReal, Double(digitsText)?.isFinite ?? false {
            report(
                .malformedNumber, "'\(digitsText)' is too large for a whole number: the largest is \(Int.max)", from: start,
                help: "with a point, '\(digitsText).0', it is a real number, and rounded")
            add(.integer(1), from: start)
        } else if let value = Double(digitsText.hasSuffix(".") ? digitsText + "0" : digitsText.hasPrefix(".") ? "0" + digitsText : digitsText),
            value.isFinite
        {
            add(.real(value), from: start)
        } else {
            report(.malformedNumber, "'\(digitsText)' is too large for a number", from: start, help: "write 'inf' for infinity")
            add(.integer(1), from: start)
        }
    }

    private mutating func scanText() {
        let start = position
        position += 1
        while position < bytes.count, bytes[position] != UInt8(ascii: "\""), bytes[position] != UInt8(ascii: "\n") { position += 1 }
        let content = String(decoding: bytes[start + 1..<position], as: UTF8.self)
        if position < bytes.count, bytes[position] == UInt8(ascii: "\"") {
            position += 1
        } else {
            report(.unterminatedText, "this text does not end on its line", from: start, help: "close it with a \"")
            return add(.invalid, from: start)
        }
        add(.text(content), from: start)
    }

    private mutating func scanSymbol() {
        let start = position
        let first = UInt16(bytes[position])
        let pair = position + 1 < bytes.count ? first | UInt16(bytes[position + 1]) << 8 : 0
        for (key, count) in [(pair, 2), (first, 1)] {
            guard let symbol = Self.symbols[key], count == symbol.utf8.count else { continue }
            position += count
            return add(.symbol(symbol), from: start)
        }
        // What is doubled elsewhere is one mistake.
        position += bytes[position...].starts(with: [UInt8(ascii: "&"), UInt8(ascii: "&")]) || bytes[position...].starts(with: [UInt8(ascii: "|"), UInt8(ascii: "|")]) ? 2 : 1
        // The rest of a character of several bytes belongs to it; a run of such characters is one mistake.
        while position < bytes.count, bytes[position] >= 0x80 || bytes[position] == 0 { position += 1 }
        report(.unexpectedCharacter, "'\(text(start))' has no meaning here", from: start, help: Habits.character(text(start)))
        add(.invalid, from: start)
    }

    private mutating func report(_ id: DiagnosticID, _ message: String, from start: Int, help: String?) {
        guard diagnostics.count < Diagnostic.most else { return }
        diagnostics.append(Diagnostic(id, message, at: span(from: start), help: help))
    }
}
