import RecStream

/// Loops over sequences, chunks and elements, and what is computed in them: all that one traversal of a model's chunks does.
///
/// For each sequence, and each place along `parallel`, the chunks run one after another. What stands before and behind the chunks is
/// in `before` and `behind`. Loops over sequences and parallel dims may be shared among threads: nothing is carried between their
/// turns.
package struct Schedule: Equatable, Encodable, Sendable {
    package var name: String
    /// Steps of a chunk.
    package var count: Int
    /// Whether chunks are counted from a sequence's last step on, backwards.
    package var isReversed: Bool
    /// Whether the last chunk is the first to run.
    package var isDescending: Bool
    /// Dims whose places have nothing to do with each other.
    package var parallel: [Dim]
    /// Where the chunks are run through once for each block of other steps; nil where they are run through once.
    package var blocks: Blocks?
    package var buffers: [Buffer] = []
    package var before: [Leaf] = []
    package var body: [Leaf] = []
    package var behind: [Leaf] = []
    /// What runs in place of the body for chunks all of whose pairs with the steps of the block count; nil where it is nothing else.
    package var inner: Inner?

    /// Steps that are kept in hand while the chunks run by, as those that attend to others.
    ///
    /// Chunks that have nothing to do with the steps of a block are left out.
    package struct Blocks: Hashable, Encodable, Sendable {
        /// Steps of a block.
        package var count: Int
        /// How far before a step of a block, and how far behind it, steps of chunks may stand that it has to do with; nil where there is no
        /// bound. Negative where none is nearer than so.
        package var before: Int?
        package var behind: Int?

        package init(count: Int, before: Int?, behind: Int?) {
            self.count = count
            self.before = before
            self.behind = behind
        }

        /// The chunks of so many steps that the block from a step on has to do with.
        package func chunks(of count: Int, from first: Int, among chunks: Int) -> Range<Int> {
            let low = before.map { max(0, (first - $0).floored(by: count)) } ?? 0
            let high = behind.map { min(chunks, (first + self.count - 1 + $0).floored(by: count) + 1) } ?? chunks
            return min(low, chunks)..<max(min(low, chunks), high)
        }
    }

    /// Chunks of which all steps are there, as those of the block are, and stand within bounds.
    package struct Inner: Equatable, Encodable, Sendable {
        /// How much later a step of the block is than one of the chunk at least, and at most; nil where there is no bound.
        package var least: Int?
        package var most: Int?
        package var body: [Leaf]

        package init(least: Int?, most: Int?, body: [Leaf]) { (self.least, self.most, self.body) = (least, most, body) }

        /// Whether all pairs are within the bounds.
        ///
        /// - Parameters:
        ///   - block, chunk: the first and last steps.
        package func holds(block: ClosedRange<Int>, chunk: ClosedRange<Int>) -> Bool {
            (least.map { block.lowerBound - chunk.upperBound >= $0 } ?? true) && (most.map { block.upperBound - chunk.lowerBound <= $0 } ?? true)
        }
    }

    package struct BufferID: Hashable, Encodable, Sendable {
        package var index: Int
        package init(_ index: Int) { self.index = index }
    }

    /// Memory for real numbers.
    package struct Buffer: Equatable, Encodable, Sendable {
        package enum Role: Equatable, Encodable, Sendable {
            /// `[batch, time, shape]`, of the caller; read, or written.
            case stream(isResult: Bool)
            /// `[batch, time, shape]`, of the caller, of the steps of the present block; read, or written.
            case block(isResult: Bool)
            /// `[batch, time, shape]`, of the caller: to the steps of its chunks every block adds, one after another.
            case sum
            /// `[batch, shape]`, of the caller.
            case once(isResult: Bool)
            /// `[shape]`, of the caller.
            case shared
            /// `[batch, chunks + 1, shape]`, of the caller: what is carried, before and behind every chunk.
            case kept
            /// What is carried, before and behind the present chunk.
            case carried
            /// For the present chunk, or from the first chunk to the last.
            case scratch
        }
        package var name: String
        package var role: Role
        /// Elements of one step, sequence, chunk or whatever the role says. Memory of the caller has the parallel dims in it.
        package var count: Int
        /// The distance between places of each parallel dim; 0 where the buffer does not have it.
        package var parallelStrides: [Int]
    }

    /// Where an element stands along one dim: `clamp(variable · scale + offset)`.
    package struct Index: Hashable, Encodable, Sendable {
        /// A loop of the nest from 0 on, a parallel loop (−1 is the first), or nil.
        package var variable: Int?
        package var scale = 1
        package var offset = 0
        /// The first and last place, where it is held between them.
        package var bounds: ClosedRange<Int>?
    }

    package struct Term: Hashable, Encodable, Sendable {
        package var index: Index
        package var stride: Int
    }

    /// Elements of a buffer.
    package struct View: Hashable, Encodable, Sendable {
        package var buffer: BufferID
        package var terms: [Term]
        /// In what is carried: which of the places around the chunks.
        package var slot = Slot.none
        /// In streams: the step within the chunk, or within the block.
        package var step: Index?
        package enum Slot: String, Hashable, Encodable, Sendable {
            case none
            /// At the present chunk's first step, or behind its last one.
            case start, end
            /// Before the first chunk, or behind the last.
            case first, last
            /// Before the present chunk, or behind it, in whatever order they run.
            case before, behind
        }

        package init(buffer: BufferID, terms: [Term], slot: Slot = .none, step: Index? = nil) {
            self.buffer = buffer
            self.terms = terms
            self.slot = slot
            self.step = step
        }
    }

    /// A value of a nest; operands are earlier nodes.
    package enum Node: Hashable, Encodable, Sendable {
        case constant(Double)
        case load(View)
        case unary(UnaryOperator, Int)
        case binary(BinaryOperator, Int, Int)
        case select(Int, Int, Int)
        /// Whether a place lies between these, as a bool.
        case isInside(Index, ClosedRange<Int>)
        /// Whether a step of the chunk is one of the sequence.
        case isStep(Index)
        /// Whether a step of the block is one of the sequence.
        case isBlockStep(Index)
        /// Whether there is no chunk before the present one, or behind it.
        case isFirst, isLast
    }

    /// When a leaf runs.
    package enum Condition: String, Hashable, Encodable, Sendable { case always, inFirst, inLast }

    package struct Nest: Equatable, Encodable, Sendable {
        package var extents: [Int]
        package var nodes: [Node]
        package var isBool: [Bool]
        package var result: Int
        package var target: View
        /// The loops in which results are joined: the last ones.
        package var reduction: Reduction?
        /// The loop that only runs through the steps of the sequence.
        package var stepLoop: Int?
        package var condition = Condition.always
        /// Whether what it writes must be finite for the results of the traversal to count.
        package var isChecked = false

        package struct Reduction: Equatable, Encodable, Sendable {
            package var kind: ReduceKind
            package var loops: Int
        }
    }

    /// `y[i] = factor[i] · y[i-1] + term[i]` along a loop.
    package struct Running: Equatable, Encodable, Sendable {
        package var extents: [Int]
        package var nodes: [Node]
        package var isBool: [Bool]
        package var factor: Int
        package var term: Int
        package var loop: Int
        package var isReversed: Bool
        package var target: View
    }

    /// `result[b, m, n] = Σ_k left[b, m, k] · right[b, k, n]`.
    package struct Matmul: Equatable, Encodable, Sendable {
        /// Of a product: rows and columns of the result, or what is summed.
        package enum Side: String, Encodable, Sendable { case row, column, sum }

        /// Only where one place is so far behind another there is something to be done: factors are 0 elsewhere, and results may be.
        /// Both sides have one loop.
        package struct Triangle: Equatable, Encodable, Sendable {
            package var larger: Side
            package var smaller: Side
            package var distance: Int
        }

        package struct Loop: Equatable, Encodable, Sendable {
            package var extent: Int
            package var left: Int
            package var right: Int
            package var result: Int

            package init(extent: Int, left: Int, right: Int, result: Int) {
                self.extent = extent
                self.left = left
                self.right = right
                self.result = result
            }
        }
        package var left: BufferID
        package var right: BufferID
        package var result: View
        package var leftSlot: View.Slot
        package var rightSlot: View.Slot
        package var blocks: [Loop]
        package var rows: [Loop]
        package var columns: [Loop]
        package var sums: [Loop]
        package var triangles: [Triangle] = []
        /// What the product is added to.
        package var added: Added?

        /// Numbers at the places of the result, for products of one row loop and one column loop.
        package struct Added: Equatable, Encodable, Sendable {
            package var buffer: BufferID
            package var slot: View.Slot
            /// What they are multiplied by first.
            package var factor: Factor?

            /// A number for each row.
            package struct Factor: Equatable, Encodable, Sendable {
                package var buffer: BufferID
                package var slot: View.Slot
                package var stride: Int
            }

            package init(buffer: BufferID, slot: View.Slot, factor: Factor?) { (self.buffer, self.slot, self.factor) = (buffer, slot, factor) }
        }

        /// The loops of a side.
        package func loops(_ side: Side) -> [Loop] {
            switch side {
            case .row: rows
            case .column: columns
            case .sum: sums
            }
        }

        /// What is computed, of all multiplications.
        package var share: Double {
            triangles.reduce(1) { share, triangle in
                let (size, other) = (Double(loops(triangle.larger)[0].extent), Double(loops(triangle.smaller)[0].extent))
                // Of the places along the larger side each has those of the smaller one before it.
                let count = (0..<Int(size)).reduce(0.0) { $0 + min(other, max(0, Double($1 - triangle.distance + 1))) }
                return share * count / (size * other)
            }
        }
    }

    /// The `X` with `X − strictLower(matrix) · X = right`, or with the transpose.
    package struct Solve: Equatable, Encodable, Sendable {
        package var matrix: BufferID
        package var right: BufferID
        package var result: BufferID
        /// Systems, one behind the other.
        package var blocks: Int
        package var size: Int
        package var width: Int
        package var isTransposed: Bool
    }

    package enum Leaf: Equatable, Encodable, Sendable {
        case nest(Nest)
        case running(Running)
        case matmul(Matmul)
        case solve(Solve)
    }

    package subscript(_ id: BufferID) -> Buffer { buffers[id.index] }

    /// The steps of a stream that a schedule has in hand: those of a chunk, or of a block.
    package func steps(of id: BufferID) -> Int {
        if case .block = self[id].role, let blocks { blocks.count } else { count }
    }
}

extension Schedule.Leaf {
    /// The buffers that it reads, and last the one that it writes.
    package var buffers: [Schedule.BufferID] {
        func loads(_ nodes: [Schedule.Node]) -> [Schedule.BufferID] {
            nodes.compactMap { if case .load(let view) = $0 { view.buffer } else { nil } }
        }
        switch self {
        case .nest(let nest): return loads(nest.nodes) + [nest.target.buffer]
        case .running(let running): return loads(running.nodes) + [running.target.buffer]
        case .matmul(let product):
            let added = [product.added?.buffer, product.added?.factor?.buffer].compactMap { $0 }
            return [product.left, product.right] + added + [product.result.buffer]
        case .solve(let system): return [system.matrix, system.right, system.result]
        }
    }
}

extension Schedule.Leaf {
    /// The buffer that it writes.
    package var written: Schedule.BufferID {
        switch self {
        case .nest(let nest): nest.target.buffer
        case .running(let running): running.target.buffer
        case .matmul(let product): product.result.buffer
        case .solve(let system): system.result
        }
    }

    /// The buffers that it reads.
    package var read: [Schedule.BufferID] { Array(buffers.dropLast()) }
}

extension Schedule.Node {
    package var operands: [Int] {
        switch self {
        case .constant, .load, .isInside, .isStep, .isBlockStep, .isFirst, .isLast: []
        case .unary(_, let a): [a]
        case .binary(_, let a, let b): [a, b]
        case .select(let condition, let a, let b): [condition, a, b]
        }
    }

    package func mapOperands(_ moved: (Int) -> Int) -> Schedule.Node {
        switch self {
        case .constant, .load, .isInside, .isStep, .isBlockStep, .isFirst, .isLast: self
        case .unary(let function, let a): .unary(function, moved(a))
        case .binary(let function, let a, let b): .binary(function, moved(a), moved(b))
        case .select(let condition, let a, let b): .select(moved(condition), moved(a), moved(b))
        }
    }
}

extension Int {
    /// The quotient, rounded down.
    fileprivate func floored(by count: Int) -> Int { (self >= 0 ? self : self - count + 1) / count }
}
