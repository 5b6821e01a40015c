import RecStream

/// An index of one axis as an affine function of loop variables: `offset + Σ coefficient · variable`.
package struct Affine: Hashable, Encodable, Sendable {
    package struct Term: Hashable, Encodable, Sendable {
        package var variable: Int
        package var coefficient: Int
        package init(variable: Int, coefficient: Int) {
            self.variable = variable
            self.coefficient = coefficient
        }
    }

    package var offset: Int
    /// By ascending variable; no coefficient is zero.
    package var terms: [Term]

    package init(offset: Int = 0, terms: [Term] = []) {
        self.offset = offset
        self.terms = terms
    }

    package static func variable(_ index: Int) -> Affine { Affine(terms: [Term(variable: index, coefficient: 1)]) }

    package func coefficient(of variable: Int) -> Int {
        terms.first { $0.variable == variable }?.coefficient ?? 0
    }

    package static func + (a: Affine, b: Affine) -> Affine {
        var coefficients: [Int: Int] = [:]
        for term in a.terms + b.terms { coefficients[term.variable, default: 0] += term.coefficient }
        let terms = coefficients.filter { $0.value != 0 }.map { Term(variable: $0.key, coefficient: $0.value) }
        return Affine(offset: a.offset + b.offset, terms: terms.sorted { $0.variable < $1.variable })
    }

    package static func + (a: Affine, b: Int) -> Affine { Affine(offset: a.offset + b, terms: a.terms) }

    package static func * (a: Affine, factor: Int) -> Affine {
        guard factor != 0 else { return Affine() }
        return Affine(
            offset: a.offset * factor,
            terms: a.terms.map { Term(variable: $0.variable, coefficient: $0.coefficient * factor) })
    }

    /// The position in memory of an element, given the index along each axis and the axis's stride.
    package static func linear(_ index: [Affine], strides: [Int]) -> Affine {
        zip(index, strides).reduce(Affine()) { $0 + $1.0 * $1.1 }
    }
}

extension Affine {
    /// The position of the present element of loops with these extents in row-major order.
    package static func rowMajor(_ domain: [Int]) -> Affine {
        linear(domain.indices.map(variable), strides: domain.map { Dim("", $0) }.strides)
    }
}
