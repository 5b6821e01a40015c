import RecSource
import RecStream

extension StreamGraph {
    /// More values take too long to compile.
    private static let mostUnfoldedValues = 20_000

    /// The graph whose steps code can take, where that needs axes of constant length within the steps of others: they are dims then, and no
    /// axes. The same graph where code can take the steps as they are, or there are no such axes.
    package func unfoldingInnerAxes() -> StreamGraph {
        guard dataAxes.count > 1, !hasSweeps else { return self }
        var graph = self
        while graph.dataAxes.count > 1, !graph.hasSweeps {
            let unfolded = graph.dataAxes.reversed().compactMap { graph.unfoldingInnerAxis($0) }
            guard let next = unfolded.first(where: \.hasSweeps) ?? unfolded.first else { break }
            graph = next
        }
        return graph.hasSweeps || graph.axisToUnfold != nil ? graph : self
    }

    private var hasSweeps: Bool { (try? checkSweeps(of: self)) != nil }

    /// Nil where an axis is open, data would have another layout, or there would be too many values.
    private func unfoldingInnerAxis(_ axis: Int) -> StreamGraph? {
        guard let length = axes[axis].length, keepsLayout(unfolding: axis), countUnfolding(axis, count: length) <= Self.mostUnfoldedValues,
            let result = unfolding(axis, count: length), (try? checkDirections(of: result)) != nil
        else { return nil }
        return result
    }

    /// The axis of data that is a dim within the steps of others for code, which cannot take the steps otherwise: whose length is known when it
    /// runs. Nil where code can take the steps as they are, or not at all.
    package var axisToUnfold: Int? {
        guard dataAxes.count > 1, !hasSweeps else { return nil }
        return dataAxes.reversed().first { axis in
            // Of any length, as of two.
            guard keepsLayout(unfolding: axis), let result = keepingStreams(along: axis, count: 2) else { return false }
            return result.hasSweepsOfParts(apartFrom: axis)
        }
    }

    /// Whether code can take the steps once what crosses to and from an axis goes by tensors.
    private func hasSweepsOfParts(apartFrom axis: Int) -> Bool {
        let data: UInt8 = dataAxes.reduce(0) { $0 | 1 << UInt8($1) }
        for component in components(of: self) where component.isRecurrence {
            var varies: UInt8 = 0
            for id in component.members { varies |= self[id].variance.axes & data }
            // What attends to its own past has no code.
            guard !component.members.contains(where: isAlongSecondIndex) else { return false }
            // Along the axis alone, or along others alone.
            guard varies == 1 << UInt8(axis) || varies & 1 << UInt8(axis) == 0 else { return false }
            let members = Set(component.members)
            let offsets = component.members.compactMap { id -> [Int]? in
                guard case .delay(let operand, let offsets, _) = self[id].operation, members.contains(operand) else { return nil }
                return offsets
            }
            let isWhole = component.members.contains { id in
                guard case .overTime(_, let operand, let reduced) = self[id].operation else { return false }
                return members.contains(operand) && axes[reduced].chunks == nil
            }
            guard !isWhole, LoopOrder.admitting(offsets, axes: Array(dataAxes)) != nil else { return false }
        }
        return true
    }

    /// The graph for so many steps of the axis to unfold.
    ///
    /// - Throws: where there would be too many values.
    package func unfolded(_ axis: Int, count: Int) throws(DiagnosticList) -> StreamGraph {
        guard countUnfolding(axis, count: count, keepingStreams: true) <= Self.mostUnfoldedValues, let result = keepingStreams(along: axis, count: count) else {
            throw DiagnosticList(
                .unsupported, "the steps of '\(name)' need each other along '\(axes[axis].name)' within other steps, and code is written for each of them: \(count) are too many",
                help: "run it with 'recc run --interpret', or with fewer steps")
        }
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
