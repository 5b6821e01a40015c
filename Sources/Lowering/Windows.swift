import RecStream

extension StreamGraph {
    /// Adds a window: values at several steps along a first axis, each a delay of its own. What the delays look at, which may still
    /// have to come, is for the caller to say.
    ///
    /// - Parameters:
    ///   - template: the window as it is to stand in the graph, but for its operation.
    ///   - operand: what stands at the present step.
    ///   - offsets: for each step how far it is away along each axis.
    ///   - initial: what is outside the sequence; nil for 0.
    mutating func addWindow(
        _ template: Value, of operand: ValueID?, offsets: [[Int]], from initial: ValueID?
    ) -> (window: ValueID, delays: [ValueID]) {
        var delays: [ValueID] = []
        var row = template
        row.name = nil
        row.shape.removeFirst()
        var parts = offsets.map { offsets -> ValueID in
            if let operand, !offsets.contains(where: { $0 != 0 }) { return operand }
            row.operation = .delay(ValueID(values.count), offsets: offsets, initial: initial)
            delays.append(add(row))
            return delays[delays.count - 1]
        }
        var part = template
        part.name = nil
        part.shape[0] = Dim("1", 1)
        parts = parts.map { row in
            part.operation = .reshape(row)
            part.variance = self[row].variance
            return add(part)
        }
        var window = template
        window.operation = .concat(parts, axis: 0)
        window.variance = parts.reduce(Variance.none) { $0.union(self[$1].variance) }
        return (add(window), delays)
    }

    /// Whether two delays look equally far.
    func isMovedAlike(_ a: ValueID, _ b: ValueID) -> Bool {
        guard case .delay(_, let first, _) = self[a].operation, case .delay(_, let second, _) = self[b].operation else { return false }
        return first == second
    }
}
