import RecAnalysis
import RecStream

extension BlockMapBuilder {
    /// The maps of `s ↦ (a·s + b) / (c·s + d)`: matrices, of which only the ratio of entries counts, so that they are kept
    /// near 1.
    mutating func fraction(
        _ fraction: FractionalForm, _ index: [Affine], _ slot: Scalars.Slot
    ) throws(PlanRefusal) -> BlockMapValues {
        guard slot.offsets == [-1] || slot.offsets == [1] else { throw PlanRefusal("it reaches back further than a step", at: span) }
        let state = values.graph[slot.value]
        let axes = zip(index, state.shape).map { ScalarValues.Axis(index: $0, dim: $1) }
        let a = try values.value(fraction.a, over: axes, as: .real)
        let b = try values.value(fraction.b, over: axes, as: .real)
        let c = try values.value(fraction.c, over: axes, as: .real)
        let d = try values.value(fraction.d, over: axes, as: .real)
        var before: [ValueID] = []
        for _ in 0..<4 { before.append(delayed(state.shape, state.element, by: slot.offsets)) }
        func entry(_ x: ValueID, _ y: ValueID, _ column: Int) -> ValueID {
            let top = values.binary(.multiply, x, before[column])
            let bottom = values.binary(.multiply, y, before[2 + column])
            return values.binary(.add, top, bottom)
        }
        var entries = [entry(a, b, 0), entry(a, b, 1), entry(c, d, 0), entry(c, d, 1)]
        var (condition, reached): (ValueID?, ValueID?)
        if let id = fraction.condition {
            // A step that does not read the state makes a map that does not depend on the map before.
            let test = try values.value(id, over: axes, as: .bool)
            let own = [a, b, c, d]
            entries = entries.indices.map { values.chosen(test, entries[$0], own[$0]) }
            let earlier = delayed(state.shape, .bool, by: slot.offsets)
            let both = values.binary(.and, test, earlier)
            define(earlier, as: both, by: slot.offsets)
            (condition, reached) = (test, both)
        }
        var size: ValueID?
        for entry in entries {
            let magnitude = values.unary(.abs, entry, .real)
            size = size.map { values.binary(.max, $0, magnitude) } ?? magnitude
        }
        guard let size else { throw PlanRefusal("a fraction has entries", at: span) }
        let scaled = entries.map { values.binary(.divide, $0, size) }
        for (read, value) in zip(before, scaled) { define(read, as: value, by: slot.offsets) }
        return BlockMapValues(
            form: .fraction, slots: [BlockMap.Slot(state: 0, lag: 1)], states: [slot.value], constants: [],
            factors: [scaled.map { BlockMap.Factor(place: $0, elements: [], basis: 1, reached: reached) }],
            steps: BlockMapValues.Steps(factors: [[a, b, c, d]], conditions: [[condition]], constants: []))
    }
}
