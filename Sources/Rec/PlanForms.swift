import RecAnalysis
import RecLowering
import RecSchedule
import RecScheduling
import RecSource
import RecStream

/// The recurrences of a model, and in which forms each can run.
package struct PlanForms: Sendable {
    package struct Recurrence: Sendable {
        package var facts: RecurrenceFacts
        /// Nil where a scan is legal.
        package var refusal: PlanRefusal?
    }

    /// Each part of a fold by itself.
    package var recurrences: [Recurrence] { analysis.value }
    package let prepared: StreamGraph
    private let analysis: Deferred<[Recurrence]>

    init(_ model: Model, times: PassTimes? = nil) { self.init(model.graph, times) }

    /// Those of a part of a model.
    init(part: StreamGraph, times: PassTimes? = nil) { self.init(part, times) }

    init(_ gradients: GradientModel, times: PassTimes? = nil) { self.init(gradients.graph, times) }

    private init(_ graph: StreamGraph, _ times: PassTimes?) {
        let prepared = onDeepStack {
            // What unfolds an axis has a plan for each length of it.
            Pipeline.prepare(graph.axisToUnfold == nil ? graph : graph.withoutResults(), times: times).withoutPairs()
        }
        self.prepared = prepared
        analysis = Deferred {
            onDeepStack {
                times.measure("analyse") {
                    let facts = elementaryRecurrences(of: prepared)
                    return zip(facts, scanRefusals(of: prepared)).map { Recurrence(facts: $0, refusal: $1) }
                }
            }
        }
    }

    /// The names by which a user's state may stand in the graph.
    private static func names(_ state: String) -> Set<String> { [state, state + ".re", state + ".im"] }

    /// The recurrences of a state, or of a fold with that name.
    func indices(of state: String) -> [Int] {
        let names = Self.names(state)
        return recurrences.indices.filter { k in
            recurrences[k].facts.states.contains { names.contains($0) || $0.hasPrefix(state + ".") || $0.hasPrefix(CarriedState.prefix + state + ".") }
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
                let known = recurrences.flatMap(\.facts.states).filter { !$0.hasPrefix("%") }
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
            case .chunkwise, .shooting, .newton:
                throw DiagnosticList([
                    Diagnostic(
                        .planRefused, "'\(state)' does not run as '\(form.text)' here: only whole runs do", at: nil,
                        help: "leave out --plan \(state)=\(form.text)")
                ])
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

    /// The form of every state where these recurrences are scans, and all others run step by step.
    package func named(scanning scans: Set<Int>) -> [String: PlanForm] {
        var result: [String: PlanForm] = [:]
        for (k, recurrence) in recurrences.enumerated() {
            for state in recurrence.facts.states { result[state] = scans.contains(k) ? .scan : .sequential }
        }
        return result
    }

    /// Every recurrence that can have a form, as far as the source lets it, in that form.
    package func all(as form: PlanForm) -> [String: PlanForm] {
        guard var required = try? requirements() else { return [:] }
        let able: [Int]
        switch form {
        case .sequential:
            let others = required.scans.union(requiredOfWholeRuns)
            able = recurrences.indices.filter { !others.contains($0) }
        case .scan:
            required.sequential.formUnion(requiredOfWholeRuns)
            able = buildableScans(beside: required)
        case .chunkwise, .shooting, .newton: able = []
        }
        return Dictionary(able.flatMap { recurrences[$0].facts.states }.map { ($0, form) }) { first, _ in first }
    }

    /// Recurrences for which the source allows forms of whole runs alone.
    private var requiredOfWholeRuns: Set<Int> {
        var result: Set<Int> = []
        for requirement in prepared.requirements {
            guard case .plan(let allowed) = requirement.property, !allowed.contains(PlanForm.sequential.name), !allowed.contains(PlanForm.scan.name)
            else { continue }
            result.formUnion(indices(of: requirement.state))
        }
        return result
    }

    /// Recurrences that can be scans in one plan: all that are legal, or, where there is no such plan, one after another as long
    /// as there is.
    private func buildableScans(beside required: (scans: Set<Int>, sequential: Set<Int>)) -> [Int] {
        func isBuildable(_ scans: Set<Int>) -> Bool { (try? plan(scanning: scans)) != nil }
        let legal = recurrences.indices.filter { recurrences[$0].refusal == nil && !required.sequential.contains($0) }
        if isBuildable(required.scans.union(legal)) { return legal }
        return legal.reduce(into: []) { scans, k in
            if isBuildable(required.scans.union(scans + [k])) { scans.append(k) }
        }
    }

    private func contradiction(_ state: String, _ form: PlanForm) -> DiagnosticList {
        DiagnosticList([
            Diagnostic(
                .planRefused, "'\(state)' cannot run as '\(form.text)': the source requires another form", at: nil,
                help: "leave out --plan, or the 'require plan' of the source")
        ])
    }

    /// More recurrences than these are not chosen for one by one: each choice takes a plan of the whole model.
    private static let mostAlone = 16
    /// Nor are there more choices than these.
    private static let mostChoices = 32

    /// Recurrences by what is chosen at once: each alone, or, where there are many, those that are alike.
    func chosenTogether(_ some: [Int]) -> [[Int]] {
        guard some.count > Self.mostAlone else { return some.map { [$0] } }
        struct Likeness: Hashable {
            var kind: String
            var transition: String
            var order: [String]
            var sizes: [[Int]]
        }
        var numbers: [Likeness: Int] = [:]
        var groups: [[Int]] = []
        for k in some {
            let facts = recurrences[k].facts
            let likeness = Likeness(
                kind: facts.kind.description, transition: facts.transition.description,
                order: facts.order.loops.map { "\($0.axis)\($0.isReversed)" }, sizes: facts.delayed.map { prepared[$0].shape.sizes })
            // What is beyond the last choice goes with it.
            let number = numbers[likeness] ?? min(groups.count, Self.mostChoices - 1)
            numbers[likeness] = number
            if number == groups.count { groups.append([]) }
            groups[number].append(k)
        }
        return groups
    }

    func elementCount(of value: ValueID) -> Int { prepared[value].shape.elementCount }

    /// Whether a value with fewer elements than these is read at other steps.
    func hasDelay(below elements: Int) -> Bool {
        prepared.values.contains { value in
            guard case .delay(let operand, _, _) = value.operation else { return false }
            return elementCount(of: operand) < elements
        }
    }

    /// The plan in which these recurrences are scans.
    ///
    /// - Throws: the reason where there is none.
    func plan(scanning: Set<Int>) throws(PlanRefusal) -> Plan {
        guard !scanning.isEmpty else { return try onDeepStack { () throws(PlanRefusal) in try schedule(prepared) } }
        let states = Set(scanning.flatMap { recurrences[$0].facts.states })
        return try onDeepStack { () throws(PlanRefusal) in try schedule(prepared, scanning: states) }
    }

    /// The plan in which recurrences run in the given forms, by state.
    ///
    /// - Throws: where a state is unknown or has no such form, and where there is no such plan.
    func plan(forcing forms: [String: PlanForm]) throws(DiagnosticList) -> Plan {
        let scans = try resolve(forms).scans
        do throws(PlanRefusal) { return try plan(scanning: scans) } catch { throw diagnostics(of: error, scanning: scans) }
    }

    /// The error where a plan that was asked for cannot be built.
    func diagnostics(of refusal: PlanRefusal, scanning: Set<Int>) -> DiagnosticList {
        guard !scanning.isEmpty else { return Self.diagnostics(ofSimplest: refusal) }
        let states = scanning.sorted().flatMap { recurrences[$0].facts.states }.map { "'\($0)'" }.joined(separator: ", ")
        return DiagnosticList([
            Diagnostic(
                .planRefused, "\(states) cannot run as a scan: \(refusal.reason)", at: refusal.span,
                help: "leave out --plan: a form that can be built is chosen then")
        ])
    }

    /// The error where there is no plan in the simplest form, in which one step follows another.
    static func diagnostics(ofSimplest refusal: PlanRefusal) -> DiagnosticList {
        DiagnosticList([
            Diagnostic(
                .unsupported, "compiled code cannot take these steps one after another: \(refusal.reason)", at: refusal.span,
                help: Diagnostic.interpretingHelp)
        ])
    }
}
