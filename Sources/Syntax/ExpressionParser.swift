import RecSource

extension Parser {
    /// `pipe := choice { "|>" name }`
    mutating func expression() throws -> Expression {
        try nested { parser in
            var left = try parser.choice()
            var length = 0
            while parser.continues(with: "|>") {
                parser.skipNewlines()
                length += 1
                try parser.limitChain(length, at: parser.advance().span)
                parser.skipNewlines()
                let right = try parser.postfix()
                left = Expression(.pipe(left, right), left.span.joined(with: right.span))
            }
            return left
        }
    }

    /// A chain of operators becomes a tree as deep as it is long, which everything behind the parser walks.
    private mutating func limitChain(_ length: Int, at span: SourceSpan) throws {
        guard length > Self.longestChain else { return }
        report(
            .nestingTooDeep, "more than \(Self.longestChain) operators stand in one chain", at: span,
            help: "give parts of it names of their own")
        throw Abandoned()
    }

    private static var longestChain: Int { 10_000 }

    /// Whether the expression goes on with this symbol, here or at the beginning of the next line.
    private func continues(with symbol: String) -> Bool { nextOnAnyLine.kind == .symbol(symbol) }

    private mutating func choice() throws -> Expression {
        guard isNext(.if) else { return try binary(above: 0) }
        return try nested { parser in
            let start = parser.advance().span
            let condition = try parser.choice()
            parser.skipNewlinesBefore(.then)
            try parser.expect(.then, "after the condition of 'if'")
            parser.skipNewlines()
            let yes = try parser.choice()
            parser.skipNewlinesBefore(.else)
            try parser.expect(.else, "in 'if … then … else …'")
            parser.skipNewlines()
            let no = try parser.choice()
            return Expression(.conditional(condition, then: yes, otherwise: no), start.joined(with: no.span))
        }
    }

    private mutating func skipNewlinesBefore(_ keyword: Keyword) {
        if nextOnAnyLine.kind == .keyword(keyword) { skipNewlines() }
    }

    /// Operators that bind more strongly than `strength`.
    private mutating func binary(above strength: Int) throws -> Expression {
        var left = try prefix(above: strength)
        var length = 0
        while let entry = OperatorTable.entry(for: nextOnAnyLine.kind), entry.strength > strength {
            skipNewlines()
            let sign = advance()
            skipNewlines()
            length += 1
            try limitChain(length, at: sign.span)
            let right = try nested { try $0.binary(above: entry.isRightAssociative ? entry.strength - 1 : entry.strength) }
            if !entry.isChainable, let following = OperatorTable.entry(for: nextOnAnyLine.kind), following.strength == entry.strength {
                report(
                    .unexpectedToken, "comparisons cannot be chained", at: nextOnAnyLine.span,
                    help: "join two comparisons with 'and'", labels: [Diagnostic.Label(span: sign.span, text: "the first comparison")])
                throw Abandoned()
            }
            left = Expression(.binary(entry.syntax, left, right), left.span.joined(with: right.span))
        }
        return left
    }

    private mutating func prefix(above strength: Int) throws -> Expression {
        let start = next.span
        if isNext("-") {
            advance()
            let operand = try nested { try $0.binary(above: OperatorTable.sign - 1) }
            return Expression(.unary(.negate, operand), start.joined(with: operand.span))
        }
        if isNext("+") { throw unexpected("an expression", help: "a plain '+' in front is not needed") }
        if isNext(.not) {
            if strength >= OperatorTable.not { throw unexpected("an operand", help: "put 'not …' in parentheses") }
            advance()
            let operand = try nested { try $0.binary(above: OperatorTable.not - 1) }
            return Expression(.unary(.not, operand), start.joined(with: operand.span))
        }
        if isNext(.if) { throw unexpected("an operand", help: "put 'if … then … else …' in parentheses") }
        return try renamed()
    }

    /// `postfix { "as" "[" dims "]" }`
    private mutating func renamed() throws -> Expression {
        var value = try postfix()
        var length = 0
        while isNext(.as) {
            length += 1
            try limitChain(length, at: advance().span)
            try expect("[", "after 'as'")
            let dims = try list(until: "]", "in the names after 'as'") { try $0.expression() }
            value = Expression(.rename(value, dims), span(from: value.span.start))
        }
        return value
    }

    mutating func postfix() throws -> Expression {
        var value = try primary()
        var length = 0
        while true {
            length += 1
            try limitChain(length, at: next.span)
            if isNext("[") {
                advance()
                let items = try list(until: "]", "in the index") { try $0.indexItem() }
                value = Expression(.index(value, items), span(from: value.span.start))
            } else if isNext(".") {
                advance()
                let name = try identifier("a name after '.'")
                value = Expression(.member(value, name), span(from: value.span.start))
            } else {
                return value
            }
        }
    }

    private mutating func indexItem() throws -> IndexItem {
        let start = next.span.start
        if accept(":") {
            let upper = isNext("]") || isNext(",") ? nil : try expression()
            return .range(nil, upper, span(from: start))
        }
        let first = try expression()
        guard accept(":") else { return .at(first) }
        let upper = isNext("]") || isNext(",") ? nil : try expression()
        return .range(first, upper, span(from: start))
    }

    private mutating func primary() throws -> Expression {
        let token = next
        switch token.kind {
        case .integer(let value):
            advance()
            return Expression(.integer(value), token.span)
        case .real(let value):
            advance()
            return Expression(.real(value), token.span)
        case .keyword(.true), .keyword(.false):
            advance()
            return Expression(.boolean(token.kind == .keyword(.true)), token.span)
        case .symbol("("):
            advance()
            brackets += 1
            defer { brackets -= 1 }
            let inner = try expression()
            guard isNext(")") else { throw unexpected("')'", help: "the '(' at the start of this part is not closed") }
            advance()
            return Expression(inner.kind, span(from: token.span.start))
        case .symbol("["):
            advance()
            let items = try list(until: "]", "in the list") { try $0.expression() }
            return Expression(.array(items), span(from: token.span.start))
        case .keyword(.fold):
            advance()
            let name = try identifier("the name of a monoid after 'fold'")
            try expect("(", "after the monoid's name")
            let arguments = try list(until: ")", "in the elements of the fold") { try $0.expression() }
            return Expression(.fold(name, arguments), span(from: token.span.start))
        case .identifier(let name):
            advance()
            return try named(Identifier(text: name, span: token.span))
        case .keyword, .symbol, .text, .newline, .invalid, .end:
            throw unexpected("an expression")
        }
    }

    /// A name, or a call: `f(x)`, `sum[K](x)`.
    private mutating func named(_ name: Identifier) throws -> Expression {
        if isNext("(") {
            advance()
            let arguments = try list(until: ")", "in the arguments of '\(name.text)'") { try $0.argument() }
            return Expression(.call(name, brackets: nil, arguments: arguments), span(from: name.span.start))
        }
        if isNext("["), isCallBehindBrackets {
            advance()
            let dims = try list(until: "]", "in the brackets of '\(name.text)'") { try $0.expression() }
            try expect("(", "after the brackets of '\(name.text)'")
            let arguments = try list(until: ")", "in the arguments of '\(name.text)'") { try $0.argument() }
            return Expression(.call(name, brackets: dims, arguments: arguments), span(from: name.span.start))
        }
        return Expression(.name(name.text), name.span)
    }

    mutating func argument() throws -> Argument {
        if case .identifier(let name) = next.kind, second.kind == .symbol(":") {
            let label = advance()
            advance()
            return Argument(label: Identifier(text: name, span: label.span), value: try expression())
        }
        return Argument(label: nil, value: try expression())
    }
}
