/// Expressions as text, with no more parentheses than they need.
public enum ExpressionPrinter {
    private static let primary = 20
    private static let pipe = 0
    private static let choice = 1

    public static func text(_ expression: Expression) -> String {
        var out = ""
        write(expression, to: &out)
        return out
    }

    public static func text(_ type: TypeSyntax) -> String {
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
        case .pipe: pipe
        case .rename: primary - 1
        case .integer, .real, .boolean, .name, .call, .index, .member, .fold, .array, .error: primary
        }
    }

    /// In parentheses where the expression binds no more strongly than `strength`.
    private static func write(_ expression: Expression, above strength: Int = -1, to out: inout String) {
        let needsParentheses = self.strength(of: expression) <= strength
        if needsParentheses { out += "(" }
        writeBare(expression, to: &out)
        if needsParentheses { out += ")" }
    }

    private static func writeBare(_ expression: Expression, to out: inout String) {
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
        case .binary(let syntax, let left, let right):
            let strength = OperatorTable.strength(of: syntax)
            let isPower = syntax == .power
            let isComparison = strength == OperatorTable.comparison
            writeOperand(left, of: syntax, above: isPower || isComparison ? strength : strength - 1, to: &out)
            out += isPower ? "^" : " \(syntax.rawValue) "
            writeOperand(right, of: syntax, above: isPower ? strength - 1 : strength, to: &out)
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
        case .index(let subject, let items):
            write(subject, above: primary - 1, to: &out)
            out += "["
            for (k, item) in items.enumerated() {
                if k > 0 { out += ", " }
                write(item, to: &out)
            }
            out += "]"
        case .member(let subject, let name):
            write(subject, above: primary - 1, to: &out)
            out += ".\(name.text)"
        case .rename(let subject, let names):
            write(subject, above: primary - 2, to: &out)
            write(names, between: " as [", and: "]", to: &out)
        case .pipe(let left, let right):
            write(left, above: pipe - 1, to: &out)
            out += " |> "
            write(right, above: primary - 1, to: &out)
        case .fold(let name, let arguments): write(arguments, between: "fold \(name.text)(", and: ")", to: &out)
        case .array(let items): write(items, between: "[", and: "]", to: &out)
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
            if let lower { write(lower, to: &out) }
            out += ":"
            if let upper { write(upper, to: &out) }
        }
    }

    /// Parentheses also where they only help the reader: around a contraction in a product, and around 'as'.
    private static func writeOperand(_ expression: Expression, of parent: BinarySyntax, above strength: Int, to out: inout String) {
        switch expression.kind {
        case .rename: write(expression, above: primary, to: &out)
        case .binary(.matmul, _, _) where parent == .multiply || parent == .divide: write(expression, above: primary, to: &out)
        case .integer, .real, .boolean, .name, .unary, .binary, .conditional, .call, .index, .member, .pipe, .fold, .array,
            .error:
            write(expression, above: strength, to: &out)
        }
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
