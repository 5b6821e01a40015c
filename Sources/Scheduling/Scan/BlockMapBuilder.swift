import RecAnalysis
import RecSource
import RecStream

/// The values by which a graph computes the maps of blocks: for each state the constant part, and its factors by slot.
struct BlockMapValues {
    var form: BlockMap.Form
    var slots: [BlockMap.Slot]
    var states: [ValueID]
    var constants: [ValueID]
    var factors: [[BlockMap.Factor<ValueID>]]
    /// Nil for a fraction.
    var reach: StateReach?
    /// Everything that was added to the graph for the map.
    var added: Range<Int> = 0..<0
    /// The map of a single step, where every element follows from itself.
    var steps: Steps

    struct Steps {
        /// By state and slot; nil where the slot does not reach the state.
        var factors: [[ValueID?]]
        /// By state and slot: whether the state reads the slot in this step; nil where it always does. Of a fraction one.
        var conditions: [[ValueID?]]
        var constants: [ValueID?]
    }

    /// Every value that the recurrence of the maps carries from step to step.
    var carried: [ValueID] { constants + factors.joined().flatMap { [$0.place] + ($0.reached.map { [$0] } ?? []) } }
}

/// Adds to a graph the recurrence of the block maps of one of its recurrences.
///
/// Blelloch, "Prefix sums and their applications", CMU-CS-90-190 (1990), §1.4: linear recurrences as scans over pairs.
/// The map of a block is composed step by step from the identity on: `(A', c') ← (A A', A c' ⊕ b)`.
struct BlockMapBuilder {
    var values: ScalarValues
    let facts: RecurrenceFacts
    let span: SourceSpan?

    /// A map in which more elements, or earlier values of one element, meet than this costs more than it saves.
    static let largestBasis = 16
    /// A map may not have more elements than this.
    static let mostElements = 1 << 18

    /// - Throws: the reason where there is no scan. The graph then keeps values that nothing uses.
    static func build(_ facts: RecurrenceFacts, in graph: inout StreamGraph, _ traits: GraphTraits) throws(PlanRefusal) -> BlockMapValues {
        let span = facts.members.compactMap { graph[$0].span }.min { $0.start < $1.start }
        guard facts.kind != .affineInLogarithm else {
            throw PlanRefusal("it is affine in the logarithm, for which no scan is built", at: span)
        }
        guard facts.kind.isComposable else {
            let reason = facts.notAffine ?? facts.notDiagonal
            throw PlanRefusal("a nonlinear step does not compose", at: reason?.span ?? span)
        }
        guard let form = StepForm(graph, members: facts.members, delayed: facts.delayed, traits: traits) else {
            throw PlanRefusal("its step has no form that composes cheaply", at: span)
        }
        var builder = BlockMapBuilder(values: ScalarValues(graph, form.scalars, standing: form.standing), facts: facts, span: span)
        let first = graph.values.count
        // The builder's is the only one now, so that it grows in place.
        graph.values = []
        defer { graph = builder.values.graph }
        var result: BlockMapValues
        switch form.map {
        case .linear(let semiring, let rows): result = try builder.linear(semiring, rows)
        case .fraction(let fraction, let index, let slot): result = try builder.fraction(fraction, index, slot)
        }
        result.added = first..<builder.values.graph.values.count
        return result
    }

    /// A value that is defined later, read so many steps away.
    mutating func delayed(_ shape: Shape, _ element: ElementType, by offsets: [Int]) -> ValueID {
        values.addValue(
            Value(
                .delay(ValueID(0), offsets: offsets, initial: nil), element: element, shape: shape,
                variance: Variance(batch: true, axes: 1)))
    }

    mutating func define(_ delayed: ValueID, as value: ValueID, by offsets: [Int]) {
        values.setOperation(.delay(value, offsets: offsets, initial: nil), of: delayed)
    }
}
