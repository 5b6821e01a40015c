/// Expressions as text, with no more parentheses than they need.
public enum ExpressionPrinter {
    private static let primary = 20
    private static let pipe = 0
    private static let choice = 1

    public static func text(_ expression: Expression) -> String { text(expression, above: -1) }

    public static func text(_ type: TypeSyntax) -> String {
        (type.element?.text ?? "") + (type.dims.map { "[\($0.map(text).joined(separator: ", "))]" } ?? "")
    }

    static func text(_ arguments: [Argument]) -> String {
        arguments.map { ($0.label.map { "\($0.text): " } ?? "") + text($0.value) }.joined(separator: ", ")
    }

    /// In parentheses where the expression binds no more strongly than `strength`.
    private static func text(_ expression: Expression, above strength: Int) -> String {
        let (body, own) = described(expression)
        return own > strength ? body : "(\(body))"
    }

    private static func described(_ expression: Expression) -> (String, strength: Int) {
        switch expression.kind {
        case .integer(let number):
            return ("\(number)", primary)
        case .real(let number):
            return (real(number), primary)
        case .boolean(let truth):
            return ("\(truth)", primary)
        case .name(let name):
            return (name, primary)
        case .unary(.negate, let operand):
            return ("-" + text(operand, above: OperatorTable.sign - 1), OperatorTable.sign)
        case .unary(.not, let operand):
            return ("not " + text(operand, above: OperatorTable.not - 1), OperatorTable.not)
        case .binary(let syntax, let left, let right):
            let strength = OperatorTable.strength(of: syntax)
            let isPower = syntax == .power
            let isComparison = strength == OperatorTable.comparison
            let a = operand(left, of: syntax, above: isPower || isComparison ? strength : strength - 1)
            let b = operand(right, of: syntax, above: isPower ? strength - 1 : strength)
            return (isPower ? "\(a)^\(b)" : "\(a) \(syntax.rawValue) \(b)", strength)
        case .conditional(let condition, let yes, let no):
            return (
                "if \(text(condition, above: pipe)) then \(text(yes, above: pipe)) else \(text(no, above: pipe))", choice
            )
        case .call(let name, let brackets, let arguments):
            let dims = brackets.map { "[\($0.map(text).joined(separator: ", "))]" } ?? ""
            return ("\(name.text)\(dims)(\(text(arguments)))", primary)
        case .index(let subject, let items):
            let inner = items.map { item in
                switch item {
                case .at(let expression): offset(expression)
                case .range(let lower, let upper, _): "\(lower.map(text) ?? ""):\(upper.map(text) ?? "")"
                }
            }
            return ("\(text(subject, above: primary - 1))[\(inner.joined(separator: ", "))]", primary)
        case .member(let subject, let name):
            return ("\(text(subject, above: primary - 1)).\(name.text)", primary)
        case .rename(let subject, let names):
            return ("\(text(subject, above: primary - 2)) as [\(names.map(text).joined(separator: ", "))]", primary - 1)
        case .pipe(let left, let right):
            return ("\(text(left, above: pipe - 1)) |> \(text(right, above: primary - 1))", pipe)
        case .fold(let name, let arguments):
            return ("fold \(name.text)(\(arguments.map(text).joined(separator: ", ")))", primary)
        case .array(let items):
            return ("[\(items.map(text).joined(separator: ", "))]", primary)
        case .error:
            return ("", primary)
        }
    }

    /// Parentheses also where they only help the reader: around a contraction in a product, and around 'as'.
    private static func operand(_ expression: Expression, of parent: BinarySyntax, above strength: Int) -> String {
        switch expression.kind {
        case .rename: return "(\(text(expression)))"
        case .binary(.matmul, _, _) where parent == .multiply || parent == .divide: return "(\(text(expression)))"
        case .integer, .real, .boolean, .name, .unary, .binary, .conditional, .call, .index, .member, .pipe, .fold, .array,
            .error:
            return text(expression, above: strength)
        }
    }

    /// `t-1` is written without spaces, as the mark of a delay.
    private static func offset(_ expression: Expression) -> String {
        if case .binary(let syntax, let left, let right) = expression.kind, syntax == .add || syntax == .subtract,
            case .name(let axis) = left.kind, case .integer(let distance) = right.kind
        {
            return "\(axis)\(syntax.rawValue)\(distance)"
        }
        return text(expression)
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
