import RecSource

/// The words that cannot be names. Words such as `once`, `from`, `repeat` or `reverse` mean something only in their places.
enum Keyword: String, CaseIterable {
    case model, input, param, const, state, dim, layer, output, loss, require, example, `func`, monoid, `import`
    case `if`, then, `else`, and, or, not, `as`, fold, over
    case `true`, `false`
}

enum TokenKind: Equatable {
    case identifier(String)
    case keyword(Keyword)
    case integer(Int)
    case real(Double)
    case text(String)
    /// An operator or a mark of punctuation.
    case symbol(String)
    case newline
    /// What could not be read; it has been reported.
    case invalid
    case end
}

struct Token: Equatable {
    var kind: TokenKind
    var span: SourceSpan

    /// As messages call it.
    var description: String {
        switch kind {
        case .identifier(let name): "'\(name)'"
        case .keyword(let word): "the word '\(word.rawValue)'"
        case .integer(let value): "\(value)"
        case .real(let value): "\(value)"
        case .text(let value): "\"\(value)\""
        case .symbol(let symbol): "'\(symbol)'"
        case .newline: "the end of the line"
        case .invalid: "something unreadable"
        case .end: "the end of the file"
        }
    }
}
