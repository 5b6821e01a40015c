import RecAnalysis
import RecStream

/// The sum over all steps of the outer product of two streams, as in the gradient of a weight:
/// `total[k, m] = Σ_t left[t, k] · right[t, m]`, summed over a shared label too where there is one, and over the sequences
/// of the batch where the output does not vary over it. Of further labels, such as the heads of a weight, each place has a
/// sum of its own.
package struct Total: Hashable, Encodable, Sendable {
    package var value: ValueID
    package var left: Access
    package var right: Access
    package var output: BufferID
    /// Elements along `k` and `m`.
    package var rows: Int
    package var columns: Int
    /// How far apart the elements of `left` lie along `k`, and those of `right` along `m`.
    package var leftStride: Int
    package var rightStride: Int
    /// How far apart the rows of the output lie.
    package var rowStride: Int
    package var shared: Shared
    package var groups: [Group]

    /// The shared label: its extent, and how far apart its elements lie in either operand.
    package struct Shared: Hashable, Encodable, Sendable {
        package var extent: Int
        package var left: Int
        package var right: Int
    }

    /// A label of the output beside rows and columns: how far apart its elements lie in the operands, 0 where one does not
    /// have it, and in the output.
    package struct Group: Hashable, Encodable, Sendable {
        package var extent: Int
        package var left: Int
        package var right: Int
        package var output: Int
    }

    /// Multiplications and additions in one step of one sequence.
    package var operationCount: Int { 2 * rows * columns * shared.extent * groups.reduce(1) { $0 * $1.extent } }
}

extension Total {
    /// - Throws: where an operand is not in memory.
    init(_ value: ValueID, _ shape: TotalShape, graph: StreamGraph, homes: Homes) throws(PlanRefusal) {
        let builder = NestBuilder(graph: graph, homes: homes, own: [], domain: [])
        guard var left = builder.view(shape.left, at: shape.leftLabels.map { .variable($0) }),
            var right = builder.view(shape.right, at: shape.rightLabels.map { .variable($0) }),
            let home = homes.current[value], home.strides == graph[value].shape.strides,
            let row = shape.resultLabels.firstIndex(of: shape.row), let column = shape.resultLabels.firstIndex(of: shape.column)
        else { throw PlanRefusal("what this sum over time reads or writes is not in memory", at: graph[value].span) }
        leftStride = left.position.coefficient(of: shape.row)
        rightStride = right.position.coefficient(of: shape.column)
        shared = Shared(extent: 1, left: 0, right: 0)
        if let label = shape.shared, let axis = shape.leftLabels.firstIndex(of: label) {
            shared = Shared(
                extent: graph[shape.left].shape[axis].size, left: left.position.coefficient(of: label),
                right: right.position.coefficient(of: label))
        }
        groups = shape.resultLabels.indices.filter { $0 != row && $0 != column }.map { axis in
            let label = shape.resultLabels[axis]
            return Group(
                extent: graph[value].shape[axis].size, left: left.position.coefficient(of: label),
                right: right.position.coefficient(of: label), output: home.strides[axis])
        }
        rowStride = home.strides[row]
        rows = graph[value].shape[row].size
        columns = graph[value].shape[column].size
        left.position = Affine(offset: left.position.offset)
        right.position = Affine(offset: right.position.offset)
        self.left = left
        self.right = right
        self.value = value
        output = home.buffer
    }
}

extension Plan {
    /// Whether a stage sums over the sequences of the batch.
    package func sumsOverBatch(_ stage: Stage) -> Bool { stage.totals.contains { !self[$0.output].variance.batch } }
}
