import RecAnalysis
import RecForms
import RecScheduling
import RecStream

/// Which recurrences of a model can be written chunk by chunk. No code is generated for this form yet: this is for explanations.
struct ChunkwiseForms {
    private let graph: StreamGraph
    private let recurrences: [[ValueID]]

    /// - Parameter graph: as lowering gives it.
    init(of graph: StreamGraph) {
        let reduced = onDeepStack { graph.sharingCommonValues().recognizingContractions() }
        self.graph = reduced
        recurrences = components(of: reduced).filter(\.isRecurrence).map(\.members)
    }

    /// Why a recurrence does not run chunk by chunk; nil where the model has no such recurrence, as of adjoints.
    func refusal(of facts: RecurrenceFacts) -> ScanRefusal? {
        let names = Set(Explanation.merged(facts.states))
        for members in recurrences {
            let delayed = members.compactMap { id -> ValueID? in
                guard case .delay(let operand, _, _) = graph[id].operation, members.contains(operand) else { return nil }
                return operand
            }
            guard let state = delayed.first(where: { graph[$0].name.map(names.contains) ?? false }) else { continue }
            do throws(FormRefusal) {
                // Any count of steps will do.
                _ = try onDeepStack { () throws(FormRefusal) in try graph.chunkwise(state, members: members, by: 16) }
                return ScanRefusal("the equations have it; no code is generated for it yet")
            } catch { return ScanRefusal(error.reason, at: error.span) }
        }
        return nil
    }
}
