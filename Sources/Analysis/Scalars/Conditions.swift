import RecStream

/// Known truths as conditions of something else; nil always holds.
extension Scalars {
    mutating func both(_ a: ID?, _ b: ID?) -> ID? {
        guard let a, let b, a != b else { return a ?? b }
        return intern(.binary(.and, min(a, b), max(a, b)))
    }

    mutating func either(_ a: ID?, _ b: ID?) -> ID? {
        guard let a, let b, a != b else { return a == b ? a : nil }
        return intern(.binary(.or, min(a, b), max(a, b)))
    }

    mutating func not(_ a: ID) -> ID { intern(.unary(.not, a)) }

    /// What a scalar is where a condition holds: what it chooses by the condition's parts is chosen.
    package func resolved(_ id: ID, where condition: ID) -> ID {
        guard case .select(let test, let yes, let no) = nodes[id] else { return id }
        if implies(condition, test, is: true) { return resolved(yes, where: condition) }
        return implies(condition, test, is: false) ? resolved(no, where: condition) : id
    }

    /// Whether a test is one of the tests that a condition demands, or demands to fail.
    private func implies(_ condition: ID, _ test: ID, is truth: Bool) -> Bool {
        if condition == test { return truth }
        switch nodes[condition] {
        case .binary(.and, let a, let b): return implies(a, test, is: truth) || implies(b, test, is: truth)
        case .unary(.not, let a): return a == test && !truth
        case .number, .known, .state, .polynomial, .unary, .binary, .select, .reduce, .index, .opaque: return false
        }
    }
}
