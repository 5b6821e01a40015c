extension StreamGraph {
    /// The same graph with every sum of a product that has no other use as one contraction of the factors as they were
    /// before they were lined up: `sum[K](q * S)` reads `q` and `S`, and no product lies in memory.
    public func recognizingContractions() -> StreamGraph {
        var result = self
        var uses = [Int](repeating: 0, count: values.count)
        for value in values { for operand in value.operation.operands { uses[operand.index] += 1 } }
        for output in outputs + losses { uses[output.value.index] += 1 }
        for state in states { uses[state.value.index] += 1 }
        for fold in folds { for id in fold.elements + fold.states { uses[id.index] += 1 } }
        for id in ids {
            guard case .reduce(.sum, let product, let axes) = self[id].operation, uses[product.index] == 1,
                self[id].element == .real, case .binary(.multiply, let a, let b) = self[product].operation
            else { continue }
            let (left, leftLabels) = factor(a)
            let (right, rightLabels) = factor(b)
            let rank = self[product].shape.count
            let kept = (0..<rank).filter { !axes.contains($0) }
            // A kept axis that neither factor has would be lost, a summed one would have to be counted.
            guard (0..<rank).allSatisfy({ leftLabels.contains($0) || rightLabels.contains($0) }) else { continue }
            result[id].operation = .contract(
                Contraction(left: left, right: right, leftLabels: leftLabels, rightLabels: rightLabels, resultLabels: kept))
        }
        return result.ordered()
    }

    /// A factor without the broadcast around it, and for each of its axes the axis of the product.
    private func factor(_ id: ValueID) -> (ValueID, [Int]) {
        guard case .broadcast(let operand, let from) = self[id].operation else {
            return (id, Array(self[id].shape.indices))
        }
        var labels = [Int](repeating: 0, count: self[operand].shape.count)
        for (axis, source) in from.enumerated() { if let source { labels[source] = axis } }
        return (operand, labels)
    }
}
