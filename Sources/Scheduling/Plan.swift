import RecAnalysis
import RecStream

/// How a graph is computed: segments in order, each a pass over the batch or over the steps.
package struct Plan: Equatable, Sendable {
    package var graph: StreamGraph
    package var buffers: [Buffer]
    package var segments: [Segment]
    /// Where each state can be found after a run, and restored from.
    package var states: [StateHome]
    /// Scalars of losses: buffers with one number for each sequence.
    package var losses: [BufferID]
    /// Streams read behind the present step, which a stream session must remember: input name to how many steps.
    package var inputHistory: [String: Int]
    /// Values that a pass computes again rather than reads from where an earlier pass has kept them.
    package var recomputed: [ValueID] = []

    /// Those of them that take a function or a division.
    package var dearlyRecomputed: [ValueID] {
        recomputed.filter { graph[$0].operation.isDear }
    }

    package struct StateHome: Equatable, Sendable {
        package var name: String
        package var ring: BufferID
        /// What it is before the first step; nil for zero.
        package var initial: BufferID?
        /// Where its value at the last step is; nil where that is the ring, which holds the last step that was taken.
        package var last: BufferID?
    }

    /// Whether rows of some recurrence run at the same time.
    package var hasWavefront: Bool { segments.contains { $0.stages.contains { $0.wavefront != nil } } }

    package subscript(_ id: BufferID) -> Buffer { buffers[id.index] }
}

package struct Segment: Hashable, Encodable, Sendable {
    package enum Kind: Hashable, Encodable, Sendable {
        /// Computed once for a set of parameters.
        case `static`
        /// Once for each sequence.
        case once
        /// Once for a run, from what was summed over its sequences.
        case joined
        /// Over the steps, in blocks; `order` is the order of sequential stages in it.
        case sweep(axes: [Int], order: LoopOrder)
    }
    package var kind: Kind
    package var stages: [Stage]
}

extension Segment.Kind {
    package var isSweep: Bool {
        switch self {
        case .sweep: true
        case .static, .once, .joined: false
        }
    }
}

/// Work between two barriers.
package struct Stage: Hashable, Encodable, Sendable {
    package enum Form: Hashable, Encodable, Sendable {
        /// Steps are independent: each item runs over all the steps of the block.
        case map
        /// One step after another, all items within a step.
        case sequential
        /// Elements of a step are independent: each vector of them runs through the steps with its state in registers.
        case lanes([Carry])
        /// Sums over time of outer products, which workers share by rows.
        case totals
        /// Several steps to a vector, composed in registers.
        case registers(RegisterScan)
    }

    /// A value that a lane loop carries from step to step.
    package struct Carry: Hashable, Encodable, Sendable {
        package var node: Nest.NodeID
        /// How many steps back it is read.
        package var depth: Int
        package var ring: BufferID
    }

    package var form: Form
    package var items: [Item]
    /// Whether its steps are composed rather than taken one after another.
    package var isScan: Bool {
        if case .registers = form { return true }
        return scan != nil || wavefront != nil
    }

    /// How the stage can be shared out over time; nil where its steps run one after another.
    package var scan: Scan?
    /// Over two axes: how many steps of the inner axis a row must stay behind the row before it, so that threads can take
    /// rows at the same time; nil where one step follows another.
    package var wavefront: Int?
    /// How workers share each step; nil where each takes sequences of its own.
    package var rows: RowSharing?

    package init(form: Form, items: [Item], scan: Scan? = nil) {
        self.form = form
        self.items = items
        self.scan = scan
    }
}

package enum Item: Hashable, Encodable, Sendable {
    case nest(Nest)
    case product(Product)
    case total(Total)
}

extension Stage {
    /// What does not run over steps and has more items is taken apart.
    static let mostItemsOnce = 8

    package var totals: [Total] {
        items.compactMap { item in
            if case .total(let total) = item { total } else { nil }
        }
    }

    package var products: [Product] {
        items.compactMap { item in
            if case .product(let product) = item { product } else { nil }
        }
    }
}

extension Plan {
    /// Every product, in the order of the plan.
    package var products: [Product] { segments.flatMap { $0.stages.flatMap(\.products) } }
}
