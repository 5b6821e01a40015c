import RecStream

package struct BufferID: Hashable, Encodable, Sendable {
    package var index: Int
    package init(_ index: Int) { self.index = index }
}

/// A region of memory that kernels read and write in rows. A row holds one step of one sequence of the batch.
///
/// Where row `(b, i, j)` lies is decided at run time by a descriptor (base and three strides), so that a whole stream,
/// a block of it and a single step are addressed alike.
package struct Buffer: Hashable, Encodable, Sendable {
    package enum Kind: Hashable, Encodable, Sendable {
        case input(name: String)
        case parameter(path: String)
        /// Index into `graph.outputs`.
        case output(Int)
        /// Derived from parameters alone: computed once for a set of parameters.
        case `static`
        /// One row for each sequence.
        case once
        /// A reduction over an axis, one row for each sequence; starts at `initial`. When its sweep has ended, it is divided by
        /// the number of steps along `mean`, where that is an axis.
        case accumulator(initial: Double, mean: Int?)
        /// Every step of a stream.
        case full
        /// The steps of the present block, with room for `halo` steps before it.
        case block(halo: Int)
        /// The present step only.
        case step
        /// The last few steps: a row for each step modulo the period.
        case ring(Ring)
        /// Zeros, of any row.
        case zero
    }

    package var kind: Kind
    package var element: ElementType
    /// Elements of one row.
    package var rowCount: Int
    /// What rows there are.
    package var variance: Variance
    /// For messages and `--emit plan`.
    package var name: String
}

/// How far back a ring is read, and what stands in it before the first step.
package struct Ring: Hashable, Encodable, Sendable {
    /// The offsets of every delay that reads it.
    package var delays: [[Int]]
    /// A buffer that holds the initial value; nil for zero.
    package var initial: BufferID?
    /// The axes of the recurrence from the outermost loop inwards.
    package var order: [Int]

    /// How many rows the ring needs where the innermost loop runs over `innerExtent` steps.
    package func period(innerExtent: Int) -> Int {
        1 + (delays.map { distance($0, innerExtent: innerExtent) }.max() ?? 0)
    }

    /// How many steps of the loops a delay reaches back.
    package func distance(_ offsets: [Int], innerExtent: Int) -> Int {
        order.count == 1
            ? abs(offsets[order[0]]) : abs(offsets[order[0]]) * innerExtent + abs(offsets[order[1]])
    }
}
