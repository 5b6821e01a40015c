import RecStream

/// Where adjoints begin.
extension ReverseMode {
    mutating func plant(_ seed: GradientRequest.Seed, _ values: [ValueID], isPair: Bool) {
        guard let first = values.first, values.contains(where: activity.isActive) || isFinal(seed) else { return addUnused(seed, values, isPair) }
        let type = primal[first].type
        switch seed {
        case .loss:
            let count = builder.overBatch(builder.rename(builder.constant(1), over: .once))
            add(builder.binary(.divide, builder.constant(1), count), to: first, over: .once)
        case .output:
            guard let cotangent = cotangents(seed, type, isPair: false).first else { return }
            add(cotangent, to: first, over: type.variance)
        case .finalState:
            let cotangents = cotangents(seed, ValueType(type.element, type.shape, .once), isPair: isPair)
            for (value, cotangent) in zip(values, cotangents) { plantFinal(cotangent, value) }
        }
    }

    private func isFinal(_ seed: GradientRequest.Seed) -> Bool {
        if case .finalState = seed { return true }
        return false
    }

    /// A cotangent that reaches no target is still an input: data that have it fit.
    private mutating func addUnused(_ seed: GradientRequest.Seed, _ values: [ValueID], _ isPair: Bool) {
        guard let first = values.first, case .output = seed else { return }
        _ = cotangents(seed, primal[first].type, isPair: isPair)
    }

    private mutating func cotangents(_ seed: GradientRequest.Seed, _ type: ValueType, isPair: Bool) -> [ValueID] {
        guard let name = seed.cotangentName else { return [] }
        let whole = isPair ? type.shape + [Dim.complexParts] : type.shape
        // What has no batch, the gradient of a parameter say, has a cotangent without one; inputs have a batch.
        let info = ParameterInfo(path: name, isTrained: false, initializer: .zeros)
        let input = builder.add(
            type.variance.batch ? .input(name: name, fallback: nil) : .parameter(info),
            proposing: ValueType(.real, whole, type.variance), name: name)
        guard isPair else { return [input] }
        return (0..<2).map { k in
            builder.reshape(builder.slice(input, axis: type.shape.count, start: k, count: 1), to: type.shape)
        }
    }

    /// The last step of a state has the cotangent; where there is no step, what it begins with has.
    private mutating func plantFinal(_ cotangent: ValueID, _ state: ValueID) {
        if activity.isActive(state) {
            // A state that is known between chunks alone varies over those.
            let axis = primal.axes.indices.first { primal[state].variance.varies(over: $0) } ?? 0
            let end = reversed.contains(state) ? builder.isFirst(axis: axis) : builder.isLast(axis: axis)
            add(builder.chosen(end, cotangent), to: state, over: primal[state].variance.union(builder[end].variance))
        }
        let isEmpty = builder.binary(.equal, builder.length(axis: 0), builder.constant(0))
        let share = builder.chosen(isEmpty, cotangent)
        addInitial(share, to: state, over: .once)
        if let initial = primal.states.first(where: { $0.value == state })?.initial, activity.isActive(initial) {
            add(share, to: initial, over: .once)
        }
    }
}
