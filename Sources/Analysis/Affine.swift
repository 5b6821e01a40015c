import RecStream

/// An index of one axis as an affine function of loop variables: `offset + Σ coefficient · variable`.
public struct Affine: Hashable, Encodable, Sendable {
    public struct Term: Hashable, Encodable, Sendable {
        public var variable: Int
        public var coefficient: Int
        public init(variable: Int, coefficient: Int) {
            self.variable = variable
            self.coefficient = coefficient
        }
    }

    public var offset: Int
    /// By ascending variable; no coefficient is zero.
    public var terms: [Term]

    public init(offset: Int = 0, terms: [Term] = []) {
        self.offset = offset
        self.terms = terms
    }

    public static func variable(_ index: Int) -> Affine { Affine(terms: [Term(variable: index, coefficient: 1)]) }

    public func coefficient(of variable: Int) -> Int {
        terms.first { $0.variable == variable }?.coefficient ?? 0
    }

    public static func + (a: Affine, b: Affine) -> Affine {
        var coefficients: [Int: Int] = [:]
        for term in a.terms + b.terms { coefficients[term.variable, default: 0] += term.coefficient }
        let terms = coefficients.filter { $0.value != 0 }.map { Term(variable: $0.key, coefficient: $0.value) }
        return Affine(offset: a.offset + b.offset, terms: terms.sorted { $0.variable < $1.variable })
    }

    public static func + (a: Affine, b: Int) -> Affine { Affine(offset: a.offset + b, terms: a.terms) }

    public static func * (a: Affine, factor: Int) -> Affine {
        guard factor != 0 else { return Affine() }
        return Affine(
            offset: a.offset * factor,
            terms: a.terms.map { Term(variable: $0.variable, coefficient: $0.coefficient * factor) })
    }

    /// The position in memory of an element, given the index along each axis and the axis's stride.
    public static func linear(_ index: [Affine], strides: [Int]) -> Affine {
        zip(index, strides).reduce(Affine()) { $0 + $1.0 * $1.1 }
    }
}

extension Affine {
    /// The position of the present element of loops with these extents in row-major order.
    public static func rowMajor(_ domain: [Int]) -> Affine {
        linear(domain.indices.map(variable), strides: domain.map { Dim("", $0) }.strides)
    }
}
