extension StreamGraph {
    /// The same graph with its values in an order in which instant operands come first, and without those that no output,
    /// loss, state or fold needs. A graph with an instant cycle keeps the cycle's values in their old order.
    package func ordered() -> StreamGraph {
        var order: [ValueID] = []
        var mark = [UInt8](repeating: 0, count: values.count)
        // Delayed operands are needed too, but need not come first: they are visited as further roots.
        var waiting = kept
        var next = 0
        let further = furtherOperands
        while next < waiting.count {
            var stack = [(waiting[next], false)]
            next += 1
            while let (id, isDone) = stack.popLast() {
                if isDone {
                    order.append(id)
                    continue
                }
                guard mark[id.index] == 0 else { continue }
                mark[id.index] = 1
                stack.append((id, true))
                let operation = self[id].operation
                if case .delay(let operand, _, _) = operation { waiting.append(operand) }
                for operand in (operation.instantOperands + (further[id] ?? [])).reversed() where mark[operand.index] == 0 { stack.append((operand, false)) }
            }
        }
        return renumbered(order)
    }

    /// What stays in a graph for its own sake: results, what is carried, and inputs and parameters.
    package var kept: [ValueID] {
        let carried = states.flatMap { [$0.value, $0.initial].compactMap { $0 } }
        return outputs.map(\.value) + losses.map(\.value) + carried + folds.flatMap { $0.states + $0.elements } + inputsAndParameters
    }

    /// Inputs and parameters stay even where nothing reads them: data are checked against them.
    private var inputsAndParameters: [ValueID] {
        ids.filter { id in
            switch self[id].operation {
            case .input, .parameter: true
            case .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat,
                .pad, .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                false
            }
        }
    }

    /// The graph of these values alone, in this order.
    package func renumbered(_ order: [ValueID]) -> StreamGraph {
        var number = [ValueID](repeating: ValueID(0), count: values.count)
        for (new, old) in order.enumerated() { number[old.index] = ValueID(new) }
        let kept = ownGradients.isEmpty ? [] : Set(order)
        func rename(_ id: ValueID) -> ValueID { number[id.index] }
        func rename(_ outputs: [Output]) -> [Output] {
            outputs.map { Output(name: $0.name, value: rename($0.value), span: $0.span) }
        }
        var result = self
        result.values = order.map { id in
            var value = self[id]
            value.operation = value.operation.mapOperands(rename)
            return value
        }
        result.outputs = rename(outputs)
        result.losses = rename(losses)
        for k in states.indices {
            result.states[k].value = rename(states[k].value)
            result.states[k].initial = states[k].initial.map(rename)
        }
        for k in folds.indices {
            result.folds[k].elements = folds[k].elements.map(rename)
            result.folds[k].states = folds[k].states.map(rename)
        }
        result.ownGradients = renumberedOwnGradients { kept.contains($0) ? rename($0) : nil }
        return result
    }
}
