/// Expressions as text, with no more parentheses than they need.
package enum ExpressionPrinter {
    private static let primary = 20
    private static let pipe = 0
    private static let choice = 1

    package static func text(_ expression: Expression) -> String {
        var out = ""
        write(expression, to: &out)
        return out
    }

    package static func text(_ type: TypeSyntax) -> String {
        var out = type.element?.text ?? ""
        if let dims = type.dims { write(dims, between: "[", and: "]", to: &out) }
        return out
    }

    static func text(_ arguments: [Argument]) -> String {
        var out = ""
        write(arguments, to: &out)
        return out
    }

    /// How strongly the outermost operator binds.
    private static func strength(of expression: Expression) -> Int {
        switch expression.kind {
        case .unary(.negate, _): OperatorTable.sign
        case .unary(.not, _): OperatorTable.not
        case .binary(let syntax, _, _): OperatorTable.strength(of: syntax)
        case .conditional: choice
        case .pipe, .steps: pipe
        case .rename: primary - 1
        case .integer, .real, .boolean, .name, .call, .index, .member, .fold, .array, .error: primary
        }
    }

    /// In parentheses where the expression binds no more strongly than `strength`. A long chain is a tree that is deep on
    /// the left: it is gone down and up again without recursion.
    private static func write(_ expression: Expression, above strength: Int = -1, to out: inout String) {
        var spine: [(node: Expression, hasParentheses: Bool)] = []
        var next: (node: Expression, strength: Int)? = (expression, strength)
        while let (node, strength) = next {
            let hasParentheses = self.strength(of: node) <= strength
            if hasParentheses { out += "(" }
            spine.append((node, hasParentheses))
            next = firstOperand(of: node)
        }
        for (node, hasParentheses) in spine.reversed() {
            writeRest(of: node, to: &out)
            if hasParentheses { out += ")" }
        }
    }

    /// What an expression begins with, and what it must bind more strongly than to go without parentheses.
    private static func firstOperand(of expression: Expression) -> (Expression, Int)? {
        switch expression.kind {
        case .binary(let syntax, let left, _):
            let strength = OperatorTable.strength(of: syntax)
            let isTight = syntax == .power || strength == OperatorTable.comparison
            return (left, readable(left, in: syntax, isTight ? strength : strength - 1))
        case .index(let subject, _), .member(let subject, _): return (subject, primary - 1)
        case .rename(let subject, _): return (subject, primary - 2)
        case .pipe(let left, _): return (left, pipe - 1)
        case .integer, .real, .boolean, .name, .unary, .conditional, .call, .fold, .array, .steps, .error: return nil
        }
    }

    /// Parentheses also where they only help the reader: around a contraction in a product, and around 'as'.
    private static func readable(_ operand: Expression, in parent: BinarySyntax, _ strength: Int) -> Int {
        switch operand.kind {
        case .rename: primary
        case .binary(.matmul, _, _) where parent == .multiply || parent == .divide: primary
        case .integer, .real, .boolean, .name, .unary, .binary, .conditional, .call, .index, .member, .pipe, .fold, .array, .steps,
            .error:
            strength
        }
    }

    /// All of an expression but its first operand.
    private static func writeRest(of expression: Expression, to out: inout String) {
        switch expression.kind {
        case .integer(let number): out += "\(number)"
        case .real(let number): out += real(number)
        case .boolean(let truth): out += "\(truth)"
        case .name(let name): out += name
        case .unary(.negate, let operand):
            out += "-"
            write(operand, above: OperatorTable.sign - 1, to: &out)
        case .unary(.not, let operand):
            out += "not "
            write(operand, above: OperatorTable.not - 1, to: &out)
        case .binary(let syntax, _, let right):
            let strength = OperatorTable.strength(of: syntax)
            out += syntax == .power ? "^" : " \(syntax.rawValue) "
            write(right, above: readable(right, in: syntax, syntax == .power ? strength - 1 : strength), to: &out)
        case .conditional(let condition, let yes, let no):
            for (word, part) in [("if ", condition), (" then ", yes), (" else ", no)] {
                out += word
                write(part, above: pipe, to: &out)
            }
        case .call(let name, let brackets, let arguments):
            out += name.text
            if let brackets { write(brackets, between: "[", and: "]", to: &out) }
            out += "("
            write(arguments, to: &out)
            out += ")"
        case .index(_, let items):
            out += "["
            for (k, item) in items.enumerated() {
                if k > 0 { out += ", " }
                write(item, to: &out)
            }
            out += "]"
        case .member(_, let name): out += ".\(name.text)"
        case .rename(_, let names): write(names, between: " as [", and: "]", to: &out)
        case .pipe(_, let right):
            out += " |> "
            write(right, above: primary - 1, to: &out)
        case .fold(let name, let arguments): write(arguments, between: "fold \(name.text)(", and: ")", to: &out)
        case .array(let items): write(items, between: "[", and: "]", to: &out)
        case .steps(let range): write(range, to: &out)
        case .error: break
        }
    }

    private static func write(_ items: [Expression], between open: String, and close: String, to out: inout String) {
        out += open
        for (k, item) in items.enumerated() {
            if k > 0 { out += ", " }
            write(item, to: &out)
        }
        out += close
    }

    private static func write(_ arguments: [Argument], to out: inout String) {
        for (k, argument) in arguments.enumerated() {
            if k > 0 { out += ", " }
            if let label = argument.label { out += "\(label.text): " }
            write(argument.value, to: &out)
        }
    }

    private static func write(_ item: IndexItem, to out: inout String) {
        switch item {
        case .at(let expression): writeOffset(expression, to: &out)
        case .range(let lower, let upper, _):
            if let lower { writeBound(lower, to: &out) }
            out += ":"
            if let upper { writeBound(upper, to: &out) }
        }
    }

    private static func write(_ range: StepRangeSyntax, to out: inout String) {
        switch range.bounds {
        case .all(let step, let axis): out += "\(step.text) in \(axis.text)"
        case .axis(let axis): out += axis.text
        case .compared(let terms, let signs):
            for (k, term) in terms.enumerated() {
                if k > 0 { out += " \(signs[k - 1].rawValue) " }
                writeBound(term, above: OperatorTable.comparison, isStep: true, to: &out)
            }
        }
        guard let condition = range.condition else { return }
        out += " where "
        write(condition, to: &out)
    }

    /// `t-1` is written without spaces, as the mark of a delay.
    private static func writeOffset(_ expression: Expression, to out: inout String) {
        if case .binary(let syntax, let left, let right) = expression.kind, syntax == .add || syntax == .subtract,
            case .name(let axis) = left.kind, case .integer(let distance) = right.kind
        {
            out += "\(axis)\(syntax.rawValue)\(distance)"
        } else {
            write(expression, to: &out)
        }
    }

    /// So are the bounds of a slice, `t-W+1:t+1`, where they are sums of names and some number, and those of steps, `t-W < s`.
    private static func writeBound(_ expression: Expression, above strength: Int = -1, isStep: Bool = false, to out: inout String) {
        var rest: [(syntax: BinarySyntax, operand: String)] = []
        var first = expression
        var hasNumber = isStep
        while case .binary(let syntax, let left, let right) = first.kind, syntax == .add || syntax == .subtract, let operand = word(right) {
            if case .integer = right.kind { hasNumber = true }
            rest.append((syntax, operand))
            first = left
        }
        guard hasNumber, let start = word(first) else { return write(expression, above: strength, to: &out) }
        out += rest.reversed().reduce(start) { $0 + $1.syntax.rawValue + $1.operand }
    }

    /// The text of a name or of a whole number.
    private static func word(_ expression: Expression) -> String? {
        switch expression.kind {
        case .name(let name): name
        case .integer(let number): "\(number)"
        case .real, .boolean, .unary, .binary, .conditional, .call, .index, .member, .rename, .pipe, .fold, .array, .steps, .error: nil
        }
    }

    private static func real(_ number: Double) -> String {
        let text = "\(number)"
        guard let e = text.firstIndex(of: "e") else { return text }
        // 1e-06 is written 1e-6.
        let mantissa = text[..<e].hasSuffix(".0") ? text[..<e].dropLast(2) : text[..<e]
        let exponent = text[text.index(after: e)...]
        let sign = exponent.hasPrefix("-") ? "-" : ""
        let digits = exponent.drop { $0 == "-" || $0 == "+" }.drop { $0 == "0" }
        return "\(mantissa)e\(sign)\(digits.isEmpty ? "0" : String(digits))"
    }
}
