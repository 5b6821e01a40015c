import RecAnalysis
import RecStream

/// Which elements of an earlier state reach a later one.
package enum Reach: String, Hashable, Encodable, Sendable {
    case none
    /// Each element its own.
    case own
    case all
}

/// Which states before a block reach a state of it, as far as that follows from which states a step reads at all.
///
/// What does not reach a state has the semiring's zero as factor. It must not be weighed with it: 0 times NaN is NaN.
package struct StateReach: Hashable, Encodable, Sendable {
    /// By state and slot: which elements of the slot a step reads.
    package var reads: [[Reach]]

    /// By number of steps, state and slot.
    package func table(_ slots: [BlockMap.Slot], steps: Int) -> [[[Reach]]] {
        // Each slot after some steps, by slots before them.
        var now = slots.indices.map { slot in slots.indices.map { $0 == slot ? Reach.own : .none } }
        var result = [ofStates(now, slots)]
        for _ in 0..<steps {
            now = slots.indices.map { slot -> [Reach] in
                if slots[slot].lag > 1, let nearer = slots.firstIndex(where: { $0.state == slots[slot].state && $0.lag == slots[slot].lag - 1 }) {
                    return now[nearer]
                }
                return slots.indices.map { before in
                    slots.indices.reduce(Reach.none) { $0.joined(reads[slots[slot].state][$1].after(now[$1][before])) }
                }
            }
            result.append(ofStates(now, slots))
        }
        return result
    }

    private func ofStates(_ bySlot: [[Reach]], _ slots: [BlockMap.Slot]) -> [[Reach]] {
        reads.indices.map { state in slots.firstIndex { $0.state == state && $0.lag == 1 }.map { bySlot[$0] } ?? [] }
    }
}

extension Reach {
    fileprivate func joined(_ other: Reach) -> Reach {
        switch (self, other) {
        case (.all, _), (_, .all): .all
        case (.own, _), (_, .own): .own
        case (.none, .none): .none
        }
    }

    fileprivate func after(_ earlier: Reach) -> Reach {
        switch (self, earlier) {
        case (.none, _), (_, .none): .none
        case (.own, .own): .own
        case (.all, _), (_, .all): .all
        }
    }
}
