import RecStream

/// A product of a stream with static weights: `out[row, m] = Σ_k in[row, k] · weight[k, m]`, once for each
/// element of `batches` (labels that both operands share and the result keeps).
public struct Product: Equatable, Encodable, Sendable {
    /// One dimension of the iteration: its extent, and how far apart its elements lie in an operand's row.
    public struct Dimension: Hashable, Encodable, Sendable {
        public var extent: Int
        public var inputStride: Int
        public var weightStride: Int
        public var outputStride: Int

        public init(extent: Int, inputStride: Int, weightStride: Int, outputStride: Int) {
            self.extent = extent
            self.inputStride = inputStride
            self.weightStride = weightStride
            self.outputStride = outputStride
        }

        /// A dimension of one element.
        public static let single = Dimension(extent: 1, inputStride: 0, weightStride: 0, outputStride: 0)
    }

    public var value: ValueID
    public var input: Access
    public var output: BufferID
    public var weight: BufferID
    public var weightOffset: Int
    /// Shared labels: a product of its own for each.
    public var batches: [Dimension]
    /// Labels of the input alone: further rows within a step.
    public var rows: [Dimension]
    /// Labels that are summed over.
    public var sums: [Dimension]
    /// Labels of the weights alone; together they are contiguous in the output's row.
    public var columns: [Dimension]
    /// Parts of the columns, equally many each, that are packed by themselves: whoever shares a step takes some of each.
    public var groups = 1

    public var columnCount: Int { columns.reduce(1) { $0 * $1.extent } }
    public var sumCount: Int { sums.reduce(1) { $0 * $1.extent } }
    public var batchCount: Int { batches.reduce(1) { $0 * $1.extent } }
    /// Multiplications and additions in one step of one sequence.
    public var operationCount: Int {
        2 * batchCount * sumCount * columnCount * rows.reduce(1) { $0 * $1.extent }
    }
}
