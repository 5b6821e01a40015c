import RecSource

/// How parsing goes on behind a mistake.
extension Parser {
    /// Skips the rest of a broken line of a model: to the end of its last line, or past the braces it opens.
    mutating func recoverWithinModel() {
        brackets = 0
        defer { bracketsAtMistake = 0 }
        var open = 0
        while true {
            switch tokens[index].kind {
            case .end: return
            case .newline where open == 0:
                index += 1
                if !goesOn { return }
            case .symbol("{"): open += 1
            case .symbol("}"):
                if open == 0 { return }
                open -= 1
                if open == 0 {
                    index += 1
                    return
                }
            case .newline, .identifier, .keyword, .integer, .real, .text, .symbol, .invalid: break
            }
            index += 1
        }
    }

    /// The names that a broken line of a model seems to define: those it begins with, and in a list of declarations each in front of
    /// a type.
    func namesDefined(from start: Int) -> [Identifier] {
        var names: [Identifier] = []
        var at = start
        var open = 0
        var isFirst = true
        while at < tokens.count {
            switch tokens[at].kind {
            case .newline, .end, .symbol("{"), .symbol("}"): return names
            case .symbol("("), .symbol("["):
                open += 1
                isFirst = false
            case .symbol(")"), .symbol("]"): open -= 1
            case .symbol(","): break
            case .keyword: if at > start { isFirst = false }
            case .identifier(let name):
                let isTyped = open == 0 && tokens[at + 1].kind == .symbol(":")
                if isFirst || isTyped { names.append(Identifier(text: name, span: tokens[at].span)) }
            case .integer, .real, .text, .symbol, .invalid: isFirst = false
            }
            at += 1
        }
        return names
    }

    /// Skips the rest of a broken model or function: what stands in it cannot be told from what stands outside. The words
    /// that begin the next are no names, so they stand nowhere else.
    mutating func recoverAtTopLevel() {
        isComplete = false
        brackets = 0
        bracketsAtMistake = 0
        while tokens[index].kind != .end {
            switch tokens[index].kind {
            case .keyword(.model), .keyword(.func), .keyword(.monoid), .keyword(.import):
                if index == 0 || tokens[index - 1].kind == .newline || tokens[index - 1].kind == .symbol("}") { return }
            case .identifier, .keyword, .integer, .real, .text, .symbol, .newline, .invalid, .end: break
            }
            index += 1
        }
    }

    /// Whether the line that begins here belongs to the one before: it begins with an operator; or the mistake stood in
    /// brackets, and nothing begins here that could not stand in them.
    private var goesOn: Bool {
        let start = nextOnAnyLine
        if OperatorTable.entry(for: start.kind) != nil { return true }
        switch start.kind {
        case .keyword(.then), .keyword(.else), .symbol("|>"), .symbol("->"): return true
        case .symbol(")"), .symbol("]"): return bracketsAtMistake > 0
        case .identifier, .keyword(.if), .keyword(.not), .keyword(.fold), .keyword(.true), .keyword(.false), .integer, .real,
            .symbol("("), .symbol("["):
            return bracketsAtMistake > 0 && !beginsEquation
        case .keyword, .text, .symbol, .newline, .invalid, .end: return false
        }
    }

    /// Whether a name and '=', or names with commas between them and '=', come next.
    private var beginsEquation: Bool {
        var at = index
        while tokens[at].kind == .newline { at += 1 }
        while case .identifier = tokens[at].kind {
            switch tokens[at + 1].kind {
            case .symbol("="): return true
            case .symbol(","): at += 2
            case .identifier, .keyword, .integer, .real, .text, .symbol, .newline, .invalid, .end: return false
            }
        }
        return false
    }

    /// Reports a bracket that is not closed: at itself where the next line begins something new, else at what stands in
    /// the place of the closing one.
    mutating func unclosed(_ opening: SourceSpan, _ expected: String, help: String?) -> Abandoned {
        let token = next
        let isBelow = sources.lineNumber(of: token.span.start, in: fileID) > sources.lineNumber(of: previousEnd, in: fileID)
        var beginsAnew = beginsEquation || token.kind == .end || token.kind == .symbol("}")
        if case .keyword(let word) = token.kind { beginsAnew = ![.if, .not, .fold, .true, .false, .then, .else, .and, .or, .as].contains(word) }
        guard isBelow, beginsAnew else { return unexpected(expected, help: help) }
        report(.unexpectedToken, "this bracket is not closed", at: opening, help: "expected \(expected)")
        return Abandoned()
    }
}
