import RecStream

extension StreamGraph {
    /// More values take too long to compile.
    private static let mostUnfoldedValues = 20_000

    /// The graph whose steps code can take, where that needs axes of constant length within the steps of others: they are dims then, and no
    /// axes. The same graph where code can take the steps as they are, or there are no such axes.
    package func unfoldingInnerAxes() -> StreamGraph {
        var graph = self
        while !graph.hasSweeps, graph.dataAxes.count > 1 {
            let unfolded = graph.dataAxes.reversed().compactMap { graph.unfoldingInnerAxis($0) }
            guard let next = unfolded.first(where: \.hasSweeps) ?? unfolded.first else { break }
            graph = next
        }
        return graph.hasSweeps ? graph : self
    }

    private var hasSweeps: Bool { (try? checkSweeps(of: self)) != nil }

    /// Nil where an axis is open, data would have another layout, or there would be too many values.
    private func unfoldingInnerAxis(_ axis: Int) -> StreamGraph? {
        guard let length = axes[axis].length, keepsLayout(unfolding: axis), countUnfolding(axis, count: length) <= Self.mostUnfoldedValues,
            let result = unfolding(axis, count: length), (try? checkDirections(of: result)) != nil
        else { return nil }
        return result
    }

    /// Whether an axis is the last one of data in all inputs and outputs that vary over it.
    package func keepsLayout(unfolding axis: Int) -> Bool {
        let given = ids.filter { if case .input = self[$0].operation { true } else { false } }
        return (given + outputs.map(\.value)).allSatisfy { id in
            !self[id].variance.varies(over: axis) || !dataAxes.contains { $0 > axis && self[id].variance.varies(over: $0) }
        }
    }
}
