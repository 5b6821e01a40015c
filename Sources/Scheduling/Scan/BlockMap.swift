import RecAnalysis
import RecStream

/// The map of a block of steps: what a recurrence makes of the states before the block, as the block's own recurrence
/// computes it.
///
/// `state = ⊕ factor ⊗ (state before) ⊕ constant`, where a state before is one of `slots`: a state so many steps before
/// the block. A fractional step has one state and the four entries of a matrix as factors.
public struct BlockMap: Equatable, Encodable, Sendable {
    public enum Form: Equatable, Encodable, Sendable {
        case linear(Semiring)
        case fraction
    }

    public struct Slot: Equatable, Encodable, Sendable {
        /// Index into `states`.
        public var state: Int
        public var lag: Int
    }

    /// What stands for a value: the value itself in the graph, its ring in a plan.
    public struct Factor<Place: Equatable & Sendable>: Equatable, Sendable {
        public var place: Place
        /// For element `e` of the state and element `b` of the slot's basis, at `e · basis + b`: the element of the slot's
        /// state that the factor weighs. Empty where each element weighs its own.
        public var elements: [Int]
        /// How many elements of the slot reach an element of the state.
        public var basis: Int
    }

    public var form: Form
    public var slots: [Slot]
    public var states: [BufferID]
    public var constants: [BufferID]
    /// By state and slot; for a fraction one row of four.
    public var factors: [[Factor<BufferID>]]

    /// The number that changes nothing where it weighs, and the one that adds nothing where it joins.
    public var one: Double {
        switch form {
        case .linear(.plusTimes), .linear(.orAnd), .fraction: 1
        case .linear(.maxPlus), .linear(.minPlus), .linear(.logSumExp): 0
        }
    }

    public var zero: Double { form.zero }
}

extension BlockMap.Factor: Encodable where Place: Encodable {}

extension BlockMap.Form {
    public var zero: Double {
        switch self {
        case .linear(.plusTimes), .linear(.orAnd), .fraction: 0
        case .linear(.maxPlus), .linear(.logSumExp): -.infinity
        case .linear(.minPlus): .infinity
        }
    }
}

/// How one recurrence runs as a scan, in a plan.
public struct Scan: Equatable, Encodable, Sendable {
    /// Computes the maps of a block, from the identity on, over the same steps.
    public var form: Stage.Form
    public var items: [Item]
    public var maps: [BlockMap]
    /// Steps of a time block. Fixed, so that results do not depend on how many threads share the blocks.
    public static let blockSteps = 64

    /// The stage that computes the maps.
    public var summary: Stage { Stage(form: form, items: items) }
}

extension BlockMap {
    /// The same with rings in the place of values.
    init(_ values: BlockMapValues, homes: Homes) {
        func ring(_ value: ValueID) -> BufferID {
            guard let ring = homes.rings[value] else { preconditionFailure("what is carried has a ring") }
            return ring
        }
        form = values.form
        slots = values.slots
        states = values.states.map(ring)
        constants = values.constants.map(ring)
        factors = values.factors.map { row in
            row.map { Factor(place: ring($0.place), elements: $0.elements, basis: $0.basis) }
        }
    }
}
