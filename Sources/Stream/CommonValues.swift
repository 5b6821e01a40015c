extension StreamGraph {
    /// The same graph in which no value is computed twice: values with the same operation on the same operands are one.
    package func sharingCommonValues() -> StreamGraph {
        var graph = self
        // A delay's operand may come later, so what becomes equal by sharing it shows in the next round.
        while true {
            let shared = graph.sharedOnce()
            if shared.values.count == graph.values.count { return shared }
            graph = shared
        }
    }

    private func sharedOnce() -> StreamGraph {
        var first: [Value: ValueID] = [:]
        first.reserveCapacity(values.count)
        var target = ids
        var result = self
        // Equal states may still start from different values.
        let states = Set(self.states.map(\.value))
        let own = ownGradientsByValue
        var calls: [(gradient: OwnGradient, value: ValueID)] = []
        for id in ids {
            var value = self[id]
            value.operation = value.operation.mapOperands { target[$0.index] }
            result[id].operation = value.operation
            // Names and places do not make a difference.
            let name = value.name
            value.name = nil
            value.span = nil
            var earlier = first[value]
            if let gradient = own[id]?.renumbered({ $0 == id ? id : target[$0.index] }) {
                // Two calls are one where they have the same arguments and the same gradient.
                earlier = calls.first { $0.gradient.isSame(as: gradient) && result[$0.value].operation == value.operation }?.value
                if earlier == nil { calls.append((gradient, id)) }
            } else if earlier == nil {
                first[value] = id
            }
            guard let earlier, !states.contains(id) else { continue }
            target[id.index] = earlier
            if result[earlier].name == nil { result[earlier].name = name }
        }
        for id in ids { result[id].operation = result[id].operation.mapOperands { target[$0.index] } }
        func rename(_ outputs: [Output]) -> [Output] {
            outputs.map { Output(name: $0.name, value: target[$0.value.index], span: $0.span) }
        }
        result.outputs = rename(outputs)
        result.losses = rename(losses)
        for k in self.states.indices {
            result.states[k].value = target[self.states[k].value.index]
            result.states[k].initial = self.states[k].initial.map { target[$0.index] }
        }
        for k in folds.indices {
            result.folds[k].elements = folds[k].elements.map { target[$0.index] }
            result.folds[k].states = folds[k].states.map { target[$0.index] }
        }
        result.ownGradients = renumberedOwnGradients { target[$0.index] }
        return result.ordered()
    }
}
