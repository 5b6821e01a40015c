import RecStream

/// How a sum over time of a contraction, or the sum of those over the batch, is a total.
struct TotalShape: Equatable {
    /// The contraction, and where the batch is summed over too the sum over time; they are never written.
    var unwritten: [ValueID]
    var left: ValueID
    var right: ValueID
    var leftLabels: [Int]
    var rightLabels: [Int]
    var row: Int
    var column: Int
    var shared: Int?

    /// With fewer columns vectors would be mostly empty.
    private static let fewestColumns = 8

    /// Every total of a graph.
    static func all(in graph: StreamGraph) -> [ValueID: TotalShape] {
        let users = graph.users
        var result: [ValueID: TotalShape] = [:]
        var joined: Set<ValueID> = []
        // Sums over the batch first: what they take needs no place of its own.
        for id in graph.ids {
            guard case .overBatch(let sum) = graph[id].operation, users[sum.index] == [id], !graph.isKept(sum),
                var shape = TotalShape(sum, in: graph, users: users)
            else { continue }
            shape.unwritten.append(sum)
            joined.insert(sum)
            result[id] = shape
        }
        for id in graph.ids where !joined.contains(id) {
            if let shape = TotalShape(id, in: graph, users: users) { result[id] = shape }
        }
        return result
    }

    /// - Parameter users: those of each value.
    private init?(_ value: ValueID, in graph: StreamGraph, users: [[ValueID]]) {
        guard case .overTime(.sum, let product, _) = graph[value].operation, graph.axes.count == 1,
            graph[value].element == .real, users[product.index] == [value],
            case .contract(let contraction) = graph[product].operation,
            contraction.resultLabels.count == 2, graph[contraction.left].variance.isStream,
            graph[contraction.right].variance.isStream, !graph.isKept(product)
        else { return nil }
        unwritten = [product]
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

extension StreamGraph {
    /// Whether something outside the graph looks at a value.
    fileprivate func isKept(_ id: ValueID) -> Bool {
        outputs.contains { $0.value == id } || losses.contains { $0.value == id } || states.contains { $0.value == id }
    }
}
