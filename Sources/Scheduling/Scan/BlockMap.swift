import RecAnalysis
import RecStream

/// The map of a block of steps: what a recurrence makes of the states before the block, as the block's own recurrence
/// computes it.
///
/// `state = ⊕ factor ⊗ (state before) ⊕ constant`, where a state before is one of `slots`: a state so many steps before
/// the block. A fractional step has one state and the four entries of a matrix as factors.
package struct BlockMap: Hashable, Encodable, Sendable {
    package enum Form: Hashable, Encodable, Sendable {
        case linear(Semiring)
        case fraction
    }

    package struct Slot: Hashable, Encodable, Sendable {
        /// Index into `states`.
        package var state: Int
        package var lag: Int
    }

    /// What stands for a value: the value itself in the graph, its ring in a plan.
    package struct Factor<Place: Hashable & Sendable>: Hashable, Sendable {
        package var place: Place
        /// For element `e` of the state and element `b` of the slot's basis, at `e · basis + b`: the element of the slot's
        /// state that the factor weighs. Empty where each element weighs its own.
        package var elements: [Int]
        /// How many elements of the slot reach an element of the state.
        package var basis: Int
        /// What stands for whether an element reaches another at all, laid out like the factors, where choices of the steps decide it.
        /// Elements that do not reach are not weighed: they may be NaN.
        package var reached: Place?
    }

    package var form: Form
    package var slots: [Slot]
    package var states: [BufferID]
    package var constants: [BufferID]
    /// By state and slot; for a fraction one row of four.
    package var factors: [[Factor<BufferID>]]
    /// Nil for a fraction.
    package var reach: StateReach?

    /// The number that changes nothing where it weighs, and the one that adds nothing where it joins.
    package var one: Double {
        switch form {
        case .linear(let semiring): semiring.one
        case .fraction: 1
        }
    }

    package var zero: Double { form.zero }
}

extension BlockMap.Factor: Encodable where Place: Encodable {}

extension BlockMap.Form {
    package var zero: Double {
        switch self {
        case .linear(let semiring): semiring.zero
        case .fraction: 0
        }
    }
}

/// How one recurrence runs as a scan, in a plan.
package struct Scan: Hashable, Encodable, Sendable {
    /// Computes the maps of a block, from the identity on, over the same steps.
    package var form: Stage.Form
    package var items: [Item]
    package var maps: [BlockMap]
    /// Steps of a time block. Fixed, so that results do not depend on how many threads share the blocks.
    package static let blockSteps = 64

    /// The stage that computes the maps.
    package var summary: Stage { Stage(form: form, items: items) }
}

extension BlockMap {
    /// The same with rings in the place of values.
    ///
    /// - Throws: where something of the map is not carried from step to step.
    init(_ values: BlockMapValues, homes: Homes) throws(PlanRefusal) {
        func ring(_ value: ValueID) throws(PlanRefusal) -> BufferID {
            guard let ring = homes.rings[value] else { throw PlanRefusal("its map has a part that is not carried from step to step") }
            return ring
        }
        form = values.form
        slots = values.slots
        states = try values.states.map(ring)
        constants = try values.constants.map(ring)
        reach = values.reach
        factors = try values.factors.map { row throws(PlanRefusal) in
            try row.map { factor throws(PlanRefusal) in
                Factor(
                    place: try ring(factor.place), elements: factor.elements, basis: factor.basis,
                    reached: try factor.reached.map { value throws(PlanRefusal) in try ring(value) })
            }
        }
    }
}
