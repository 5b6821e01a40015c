import RecSource

/// Steps that a reduction goes through: `s <= t`, `t-256 < s <= t where k[s] == q`.
extension Parser {
    /// Whether what comes next in brackets is no expression, and may be a range of steps: it has two comparisons in a row, or the word `in` or
    /// `where` behind an operand. One comparison alone is read as an expression.
    var isStepRangeNext: Bool {
        var open = 0
        var comparisons = 0
        var isBehindOperand = false
        for token in tokens[index...] {
            switch token.kind {
            case .newline: continue
            case .end: return false
            case .symbol("("), .symbol("["):
                open += 1
                isBehindOperand = false
            case .symbol(")"), .symbol("]"):
                open -= 1
                if open < 0 { return false }
                isBehindOperand = true
            case .symbol(","), .symbol(":"): if open == 0 { return false }
            case .symbol(let symbol):
                isBehindOperand = false
                guard open == 0 else { continue }
                if BinarySyntax(rawValue: symbol)?.isOrder ?? false { comparisons += 1 }
                if symbol == "|>" { comparisons = 0 }
                if comparisons == 2 { return true }
            case .identifier(let name):
                if open == 0, isBehindOperand, name == "in" || name == "where" { return true }
                isBehindOperand = true
            case .keyword(.true), .keyword(.false), .integer, .real, .text: isBehindOperand = true
            case .keyword, .invalid:
                isBehindOperand = false
                if open == 0 { comparisons = 0 }
            }
        }
        return false
    }

    mutating func stepRange() throws -> Expression {
        let start = next.span.start
        let bounds: StepRangeSyntax.Bounds
        height = 1
        if second.kind == .identifier("in") {
            let step = try identifier("the name of an index in front of 'in'")
            advance()
            bounds = .all(step, of: try identifier("an axis of time behind 'in'"))
        } else if second.kind == .identifier("where"), case .identifier = next.kind {
            bounds = .axis(try identifier("an axis of time in front of 'where'"))
        } else {
            bounds = try comparedSteps()
        }
        var tallest = height
        var condition: Expression?
        if acceptWord("where") {
            condition = try expression()
            tallest = max(tallest, height)
        }
        height = tallest
        return Expression(.steps(StepRangeSyntax(bounds: bounds, condition: condition)), span(from: start))
    }

    private mutating func comparedSteps() throws -> StepRangeSyntax.Bounds {
        var terms = [try nested { try $0.binary(above: OperatorTable.comparison) }]
        var signs: [BinarySyntax] = []
        var tallest = height
        while signs.count < 2, let entry = OperatorTable.entry(for: next.kind), entry.syntax.isOrder {
            advance()
            signs.append(entry.syntax)
            terms.append(try nested { try $0.binary(above: OperatorTable.comparison) })
            tallest = max(tallest, height)
        }
        height = tallest
        guard !signs.isEmpty else {
            throw unexpected("'<' or '<='", help: "steps are compared with the present one, as in s <= t, or are all of them: s in t")
        }
        return .compared(terms, by: signs)
    }
}

extension BinarySyntax {
    /// Whether it says which of two numbers is smaller.
    package var isOrder: Bool {
        switch self {
        case .less, .lessOrEqual, .greaterOrEqual, .greater: true
        case .add, .subtract, .multiply, .divide, .power, .matmul, .equal, .notEqual, .and, .or: false
        }
    }
}
