/// Binding strengths of binary operators, loosest first; the one place that knows them.
enum OperatorTable {
    struct Entry {
        var syntax: BinarySyntax
        var strength: Int
        var isRightAssociative = false
        /// A comparison may not be compared again.
        var isChainable = true
    }

    static let or = 2
    static let and = 3
    static let not = 4
    static let comparison = 5
    static let sum = 6
    static let product = 7
    static let contraction = 8
    static let sign = 9
    static let power = 10

    static func entry(for token: TokenKind) -> Entry? {
        switch token {
        case .keyword(.or): Entry(syntax: .or, strength: or)
        case .keyword(.and): Entry(syntax: .and, strength: and)
        case .symbol(let symbol): entry(forSymbol: symbol)
        case .identifier, .keyword, .integer, .real, .text, .newline, .invalid, .end: nil
        }
    }

    private static func entry(forSymbol symbol: String) -> Entry? {
        guard let syntax = BinarySyntax(rawValue: symbol) else { return nil }
        switch syntax {
        case .less, .lessOrEqual, .equal, .notEqual, .greaterOrEqual, .greater:
            return Entry(syntax: syntax, strength: comparison, isChainable: false)
        case .add, .subtract: return Entry(syntax: syntax, strength: sum)
        case .multiply, .divide: return Entry(syntax: syntax, strength: product)
        case .matmul: return Entry(syntax: syntax, strength: contraction)
        case .power: return Entry(syntax: syntax, strength: power, isRightAssociative: true)
        case .and: return Entry(syntax: syntax, strength: and)
        case .or: return Entry(syntax: syntax, strength: or)
        }
    }

    /// For the printer.
    static func strength(of syntax: BinarySyntax) -> Int {
        entry(forSymbol: syntax.rawValue)?.strength ?? or
    }
}
