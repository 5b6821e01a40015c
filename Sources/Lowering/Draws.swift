import RecSource
import RecStream

/// Chance in the graph: integer arithmetic on what tells a number from all others, so that whoever computes it, and when, gives the same.
extension Lowering {
    /// A number for each element: a function of the seed of the sequence, of which draw of the program this is, of the steps along
    /// the axes, and of the place of the element.
    mutating func draw(
        _ shape: Shape, isNormal: Bool, along axes: [GraphAxis], named name: String?, _ span: SourceSpan
    ) -> ValueID {
        func add(_ operation: Operation, _ element: ElementType, _ shape: Shape = [], named name: String? = nil) -> ValueID {
            let variance = operation.operands.reduce(Variance.none) { $0.union(graph[$1].variance) }
            return graph.add(Value(operation, element: element, shape: shape, variance: variance, name: name, span: span))
        }
        func number(_ number: Double) -> ValueID { spread(add(.constant(.real(number)), .real), .real) }
        func spread(_ value: ValueID, _ element: ElementType) -> ValueID {
            shape.isEmpty ? value : add(.broadcast(value, from: shape.map { _ in nil }), element, shape)
        }
        let steps = axes.map { step(along: $0, nil, span) }
        let seed = self.seed ?? graph.add(
            Value(.input(name: DrawSeed.name, fallback: 0), element: .int, shape: [], variance: .once, name: DrawSeed.name, span: span))
        self.seed = seed
        // Each draw has a key of its own, and over several axes so has each step along all of them but the first.
        var key = add(.binary(.random, seed, add(.constant(.int(draws)), .int)), .int)
        draws += 1
        for step in steps.dropFirst() { key = add(.binary(.random, key, step), .int) }
        // The counter has the step in its upper half and the element in the lower.
        let first = steps.first.map { add(.binary(.multiply, $0, add(.constant(.int(1 << 32)), .int)), .int) } ?? add(.constant(.int(0)), .int)
        var counter = spread(first, .int)
        if shape.elementCount > 1 {
            counter = add(.binary(.add, counter, add(.reshape(count(to: shape.elementCount, span)), .int, shape)), .int, shape)
        }
        key = spread(key, .int)
        guard isNormal else { return add(.binary(.uniform, key, counter), .real, shape, named: name ?? "uniform()") }
        // Box and Muller, "A note on the generation of random normal deviates", 1958.
        let logarithm = add(.unary(.log, add(.binary(.uniform, key, counter), .real, shape)), .real, shape)
        let radius = add(.unary(.sqrt, add(.binary(.multiply, number(-2), logarithm), .real, shape)), .real, shape)
        let angle = add(.binary(.multiply, number(2 * .pi), add(.binary(.uniformNext, key, counter), .real, shape)), .real, shape)
        return add(.binary(.multiply, radius, add(.unary(.cos, angle), .real, shape)), .real, shape, named: name ?? "noise()")
    }

    /// The ints from 0, so many of them: each half is the other one, moved on.
    private mutating func count(to most: Int, _ span: SourceSpan) -> ValueID {
        if let known = counts[most] { return known }
        func add(_ operation: Operation, _ size: Int?) -> ValueID {
            graph.add(Value(operation, element: .int, shape: size.map { [Dim("\($0)", $0)] } ?? [], variance: .none, span: span))
        }
        func constant(_ number: Int, _ size: Int) -> ValueID { add(.broadcast(add(.constant(.int(number)), nil), from: [nil]), size) }
        let result: ValueID
        if most == 1 {
            result = constant(0, 1)
        } else {
            let half = count(to: most / 2, span)
            var parts = [half, add(.binary(.add, half, constant(most / 2, most / 2)), most / 2)]
            if most % 2 == 1 { parts.append(constant(most - 1, 1)) }
            result = add(.concat(parts, axis: 0), most)
        }
        counts[most] = result
        return result
    }

    /// Leaves out counters of steps that only count, and a seed that nothing draws from: what asked for them is not in the graph where the
    /// model is not trained.
    mutating func leaveOutIdleCounters() {
        func isNeeded(_ value: ValueID) -> Bool {
            var roots = graph.outputs.map(\.value) + graph.losses.map(\.value) + graph.states.flatMap { [$0.value] + ($0.initial.map { [$0] } ?? []) }
            roots += graph.folds.flatMap { $0.states + $0.elements } + graph.ownGradients.flatMap(\.arguments)
            return graph.needed(by: roots)[value.index]
        }
        for number in steps.values.map(\.delay) {
            guard let own = graph.states.firstIndex(where: { state in
                if case .delay(let operand, _, _) = graph[number].operation { operand == state.value } else { false }
            }) else { continue }
            let counter = graph.states.remove(at: own)
            if isNeeded(number) { graph.states.insert(counter, at: own) }
        }
        // An input stays where nothing reads it; a constant does not.
        if let seed, !isNeeded(seed) { graph[seed] = Value(.constant(.int(0)), element: .int, shape: [], variance: .none) }
    }
}
