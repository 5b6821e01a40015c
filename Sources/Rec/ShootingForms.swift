import RecForms
import RecScheduling
import RecSource
import RecStream

/// Which recurrences of a model can run in windows of time, and the parts of a model in which some do.
package enum ShootingForms {
    /// Parts in which these recurrences run in windows.
    ///
    /// - Parameter windows: by state; nil where nobody says how many.
    /// - Throws: where a state is unknown, or its recurrence cannot run so.
    static func dividing(
        _ parts: [PartitionedModel.Scheduled], _ windows: [String: Int?]
    ) throws(DiagnosticList) -> [PartitionedModel.Scheduled] {
        var result = parts
        for (state, count) in windows.sorted(by: { $0.key < $1.key }) {
            var isFound = false
            var divided: [PartitionedModel.Scheduled] = []
            for part in result {
                switch part {
                case .traversal, .pairs: divided.append(part)
                case .shooting(let recurrence):
                    // Several states of one recurrence may be named.
                    if recurrence.cell.states.contains(where: { StreamGraph.wholeName($0.name) == RecurrenceSplit.mark + state }) { isFound = true }
                    divided.append(part)
                case .steps(let graph):
                    guard !isFound, let members = recurrence(of: state, in: graph) else {
                        divided.append(part)
                        continue
                    }
                    isFound = true
                    do throws(FormRefusal) { divided += try onDeepStack { () throws(FormRefusal) in try self.divided(graph, members, state, count) } } catch {
                        throw DiagnosticList([
                            Diagnostic(
                                .planRefused, "'\(state)' cannot run in windows of time: \(error.reason)", at: error.span,
                                help: "'recc explain' lists the forms that each recurrence can run in")
                        ])
                    }
                }
            }
            guard isFound else { throw unknown(state, in: parts) }
            result = divided
        }
        return result
    }

    /// A recurrence of a prepared graph as it would run in windows.
    ///
    /// - Throws: where it cannot.
    static func recurrence(of members: [ValueID], in graph: StreamGraph) throws(FormRefusal) -> ShootingRecurrence {
        try onDeepStack { () throws(FormRefusal) in
            try ShootingRecurrence(RecurrenceSplit(graph, around: members, prefix: ":"), state: "", windows: nil)
        }
    }

    private static func divided(
        _ graph: StreamGraph, _ members: [ValueID], _ state: String, _ count: Int?
    ) throws(FormRefusal) -> [PartitionedModel.Scheduled] {
        let split = try RecurrenceSplit(graph, around: members, prefix: "\(state):")
        let part = PartitionedModel.Scheduled.shooting(try ShootingRecurrence(split, state: state, windows: count))
        return (split.before.map { [.steps($0)] } ?? []) + [part] + (split.after.map { [.steps($0)] } ?? [])
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

    private static func unknown(_ state: String, in parts: [PartitionedModel.Scheduled]) -> DiagnosticList {
        var known: Set<String> = []
        for case .steps(let graph) in parts {
            for component in components(of: graph) where component.isRecurrence {
                for id in component.members { if case .delay(let operand, _, _) = graph[id].operation, let name = graph[operand].name { known.insert(name) } }
            }
        }
        return DiagnosticList(
            .unknownName, "there is no recurrence of '\(state)'",
            help: known.isEmpty ? "the model has no recurrence" : "recurrences are those of \(known.sorted().joined(separator: ", "))")
    }
}
