import RecStream

/// A product of a stream with static weights: `out[row, m] = Σ_k in[row, k] · weight[k, m]`, once for each
/// element of `batches` (labels that both operands share and the result keeps).
package struct Product: Hashable, Encodable, Sendable {
    /// One dimension of the iteration: its extent, and how far apart its elements lie in an operand's row.
    package struct Dimension: Hashable, Encodable, Sendable {
        package var extent: Int
        package var inputStride: Int
        package var weightStride: Int
        package var outputStride: Int

        package init(extent: Int, inputStride: Int, weightStride: Int, outputStride: Int) {
            self.extent = extent
            self.inputStride = inputStride
            self.weightStride = weightStride
            self.outputStride = outputStride
        }

        /// A dimension of one element.
        package static let single = Dimension(extent: 1, inputStride: 0, weightStride: 0, outputStride: 0)
    }

    package var value: ValueID
    package var input: Access
    package var output: BufferID
    package var weight: BufferID
    package var weightOffset: Int
    /// Shared labels: a product of its own for each.
    package var batches: [Dimension]
    /// Labels of the input alone: further rows within a step.
    package var rows: [Dimension]
    /// Labels that are summed over.
    package var sums: [Dimension]
    /// Labels of the weights alone; together they are contiguous in the output's row.
    package var columns: [Dimension]
    /// Parts of the columns, equally many each, that are packed by themselves: whoever shares a step takes some of each.
    package var groups = 1

    package var columnCount: Int { columns.reduce(1) { $0 * $1.extent } }
    package var sumCount: Int { sums.reduce(1) { $0 * $1.extent } }
    package var batchCount: Int { batches.reduce(1) { $0 * $1.extent } }
    /// Multiplications and additions in one step of one sequence.
    package var operationCount: Int {
        2 * batchCount * sumCount * columnCount * rows.reduce(1) { $0 * $1.extent }
    }
}
