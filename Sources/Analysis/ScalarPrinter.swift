import RecSource
import RecStream

/// Writes scalars in the user's names.
struct ScalarPrinter {
    let graph: StreamGraph
    let scalars: Scalars
    /// The source text of a span, where it is at hand.
    let text: (SourceSpan) -> String?

    /// Longer expressions are cut.
    private static let longest = 72

    func print(_ id: Scalars.ID) -> String {
        let whole = write(id, inProduct: false)
        return whole.count > Self.longest ? "…" : whole
    }

    func factor(_ id: Scalars.ID) -> String {
        let whole = write(id, inProduct: true)
        return whole.count > Self.longest ? "(…)" : whole
    }

    func state(_ slot: Scalars.Slot) -> String {
        let indices = zip(graph.axes, slot.offsets).map { axis, offset in
            offset == 0 ? axis.name : offset < 0 ? "\(axis.name)\(offset)" : "\(axis.name)+\(offset)"
        }
        return "\(name(slot.value))[\(indices.joined(separator: ", "))]"
    }

    func name(_ value: ValueID) -> String {
        if let name = graph[value].name { return name }
        if let span = graph[value].span, let text = text(span) { return text }
        return "…"
    }

    private func number(_ value: Double) -> String {
        if value == value.rounded(), abs(value) < 1e9 { return String(Int(value)) }
        return value == .infinity ? "inf" : value == -.infinity ? "-inf" : "\(value)"
    }

    private func write(_ id: Scalars.ID, inProduct: Bool) -> String {
        if case .number(let value) = scalars.nodes[id] { return number(value) }
        if let origin = scalars.facts[id].origin, let name = graph[origin].name { return name }
        switch scalars.nodes[id] {
        case .number(let value): return number(value)
        case .known(let value, _), .opaque(let value, _):
            let text = name(value)
            return inProduct && text.contains(" ") ? "(\(text))" : text
        case .state(let slot, _): return state(slot)
        case .polynomial(let monomials):
            let sum = write(monomials)
            return inProduct && monomials.count > 1 ? "(\(sum))" : sum
        case .unary(let function, let a): return "\(function.rawValue)(\(write(a, inProduct: false)))"
        case .binary(let function, let a, let b):
            let (left, right) = (write(a, inProduct: true), write(b, inProduct: true))
            if let sign = Self.sign(function) { return inProduct ? "(\(left) \(sign) \(right))" : "\(left) \(sign) \(right)" }
            return "\(function.rawValue)(\(left), \(right))"
        case .select(let test, let yes, let no):
            let text = "if \(write(test, inProduct: false)) then \(write(yes, inProduct: false)) else \(write(no, inProduct: false))"
            return inProduct ? "(\(text))" : text
        case .reduce(let kind, let body, _): return "\(kind.rawValue)(\(write(body, inProduct: false)))"
        case .index: return "index"
        }
    }

    private static func sign(_ function: BinaryOperator) -> String? {
        switch function {
        case .add: "+"
        case .subtract: "-"
        case .multiply: "*"
        case .divide: "/"
        case .power: "^"
        case .less: "<"
        case .lessOrEqual: "<="
        case .equal: "=="
        case .notEqual: "!="
        case .greaterOrEqual: ">="
        case .greater: ">"
        case .and: "and"
        case .or: "or"
        case .min, .max, .logaddexp, .atan2, .mod, .complex: nil
        }
    }

    private func write(_ monomials: [Scalars.Monomial]) -> String {
        var result = ""
        // What is added comes before what is taken away.
        for (k, monomial) in (monomials.filter { $0.coefficient > 0 } + monomials.filter { $0.coefficient < 0 }).enumerated() {
            let isNegative = monomial.coefficient < 0
            result += k == 0 ? (isNegative ? "-" : "") : (isNegative ? " - " : " + ")
            result += write(monomial)
        }
        return result
    }

    private func write(_ monomial: Scalars.Monomial) -> String {
        var above: [String] = []
        var below: [String] = []
        for factor in monomial.factors {
            let base = write(factor.scalar, inProduct: true)
            let text = abs(factor.power) == 1 ? base : "\(base)^\(abs(factor.power))"
            if factor.power > 0 { above.append(text) } else { below.append(text) }
        }
        if abs(monomial.coefficient) != 1 || above.isEmpty { above.insert(number(abs(monomial.coefficient)), at: 0) }
        let top = above.joined(separator: " * ")
        guard !below.isEmpty else { return top }
        return "\(top) / \(below.count == 1 ? below[0] : "(\(below.joined(separator: " * ")))")"
    }
}
