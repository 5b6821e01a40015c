import RecForms
import RecScheduling
import RecSource
import RecStream

/// Which recurrences of a model can run with steps of different times at once, and the parts of a model in which some do.
package enum SolvedForms {
    /// Parts in which these recurrences run so.
    ///
    /// - Parameter forms: by state.
    /// - Throws: where a state is unknown, or its recurrence cannot run so.
    static func dividing(_ parts: [DividedGraph.Part], _ forms: [String: PlanForm]) throws(DiagnosticList) -> [DividedGraph.Part] {
        var result = parts
        for (state, form) in forms.sorted(by: { $0.key < $1.key }) {
            guard let divided = try dividing(result, state, form) else { throw unknown(state, in: parts) }
            result = divided
        }
        return result
    }

    /// The same for one recurrence; nil where no part has it.
    private static func dividing(_ parts: [DividedGraph.Part], _ state: String, _ form: PlanForm) throws(DiagnosticList) -> [DividedGraph.Part]? {
        var isFound = false
        var divided: [DividedGraph.Part] = []
        for part in parts {
            switch part {
            case .traversal, .pairs: divided.append(part)
            case .solved(let recurrence):
                // Several states of one recurrence may be named.
                if recurrence.has(state) {
                    isFound = true
                    guard recurrence.form == form else { throw contradiction(recurrence, state, form) }
                }
                divided.append(part)
            case .parts(var within):
                if !isFound, let own = try dividing(within.parts, state, form) {
                    isFound = true
                    within.parts = own
                }
                divided.append(.parts(within))
            case .steps(let graph):
                guard !isFound, let members = recurrence(of: state, in: graph) else {
                    divided.append(part)
                    continue
                }
                isFound = true
                do throws(FormRefusal) {
                    let recurrence = try recurrence(of: members, in: graph, as: form, named: state)
                    divided += recurrence.split.before.map { [.steps($0)] } ?? []
                    divided.append(.solved(recurrence))
                    divided += recurrence.split.after.map { [.steps($0)] } ?? []
                } catch { throw refusal(of: state, form, error) }
            }
        }
        return isFound ? divided : nil
    }

    /// A recurrence of a prepared graph as it would run so.
    ///
    /// - Throws: where it cannot.
    static func recurrence(
        of members: [ValueID], in graph: StreamGraph, as form: PlanForm, named state: String = ""
    ) throws(FormRefusal) -> any SolvedRecurrence {
        try onDeepStack { () throws(FormRefusal) in
            switch form {
            case .shooting(let windows):
                return try ShootingRecurrence(RecurrenceSplit(graph, around: members, prefix: "\(state):"), state: state, windows: windows)
            case .newton: return try NewtonRecurrence(RecurrenceSplit(graph, around: members, reach: .alone, prefix: "\(state):"), state: state)
            case .sequential, .scan, .chunkwise: throw FormRefusal(reason: "'\(form.text)' takes its steps in order", span: nil)
            }
        }
    }

    /// The model's own recurrences that cannot be composed and can run so, by state.
    ///
    /// - Parameter others: states whose recurrences run otherwise.
    static func all(of forms: PlanForms, as form: PlanForm) -> [String: PlanForm] {
        let graph = forms.prepared
        let others = graph.statesRequired(otherThan: form)
        var result: [String: PlanForm] = [:]
        for facts in forms.recurrences.map(\.facts) where !facts.kind.isComposable {
            let states = facts.states.map(StreamGraph.wholeName)
            // A state without a name is none that could be asked for.
            guard let state = states.first, !state.hasPrefix("%"), others.isDisjoint(with: states),
                (try? recurrence(of: facts.members, in: graph, as: form)) != nil
            else { continue }
            result[state] = form
        }
        return result
    }

    private static func refusal(of state: String, _ form: PlanForm, _ refusal: FormRefusal) -> DiagnosticList {
        let manner = if case .newton = form { "by Newton's method" } else { "in windows of time" }
        return DiagnosticList([
            Diagnostic(
                .planRefused, "'\(state)' cannot run \(manner): \(refusal.reason)", at: refusal.span,
                help: "'recc explain' lists the forms that each recurrence can run in")
        ])
    }

    private static func contradiction(_ known: any SolvedRecurrence, _ state: String, _ form: PlanForm) -> DiagnosticList {
        DiagnosticList(
            .planRefused, "'\(known.state)' and '\(state)' are one recurrence, as '\(known.form.text)' and as '\(form.text)'",
            help: "give one of them alone, or both the same form")
    }

    /// The values of the recurrence of a state.
    private static func recurrence(of state: String, in graph: StreamGraph) -> [ValueID]? {
        for component in components(of: graph) where component.isRecurrence {
            let members = Set(component.members)
            let isNamed = component.members.contains { id in
                guard case .delay(let operand, _, _) = graph[id].operation, members.contains(operand), let name = graph[operand].name else { return false }
                return name == state || StreamGraph.wholeName(name) == state
            }
            if isNamed || graph.states.contains(where: { members.contains($0.value) && StreamGraph.wholeName($0.name) == state }) { return component.members }
        }
        return nil
    }

    private static func unknown(_ state: String, in parts: [DividedGraph.Part]) -> DiagnosticList {
        var known: Set<String> = []
        let leaves = parts.flatMap { part in if case .parts(let graph) = part { graph.leaves } else { [part] } }
        for case .steps(let graph) in leaves {
            for component in components(of: graph) where component.isRecurrence {
                for id in component.members { if case .delay(let operand, _, _) = graph[id].operation, let name = graph[operand].name { known.insert(name) } }
            }
        }
        return DiagnosticList(
            .unknownName, "there is no recurrence of '\(state)'",
            help: known.isEmpty ? "the model has no recurrence" : "recurrences are those of \(known.sorted().joined(separator: ", "))")
    }
}
