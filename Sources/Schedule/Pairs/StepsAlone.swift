import RecStream

extension StreamGraph {
    /// The graph over its own axes alone: what reductions over pairs of steps give is given, under the name of its value. Analyses see the
    /// recurrences and products that stand between them.
    package func withoutPairs() -> StreamGraph {
        guard axes.contains(where: { $0.again != nil }) else { return self }
        var result = StreamGraph(name: name, axes: Array(axes[dataAxes]))
        var new: [ValueID: ValueID] = [:]
        // What a delay looks at may come later: numbers are given out first.
        var count = 0
        for id in ids where !isPair(id) {
            if case .along(let a, _) = self[id].operation {
                new[id] = new[a]
                continue
            }
            new[id] = ValueID(count)
            count += 1
        }
        func moved(_ id: ValueID) -> ValueID { new[unindexed(id)] ?? ValueID(0) }
        for id in ids where !isPair(id) {
            if case .along = self[id].operation { continue }
            var value = self[id]
            value.variance = variance(alongFirst: value.variance)
            switch value.operation {
            case .overTime(_, let a, _) where isPair(a): value.operation = .input(name: id.description, fallback: nil)
            case .overTime(let kind, let a, let axis): value.operation = .overTime(kind, moved(a), axis: axes[axis].again ?? axis)
            case .delay(let a, let offsets, let initial):
                value.operation = .delay(moved(a), offsets: self.offsets(alongFirst: offsets), initial: initial.map(moved))
            case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad,
                .window, .gather, .scatter, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                value.operation = value.operation.mapOperands(moved)
            }
            _ = result.add(value)
        }
        result.outputs = outputs.map { Output(name: $0.name, value: moved($0.value), span: $0.span) }
        result.losses = losses.map { Output(name: $0.name, value: moved($0.value), span: $0.span) }
        result.states = states.map { State(name: $0.name, value: moved($0.value), initial: $0.initial.map(moved), span: $0.span) }
        result.folds = folds.map { fold in
            var fold = fold
            fold.elements = fold.elements.map(moved)
            fold.states = fold.states.map(moved)
            return fold
        }
        result.requirements = requirements
        return result.ordered()
    }
}
