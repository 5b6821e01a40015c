/// The size of an axis as an expression over dims: a sum of monomials with rational coefficients, in which exponents may
/// be negative (`D/N · N` is `D`). Equal expressions are equal values.
package struct DimExpression: Hashable, Sendable {
    package indirect enum Atom: Hashable, Sendable {
        case symbol(String)
        /// `⌊numerator / divisor⌋`, which arises from strides.
        case floor(DimExpression, Int)

        var text: String {
            switch self {
            case .symbol(let name): name
            case .floor(let numerator, let divisor): "floor((\(numerator)) / \(divisor))"
            }
        }
    }

    struct Fraction: Hashable, Sendable {
        var numerator: Int
        var denominator: Int

        /// Nil where numbers leave the range in which they can be held.
        init?(_ numerator: Int, _ denominator: Int) {
            guard denominator != 0, numerator != .min, denominator != .min else { return nil }
            var (a, b) = (abs(numerator), abs(denominator))
            while b != 0 { (a, b) = (b, a % b) }
            let sign = denominator < 0 ? -1 : 1
            self.numerator = sign * numerator / max(a, 1)
            self.denominator = sign * denominator / max(a, 1)
        }

        static func product(_ a: Fraction, _ b: Fraction) -> Fraction? {
            let (n, overflow) = a.numerator.multipliedReportingOverflow(by: b.numerator)
            let (d, overflow2) = a.denominator.multipliedReportingOverflow(by: b.denominator)
            return overflow || overflow2 ? nil : Fraction(n, d)
        }

        static func sum(_ a: Fraction, _ b: Fraction) -> Fraction? {
            let (x, o1) = a.numerator.multipliedReportingOverflow(by: b.denominator)
            let (y, o2) = b.numerator.multipliedReportingOverflow(by: a.denominator)
            let (n, o3) = x.addingReportingOverflow(y)
            let (d, o4) = a.denominator.multipliedReportingOverflow(by: b.denominator)
            return o1 || o2 || o3 || o4 ? nil : Fraction(n, d)
        }
    }

    private typealias Monomial = [Atom: Int]
    /// No coefficient is zero, no exponent is zero.
    private var terms: [Monomial: Fraction]
    /// How deep `floor` stands within `floor`.
    private var depth: Int

    /// Beyond these an expression is refused rather than worked on for long.
    private static let mostTerms = 256
    private static let largestExponent = 64
    private static let deepestFloor = 16

    /// Nil where the expression is too large to be meant.
    private init?(terms: [Monomial: Fraction]) {
        var depth = 0
        for monomial in terms.keys {
            for case .floor(let numerator, _) in monomial.keys { depth = max(depth, numerator.depth + 1) }
        }
        guard terms.count <= Self.mostTerms, depth <= Self.deepestFloor,
            terms.keys.allSatisfy({ $0.values.allSatisfy { abs($0) <= Self.largestExponent } })
        else { return nil }
        self.terms = terms
        self.depth = depth
    }

    package init(_ value: Int) {
        terms = value == 0 ? [:] : Fraction(value, 1).map { [[:]: $0] } ?? [:]
        depth = 0
    }

    package init(symbol: String) {
        terms = Fraction(1, 1).map { [[.symbol(symbol): 1]: $0] } ?? [:]
        depth = 0
    }

    /// The number, where no dim occurs.
    package var constant: Int? {
        if terms.isEmpty { return 0 }
        guard terms.count == 1, let value = terms[[:]], value.denominator == 1 else { return nil }
        return value.numerator
    }

    /// The dim, where the expression is nothing but its name.
    package var symbol: String? {
        guard terms.count == 1, let (monomial, coefficient) = terms.first, coefficient == Fraction(1, 1),
            monomial.count == 1, let (atom, exponent) = monomial.first, exponent == 1, case .symbol(let name) = atom
        else { return nil }
        return name
    }

    package var symbols: Set<String> {
        var result: Set<String> = []
        for monomial in terms.keys {
            for atom in monomial.keys {
                switch atom {
                case .symbol(let name): result.insert(name)
                case .floor(let numerator, _): result.formUnion(numerator.symbols)
                }
            }
        }
        return result
    }

    // MARK: Arithmetic; nil where numbers grow out of range

    package static func sum(_ a: DimExpression, _ b: DimExpression) -> DimExpression? {
        var terms = a.terms
        for (monomial, coefficient) in b.terms {
            guard let previous = terms[monomial] else {
                terms[monomial] = coefficient
                continue
            }
            guard let total = Fraction.sum(previous, coefficient) else { return nil }
            terms[monomial] = total.numerator == 0 ? nil : total
        }
        return DimExpression(terms: terms)
    }

    package static func product(_ a: DimExpression, _ b: DimExpression) -> DimExpression? {
        guard a.terms.count * b.terms.count <= 256 else { return nil }
        var result = DimExpression(0)
        for (m, x) in a.terms {
            for (n, y) in b.terms {
                let monomial = m.merging(n, uniquingKeysWith: +).filter { $0.value != 0 }
                guard let coefficient = Fraction.product(x, y),
                    let part = DimExpression(terms: [monomial: coefficient]),
                    let next = sum(result, part)
                else { return nil }
                result = next
            }
        }
        return result
    }

    package static func difference(_ a: DimExpression, _ b: DimExpression) -> DimExpression? {
        product(b, DimExpression(-1)).flatMap { sum(a, $0) }
    }

    /// Nil also where the divisor is zero or a sum.
    package static func quotient(_ a: DimExpression, _ b: DimExpression) -> DimExpression? {
        guard b.terms.count == 1, let (monomial, coefficient) = b.terms.first,
            let inverse = Fraction(coefficient.denominator, coefficient.numerator)
        else { return nil }
        return DimExpression(terms: [monomial.mapValues { -$0 }: inverse]).flatMap { product(a, $0) }
    }

    /// `⌊a / divisor⌋` for a positive divisor. Terms that it divides are taken out: `⌊(2·H + 1) / 2⌋` is `H`.
    package static func floor(_ a: DimExpression, dividedBy divisor: Int) -> DimExpression? {
        if divisor == 1 { return a }
        var outside: [Monomial: Fraction] = [:]
        var inside: [Monomial: Fraction] = [:]
        for (monomial, coefficient) in a.terms {
            var rest = coefficient
            let isWhole = coefficient.denominator == 1 && monomial.values.allSatisfy { $0 > 0 }
            if isWhole, monomial.isEmpty || coefficient.numerator % divisor == 0 {
                let remainder = (coefficient.numerator % divisor + divisor) % divisor
                guard let quotient = Fraction((coefficient.numerator - remainder) / divisor, 1),
                    let left = Fraction(remainder, 1)
                else { return nil }
                if quotient.numerator != 0 { outside[monomial] = quotient }
                rest = left
            }
            if rest.numerator != 0 { inside[monomial] = rest }
        }
        guard let whole = DimExpression(terms: outside) else { return nil }
        // What is left of a constant alone lies below the divisor.
        if inside.keys.allSatisfy(\.isEmpty), inside.values.allSatisfy({ $0.denominator == 1 }) { return whole }
        guard let numerator = DimExpression(terms: inside), let one = Fraction(1, 1) else { return nil }
        return DimExpression(terms: [[.floor(numerator, divisor): 1]: one]).flatMap { sum(whole, $0) }
    }

    /// The expression with dims replaced by expressions; nil where numbers grow out of range.
    package func substituting(_ values: [String: DimExpression]) -> DimExpression? {
        var result = DimExpression(0)
        for (monomial, coefficient) in terms {
            var term = DimExpression(terms: [[:]: coefficient])
            for (atom, exponent) in monomial {
                let value: DimExpression?
                switch atom {
                case .symbol(let name): value = values[name] ?? DimExpression(symbol: name)
                case .floor(let numerator, let divisor):
                    value = numerator.substituting(values).flatMap { DimExpression.floor($0, dividedBy: divisor) }
                }
                guard let value else { return nil }
                for _ in 0..<abs(exponent) {
                    term = term.flatMap { exponent > 0 ? DimExpression.product($0, value) : DimExpression.quotient($0, value) }
                }
            }
            guard let term, let next = DimExpression.sum(result, term) else { return nil }
            result = next
        }
        return result
    }

    /// The number for given dims; nil where a dim is missing or the number is not whole.
    package func evaluate(_ values: [String: Int]) -> Int? {
        substituting(values.mapValues { DimExpression($0) })?.constant
    }

    /// The value of the one unknown dim for which the expression is `size`; nil where it is neither linear in it nor in
    /// its inverse.
    package func solve(for name: String, equalling size: Int, given values: [String: Int]) -> Int? {
        var known = values.mapValues { DimExpression($0) }
        known[name] = nil
        guard let left = substituting(known), let size = Fraction(size, 1) else { return nil }
        let unknown = Atom.symbol(name)
        for exponent in [1, -1] {
            guard let slope = left.terms[[unknown: exponent]],
                left.terms.keys.allSatisfy({ $0.isEmpty || $0 == [unknown: exponent] }),
                let constant = left.terms[[:]] ?? Fraction(0, 1),
                let minus = Fraction(-constant.numerator, constant.denominator), let rest = Fraction.sum(size, minus),
                // slope · x = rest, or slope / x = rest.
                let x = exponent == 1
                    ? Fraction(slope.denominator, slope.numerator).flatMap({ Fraction.product(rest, $0) })
                    : Fraction(rest.denominator, rest.numerator).flatMap({ Fraction.product(slope, $0) })
            else { continue }
            return x.denominator == 1 ? x.numerator : nil
        }
        return nil
    }

    // MARK: Signs, for dims of one and more

    /// Whether the value is zero or more whatever the dims are; false where that is not plain.
    package var isNeverNegative: Bool { leastValue.map { $0.numerator >= 0 } ?? false }

    /// Whether the value is below zero whatever the dims are; false where that is not plain.
    package var isAlwaysNegative: Bool {
        guard let negated = DimExpression.product(self, DimExpression(-1)), let least = negated.leastValue else { return false }
        return least.numerator > 0
    }

    /// The value where every dim is one, if all terms but the constant grow with the dims.
    private var leastValue: Fraction? {
        var sum = Fraction(0, 1)
        for (monomial, coefficient) in terms {
            let grows = coefficient.numerator > 0 && monomial.allSatisfy { atom, exponent in
                if case .symbol = atom { exponent > 0 } else { false }
            }
            guard monomial.isEmpty || grows else { return nil }
            sum = sum.flatMap { Fraction.sum($0, coefficient) }
        }
        return sum
    }
}

extension DimExpression: CustomStringConvertible {
    /// Canonical text, such as `4*H` or `D/N`.
    package var description: String {
        guard !terms.isEmpty else { return "0" }
        let parts = terms.map { monomial, coefficient -> String in
            var factors: [String] = []
            var divisors: [String] = []
            for (atom, exponent) in monomial.sorted(by: { $0.key.text < $1.key.text }) {
                for _ in 0..<abs(exponent) {
                    if exponent > 0 { factors.append(atom.text) } else { divisors.append(atom.text) }
                }
            }
            if abs(coefficient.numerator) != 1 || factors.isEmpty { factors.insert("\(abs(coefficient.numerator))", at: 0) }
            if coefficient.denominator != 1 { divisors.insert("\(coefficient.denominator)", at: 0) }
            return (coefficient.numerator < 0 ? "-" : "+") + factors.joined(separator: "*") + divisors.map { "/" + $0 }.joined()
        }
        let sorted = parts.sorted { ($0.hasPrefix("-") ? 1 : 0, Self.isNumber($0) ? 1 : 0, $0) < ($1.hasPrefix("-") ? 1 : 0, Self.isNumber($1) ? 1 : 0, $1) }
        let joined = sorted.joined(separator: " ").replacing("+", with: "+ ").replacing("-", with: "- ")
        return joined.hasPrefix("+ ") ? String(joined.dropFirst(2)) : joined.replacing("- ", with: "-", maxReplacements: 1)
    }

    private static func isNumber(_ text: String) -> Bool { text.dropFirst().allSatisfy(\.isNumber) }
}
