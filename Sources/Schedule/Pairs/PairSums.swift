import RecStream

/// Sums over pairs that follow from others.
extension PairFactors {
    /// A sum `Σ u · (Σ_σ A · B)` as `Σ_σ A · (Σ u · B)` where the inner sum is computed anyway and `A` stays the same along the axis.
    mutating func take(_ id: ValueID) {
        // Behind the sum may stand factors.
        var target = id
        while case .binary(let function, let a, _) = graph[target].operation, function == .multiply || function == .divide, a.index >= count {
            target = a
        }
        guard case .overTime(.sum, let y, let axis) = graph[target].operation, case .binary(.multiply, let a, let b) = graph[named(y)].operation else { return }
        for (w, u) in [(a, b), (b, a)] {
            guard case .contract(let c) = graph[named(w)].operation else { continue }
            for isLeft in [true, false] {
                let (fixed, fixedLabels) = isLeft ? (c.left, c.leftLabels) : (c.right, c.rightLabels)
                let (other, otherLabels) = isLeft ? (c.right, c.rightLabels) : (c.left, c.leftLabels)
                guard !varies(fixed, axis), varies(other, axis),
                    let (sum, labels) = sum(of: named(u), c.resultLabels, times: named(other), otherLabels, over: axis)
                else { continue }
                builder.replace(
                    target,
                    by: .contract(
                        Contraction(left: fixed, right: sum, leftLabels: fixedLabels, rightLabels: labels, resultLabels: c.resultLabels)))
                return
            }
        }
    }

    /// A sum of products of two values that is in the graph, and the labels of its dims.
    func sum(of u: ValueID, _ uLabels: [Int], times other: ValueID, _ otherLabels: [Int], over axis: Int) -> (ValueID, [Int])? {
        for id in graph.ids {
            guard case .overTime(.sum, let product, axis) = graph[id].operation, case .contract(let c) = graph[named(product)].operation else { continue }
            for (first, firstLabels, second, secondLabels) in [
                (c.left, c.leftLabels, c.right, c.rightLabels), (c.right, c.rightLabels, c.left, c.leftLabels),
            ] where named(first) == u && named(second) == other {
                // Labels of that product in those of this one.
                var names: [Int: Int] = [:]
                var isConsistent = true
                for (theirs, ours) in zip(firstLabels + secondLabels, uLabels + otherLabels) {
                    if let known = names[theirs], known != ours { isConsistent = false }
                    names[theirs] = ours
                }
                guard isConsistent, Set(names.values).count == names.count,
                    Set(c.resultLabels.compactMap { names[$0] }) == Set(uLabels + otherLabels)
                else { continue }
                return (id, c.resultLabels.map { names[$0] ?? 0 })
            }
        }
        return nil
    }
}
