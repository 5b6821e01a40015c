import RecSyntax

extension Expression {
    /// The expressions directly inside this one, in order.
    var children: [Expression] {
        switch kind {
        case .integer, .real, .boolean, .name, .error: []
        case .unary(_, let a): [a]
        case .binary(_, let a, let b), .pipe(let a, let b): [a, b]
        case .conditional(let a, let b, let c): [a, b, c]
        case .call(_, let brackets, let arguments): (brackets ?? []) + arguments.map(\.value)
        case .index(let base, let items): [base] + items.flatMap(\.expressions)
        case .member(let base, _): [base]
        case .rename(let base, let dims): [base] + dims
        case .fold(_, let elements), .array(let elements): elements
        case .steps(let range): range.expressions
        }
    }
}

/// The names that reductions in an expression may give to an index of their own: `s` in `sum[s <= t](x[s])`.
func indexNames(in expression: Expression) -> [String] {
    var names: [String] = []
    var stack = [expression]
    while let next = stack.popLast() {
        if case .steps(let range) = next.kind { names += range.names }
        stack += next.children
    }
    return names
}

extension IndexItem {
    var expressions: [Expression] {
        switch self {
        case .at(let expression): [expression]
        case .range(let from, let to, _): [from, to].compactMap { $0 }
        }
    }
}
