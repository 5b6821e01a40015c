import RecAnalysis
import RecStream

/// A recurrence with so few elements a step that a vector holds several steps: the steps of a vector are composed in
/// registers, in as many rounds as their number has binary digits.
///
/// Kogge and Stone, "A parallel algorithm for the efficient solution of a general class of recurrence equations", IEEE
/// Trans. Computers C-22 (1973); Hillis and Steele, "Data parallel algorithms", CACM 29 (1986).
package struct RegisterScan: Hashable, Encodable, Sendable {
    /// One recurrence of the stage, by the nodes of its nest.
    package struct Map: Hashable, Encodable, Sendable {
        package var form: BlockMap.Form
        /// Where each state lies between calls, and how many steps back it is read.
        package var rings: [BufferID]
        package var depths: [Int]
        package var slots: [BlockMap.Slot]
        /// By state and slot; nil where the slot does not reach the state. Four of one row for a fraction.
        package var factors: [[Nest.NodeID?]]
        /// By state and slot: whether the state reads the slot in this step; nil where it always does. Of a fraction one.
        package var conditions: [[Nest.NodeID?]]
        /// Nil where nothing is added.
        package var constants: [Nest.NodeID?]
        /// For each state the node that stands for it in the nest.
        package var scanned: [Nest.NodeID]
    }

    /// The stage with one step after another. It runs where a composed state is not finite: composing meets 0 · ∞ and ∞ − ∞ where
    /// steps do not.
    package struct Steps: Hashable, Encodable, Sendable {
        package var nest: Nest
        package var carries: [Stage.Carry]
    }

    package var flat: FlatNest
    package var maps: [Map]
    package var steps: Steps

    /// With more elements a step, vectors are full without composing steps.
    static let mostElements = 8
    /// Larger maps take more registers than there are.
    private static let mostSlots = 3
    /// A vector holds as many steps as a state is read back; longer vectors than this are taken apart again.
    private static let mostLanes = 32

    /// The stage that computes `roots` so; nil where something in it needs more than the elements of whole streams.
    static func stage(_ roots: [ValueID], _ scans: [BlockMapValues], graph: StreamGraph, homes: Homes, staging: Staging) -> Stage? {
        guard let first = scans.first?.states.first else { return nil }
        let shape = graph[first].shape
        let count = shape.elementCount
        guard count <= mostElements, count & (count - 1) == 0, count > 0 else { return nil }
        for root in roots {
            guard graph[root].shape.sizes == shape.sizes, LaneLoop.isElementwise(graph[root].operation) else { return nil }
        }
        // What else ends in a state would be known at every step alone, not behind the last one.
        let scanned = Set(scans.flatMap(\.states))
        guard roots.allSatisfy({ homes.rings[$0] == nil || scanned.contains($0) }) else { return nil }
        for scan in scans {
            guard scan.slots.count <= mostSlots, scan.form != .linear(.orAnd),
                scan.factors.allSatisfy({ $0.allSatisfy { $0.elements.isEmpty } }),
                scan.states.allSatisfy({ graph[$0].shape.sizes == shape.sizes && graph[$0].element == .real })
            else { return nil }
        }
        var builder = NestBuilder(graph: graph, homes: homes, own: Set(roots), domain: shape.sizes)
        let index = shape.indices.map(Affine.variable)
        var maps: [Map] = []
        var number = 0
        for scan in scans {
            var map = Map(form: scan.form, rings: [], depths: [], slots: scan.slots, factors: [], conditions: [], constants: [], scanned: [])
            for state in scan.states {
                guard let ring = homes.rings[state], case .ring(let shape) = homes.buffers[ring.index].kind else { return nil }
                map.rings.append(ring)
                let depth = max(1, shape.delays.map { shape.distance($0, innerExtent: 1) }.max() ?? 1)
                guard depth * count <= mostLanes else { return nil }
                map.depths.append(depth)
                builder.carries[state] = number
                map.scanned.append(builder.give(state, .scanned(number), at: index))
                number += 1
            }
            do throws(PlanRefusal) {
                func nodes(_ row: [ValueID?]) throws(PlanRefusal) -> [Nest.NodeID?] {
                    try row.map { value throws(PlanRefusal) in try value.map { value throws(PlanRefusal) in try builder.evaluate(value, at: index) } }
                }
                map.factors = try scan.steps.factors.map(nodes)
                map.conditions = try scan.steps.conditions.map(nodes)
                map.constants = try nodes(scan.steps.constants)
            } catch { return nil }
            maps.append(map)
        }
        do throws(PlanRefusal) {
            for root in roots { try StageBuilder.emit(root, into: &builder) { $0.kind.isCarried } }
        } catch { return nil }
        guard builder.isLaneWise, builder.nest.extents.count == builder.nest.domain.count,
            let flat = FlatNest(builder.nest.collapsed(), buffers: homes.buffers, axes: [0], allowsRepeats: true),
            flat.rowCount == count
        else { return nil }
        guard let lanes = LaneLoop.stage(roots, graph: graph, homes: homes, staging: staging), case .lanes(let carries) = lanes.form,
            case .nest(let steps)? = lanes.items.first
        else { return nil }
        let scan = RegisterScan(flat: flat, maps: maps, steps: Steps(nest: steps, carries: carries))
        return Stage(form: .registers(scan), items: [.nest(flat.nest)])
    }
}
