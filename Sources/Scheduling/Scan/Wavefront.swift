import RecAnalysis
import RecStream

/// A recurrence over two axes whose rows run at the same time, each behind the one before it: the steps of an
/// anti-diagonal do not depend on each other.
///
/// Lamport, "The parallel execution of DO loops", CACM 17 (1974).
struct Wavefront {
    var states: Set<ValueID>
    /// How many steps of the inner axis a row stays behind the row before it.
    var reach: Int

    /// - Throws: the reason where rows cannot run at the same time.
    init(_ facts: RecurrenceFacts, in graph: StreamGraph) throws(PlanRefusal) {
        let span = facts.members.compactMap { graph[$0].span }.min { $0.start < $1.start }
        guard facts.kind.isComposable else {
            throw PlanRefusal("a nonlinear step does not compose", at: facts.notAffine?.span ?? span)
        }
        guard let outer = facts.order.loops.first, let inner = facts.order.loops.last, outer.axis == 0, inner.axis == 1 else {
            throw PlanRefusal("its rows run along the inner axis", at: span)
        }
        states = Set(facts.delayed)
        reach = 0
        for value in graph.values {
            // Every read of a state counts: its memory is used again for later rows.
            guard case .delay(let operand, let offsets, _) = value.operation, states.contains(operand) else { continue }
            reach = max(reach, abs(offsets[inner.axis]))
        }
    }
}

extension Stage {
    /// Whether rows write memory of their own alone.
    var isRowWise: Bool {
        guard form == .sequential else { return false }
        return items.allSatisfy { item in
            switch item {
            case .product: true
            case .total: false
            case .nest(let nest): nest.stores.allSatisfy { $0.mode == .assign }
            }
        }
    }
}
