import RecSource

extension Parser {
    /// `pipe := choice { "|>" name }`
    mutating func expression() throws -> Expression {
        try nested { parser in
            var left = try parser.choice()
            while parser.continues(with: "|>") {
                var tallest = parser.height
                parser.skipNewlines()
                let sign = parser.advance()
                parser.skipNewlines()
                let right = try parser.postfix()
                tallest = max(tallest, parser.height)
                try parser.grow(above: tallest, at: sign.span)
                left = Expression(.pipe(left, right), left.span.joined(with: right.span))
            }
            return left
        }
    }

    /// A chain of operators becomes a tree as high as it is long, which everything behind the parser walks; and chains in
    /// brackets add up. `height` becomes that of a node above a tree of height `tallest`.
    private mutating func grow(above tallest: Int, at span: SourceSpan) throws {
        guard tallest < Self.highestExpression else {
            report(
                .nestingTooDeep, "more than \(Self.highestExpression) operators stand in one chain", at: span,
                help: "give parts of it names of their own")
            throw Abandoned()
        }
        height = tallest + 1
    }

    private static var highestExpression: Int { 10_000 }

    /// Whether the expression goes on with this symbol, here or at the beginning of the next line.
    private func continues(with symbol: String) -> Bool { nextOnAnyLine.kind == .symbol(symbol) }

    private mutating func choice() throws -> Expression {
        guard isNext(.if) else { return try binary(above: 0) }
        return try nested { parser in
            let start = parser.advance().span
            let condition = try parser.choice()
            var tallest = parser.height
            parser.skipNewlinesBefore(.then)
            try parser.expect(.then, "after the condition of 'if'", help: parser.isNext("=") ? "compare with '=='" : nil)
            parser.skipNewlines()
            let yes = try parser.choice()
            tallest = max(tallest, parser.height)
            parser.skipNewlinesBefore(.else)
            let isShort = ["elif", "elseif", "elsif"].contains { parser.isNextWord($0) }
            try parser.expect(.else, "in 'if … then … else …'", help: isShort ? "write 'else if'" : nil)
            parser.skipNewlines()
            let no = try parser.choice()
            try parser.grow(above: max(tallest, parser.height), at: start)
            return Expression(.conditional(condition, then: yes, otherwise: no), start.joined(with: no.span))
        }
    }

    private mutating func skipNewlinesBefore(_ keyword: Keyword) {
        if nextOnAnyLine.kind == .keyword(keyword) { skipNewlines() }
    }

    /// Operators that bind more strongly than `strength`.
    mutating func binary(above strength: Int) throws -> Expression {
        var left = try prefix(above: strength)
        while let entry = OperatorTable.entry(for: nextOnAnyLine.kind), entry.strength > strength {
            skipNewlines()
            let tallest = height
            let sign = advance()
            skipNewlines()
            let right = try nested { try $0.binary(above: entry.isRightAssociative ? entry.strength - 1 : entry.strength) }
            if !entry.isChainable, let following = OperatorTable.entry(for: nextOnAnyLine.kind), following.strength == entry.strength {
                report(
                    .unexpectedToken, "comparisons cannot be chained", at: nextOnAnyLine.span,
                    help: "join two comparisons with 'and'", labels: [Diagnostic.Label(span: sign.span, text: "the first comparison")])
                throw Abandoned()
            }
            try grow(above: max(tallest, height), at: sign.span)
            left = Expression(.binary(entry.syntax, left, right), left.span.joined(with: right.span))
        }
        return left
    }

    private mutating func prefix(above strength: Int) throws -> Expression {
        // A line goes on in front of an operator, whichever it is.
        if nextOnAnyLine.kind == .symbol("-") { skipNewlines() }
        let start = next.span
        if isNext("-") {
            advance()
            skipNewlines()
            let operand = try nested { try $0.binary(above: OperatorTable.sign - 1) }
            try grow(above: height, at: start)
            return Expression(.unary(.negate, operand), start.joined(with: operand.span))
        }
        if isNext("+") { throw unexpected("an expression", help: "a plain '+' in front is not needed") }
        if isNext(.not) {
            if strength >= OperatorTable.not { throw unexpected("an operand", help: "put 'not …' in parentheses") }
            advance()
            let operand = try nested { try $0.binary(above: OperatorTable.not - 1) }
            try grow(above: height, at: start)
            return Expression(.unary(.not, operand), start.joined(with: operand.span))
        }
        if isNext(.if) { throw unexpected("an operand", help: "put 'if … then … else …' in parentheses") }
        return try renamed()
    }

    /// `postfix { "as" "[" dims "]" }`
    private mutating func renamed() throws -> Expression {
        var value = try postfix()
        while isNext(.as) {
            let tallest = height
            let word = advance()
            try expect("[", "after 'as'")
            let dims = try list(until: "]", "in the names after 'as'") { try $0.expression() }
            try grow(above: max(tallest, height), at: word.span)
            value = Expression(.rename(value, dims), span(from: value.span.start))
        }
        return value
    }

    mutating func postfix() throws -> Expression {
        var value = try primary()
        while true {
            let tallest = height
            let place = next.span
            if isNext("[") {
                advance()
                let items = try list(until: "]", "in the index") { try $0.indexItem() }
                try grow(above: max(tallest, height), at: place)
                value = Expression(.index(value, items), span(from: value.span.start))
            } else if isNext(".") {
                advance()
                let name = try identifier("a name after '.'")
                try grow(above: tallest, at: place)
                value = isNext("(") ? foreignCall(value, name) : Expression(.member(value, name), span(from: value.span.start))
            } else {
                return value
            }
        }
    }

    private mutating func indexItem() throws -> IndexItem {
        let start = next.span.start
        height = 0
        if accept(":") {
            let upper = isNext("]") || isNext(",") ? nil : try expression()
            return .range(nil, upper, span(from: start))
        }
        let first = try expression()
        guard accept(":") else { return .at(first) }
        let tallest = height
        let upper = isNext("]") || isNext(",") ? nil : try expression()
        height = max(tallest, height)
        return .range(first, upper, span(from: start))
    }

    private mutating func primary() throws -> Expression {
        let token = next
        height = 1
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
            guard isNext(")") else { throw unclosed(token.span, "')'", help: nil) }
            advance()
            return Expression(inner.kind, span(from: token.span.start))
        case .symbol("["):
            advance()
            let items = try list(until: "]", "in the list") { try $0.expression() }
            try grow(above: height, at: token.span)
            return Expression(.array(items), span(from: token.span.start))
        case .keyword(.fold):
            advance()
            let name = try identifier("the name of a monoid after 'fold'")
            try expect("(", "after the monoid's name")
            let arguments = try list(until: ")", "in the elements of the fold") { try $0.expression() }
            try grow(above: height, at: token.span)
            return Expression(.fold(name, arguments), span(from: token.span.start))
        case .identifier(let name):
            advance()
            return try named(Identifier(text: name, span: token.span))
        case .keyword, .symbol, .text, .newline, .invalid, .end:
            throw unexpected("an expression", help: expressionHelp)
        }
    }

    private var expressionHelp: String? {
        switch next.kind {
        case .keyword(.const): "the initialiser is constant(c)"
        case .keyword(.dim): Habits.axes
        case .symbol("*") where previousIs("*"): "a power is written '^'"
        case .keyword, .symbol, .identifier, .integer, .real, .text, .newline, .invalid, .end: nil
        }
    }

    private func previousIs(_ symbol: String) -> Bool { index > 0 && tokens[index - 1].kind == .symbol(symbol) }

    /// A name, a call (`f(x)`, `sum[K](x)`), or an index (`h[t-1]`): which of the two the brackets are shows behind them.
    private mutating func named(_ name: Identifier) throws -> Expression {
        if isNext("(") { return try call(name, brackets: nil) }
        guard isNext("[") else { return Expression(.name(name.text), name.span) }
        let opening = advance()
        let items = try list(until: "]", "in the brackets of '\(name.text)'") { parser in
            parser.isStepRangeNext ? .at(try parser.stepRange()) : try parser.indexItem()
        }
        try grow(above: height, at: opening.span)
        if isNext("(") { return try call(name, brackets: try items.map { try expression(of: $0) }) }
        for case .at(let item) in items {
            guard case .steps = item.kind else { continue }
            throw unexpected("'(' behind the steps of a reduction", help: "they stand in the brackets of a function: sum[s <= t](…)")
        }
        return Expression(.index(Expression(.name(name.text), name.span), items), span(from: name.span.start))
    }

    private mutating func call(_ name: Identifier, brackets: [Expression]?) throws -> Expression {
        let tallest = height
        advance()
        let arguments = try list(until: ")", "in the arguments of '\(name.text)'") { try $0.argument() }
        try grow(above: max(tallest, height), at: name.span)
        return Expression(.call(name, brackets: brackets, arguments: arguments), span(from: name.span.start))
    }

    /// `torch.tanh(x)`, `h.sum(-1)`: reported, and understood as far as they can be.
    private mutating func foreignCall(_ subject: Expression, _ name: Identifier) -> Expression {
        let opening = next.span
        let before = self
        let library = Self.path(subject).flatMap { path in path.split(separator: ".").first.flatMap { Habits.libraries.contains(String($0)) ? path : nil } }
        var arguments: [Argument] = []
        do {
            advance()
            arguments = try list(until: ")", "in the arguments of '\(name.text)'") { try $0.foreignArgument() }
            if library != nil, isNext("(") {
                // A layer that is made and then applied: `nn.Softmax(dim=-1)(x)`.
                advance()
                arguments = try list(until: ")", "in the arguments of '\(name.text)'") { try $0.foreignArgument() } + arguments
            }
        } catch {
            self = before
            skipBrackets()
            if library != nil, isNext("(") { skipBrackets() }
        }
        height = max(height, before.height)
        if let library {
            let text = sources.text(of: SourceSpan(file: fileID, start: opening.start, end: previousEnd))
            reportUnderstood(
                .unknownName, "'\(library).\(name.text)' is a function of another library", at: name.span,
                help: "functions of the language stand alone: \(name.text)\(text)")
        } else {
            reportUnderstood(
                .unknownName, "'\(sources.text(of: subject.span))' has no function '\(name.text)'", at: name.span,
                help: "functions stand in front of what they take: \(name.text)(\(sources.text(of: subject.span)))")
            arguments.insert(Argument(label: nil, value: subject), at: 0)
        }
        let path = Identifier(text: "\(library ?? "").\(name.text)", span: name.span)
        return Expression(.call(path, brackets: nil, arguments: arguments), span(from: subject.span.start))
    }

    /// `torch.nn.functional`
    private static func path(_ expression: Expression) -> String? {
        switch expression.kind {
        case .name(let name): return name
        case .member(let base, let name): return path(base).map { "\($0).\(name.text)" }
        case .integer, .real, .boolean, .unary, .binary, .conditional, .call, .index, .rename, .pipe, .fold, .array, .steps, .error: return nil
        }
    }

    /// An argument that may have its name with '=', be it a word of the language.
    private mutating func foreignArgument() throws -> Argument {
        let label: String?
        switch next.kind {
        case .identifier(let name): label = name
        case .keyword(let word): label = word.rawValue
        case .integer, .real, .text, .symbol, .newline, .invalid, .end: label = nil
        }
        guard let label, second.kind == .symbol("=") else { return isTuple ? Argument(label: nil, value: try tuple()) : try argument() }
        let token = advance()
        advance()
        return Argument(label: Identifier(text: label, span: token.span), value: isTuple ? try tuple() : try expression())
    }

    /// Whether what stands in the parentheses that come next has a comma of its own.
    private var isTuple: Bool {
        guard isNext("(") else { return false }
        var open = 0
        for token in tokens[index...] {
            switch token.kind {
            case .symbol("("), .symbol("["): open += 1
            case .symbol(")"), .symbol("]"): open -= 1
            case .symbol(","): if open == 1 { return true }
            case .end: return false
            case .identifier, .keyword, .integer, .real, .text, .symbol, .newline, .invalid: break
            }
            if open == 0 { return false }
        }
        return false
    }

    /// `(0, 1)`, as a list.
    private mutating func tuple() throws -> Expression {
        let opening = advance()
        let items = try list(until: ")", "in the list") { try $0.expression() }
        try grow(above: height, at: opening.span)
        return Expression(.array(items), span(from: opening.span.start))
    }

    /// From an opening bracket past the closing one, or to where the file ends.
    private mutating func skipBrackets() {
        var open = 0
        while tokens[index].kind != .end {
            switch tokens[index].kind {
            case .symbol("("), .symbol("["): open += 1
            case .symbol(")"), .symbol("]"): open -= 1
            case .identifier, .keyword, .integer, .real, .text, .symbol, .newline, .invalid, .end: break
            }
            index += 1
            if open == 0 { return }
        }
    }

    /// The brackets of a call hold no slices. A comparison in them says which steps a reduction goes through.
    private mutating func expression(of item: IndexItem) throws -> Expression {
        switch item {
        case .at(let expression):
            guard case .binary(let sign, let left, let right) = expression.kind, sign.isOrder else { return expression }
            return Expression(.steps(StepRangeSyntax(bounds: .compared([left, right], by: [sign]))), expression.span)
        case .range(_, _, let span):
            report(.unexpectedToken, "a slice cannot be called", at: span, help: "write '*' for a product")
            throw Abandoned()
        }
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
