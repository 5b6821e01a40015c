import RecStream

/// What a recurrence is.
package enum RecurrenceKind: Equatable, Sendable {
    /// Linear over `+` and `×`, with something added.
    case affine
    /// Linear over another semiring.
    case semiring(Semiring)
    /// `(a·s + b) / (c·s + d)`, element by element.
    case fractionalLinear
    /// A product of powers of positive states: affine in their logarithms.
    case affineInLogarithm
    /// A fold over an operator that the user declared as associative, and that was checked.
    case associative(monoid: String)
    case nonlinear

    /// Whether a block of steps is one map that can be composed with others.
    package var isComposable: Bool {
        switch self {
        case .affine, .semiring, .fractionalLinear, .associative: true
        case .affineInLogarithm, .nonlinear: false
        }
    }
}

extension RecurrenceKind: CustomStringConvertible {
    package var description: String {
        switch self {
        case .affine: "affine"
        case .semiring(let semiring): "semiring \(semiring.rawValue)"
        case .fractionalLinear: "fractional-linear"
        case .affineInLogarithm: "affine in the logarithm"
        case .associative: "associative"
        case .nonlinear: "nonlinear"
        }
    }
}

/// What is known of one recurrence.
package struct RecurrenceFacts: Equatable, Sendable {
    /// The declared states in it, by name.
    package var states: [String]
    /// Ascending.
    package var members: [ValueID]
    /// The values that are read at other steps.
    package var delayed: [ValueID]
    package var order: LoopOrder
    /// The axes along which it looks back.
    package var axes: [Int]
    package var kind: RecurrenceKind
    package var transition: Transition
    /// The step in the user's names: `h = (1 - z) * h[t-1] + …`, one line for each state; empty where it is nonlinear.
    package var step: [String]
    /// Nil where the next state is an affine function of the one before.
    package var notAffine: Reason?
    /// Nil where every element of a state depends on the same element of the states before alone.
    package var notDiagonal: Reason?

    package var direction: String { order.loops.contains { $0.isReversed } ? "backward" : "forward" }

    /// `forward over t`, `forward over i, backward over j`.
    package func course(in graph: StreamGraph) -> String {
        let loops = order.loops.filter { axes.contains($0.axis) }
        func word(_ isReversed: Bool) -> String { isReversed ? "backward" : "forward" }
        guard Set(loops.map(\.isReversed)).count > 1 else { return "\(direction) over \(axisNames(in: graph))" }
        return loops.map { "\(word($0.isReversed)) over \(graph.axes[$0.axis].name)" }.joined(separator: ", ")
    }

    /// The axes along which it looks back, the outermost first.
    package func axisNames(in graph: StreamGraph) -> String {
        order.loops.filter { axes.contains($0.axis) }.map { graph.axes[$0.axis].name }.joined(separator: ", ")
    }

    /// The transition as `explain` names it.
    package var transitionDescription: String {
        switch kind {
        case .affine, .semiring, .fractionalLinear, .affineInLogarithm: transition.description
        case .associative: "declared and checked"
        case .nonlinear: transition.jacobianDescription
        }
    }
}

/// The recurrences of a graph, each after those it depends on. Those of a fold over a user's operator are one.
package func recurrences(of graph: StreamGraph) -> [RecurrenceFacts] {
    func record(_ field: String) -> String {
        field.lastIndex(of: ".").map { String(field[..<$0]) } ?? field
    }
    var result: [RecurrenceFacts] = []
    var byFold: [Int: Int] = [:]
    for facts in elementaryRecurrences(of: graph) {
        guard let fold = graph.folds.firstIndex(where: { !Set($0.states).isDisjoint(with: facts.delayed) }) else {
            result.append(facts)
            continue
        }
        if let k = byFold[fold] {
            result[k].members = (result[k].members + facts.members).sorted()
            result[k].delayed += facts.delayed
            result[k].step += facts.step
            result[k].notAffine = result[k].notAffine ?? facts.notAffine
            result[k].notDiagonal = result[k].notDiagonal ?? facts.notDiagonal
        } else {
            var whole = facts
            // The fields of a fold are named after it.
            whole.states = Array(Set(graph.folds[fold].states.compactMap { graph[$0].name.map(record) })).sorted()
            whole.kind = .associative(monoid: graph.folds[fold].monoid)
            byFold[fold] = result.count
            result.append(whole)
        }
    }
    return result
}

/// The recurrences of a graph, each after those it depends on, with every part of a fold by itself.
package func elementaryRecurrences(of graph: StreamGraph) -> [RecurrenceFacts] {
    let components = components(of: graph)
    let traits = GraphTraits(graph, components)
    return components.filter(\.isRecurrence).map { classify($0.members, in: graph, traits) }
}

private func classify(_ members: [ValueID], in graph: StreamGraph, _ traits: GraphTraits) -> RecurrenceFacts {
    let set = Set(members)
    var offsets: [[Int]] = []
    var delayed: [ValueID] = []
    for member in members {
        guard case .delay(let operand, let steps, _) = graph[member].operation, set.contains(operand) else { continue }
        offsets.append(steps)
        if !delayed.contains(operand) { delayed.append(operand) }
    }
    let all = Array(graph.axes.indices)
    var names = graph.states.filter { set.contains($0.value) }.map(\.name)
    if names.isEmpty { names = delayed.sorted().compactMap { graph[$0].name } }
    let breaking = BreakingPoints(graph, members: members, states: names)
    var facts = RecurrenceFacts(
        states: names, members: members, delayed: delayed.sorted(),
        order: LoopOrder.admitting(offsets, axes: all) ?? .forward(axes: all),
        axes: all.filter { axis in offsets.contains { $0[axis] != 0 } }, kind: .nonlinear, transition: .dense, step: [],
        notAffine: breaking.notAffine, notDiagonal: breaking.notDiagonal)
    Classification(graph, members: set, states: facts.delayed, traits: traits).complete(&facts)
    return facts
}
