/// What is asked of a graph: results by name, and states whose last values are wanted.
package struct Selection: Hashable, Sendable {
    package var outputs: Set<String>
    package var losses: Set<String>
    package var finalStates: Set<String>

    package init(outputs: Set<String>, losses: Set<String> = [], finalStates: Set<String> = []) {
        self.outputs = outputs
        self.losses = losses
        self.finalStates = finalStates
    }

    /// All that a graph gives.
    package init(all graph: StreamGraph) {
        self.init(
            outputs: Set(graph.outputs.map(\.name)), losses: Set(graph.losses.map(\.name)), finalStates: Set(graph.states.map(\.name)))
    }
}

extension StreamGraph {
    /// For each value whether some values need it at any step; they themselves are needed.
    package func needed(by roots: [ValueID]) -> [Bool] {
        var isNeeded = [Bool](repeating: false, count: values.count)
        var waiting = roots
        let further = furtherOperands
        while let id = waiting.popLast() {
            guard !isNeeded[id.index] else { continue }
            isNeeded[id.index] = true
            waiting += self[id].operation.operands + (further[id] ?? [])
        }
        return isNeeded
    }

    /// The inputs that some values need, and that data must have, in the order of the graph.
    package func requiredInputs(of roots: [ValueID]) -> [String] {
        zip(values, needed(by: roots)).compactMap { value, isNeeded in
            if isNeeded, case .input(let name, nil) = value.operation { name } else { nil }
        }
    }

    /// What the last value of a state follows from.
    package func roots(of state: State) -> [ValueID] { [state.value] + (state.initial.map { [$0] } ?? []) }

    /// The graph of what is asked for, and of what that needs: everything else is left out, inputs, parameters and promises too. Of
    /// the states those stay that are needed.
    ///
    /// - Parameter given: the inputs that there are, where that is known. Where nothing that is left says how long an axis is, one of
    ///   them stays for that.
    package func keeping(_ wanted: Selection, given: Set<String>? = nil) -> StreamGraph {
        var result = self
        result.outputs = outputs.filter { wanted.outputs.contains($0.name) }
        result.losses = losses.filter { wanted.losses.contains($0.name) }
        let finals = states.filter { wanted.finalStates.contains($0.name) }.flatMap(roots)
        var isNeeded = needed(by: (result.outputs + result.losses).map(\.value) + finals)
        result.states = states.filter { roots(of: $0).allSatisfy { isNeeded[$0.index] } }
        result.folds = folds.filter { ($0.states + $0.elements).allSatisfy { isNeeded[$0.index] } }
        let names = Set(result.states.map(\.name))
        result.requirements = requirements.filter { names.contains($0.state) }
        for axis in axes.indices where axes[axis].length == nil && axes[axis].chunks == nil {
            func tells(_ id: ValueID) -> Bool {
                if case .input(let name, _) = self[id].operation, given?.contains(name) ?? true { self[id].variance.varies(over: axis) } else { false }
            }
            if !ids.contains(where: { isNeeded[$0.index] && tells($0) }), let first = ids.first(where: tells) { isNeeded[first.index] = true }
        }
        return result.renumbered(ids.filter { isNeeded[$0.index] })
    }
}
