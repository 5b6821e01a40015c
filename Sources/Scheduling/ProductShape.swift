import RecStream

/// How the labels of a contraction fall into the loops of a product with static weights.
struct ProductShape: Equatable {
    /// The operand that varies, and the one that does not.
    var input: ValueID
    var weight: ValueID
    var inputLabels: [Int]
    var weightLabels: [Int]
    /// In both operands and in the result; in both but not in the result; in the input alone; in the weights alone.
    var batches: [Int]
    var sums: [Int]
    var rows: [Int]
    var columns: [Int]

    /// The order of the result's labels in which the columns are contiguous.
    var resultLabels: [Int] { batches + rows + columns }

    /// Below this many columns a product is a plain reduction: its columns would not fill a vector.
    private static let fewestColumns = 4

    /// The kernels have this many loops over summed labels.
    private static let mostSums = 2

    /// The shape of `value` as a product; nil where it is none, or too small for the kernels to be worth while.
    init?(_ value: ValueID, in graph: StreamGraph) {
        guard case .contract(let contraction) = graph[value].operation, graph[value].element == .real,
            !graph[value].variance.isStatic
        else { return nil }
        let leftIsStatic = graph[contraction.left].variance.isStatic
        guard leftIsStatic || graph[contraction.right].variance.isStatic else { return nil }
        // Weights are packed before a run.
        guard !graph.followsFromBatch(leftIsStatic ? contraction.left : contraction.right) else { return nil }
        input = leftIsStatic ? contraction.right : contraction.left
        weight = leftIsStatic ? contraction.left : contraction.right
        inputLabels = leftIsStatic ? contraction.rightLabels : contraction.leftLabels
        weightLabels = leftIsStatic ? contraction.leftLabels : contraction.rightLabels
        let result = Set(contraction.resultLabels)
        let inInput = Set(inputLabels)
        let inWeight = Set(weightLabels)
        guard inInput.union(inWeight).subtracting(result).isSubset(of: inInput.intersection(inWeight)) else { return nil }
        batches = inputLabels.filter { inWeight.contains($0) && result.contains($0) }
        sums = inputLabels.filter { !result.contains($0) }
        rows = inputLabels.filter { !inWeight.contains($0) }
        columns = weightLabels.filter { !inInput.contains($0) }
        let columnCount = columns.reduce(1) { $0 * graph[weight].shape[weightLabels.firstIndex(of: $1) ?? 0].size }
        guard !sums.isEmpty, sums.count <= Self.mostSums, columnCount >= Self.fewestColumns else { return nil }
    }
}

extension StreamGraph {
    /// Whether a value that varies over nothing follows from a sum over the batch.
    fileprivate func followsFromBatch(_ id: ValueID) -> Bool {
        var waiting = [id]
        var seen: Set<ValueID> = [id]
        while let next = waiting.popLast() {
            if case .overBatch = self[next].operation { return true }
            for operand in self[next].operation.operands where seen.insert(operand).inserted { waiting.append(operand) }
        }
        return false
    }
}
