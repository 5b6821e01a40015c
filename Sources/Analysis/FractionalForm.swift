/// An element after the step as `(a·s + b) / (c·s + d)` of one state element before it; `a`, `b`, `c`, `d` are known.
package struct FractionalForm: Equatable {
    package var a, b, c, d: Scalars.ID
    /// Known: where the step reads the state at all, as choices say; nil: everywhere. Elsewhere `a` and `c` are 0.
    package var condition: Scalars.ID?
}

/// Brings a rational expression in one state element over one denominator. Polynomials have one form, so numerators
/// cancel where they can: `p − p² / (p + r)` is `p·r / (p + r)`.
struct FractionalForms {
    struct Failure: Error {}

    private(set) var scalars: Scalars
    private let state: Scalars.ID
    /// Of parts that were met; one may be met on as many ways as two to the depth of what it is in.
    private var ratios: [Scalars.ID: Ratio] = [:]
    private var conditions: [Scalars.ID: Scalars.ID?] = [:]
    /// Degrees beyond this are given up.
    private static let mostDegree = 6

    /// - Parameter state: the state element in which expressions are rational.
    init(_ scalars: Scalars, in state: Scalars.ID) {
        self.scalars = scalars
        self.state = state
    }

    /// Coefficients by ascending power of the state.
    private typealias Polynomial = [Scalars.ID]

    private struct Ratio {
        var above: Polynomial
        var below: Polynomial
    }

    mutating func form(of id: Scalars.ID) -> FractionalForm? {
        guard let ratio = try? ratio(of: id) else { return nil }
        let above = trimmed(ratio.above)
        let below = trimmed(ratio.below)
        guard above.count <= 2, below.count <= 2, !below.isEmpty else { return nil }
        let nothing = scalars.number(0)
        func coefficient(_ polynomial: Polynomial, _ k: Int) -> Scalars.ID { k < polynomial.count ? polynomial[k] : nothing }
        return FractionalForm(
            a: coefficient(above, 1), b: coefficient(above, 0), c: coefficient(below, 1), d: coefficient(below, 0),
            condition: condition(of: id))
    }

    /// Where a scalar that depends on the state reads it, as far as choices decide that; nil: everywhere.
    private mutating func condition(of id: Scalars.ID) -> Scalars.ID? {
        if let known = conditions[id] { return known }
        let fresh = newCondition(of: id)
        conditions[id] = .some(fresh)
        return fresh
    }

    private mutating func newCondition(of id: Scalars.ID) -> Scalars.ID? {
        switch scalars.nodes[id] {
        case .select(let test, let yes, let no):
            let otherwise = scalars.not(test)
            if scalars.isKnown(no) { return scalars.both(test, condition(of: yes)) }
            if scalars.isKnown(yes) { return scalars.both(otherwise, condition(of: no)) }
            let (first, second) = (condition(of: yes), condition(of: no))
            if first == second { return first }
            return scalars.either(scalars.both(test, first), scalars.both(otherwise, second))
        case .polynomial(let monomials):
            var found: Scalars.ID?
            for factor in monomials.flatMap(\.factors) where !scalars.isKnown(factor.scalar) {
                guard let own = condition(of: factor.scalar) else { return nil }
                found = found == nil ? own : scalars.either(found, own)
            }
            return found
        case .number, .known, .state, .unary, .binary, .reduce, .index, .opaque: return nil
        }
    }

    private mutating func ratio(of id: Scalars.ID) throws -> Ratio {
        if let known = ratios[id] { return known }
        let fresh = try newRatio(of: id)
        ratios[id] = fresh
        return fresh
    }

    private mutating func newRatio(of id: Scalars.ID) throws -> Ratio {
        let one = scalars.number(1)
        if scalars.isKnown(id) { return Ratio(above: [id], below: [one]) }
        if id == state { return Ratio(above: [scalars.number(0), one], below: [one]) }
        switch scalars.nodes[id] {
        case .polynomial(let monomials): return try sum(monomials)
        case .select(let test, let yes, let no):
            guard scalars.isKnown(test) else { throw Failure() }
            let (left, right) = (try ratio(of: yes), try ratio(of: no))
            return Ratio(above: chosen(test, left.above, right.above), below: chosen(test, left.below, right.below))
        case .number, .known, .state, .unary, .binary, .reduce, .index, .opaque: throw Failure()
        }
    }

    /// Numerators are gathered by denominator before anything is multiplied out, so that degrees stay as low as they are.
    private mutating func sum(_ monomials: [Scalars.Monomial]) throws -> Ratio {
        var byDenominator: [(below: [Scalars.Factor], above: Polynomial)] = []
        for monomial in monomials {
            let (known, rest) = scalars.split(monomial)
            var above: Polynomial = [known]
            var below: [Scalars.Factor] = []
            for factor in rest {
                if factor.power < 0 {
                    below.append(Scalars.Factor(scalar: factor.scalar, power: -factor.power))
                } else {
                    let inner = try ratio(of: factor.scalar)
                    guard inner.below == [scalars.number(1)] else { throw Failure() }
                    for _ in 0..<factor.power { above = try product(above, inner.above) }
                }
            }
            if let k = byDenominator.firstIndex(where: { $0.below == below }) {
                byDenominator[k].above = sum(byDenominator[k].above, above)
            } else {
                byDenominator.append((below, above))
            }
        }
        // The least common denominator.
        var powers: [Scalars.ID: Int] = [:]
        for entry in byDenominator { for factor in entry.below { powers[factor.scalar] = max(powers[factor.scalar] ?? 0, factor.power) } }
        let factors = powers.sorted { $0.key < $1.key }
        var above: Polynomial = []
        for entry in byDenominator {
            var scaled = entry.above
            for (scalar, power) in factors {
                let own = entry.below.first { $0.scalar == scalar }?.power ?? 0
                scaled = try multiplied(scaled, by: scalar, times: power - own)
            }
            above = sum(above, scaled)
        }
        var below: Polynomial = [scalars.number(1)]
        for (scalar, power) in factors { below = try multiplied(below, by: scalar, times: power) }
        return Ratio(above: trimmed(above), below: trimmed(below))
    }

    private mutating func multiplied(_ polynomial: Polynomial, by scalar: Scalars.ID, times: Int) throws -> Polynomial {
        guard times > 0 else { return polynomial }
        let factor = try ratio(of: scalar)
        guard factor.below == [scalars.number(1)] else { throw Failure() }
        var result = polynomial
        for _ in 0..<times { result = try product(result, factor.above) }
        return result
    }

    private mutating func sum(_ a: Polynomial, _ b: Polynomial) -> Polynomial {
        (0..<max(a.count, b.count)).map { k in
            guard k < a.count else { return b[k] }
            return k < b.count ? scalars.add(a[k], b[k]) : a[k]
        }
    }

    private mutating func product(_ a: Polynomial, _ b: Polynomial) throws -> Polynomial {
        guard a.count + b.count <= Self.mostDegree + 2 else { throw Failure() }
        var result = Polynomial(repeating: scalars.number(0), count: max(0, a.count + b.count - 1))
        for (j, x) in a.enumerated() {
            for (k, y) in b.enumerated() { result[j + k] = scalars.add(result[j + k], scalars.multiply(x, y)) }
        }
        return result
    }

    private mutating func chosen(_ test: Scalars.ID, _ a: Polynomial, _ b: Polynomial) -> Polynomial {
        let nothing = scalars.number(0)
        return (0..<max(a.count, b.count)).map { k in
            let (x, y) = (k < a.count ? a[k] : nothing, k < b.count ? b[k] : nothing)
            return x == y ? x : scalars.intern(.select(test, x, y))
        }
    }

    private func trimmed(_ polynomial: Polynomial) -> Polynomial {
        var result = polynomial
        while let last = result.last, scalars.isNumber(last, 0) { result.removeLast() }
        return result
    }
}
