import RecAnalysis
import RecStream

/// A nest of loops over the elements of one step, with the scalar expression evaluated at each of them.
///
/// Variables `0 ..< domain.count` are the loops themselves; reductions bring in further ones. Nodes are in an order in
/// which operands come first.
package struct Nest: Hashable, Encodable, Sendable {
    package typealias NodeID = Int

    package struct Node: Hashable, Encodable, Sendable {
        package var operation: NodeOperation
        package var element: ElementType
        /// Of a product: whether it is rounded before it is added to anything, because the rounded number counts elsewhere too.
        package var isRounded = false
    }

    package struct Store: Hashable, Encodable, Sendable {
        package enum Mode: Hashable, Encodable, Sendable {
            case assign
            /// Combines with what is there.
            case accumulate(TimeReduceKind, axis: Int)
        }
        /// Where along its first axis a scattered value goes: the index is clamped to `0 ..< count`.
        package struct Scatter: Hashable, Encodable, Sendable {
            package var index: NodeID
            package var stride: Int
            package var count: Int
        }
        package var node: NodeID
        package var buffer: BufferID
        /// The position in the row.
        package var position: Affine
        package var mode: Mode
        /// Moves the position; nil where it is known beforehand.
        package var scatter: Scatter?
    }

    /// Extents of the loops, outermost first.
    package var domain: [Int]
    /// Extents of all variables: the domain's, then those of reductions.
    package var extents: [Int]
    package var nodes: [Node] = []
    package var stores: [Store] = []
    /// Values that the nest computes, for explanation.
    package var values: [ValueID] = []

    package init(domain: [Int]) {
        self.domain = domain
        extents = domain
    }

    /// For each node the set of variables it varies over, as bits.
    package var dependencies: [UInt64] {
        var result: [UInt64] = []
        for node in nodes {
            var bits = node.operation.operands.reduce(0) { $0 | result[$1] }
            for access in node.operation.accesses { for term in access.position.terms { bits |= 1 << UInt64(term.variable) } }
            if case .position(let affine) = node.operation { for term in affine.terms { bits |= 1 << UInt64(term.variable) } }
            // A carry has a value of its own for each element.
            if node.operation.isOfState { for v in domain.indices { bits |= 1 << UInt64(v) } }
            if case .reduce(_, _, let variables) = node.operation { for v in variables { bits &= ~(1 << UInt64(v)) } }
            result.append(bits)
        }
        return result
    }
}

/// A place in memory: a row of a buffer, and a position in it.
package struct Access: Hashable, Encodable, Sendable {
    package var buffer: BufferID
    package var position: Affine
    /// Offsets along the graph's axes of the row read, all zero for the present step.
    package var offsets: [Int]
    /// What to read where the row lies outside the sequence; nil where that cannot happen or the buffer itself holds
    /// what is wanted there.
    package var fallback: BufferID?
}

package indirect enum NodeOperation: Hashable, Encodable, Sendable {
    case constant(Scalar)
    case load(Access)
    /// `access` moved by `stride` elements for each unit of the index, which is clamped to `0 ..< count`.
    case gather(Access, index: Nest.NodeID, stride: Int, count: Int)
    case unary(UnaryOperator, Nest.NodeID)
    case binary(BinaryOperator, Nest.NodeID, Nest.NodeID)
    case select(Nest.NodeID, Nest.NodeID, Nest.NodeID)
    case reduce(ReduceKind, Nest.NodeID, variables: [Int])
    /// The value of loop variables as an int.
    case position(Affine)
    /// In a lane loop: the value of a carry `distance` steps ago.
    case carried(carry: Int, distance: Int)
    /// In a scan in registers: the value of a state at the present step.
    case scanned(Int)

    /// Whether it stands for a state, which has a value of its own for each element.
    package var isOfState: Bool {
        switch self {
        case .carried, .scanned: true
        case .constant, .position, .load, .gather, .unary, .binary, .select, .reduce: false
        }
    }

    package var operands: [Nest.NodeID] {
        switch self {
        case .constant, .load, .position, .carried, .scanned: []
        case .gather(_, let index, _, _): [index]
        case .unary(_, let a), .reduce(_, let a, _): [a]
        case .binary(_, let a, let b): [a, b]
        case .select(let c, let a, let b): [c, a, b]
        }
    }

    package var accesses: [Access] {
        switch self {
        case .load(let access), .gather(let access, _, _, _): [access]
        case .constant, .unary, .binary, .select, .reduce, .position, .carried, .scanned: []
        }
    }
}
