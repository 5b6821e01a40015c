import RecStream

/// Gradients that functions of the program have of their own.
extension ReverseMode {
    /// Gives the arguments of a call what its rule makes of the adjoint.
    mutating func giveOwn(_ gradient: StreamGraph.OwnGradient, _ adjoint: ValueID) {
        let id = gradient.value
        let rule = gradient.rule
        var added: [ValueID] = []
        for value in rule.values {
            if case .input(let name, _) = value.operation {
                let given = Int(name).map { gradient.arguments[$0] } ?? adjoint
                added.append(builder[given].shape == value.shape ? given : builder.rename(given, to: value.shape))
            } else {
                let operation = value.operation.mapOperands { added[$0.index] }
                added.append(builder.add(operation, proposing: ValueType(value.element, value.shape, .none)))
            }
        }
        for inner in rule.ownGradients {
            builder.own(StreamGraph.OwnGradient(
                function: inner.function, value: added[inner.value.index], arguments: inner.arguments.map { added[$0.index] },
                rule: inner.rule, span: inner.span))
        }
        for output in rule.outputs {
            guard let place = Int(output.name) else { continue }
            let share = added[output.value.index]
            let argument = gradient.arguments[place]
            // What is not chosen has no part, also where the rule makes NaN of its adjoint of 0.
            let isAlike = primal[argument].shape.sizes == primal[id].shape.sizes
            let live = isAlike ? liveness[id] : liveness.any(liveness[id], over: Set(liveness[id].axes))
            give(masked(share, live), to: argument, from: id)
        }
    }
}
