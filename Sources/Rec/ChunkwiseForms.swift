import RecAnalysis
import RecDifferentiation
import RecForms
import RecScheduling
import RecSource
import RecStream

/// Which recurrences of a model can be written chunk by chunk, and the model in which they are.
package struct ChunkwiseForms {
    private let graph: StreamGraph
    private let recurrences: [String: Recurrence]
    private let readers: StateReaders

    /// A recurrence, by the state that it carries.
    private typealias Recurrence = (state: ValueID, members: [ValueID])

    /// Steps of a chunk where nobody says how many.
    package static let usualCount = 64

    /// - Parameter graph: as lowering gives it.
    init(of graph: StreamGraph) {
        (self.graph, recurrences, readers) = onDeepStack {
            let graph = graph.sharingCommonValues().recognizingContractions()
            return (graph, Self.recurrences(of: graph), StateReaders(graph))
        }
    }

    /// By the names of what is delayed in it.
    private static func recurrences(of graph: StreamGraph) -> [String: Recurrence] {
        var result: [String: Recurrence] = [:]
        for component in components(of: graph) where component.isRecurrence {
            let members = Set(component.members)
            for id in component.members {
                guard case .delay(let operand, _, _) = graph[id].operation, members.contains(operand), let name = graph[operand].name,
                    result[name] == nil
                else { continue }
                result[name] = (operand, component.members)
            }
        }
        return result
    }

    /// Why a recurrence does not run chunk by chunk; nil where it can, and where the model has no such recurrence, as of adjoints.
    func refusal(of states: [String]) -> FormRefusal? {
        do throws(FormRefusal) {
            try onDeepStack { () throws(FormRefusal) in
                guard let found = states.lazy.compactMap({ recurrences[$0] }).first else { return }
                try graph.checkChunkwise(found.state, members: found.members, readers)
            }
            return nil
        } catch { return error }
    }

    /// Whether the model itself has a recurrence of such states.
    func has(_ states: [String]) -> Bool { states.contains { recurrences[$0] != nil } }

    /// Every recurrence that can run chunk by chunk beside the others, in chunks of so many steps, by state. Code is generated for all
    /// of them.
    func all(by count: Int = usualCount) -> [String: PlanForm] {
        onDeepStack {
            var result: [String: PlanForm] = [:]
            var (rewritten, known, readers) = (graph, recurrences, readers)
            for component in components(of: graph) where component.isRecurrence {
                let members = Set(component.members)
                let names = component.members.compactMap { id -> String? in
                    guard case .delay(let operand, _, _) = graph[id].operation, members.contains(operand) else { return nil }
                    return graph[operand].name
                }
                guard let name = names.first, let found = known[name],
                    let next = try? rewritten.chunkwise(found.state, members: found.members, by: count, readers),
                    (try? PartitionedModel.schedules(of: next)) != nil
                else { continue }
                // The members of the others are numbered anew.
                (rewritten, known, readers) = (next, Self.recurrences(of: next), StateReaders(next))
                result[name] = .chunkwise(count)
            }
            return result
        }
    }

    /// The graph in which these recurrences run chunk by chunk.
    ///
    /// - Parameter counts: the steps of a chunk, by state; nil where nobody says how many.
    /// - Throws: where a state is unknown, or has no such form.
    func rewritten(_ counts: [String: Int?]) throws(DiagnosticList) -> StreamGraph {
        var result = graph
        for (state, count) in counts.sorted(by: { $0.key < $1.key }) {
            do throws(FormRefusal) {
                result = try onDeepStack { [result] () throws(FormRefusal) in
                    // Several states of one recurrence may be named.
                    guard let found = Self.recurrences(of: result)[state] else { throw FormRefusal(reason: "", span: nil) }
                    return try result.chunkwise(found.state, members: found.members, by: count ?? Self.usualCount)
                }
            } catch {
                guard !error.reason.isEmpty else {
                    let known = components(of: graph).filter(\.isRecurrence).flatMap(\.members).compactMap { id -> String? in
                        guard case .delay(let operand, _, _) = graph[id].operation else { return nil }
                        return graph[operand].name
                    }
                    throw DiagnosticList(
                        .unknownName, "there is no recurrence of '\(state)'",
                        help: known.isEmpty ? "the model has no recurrence" : "recurrences are those of \(Set(known).sorted().joined(separator: ", "))")
                }
                throw DiagnosticList([
                    Diagnostic(
                        .planRefused, "'\(state)' cannot run chunk by chunk: \(error.reason)", at: error.span,
                        help: "'recc explain' lists the forms that each recurrence can run in")
                ])
            }
        }
        return result
    }
}

extension Model {
    /// The states that are to run chunk by chunk, with the steps of a chunk: as asked for, or because the source allows nothing else.
    ///
    /// - Throws: where the source does not allow what is asked for.
    package func chunkwise(_ forced: [String: PlanForm]) throws(DiagnosticList) -> [String: Int?] {
        var result: [String: Int?] = [:]
        for (state, form) in forced { if case .chunkwise(let count) = form { result[state] = .some(count) } }
        for requirement in graph.requirements {
            guard case .plan(let allowed) = requirement.property else { continue }
            let isChunkwise = allowed.contains(PlanForm.chunkwise(nil).name)
            if let form = forced[requirement.state], !allowed.contains(form.name) {
                throw DiagnosticList([
                    Diagnostic(
                        .planRefused, "'\(requirement.state)' cannot run as '\(form.text)': the source requires another form", at: requirement.span,
                        help: "leave out --plan, or the 'require plan' of the source")
                ])
            }
            if forced[requirement.state] == nil, isChunkwise, !allowed.contains(PlanForm.sequential.name), !allowed.contains(PlanForm.scan.name) {
                result[requirement.state] = .some(nil)
            }
        }
        return result
    }

    /// The graph in which these recurrences run chunk by chunk, of results or of gradients as well; the adjoint of what runs so does too.
    ///
    /// - Parameter counts: the steps of a chunk, by state.
    /// - Throws: where a state is unknown or has no such form, or gradients are cut off.
    package func rewritten(_ counts: [String: Int?], _ request: GradientRequest?) throws(DiagnosticList) -> StreamGraph {
        guard request?.truncation == nil else {
            throw DiagnosticList(
                .planRefused, "gradients that are cut off do not go with the plan 'chunkwise'", help: "leave out --truncate, or the plan")
        }
        let primal = try ChunkwiseForms(of: graph).rewritten(counts)
        guard let request else { return primal }
        return try onDeepStack { () throws(DiagnosticList) in try gradient(of: primal, request) }
    }

    /// The error where such a run cannot be: a bound of memory, or weights in bf16, do not go with chunks.
    package func checkChunks(within bound: Int? = nil) throws(DiagnosticList) {
        guard bound == nil else {
            throw DiagnosticList(
                .planRefused, "what runs chunk by chunk has no bound of memory", help: "leave out --memory, or the plan 'chunkwise'")
        }
        guard weights == .full else { throw weightsRefused("runs chunk by chunk", help: "leave the weights in full") }
    }
}

extension [String: PlanForm] {

    /// The forms of all other states.
    package var others: [String: PlanForm] {
        filter { _, form in
            if case .chunkwise = form { return false }
            return true
        }
    }
}
