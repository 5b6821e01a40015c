import RecSchedule
import RecScheduling
import RecStream

/// What one turn of a schedule takes for each chunk, in vector instructions: as of `NestCost`, every node counts as often as the loops
/// run that it varies over, with one of them in vector lanes.
struct ScheduleCost {
    let instructions: Double
    private let lanes: Double
    private let bytesPerReal: Int

    /// What a leaf takes beside its loops, and a tile of a product beside its sums.
    private static let leaf = 40.0
    private static let tile = 12.0
    /// Instructions in whose time the result of one can be used.
    private static let latency = 8.0
    /// Rows of streams lie far apart: what waits for memory.
    private static let rowLoad = 3.0

    init(_ schedule: Schedule, lanes: Int, bytesPerReal: Int) {
        let lanes = max(1, Double(lanes) * 4 / Double(bytesPerReal))
        self.lanes = lanes
        self.bytesPerReal = bytesPerReal
        var total = 0.0
        // Most chunks are inner ones where there are any.
        for leaf in schedule.inner?.body ?? schedule.body {
            total += Self.leaf
            switch leaf {
            case .nest(let nest):
                let inner = nest.reduction.map { _ in nest.extents.count - 1 } ?? Self.vectorLoop(nest.target, nest.extents)
                total += Self.work(nest.nodes, nest.extents, inner, lanes, bytesPerReal) + Self.count(nest.extents, inner, lanes)
            case .running(let running):
                let inner = Self.vectorLoop(running.target, running.extents)
                // One step waits for the one before.
                total += max(
                    Self.work(running.nodes, running.extents, inner, lanes, bytesPerReal), Self.latency * Self.count(running.extents, inner, lanes))
            case .matmul(let product):
                func extent(_ loops: [Schedule.Matmul.Loop]) -> Double { loops.reduce(1) { $0 * Double($1.extent) } }
                let vectors = extent(product.blocks) * extent(product.rows) * (extent(product.columns) / lanes).rounded(.up)
                // Tiles are done as a whole: of a triangle more than half.
                let share = product.triangles.isEmpty ? 1 : min(1, product.share + 0.15)
                total += vectors * (max(extent(product.sums) * share, Self.latency) + Self.tile)
            case .solve(let system):
                let vectors = Double(system.blocks * system.size) * (Double(system.width) / lanes).rounded(.up)
                total += vectors * Double(system.size) / 2 * 1.5
            }
        }
        instructions = total
    }

    /// The loop in lanes: along which results lie side by side.
    private static func vectorLoop(_ target: Schedule.View, _ extents: [Int]) -> Int? {
        target.terms.last { $0.stride * $0.index.scale == 1 && ($0.index.variable ?? -1) >= 0 && extents[$0.index.variable ?? 0] > 1 }?.index.variable
            ?? extents.indices.last { extents[$0] > 1 }
    }

    private static func count(_ extents: [Int], _ inner: Int?, _ lanes: Double, _ bits: UInt64 = .max) -> Double {
        extents.indices.reduce(1) { total, loop in
            guard bits & (1 << UInt64(loop)) != 0 else { return total }
            return total * (loop == inner ? (Double(extents[loop]) / lanes).rounded(.up) : Double(extents[loop]))
        }
    }

    private static func work(_ nodes: [Schedule.Node], _ extents: [Int], _ inner: Int?, _ lanes: Double, _ bytesPerReal: Int) -> Double {
        var dependences: [UInt64] = []
        func bit(_ index: Schedule.Index) -> UInt64 { index.variable.map { $0 >= 0 ? 1 << UInt64($0) : 0 } ?? 0 }
        var total = 0.0
        for node in nodes {
            let (bits, weight): (UInt64, Double)
            switch node {
            case .constant, .isFirst, .isLast: (bits, weight) = (0, 0)
            case .load(let view):
                bits = view.terms.reduce(view.step.map(bit) ?? 0) { $0 | bit($1.index) }
                let isScattered = view.terms.contains { $0.index.variable == inner && $0.stride * $0.index.scale > 1 }
                weight = isScattered ? lanes : view.step != nil ? rowLoad : 0.5
            case .unary(let function, let a): (bits, weight) = (dependences[a], FunctionCost.weight(of: function, bytesPerReal: bytesPerReal))
            case .binary(let function, let a, let b):
                (bits, weight) = (dependences[a] | dependences[b], FunctionCost.weight(of: function, bytesPerReal: bytesPerReal))
            case .select(let a, let b, let c): (bits, weight) = (dependences[a] | dependences[b] | dependences[c], 1)
            case .isInside(let index, _), .isStep(let index), .isBlockStep(let index): (bits, weight) = (bit(index), 1)
            }
            dependences.append(bits)
            total += weight * count(extents, inner, lanes, bits)
        }
        return total
    }
}

extension PairTraversal {
    /// Seconds that it should take, by the cost model.
    func estimatedSeconds(_ work: Workload, on machine: MachineProfile) -> Double {
        var own = work
        own.extents = [work.extents[axis]]
        return schedule.estimatedSeconds(own, on: machine)
    }
}

extension Schedule {
    /// Seconds that a traversal should take, by the cost model.
    func estimatedSeconds(_ work: Workload, on machine: MachineProfile) -> Double {
        let size = ScheduleSize(batch: work.batch, steps: work.extents.first ?? 0, lengths: [])
        let turns = turns(for: ScheduleSize(batch: work.batch, steps: work.extents.first ?? 0, lengths: []))
        let cost = ScheduleCost(self, lanes: machine.lanes, bytesPerReal: work.bytesPerReal)
        // Turns are shared out whole; threads that the machine has no units for slow each other down.
        let workers = max(1, min(Double(work.threads), Double(turns)))
        let share = (Double(turns) / workers).rounded(.up) * max(1, workers / machine.units)
        let chunks = Double(chunkCount(for: size)) / Double(max(1, blockCount(for: size)))
        let busy = share * chunks * cost.instructions * machine.operation
        let bytes = buffers.reduce(0.0) { $0 + Double((elements(of: $1, for: size) ?? 0) * work.bytesPerReal) }
        return max(busy, bytes / machine.bandwidth)
    }
}
