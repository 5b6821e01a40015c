import RecStream

/// How a sum over time of a contraction, or the sum of those over the batch, is a total.
struct TotalShape: Equatable {
    /// The contraction, and where the batch is summed over too the sum over time; they are never written.
    var unwritten: [ValueID]
    var left: ValueID
    var right: ValueID
    var leftLabels: [Int]
    var rightLabels: [Int]
    var resultLabels: [Int]
    /// The largest label of the left operand alone, and the last label of the result, which is the right operand's alone.
    var row: Int
    var column: Int
    var shared: Int?

    /// With fewer columns vectors would be mostly empty.
    private static let fewestColumns = 8

    /// Every total of a graph.
    static func all(in graph: StreamGraph) -> [ValueID: TotalShape] {
        let users = graph.users
        let kept = Set((graph.outputs + graph.losses).map(\.value) + graph.states.map(\.value))
        var result: [ValueID: TotalShape] = [:]
        var joined: Set<ValueID> = []
        // Sums over the batch first: what they take needs no place of its own.
        for id in graph.ids {
            guard case .overBatch(let sum) = graph[id].operation, users[sum.index] == [id], !kept.contains(sum),
                var shape = TotalShape(sum, in: graph, users: users, kept: kept)
            else { continue }
            shape.unwritten.append(sum)
            joined.insert(sum)
            result[id] = shape
        }
        for id in graph.ids where !joined.contains(id) {
            if let shape = TotalShape(id, in: graph, users: users, kept: kept) { result[id] = shape }
        }
        return result
    }

    /// - Parameters:
    ///   - users: those of each value.
    ///   - kept: what something outside the graph looks at.
    private init?(_ value: ValueID, in graph: StreamGraph, users: [[ValueID]], kept: Set<ValueID>) {
        guard case .overTime(.sum, let product, _) = graph[value].operation, graph.axes.count == 1,
            graph[value].element == .real, users[product.index] == [value],
            case .contract(let contraction) = graph[product].operation,
            let last = contraction.resultLabels.last, graph[contraction.left].variance.isStream,
            graph[contraction.right].variance.isStream, !kept.contains(product)
        else { return nil }
        unwritten = [product]
        resultLabels = contraction.resultLabels
        column = last
        let isSwapped = contraction.leftLabels.contains(column)
        left = isSwapped ? contraction.right : contraction.left
        right = isSwapped ? contraction.left : contraction.right
        let (leftLabels, rightLabels) = isSwapped
            ? (contraction.rightLabels, contraction.leftLabels) : (contraction.leftLabels, contraction.rightLabels)
        self.leftLabels = leftLabels
        self.rightLabels = rightLabels
        let operand = left
        func extent(_ label: Int) -> Int { leftLabels.firstIndex(of: label).map { graph[operand].shape[$0].size } ?? 1 }
        let result = resultLabels
        let own = leftLabels.filter { result.contains($0) && !rightLabels.contains($0) }
        guard !leftLabels.contains(last), rightLabels.contains(last), let widest = own.max(by: { extent($0) < extent($1) })
        else { return nil }
        row = widest
        let sums = leftLabels.filter { !result.contains($0) }
        guard sums.count <= 1, Set(rightLabels.filter { !result.contains($0) }) == Set(sums),
            graph[value].shape[result.count - 1].size >= Self.fewestColumns
        else { return nil }
        shared = sums.first
    }
}
