import RecStream

/// Scalar expressions in the elements of the states before a step: what one element of a value is, with indices that
/// are symbols. Equal expressions have one id, and sums of products have one form, so that the same equations written
/// another way come out the same.
package struct Scalars {
    package typealias ID = Int

    package enum Node: Hashable {
        case number(Double)
        /// An element of a value that does not depend on the recurrence.
        case known(ValueID, [Affine])
        /// An element of a state some steps before.
        case state(Slot, [Affine])
        /// A sum of products, in canonical order. Never a single factor with coefficient 1.
        case polynomial([Monomial])
        case unary(UnaryOperator, ID)
        case binary(BinaryOperator, ID, ID)
        case select(ID, ID, ID)
        /// Over bound variables.
        case reduce(ReduceKind, ID, [Int])
        /// An index as a number.
        case index(Affine)
        /// Something of these values that is not followed further.
        case opaque(ValueID, [Affine])
    }

    /// A state as it is read: the value that is delayed, and by how much.
    package struct Slot: Hashable {
        package var value: ValueID
        package var offsets: [Int]
    }

    /// An element of a value of the graph.
    package struct Element: Hashable {
        package var value: ValueID
        package var index: [Affine]
    }

    package struct Factor: Hashable {
        package var scalar: ID
        package var power: Int
    }

    package struct Monomial: Hashable {
        package var coefficient: Double
        /// By ascending id.
        package var factors: [Factor]
    }

    package struct Facts {
        /// Index variables it varies with, as bits; variables beyond 63 share the last bit.
        package var variables: UInt64
        /// False where it depends on a state of the recurrence.
        package var isKnown: Bool
        /// Whether it follows from where its element stands.
        var isOfIndexAlone: Bool
        /// True where it is positive whatever the data are.
        var isPositive: Bool
        /// The value with a name that this is an element of, with its index: the first of those that have the least to be said of
        /// the index.
        package var named: Element?
        /// How plain that index is.
        var plainness = 0
    }

    package private(set) var nodes: [Node] = []
    package private(set) var facts: [Facts] = []
    private var interned: [Node: ID] = [:]
    /// Numbers by their bits: 0 and −0 are two.
    private var numbers: [UInt64: ID] = [:]
    /// The extent of each index variable.
    package private(set) var extents: [Int] = []

    /// Expressions larger than this are not multiplied out.
    static let mostMonomials = 48

    mutating func variable(extent: Int) -> Int {
        extents.append(extent)
        return extents.count - 1
    }

    static func bit(_ variable: Int) -> UInt64 { 1 << UInt64(min(variable, 63)) }

    static func bits(_ index: [Affine]) -> UInt64 {
        index.reduce(0) { bits, affine in affine.terms.reduce(bits) { $0 | bit($1.variable) } }
    }

    mutating func intern(_ node: Node) -> ID {
        var bits: UInt64?
        if case .number(let value) = node { bits = value.bitPattern }
        if let id = bits.map({ numbers[$0] }) ?? interned[node] { return id }
        nodes.append(node)
        facts.append(derivedFacts(of: node))
        if let bits { numbers[bits] = nodes.count - 1 } else { interned[node] = nodes.count - 1 }
        return nodes.count - 1
    }

    mutating func note(_ id: ID, isElementOf value: ValueID, at index: [Affine], sizes: [Int]) {
        let plainness = zip(index, sizes).reduce(3) { least, axis in
            let (place, size) = axis
            return min(least, size == 1 ? 3 : !covers(place, size) ? 1 : place.terms.count > 1 ? 2 : 3)
        }
        guard plainness > facts[id].plainness else { return }
        facts[id].named = Element(value: value, index: index)
        facts[id].plainness = plainness
    }

    /// Whether an index runs over an axis of this size from its first element to its last: a variable, or several as digits.
    func covers(_ index: Affine, _ size: Int) -> Bool {
        var next = 1
        for term in index.terms.sorted(by: { $0.coefficient < $1.coefficient }) {
            guard term.coefficient == next else { return false }
            next *= extents[term.variable]
        }
        return index.offset == 0 && next == size
    }

    package func isKnown(_ id: ID) -> Bool { facts[id].isKnown }
    func variables(of id: ID) -> UInt64 { facts[id].variables }

    /// Whether a scalar varies with one of these variables of its index.
    package func varies(_ id: ID, withAnyOf variables: [Int]) -> Bool {
        facts[id].variables & variables.reduce(UInt64(0)) { $0 | Self.bit($1) } != 0
    }

    /// Whether a scalar follows from where its element stands.
    func isOfIndexAlone(_ id: ID) -> Bool { facts[id].isOfIndexAlone }

    /// True where a scalar is positive whatever the data are.
    func isPositive(_ id: ID) -> Bool { facts[id].isPositive }

    private func derivedFacts(of node: Node) -> Facts {
        var result = Facts(variables: 0, isKnown: true, isOfIndexAlone: true, isPositive: isPositive(node))
        func include(_ id: ID) {
            result.variables |= facts[id].variables
            result.isOfIndexAlone = result.isOfIndexAlone && facts[id].isOfIndexAlone
            result.isKnown = result.isKnown && facts[id].isKnown
        }
        switch node {
        case .number: break
        case .known(_, let index):
            result.variables = Self.bits(index)
            result.isOfIndexAlone = false
        case .index(let index): result.variables = Self.bits([index])
        case .state(_, let index), .opaque(_, let index):
            result.variables = Self.bits(index)
            result.isKnown = false
            result.isOfIndexAlone = false
        case .polynomial(let monomials): for monomial in monomials { for factor in monomial.factors { include(factor.scalar) } }
        case .unary(_, let a): include(a)
        case .binary(_, let a, let b):
            include(a)
            include(b)
        case .select(let c, let a, let b):
            include(c)
            include(a)
            include(b)
        case .reduce(_, let body, let variables):
            include(body)
            for variable in variables { result.variables &= ~Self.bit(variable) }
        }
        return result
    }
}
