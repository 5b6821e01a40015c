import RecDifferentiation
import RecSource
import RecStream

/// The equations of all steps of a recurrence as one system, and a round of Newton's method for it.
///
/// The states of all steps are given as a guess. Each step, from the guess of the step before, gives its state anew; how far that is from
/// its guess is the residual. The correction follows an affine recurrence, the steps linearised around the guess:
/// `δ[t] = J[t] · δ[t-1] + residual[t]`. It is composed like any other, so that no step waits for the one before.
///
/// Lim, Zhu, Selfridge & Kasim 2024, "Parallelizing non-linear sequential models over the sequence length" (DEER), §3; Danieli et al. 2025,
/// "ParaRNN: Unlocking parallel training of nonlinear RNNs for large language models", §3.
package struct NewtonSystem: Sendable {
    /// A state, or what else steps read of earlier ones.
    package struct Unknown: Sendable {
        /// The input that is the guess.
        package let guess: String
        /// The output that its equation gives.
        package let given: String
        /// The output that is the next guess: the guess with its correction. A whole number or a bool has no derivative, and takes what its
        /// equation gives.
        package let next: String
        package let element: ElementType
        package let shape: Shape
    }

    /// What is read of others, and guesses that may be anything, to better ones: each step follows from the guesses of the steps before it
    /// alone. Where numbers are 0 that cannot be, as what is divided by, they are not any more.
    package let first: StreamGraph
    /// A round: what is read of others, and guesses, to what the equations give, the next guesses, and the results of the steps as they
    /// follow from the guesses. Guesses that satisfy their equations are what steps in order would give.
    package let round: StreamGraph
    package let unknowns: [Unknown]
    /// Results that are unknowns as they are: by name, the unknown's place.
    package let results: [String: Int]

    /// - Parameter cell: the steps of a recurrence, from the first to the last, as `RecurrenceSplit` gives them.
    /// - Throws: where nothing of a step has a derivative.
    package init(_ cell: StreamGraph) throws(FormRefusal) {
        var system = cell
        system.ownGradients = []
        var delayed: Set<ValueID> = []
        for value in cell.values { if case .delay(let operand, _, _) = value.operation { delayed.insert(operand) } }
        let values = delayed.sorted()
        guard values.contains(where: { cell[$0].element == .real }) else {
            throw FormRefusal(reason: "what its steps read of earlier ones are no real numbers, and have no derivative", span: values.first.flatMap { cell[$0].span })
        }
        var unknowns: [Unknown] = []
        var guesses: [ValueID: ValueID] = [:]
        for (k, id) in values.enumerated() {
            let value = cell[id]
            let real = value.element == .real
            unknowns.append(
                Unknown(guess: "guess \(k)", given: "given \(k)", next: real ? "next \(k)" : "given \(k)", element: value.element, shape: value.shape))
            guesses[id] = system.add(Value(.input(name: unknowns[k].guess, fallback: nil), ValueType(value.element, value.shape, value.variance)))
        }
        for id in cell.ids {
            switch cell[id].operation {
            case .delay(let operand, let offsets, let initial):
                system[id].operation = .delay(guesses[operand] ?? operand, offsets: offsets, initial: initial)
            // What nothing is to pass through has a derivative all the same.
            case .unary(.stop, let operand): system[id].operation = .rename(operand)
            case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad,
                .window, .gather, .scatter, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                break
            }
        }
        system.outputs = zip(unknowns, values).map { StreamGraph.Output(name: $0.given, value: $1) }
        system.states = []
        first = system.ordered()
        // Results follow from the guesses of their own step, which is what they are handed on with.
        var own: [ValueID: ValueID] = guesses
        for id in cell.ids where own[id] == nil {
            if system[id].operation.operands.isEmpty || cell[id].operation.isDelay {
                own[id] = id
            } else {
                var value = system[id]
                value.operation = value.operation.mapOperands { own[$0] ?? $0 }
                own[id] = system.add(value)
            }
        }
        func moved(_ id: ValueID) -> ValueID { own[id] ?? id }
        var results: [String: Int] = [:]
        for output in cell.outputs {
            if let k = values.firstIndex(of: output.value) {
                results[output.name] = k
            } else {
                system.outputs.append(StreamGraph.Output(name: output.name, value: moved(output.value), span: output.span))
            }
        }
        system.states = cell.states.map { StreamGraph.State(name: $0.name, value: moved($0.value), initial: $0.initial, span: $0.span) }
        self.unknowns = unknowns
        self.results = results
        round = try Self.linearised(system.ordered(), unknowns)
    }

    /// The equations with the next guesses.
    private static func linearised(_ system: StreamGraph, _ unknowns: [Unknown]) throws(FormRefusal) -> StreamGraph {
        let real = unknowns.filter { $0.element == .real }
        let tangents: StreamGraph
        do throws(DiagnosticList) { tangents = try tangent(of: system, along: real.map { .input($0.guess) }) } catch {
            let problem = error.diagnostics.first
            throw FormRefusal(reason: problem?.message ?? "its steps have no derivative", span: problem?.span)
        }
        var builder = GraphBuilder(continuing: tangents)
        func input(_ name: String) -> ValueID? {
            tangents.ids.first { if case .input(name, _) = tangents[$0].operation { true } else { false } }
        }
        func output(_ name: String) -> ValueID? { tangents.outputs.first { $0.name == name }?.value }
        var corrections: [ValueID: ValueID] = [:]
        for unknown in real {
            guard let guess = input(unknown.guess), let direction = input("tangent.\(unknown.guess)"), let given = output(unknown.given),
                let change = output("tangent.\(unknown.given)")
            else { continue }
            builder.span = tangents[given].span
            let correction = builder.binary(.add, change, builder.binary(.subtract, given, guess))
            builder.name(correction, "correction of \(unknown.guess)")
            corrections[direction] = correction
            builder.output(unknown.next, builder.binary(.add, guess, correction))
        }
        var result = builder.graph
        // The direction is the correction itself.
        for id in result.ids { result[id].operation = result[id].operation.mapOperands { corrections[$0] ?? $0 } }
        for direction in corrections.keys { result[direction] = Value(.constant(.real(0)), ValueType(.real, [], .none)) }
        result.outputs.removeAll { $0.name.hasPrefix("tangent.") }
        return result.ordered()
    }
}
