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

    /// The values of a recurrence.
    private typealias Recurrence = [ValueID]

    /// Steps of a chunk where nobody says how many.
    package static let usualCount = 64

    /// - Parameters:
    ///   - graph: as lowering gives it.
    ///   - request: by what it is to be differentiated; nil where it is not.
    init(of graph: StreamGraph, for request: GradientRequest? = nil) {
        (self.graph, recurrences, readers) = onDeepStack {
            let graph = graph.sharingCommonValues().recognizingContractions().splittingComplex().unrolled(for: request)
            return (graph, Self.recurrences(of: graph), StateReaders(graph))
        }
    }

    /// By the names of what is delayed in it; parts of a complex state go by its name as well.
    private static func recurrences(of graph: StreamGraph) -> [String: Recurrence] {
        var result: [String: Recurrence] = [:]
        for component in components(of: graph) where component.isRecurrence {
            for name in names(of: component, graph) {
                for name in [name, StreamGraph.wholeName(name)] where result[name] == nil { result[name] = component.members }
            }
        }
        return result
    }

    /// The names of what a recurrence delays.
    private static func names(of recurrence: Component, _ graph: StreamGraph) -> [String] {
        let members = Set(recurrence.members)
        return recurrence.members.compactMap { id -> String? in
            guard case .delay(let operand, _, _) = graph[id].operation, members.contains(operand) else { return nil }
            return graph[operand].name
        }
    }

    /// Why a recurrence does not run chunk by chunk; nil where it can, and where the model has no such recurrence, as of adjoints.
    func refusal(of states: [String]) -> FormRefusal? {
        do throws(FormRefusal) {
            try onDeepStack { () throws(FormRefusal) in
                guard let found = states.lazy.compactMap({ recurrences[$0] }).first else { return }
                try graph.checkChunkwise(found, readers)
            }
            return nil
        } catch { return error }
    }

    /// Whether the model itself has a recurrence of such states.
    func has(_ states: [String]) -> Bool { states.contains { recurrences[$0] != nil } }

    /// Every recurrence that can run chunk by chunk beside the others, in chunks of so many steps, by state. Code is generated for all
    /// of them.
    ///
    /// - Parameter others: states whose recurrences run otherwise.
    func all(by count: Int = usualCount, without others: Set<String> = []) -> [String: PlanForm] {
        onDeepStack {
            var result: [String: PlanForm] = [:]
            var (rewritten, known, readers) = (graph, recurrences, readers)
            for component in components(of: graph) where component.isRecurrence {
                let names = Self.names(of: component, graph)
                guard let name = names.first.map(StreamGraph.wholeName), others.isDisjoint(with: names + names.map(StreamGraph.wholeName)),
                    let found = known[name],
                    let next = try? rewritten.chunkwise(found, by: count, readers),
                    (try? DividedModel(next, times: nil)) != nil
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
        /// States of recurrences that have been written so, with those that they were asked for by.
        var written: [String: (state: String, count: Int)] = [:]
        for (state, count) in counts.sorted(by: { $0.key < $1.key }) {
            let count = count ?? Self.usualCount
            if let earlier = written[state] {
                // Several states of one recurrence may be named.
                guard earlier.count == count else {
                    throw DiagnosticList(
                        .planRefused, "'\(earlier.state)' and '\(state)' are one recurrence, in chunks of \(earlier.count) steps and of \(count)",
                        help: "give one of them alone, or both the same chunks")
                }
                continue
            }
            do throws(FormRefusal) {
                let (next, names) = try onDeepStack { [result] () throws(FormRefusal) in
                    guard let found = Self.recurrences(of: result)[state] else { throw FormRefusal(reason: "", span: nil) }
                    let names = Self.recurrences(of: result).filter { $0.value == found }.keys
                    return (try result.chunkwise(found, by: count), names)
                }
                result = next
                for name in names { written[name] = (state, count) }
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
    /// The states whose recurrences are to have forms of whole runs: as asked for, or because the source allows nothing else.
    ///
    /// - Throws: where the source does not allow what is asked for.
    package func formsOfWholeRuns(_ forced: [String: PlanForm]) throws(DiagnosticList) -> [String: PlanForm] {
        var result = forced.filter { $0.value.isOfWholeRuns }
        for requirement in graph.requirements {
            guard case .plan(let allowed) = requirement.property else { continue }
            if let form = forced[requirement.state], !allowed.contains(form.name) {
                throw DiagnosticList([
                    Diagnostic(
                        .planRefused, "'\(requirement.state)' cannot run as '\(form.text)': the source requires another form", at: requirement.span,
                        help: "leave out --plan, or the 'require plan' of the source")
                ])
            }
            if forced[requirement.state] == nil, !allowed.contains(PlanForm.sequential.name), !allowed.contains(PlanForm.scan.name) {
                result[requirement.state] = allowed.lazy.compactMap(PlanForm.init).first(where: \.isOfWholeRuns)
            }
        }
        return result
    }

    /// The graph in which these recurrences run chunk by chunk, of results or of gradients as well; the adjoint of what runs so does too.
    ///
    /// - Parameters:
    ///   - counts: the steps of a chunk, by state.
    ///   - isFinite: whether numbers are taken to be finite, and results looked at.
    /// - Throws: where a state is unknown or has no such form, or gradients are cut off.
    package func rewritten(
        _ counts: [String: Int?], _ request: GradientRequest?, assumingFinite isFinite: Bool = false
    ) throws(DiagnosticList) -> StreamGraph {
        guard request?.truncation == nil || counts.isEmpty else {
            throw DiagnosticList(
                .planRefused, "gradients that are cut off do not go with the plan 'chunkwise'", help: "leave out --truncate, or the plan")
        }
        let primal = try ChunkwiseForms(of: graph, for: request).rewritten(counts)
        guard var request else { return primal }
        request.assumesFinite = isFinite
        return try onDeepStack { [request] () throws(DiagnosticList) in try gradient(of: primal, request) }
    }

    /// The error where runs in these forms cannot be: a bound of memory does not go with them, nor weights in bf16 with steps of different
    /// times at once.
    package func check(_ forms: [String: PlanForm], within bound: Int? = nil) throws(DiagnosticList) {
        if attends, bound != nil {
            throw DiagnosticList(.planRefused, "'\(typed.name)' attends to other steps, and a bound of memory does not go with that", help: "leave out --memory")
        }
        guard let form = (weights == .full || bound != nil ? forms : forms.solved).min(by: { $0.key < $1.key })?.value else { return }
        let manner =
            switch form {
            case .sequential, .scan: "runs in steps"
            case .chunkwise: "runs chunk by chunk"
            case .shooting: "runs in windows of time"
            case .newton: "runs by Newton's method"
            }
        guard bound == nil else {
            throw DiagnosticList(
                .planRefused, "what \(manner) has no bound of memory", help: "leave out --memory, or the plan '\(form.name)'")
        }
        guard weights == .full || forms.solved.isEmpty else { throw weightsRefused(manner, help: "leave the weights in full") }
    }
}

extension [String: PlanForm] {

    /// Those that are a choice within a plan.
    package var others: [String: PlanForm] { filter { !$0.value.isOfWholeRuns } }

    /// The states that run chunk by chunk, with the steps of a chunk; nil where nobody says how many.
    package var chunks: [String: Int?] {
        compactMapValues { form -> Int?? in if case .chunkwise(let count) = form { .some(count) } else { nil } }
    }

    /// The states whose steps of different times run at once, with their forms.
    package var solved: [String: PlanForm] {
        filter { _, form in
            switch form {
            case .shooting, .newton: true
            case .sequential, .scan, .chunkwise: false
            }
        }
    }
}
