import RecAnalysis
import RecScheduling
import RecSource
import RecStream

/// How a recurrence can run.
public enum PlanForm: String, CaseIterable, Sendable {
    /// One step after another.
    case sequential
    /// Time in blocks, whose maps are composed.
    case scan
}

/// The recurrences of a model, and in which forms each can run.
public struct PlanForms: Sendable {
    public struct Recurrence: Sendable {
        public var facts: RecurrenceFacts
        /// Nil where a scan is legal.
        public var refusal: ScanRefusal?
    }

    /// Each part of a fold by itself.
    public let recurrences: [Recurrence]
    let prepared: StreamGraph

    init(_ model: Model) { self.init(model.graph, of: model) }

    init(_ gradients: GradientModel) { self.init(gradients.graph, of: gradients.model) }

    private init(_ graph: StreamGraph, of model: Model) {
        (prepared, recurrences) = onDeepStack {
            let prepared = Pipeline.prepare(graph)
            let facts = elementaryRecurrences(of: prepared, text: model.program.sources.text(of:))
            return (prepared, zip(facts, scanRefusals(of: prepared)).map { Recurrence(facts: $0, refusal: $1) })
        }
    }

    /// The names by which a user's state may stand in the graph.
    private static func names(_ state: String) -> Set<String> { [state, state + ".re", state + ".im"] }

    /// The recurrences of a state, or of a fold with that name.
    func indices(of state: String) -> [Int] {
        let names = Self.names(state)
        return recurrences.indices.filter { k in
            recurrences[k].facts.states.contains { names.contains($0) || $0.hasPrefix(state + ".") }
        }
    }

    /// The recurrences that `forced` makes scans, and those that it keeps from being scans.
    ///
    /// - Throws: where a state is unknown, or has no such form.
    func resolve(_ forced: [String: PlanForm]) throws(DiagnosticList) -> (scans: Set<Int>, sequential: Set<Int>) {
        var (scans, sequential) = try requirements()
        for (state, form) in forced.sorted(by: { $0.key < $1.key }) {
            let found = indices(of: state)
            guard !found.isEmpty else {
                let known = recurrences.flatMap(\.facts.states)
                throw DiagnosticList([
                    Diagnostic(
                        .unknownName, "there is no recurrence of '\(state)'", at: nil,
                        help: known.isEmpty ? "the model has no recurrence" : "recurrences are those of \(known.joined(separator: ", "))")
                ])
            }
            switch form {
            case .sequential:
                if !scans.isDisjoint(with: found) { throw contradiction(state, form) }
                sequential.formUnion(found)
            case .scan:
                if !sequential.isDisjoint(with: found) { throw contradiction(state, form) }
                if let refusal = found.lazy.compactMap({ recurrences[$0].refusal }).first {
                    throw DiagnosticList([
                        Diagnostic(
                            .planRefused, "'\(state)' cannot run as a scan: \(refusal.reason)", at: refusal.span,
                            help: "'recc explain' lists the forms that each recurrence can run in")
                    ])
                }
                scans.formUnion(found)
            }
        }
        return (scans, sequential)
    }

    /// Every recurrence that can have a form, as far as the source lets it, in that form.
    public func all(as form: PlanForm) -> [String: PlanForm] {
        guard let required = try? requirements() else { return [:] }
        var result: [String: PlanForm] = [:]
        for (k, recurrence) in recurrences.enumerated() {
            switch form {
            case .sequential where required.scans.contains(k): continue
            case .scan where recurrence.refusal != nil || required.sequential.contains(k): continue
            case .sequential, .scan: for state in recurrence.facts.states { result[state] = form }
            }
        }
        return result
    }

    private func contradiction(_ state: String, _ form: PlanForm) -> DiagnosticList {
        DiagnosticList([
            Diagnostic(
                .planRefused, "'\(state)' cannot run as '\(form.rawValue)': the source requires another form", at: nil,
                help: "leave out --plan, or the 'require plan' of the source")
        ])
    }

    func elementCount(of value: ValueID) -> Int { prepared[value].shape.elementCount }

    /// The plan in which these recurrences are scans.
    func plan(scanning: Set<Int>) throws(DiagnosticList) -> Plan {
        guard !scanning.isEmpty else { return onDeepStack { schedule(prepared) } }
        let states = Set(scanning.flatMap { recurrences[$0].facts.states })
        do throws(ScanRefusal) {
            return try onDeepStack { () throws(ScanRefusal) in try schedule(prepared, scanning: states) }
        } catch {
            throw DiagnosticList([Diagnostic(.planRefused, "no scan: \(error.reason)", at: error.span)])
        }
    }
}
