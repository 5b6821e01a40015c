import RecSource
import RecStream
import RecTensors

/// A result that a run leaves out, as there are no data for it.
package struct LeftOut: Sendable {
    /// `output`, `loss`.
    package var kind: String
    package var name: String
    /// The inputs that it needs and that are missing.
    package var missing: [String]

    /// `loss 'nll', which needs the input 'target'`
    package var text: String {
        let inputs = missing.map { "'\($0)'" }.joined(separator: ", ")
        return "\(kind) '\(name)', which needs the input\(missing.count == 1 ? "" : "s") \(inputs)"
    }
}

extension Model {
    /// The same model, asked for some of its outputs and losses alone: what only the others need is not computed, and neither their
    /// inputs nor their parameters need be given.
    ///
    /// - Parameters:
    ///   - names: outputs and losses.
    ///   - states: states whose last values are wanted, too. Of the others, those that the outputs need stay among `finalStates`.
    /// - Throws: where there is no output or loss, or no state, of a name, or none is named.
    public func computing(_ names: [String], finalStates states: [String] = []) throws(DiagnosticList) -> Model {
        let results = (graph.outputs + graph.losses).map(\.name)
        for name in names where !results.contains(name) { throw Self.unknown("output or loss", name, among: results) }
        let all = graph.states.map(\.name)
        for name in states where !all.contains(name) { throw Self.unknown("state", name, among: all) }
        guard !names.isEmpty || !states.isEmpty else {
            throw DiagnosticList(.badCall, "a model that is asked for nothing computes nothing", help: "name outputs or losses: \(results.joined(separator: ", "))")
        }
        var result = part(
            Selection(outputs: Set(names), losses: Set(names), finalStates: Set(states)), given: nil)
        result.mayLeaveOut = false
        return result
    }

    private static func unknown(_ what: String, _ name: String, among names: [String]) -> DiagnosticList {
        DiagnosticList(
            .unknownName, "there is no \(what) '\(name)'",
            help: nearest(name, among: names).map { "did you mean '\($0)'?" }
                ?? (names.isEmpty ? "there is none at all" : "there are \(names.joined(separator: ", "))"))
    }

    /// The model of a selection of its results; the same selection has the same code each time.
    func part(_ selection: Selection, given: Set<String>?) -> Model {
        let part = ModelCode.Part(selection: selection, given: given)
        var result = code.part(part, of: self) { () throws(Never) in graph.keeping(selection, given: given) }
        result.selections.append(part)
        return result
    }

    /// What a run with these inputs leaves out; nothing where results were named.
    package func leftOut(given: Set<String>) -> [LeftOut] {
        guard mayLeaveOut, isMissingInputs(given: given) else { return [] }
        func missing(_ kind: String, _ results: [StreamGraph.Output]) -> [LeftOut] {
            results.compactMap { result in
                let missing = graph.requiredInputs(of: [result.value]).filter { !given.contains($0) }
                return missing.isEmpty ? nil : LeftOut(kind: kind, name: result.name, missing: missing)
            }
        }
        let all = missing("output", graph.outputs) + missing("loss", graph.losses)
        // Where nothing is left, or nothing says how long a sequence is, what is missing is a mistake.
        let isLong = graph.axes.indices.allSatisfy { axis in
            graph.axes[axis].length != nil || graph.values.contains { value in
                if case .input(let name, _) = value.operation { given.contains(name) && value.variance.varies(over: axis) } else { false }
            }
        }
        return all.count == graph.outputs.count + graph.losses.count || !isLong ? [] : all
    }

    /// Whether data with these inputs lack one that the graph has.
    func isMissingInputs(given: Set<String>) -> Bool {
        graph.values.contains { if case .input(let name, nil) = $0.operation { !given.contains(name) } else { false } }
    }

    /// The model as far as there are inputs for it: without the results that need a missing one, unless results were named.
    ///
    /// - Parameter keepsStates: whether last values are wanted of states that no result needs.
    /// - Throws: where a result that was asked for, or every result, needs a missing input.
    package func answering(_ given: Set<String>, keepsStates: Bool = true) throws(DiagnosticList) -> Model {
        guard isMissingInputs(given: given) || !keepsStates else { return self }
        if !mayLeaveOut {
            for result in graph.outputs + graph.losses {
                guard let missing = graph.requiredInputs(of: [result.value]).first(where: { !given.contains($0) }) else { continue }
                throw DiagnosticList(
                    .missingTensor, "the input '\(missing)' is missing, and '\(result.name)', which was asked for, needs it",
                    help: "give it, or ask for other outputs")
            }
        }
        let leftOut = Set(leftOut(given: given).map(\.name))
        var wanted = Selection(all: graph)
        wanted.outputs.subtract(leftOut)
        wanted.losses.subtract(leftOut)
        if !keepsStates {
            wanted.finalStates = []
        } else if mayLeaveOut {
            wanted.finalStates = Set(graph.states.filter { graph.requiredInputs(of: graph.roots(of: $0)).allSatisfy(given.contains) }.map(\.name))
        }
        return part(wanted, given: given)
    }

    /// The names of the inputs that have a value at every step of the first axis. Those along other axes alone are given whole.
    package var streamNames: [String] { typed.inputs.filter { !$0.isOnce && typed[$0.value].variance.varies(over: 0) }.map(\.name) }

    /// The part that can run step by step: without losses, and without outputs that need a missing input.
    ///
    /// - Parameter context: steps of its past that a model keeps which attends to all of it, the present one among them.
    /// - Throws: where nothing is left, or a result that was asked for is a loss or needs a missing input; where steps attend to later ones, or
    ///   to all earlier ones without a context.
    package func streaming(given: Set<String>, context: Int? = nil) throws(DiagnosticList) -> Model {
        try answering(given, keepsStates: false).streamingWhole(given).attendingStepByStep(context)
    }

    private func streamingWhole(_ given: Set<String>) throws(DiagnosticList) -> Model {
        let part = self
        if let loss = part.graph.losses.first, !mayLeaveOut || part.graph.outputs.isEmpty {
            throw DiagnosticList([
                Diagnostic(
                    .planRefused, "'\(graph.name)' cannot run step by step: the loss '\(loss.name)' is known only when the sequence has ended",
                    at: loss.span, help: "ask for an output, or run it over whole sequences")
            ])
        }
        guard !part.graph.losses.isEmpty else { return part }
        return part.part(Selection(outputs: Set(part.graph.outputs.map(\.name))), given: given)
    }

    /// The forms of states that are here; those of states that were left out are of no use.
    package func forms(_ forced: [String: PlanForm], of whole: Model) -> [String: PlanForm] {
        guard graph.states.count != whole.graph.states.count else { return forced }
        let (kept, all) = (Set(graph.states.map(\.name)), Set(whole.graph.states.map(\.name)))
        return forced.filter { kept.contains($0.key) || !all.contains($0.key) }
    }
}
