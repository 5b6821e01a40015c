import Rec
import RecCodeGen
import RecDifferentiation
import RecForms
import RecStream

/// Recurrences written chunk by chunk against themselves, by the interpreter.
extension Checker {
    /// The graphs in which a recurrence, or every one, runs chunk by chunk, where there is such a form, with the steps of a chunk.
    mutating func chunkwise(_ model: Model) -> [(graph: StreamGraph, steps: Int)] {
        var dice = Dice(seed: item.checkSeed, for: "chunkwise")
        let graph = model.graph.sharingCommonValues().recognizingContractions().splittingComplex()
        guard graph.values.contains(where: { if case .delay = $0.operation { $0.shape.count > 1 } else { false } }) else { return [] }
        let states = components(of: graph).filter(\.isRecurrence).compactMap { carried(by: $0, graph) }
        var found: [(graph: StreamGraph, steps: Int)] = []
        var (all, count) = (graph, 0)
        let together = dice.pick(Self.chunkSteps)
        for name in states {
            let steps = dice.pick(Self.chunkSteps)
            guard let alone = chunkwise(graph, name, by: steps) else {
                outcome.count("refused chunkwise")
                continue
            }
            found.append((alone, steps))
            guard let next = chunkwise(all, name, by: together) else { continue }
            (all, count) = (next, count + 1)
        }
        if count > 1 { found.append((all, together)) }
        return found
    }

    private static let chunkSteps = [1, 2, 3, 4, 16, 64]

    /// The name of the state that a recurrence carries, if it is one.
    private func carried(by recurrence: Component, _ graph: StreamGraph) -> String? {
        let delayed = recurrence.members.compactMap { id -> ValueID? in
            if case .delay(let operand, _, _) = graph[id].operation, recurrence.members.contains(operand) { operand } else { nil }
        }
        return graph.states.first { delayed.contains($0.value) }?.name
    }

    private func chunkwise(_ graph: StreamGraph, _ state: String, by steps: Int) -> StreamGraph? {
        guard let id = graph.states.first(where: { $0.name == state })?.value,
            let members = components(of: graph).first(where: { $0.members.contains(id) })?.members
        else { return nil }
        return try? graph.chunkwise(members, by: steps)
    }

    /// What a chunkwise graph gives. Products of gates meet infinities in another order.
    mutating func checkChunkwise(_ graphs: [(graph: StreamGraph, steps: Int)], _ reference: Reference) throws {
        for (graph, steps) in graphs {
            try expect("chunkwise: graph", graph.violations().first.map { "by \(steps): \($0)" })
            guard reference.isFinite, reference.fitsDouble else { continue }
            try compare("chunkwise", graph, with: reference)
            try compareCode("chunkwise code", graph, reference)
        }
    }

    /// What machine code gives of a graph in parts; some graphs are refused, with a reason, and some numbers are left to single steps.
    mutating func compareCode(_ check: String, _ graph: StreamGraph, _ reference: Reference) throws {
        guard let code = try? PartitionedModel(graph, precision: .f64, context: CompileContext(effort: effort)) else { return outcome.count("refused \(check)") }
        outcome.isOptimized = effort == .full
        guard let results = try must(check, { try code.run(reference.data, pool: ThreadPool(count: 2)) }) else {
            return outcome.count("\(check) left for steps")
        }
        var got = RunNumbers(results, of: graph)
        got.joinComplexStates(like: reference.numbers)
        try expect(check, reference.mismatch(got, .double))
    }

    /// The gradients of a chunkwise graph. Adjoints of states stand between chunks alone, so their last ones are others.
    mutating func checkChunkwiseGradients(
        _ graphs: [(graph: StreamGraph, steps: Int)], _ request: GradientRequest, _ reference: Reference
    ) throws {
        guard !graphs.isEmpty, reference.isFinite, reference.fitsDouble else { return }
        var wanted = reference.numbers
        wanted.items.removeAll { $0.name.hasPrefix("final ") }
        let results = Reference(reference, only: wanted)
        for (graph, _) in graphs {
            let gradients = try must("chunkwise gradient") { try gradient(of: graph, request) }
            try compare("chunkwise gradient", gradients, with: results)
            try compareCode("chunkwise gradient code", gradients, results)
        }
    }
}
