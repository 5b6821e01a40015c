import RecAnalysis
import RecStream

/// The sum over all steps of the outer product of two streams, as in the gradient of a weight:
/// `total[k, m] = Σ_t left[t, k] · right[t, m]`, summed over a shared label too where there is one.
public struct Total: Equatable, Encodable, Sendable {
    public var value: ValueID
    public var left: Access
    public var right: Access
    public var output: BufferID
    /// Elements along `k` and `m`.
    public var rows: Int
    public var columns: Int
    /// How far apart the elements of `left` lie along `k`; those of `right` along `m` are neighbours.
    public var leftStride: Int
    public var shared: Shared

    /// The shared label: its extent, and how far apart its elements lie in either operand.
    public struct Shared: Equatable, Encodable, Sendable {
        public var extent: Int
        public var left: Int
        public var right: Int
    }

    /// Multiplications and additions in one step of one sequence.
    public var operationCount: Int { 2 * rows * columns * shared.extent }
}

/// How a sum over time of a contraction is a total.
struct TotalShape: Equatable {
    /// The contraction, which is never written.
    var product: ValueID
    var left: ValueID
    var right: ValueID
    var leftLabels: [Int]
    var rightLabels: [Int]
    var row: Int
    var column: Int
    var shared: Int?

    /// With fewer columns vectors would be mostly empty.
    private static let fewestColumns = 8

    /// - Parameter users: those of each value.
    init?(_ value: ValueID, in graph: StreamGraph, users: [[ValueID]]) {
        guard case .overTime(.sum, let product, _) = graph[value].operation, graph.axes.count == 1,
            graph[value].element == .real, users[product.index] == [value],
            case .contract(let contraction) = graph[product].operation,
            contraction.resultLabels.count == 2, graph[contraction.left].variance.isStream,
            graph[contraction.right].variance.isStream
        else { return nil }
        let kept = [graph.outputs.map(\.value), graph.losses.map(\.value), graph.states.map(\.value)].joined()
        guard !kept.contains(product) else { return nil }
        self.product = product
        row = contraction.resultLabels[0]
        column = contraction.resultLabels[1]
        let isSwapped = !contraction.leftLabels.contains(row)
        left = isSwapped ? contraction.right : contraction.left
        right = isSwapped ? contraction.left : contraction.right
        leftLabels = isSwapped ? contraction.rightLabels : contraction.leftLabels
        rightLabels = isSwapped ? contraction.leftLabels : contraction.rightLabels
        guard leftLabels.contains(row), !leftLabels.contains(column), rightLabels.contains(column), !rightLabels.contains(row)
        else { return nil }
        let sums = leftLabels.filter { $0 != row }
        guard sums.count <= 1, Set(rightLabels.filter { $0 != column }) == Set(sums), graph[value].shape[1].size >= Self.fewestColumns
        else { return nil }
        shared = sums.first
    }
}

extension Total {
    /// Nil where an operand does not lie so that a kernel could read it.
    init?(_ value: ValueID, _ shape: TotalShape, graph: StreamGraph, homes: Homes) {
        let builder = NestBuilder(graph: graph, homes: homes, own: [], domain: [])
        guard var left = builder.view(shape.left, at: shape.leftLabels.map { .variable($0) }),
            var right = builder.view(shape.right, at: shape.rightLabels.map { .variable($0) }),
            let home = homes.current[value], home.strides == graph[value].shape.strides,
            right.position.coefficient(of: shape.column) == 1
        else { return nil }
        leftStride = left.position.coefficient(of: shape.row)
        shared = Shared(extent: 1, left: 0, right: 0)
        if let label = shape.shared, let axis = shape.leftLabels.firstIndex(of: label) {
            shared = Shared(
                extent: graph[shape.left].shape[axis].size, left: left.position.coefficient(of: label),
                right: right.position.coefficient(of: label))
        }
        left.position = Affine(offset: left.position.offset)
        right.position = Affine(offset: right.position.offset)
        self.left = left
        self.right = right
        self.value = value
        output = home.buffer
        rows = graph[value].shape[0].size
        columns = graph[value].shape[1].size
    }
}
