/// What an unfolded graph gives.
extension AxisUnfolding {
    /// Outputs, losses and states, under the names that they had.
    mutating func addResults() {
        for output in source.outputs {
            let value = chunks == nil && forms[output.value] != .apart ? rows(output.value) : stream(output.value)
            builder.add(output: StreamGraph.Output(name: output.name, value: value, span: output.span))
        }
        for loss in source.losses { builder.add(loss: StreamGraph.Output(name: loss.name, value: apart(loss.value), span: loss.span)) }
        // Over several axes no state has a last step.
        guard chunks == nil else { return }
        for state in source.states { add(state) }
        for requirement in source.requirements {
            guard let state = source.states.first(where: { $0.name == requirement.state }), forms[state.value] == .steps else {
                builder.add(requirement: requirement)
                continue
            }
            for step in 0..<count {
                builder.add(requirement: StreamGraph.Requirement(property: requirement.property, state: "\(requirement.state).\(step)", span: requirement.span))
            }
        }
        for fold in source.folds where (fold.states + fold.elements).allSatisfy({ forms[$0] == .apart }) {
            var fold = fold
            fold.states = fold.states.map(apart)
            fold.elements = fold.elements.map(apart)
            builder.add(fold: fold)
        }
        for own in source.ownGradients {
            for (step, place) in places[own.value.index].enumerated() {
                var arguments: [ValueID] = []
                for argument in own.arguments { arguments.append(self.step(argument, step)) }
                var moved = own
                (moved.value, moved.arguments) = (place, arguments)
                builder.own(moved)
            }
        }
    }

    private mutating func add(_ state: StreamGraph.State) {
        let initial = state.initial.map(apart)
        switch forms[state.value] {
        case .apart, .stream:
            builder.add(state: StreamGraph.State(name: state.name, value: apart(state.value), initial: initial, span: state.span))
        case .rows:
            let all = state.initial.map { rows($0) }
            builder.add(state: StreamGraph.State(name: state.name, value: rows(state.value), initial: all, span: state.span))
        case .steps:
            for (step, place) in places[state.value.index].enumerated() {
                builder.add(state: StreamGraph.State(name: "\(state.name).\(step)", value: place, initial: initial, span: state.span))
            }
        }
    }
}
