import RecStream

/// What one stage of a plan costs.
struct StageCost {
    private let plan: Plan
    private let segment: Segment
    private let stage: Stage
    private let work: Workload
    private let machine: MachineProfile

    init(_ plan: Plan, _ segment: Segment, _ stage: Stage, _ work: Workload, _ machine: MachineProfile) {
        self.plan = plan
        self.segment = segment
        self.stage = stage
        self.work = work
        self.machine = machine
    }

    /// How many rows of this kind a run has.
    static func rows(_ variance: Variance, _ work: Workload) -> Double {
        var result = variance.batch ? Double(work.batch) : 1
        for (axis, extent) in work.extents.enumerated() where variance.varies(over: axis) { result *= Double(extent) }
        return result
    }

    private var lanes: Double { Double(machine.lanes * 4 / work.bytesPerReal) }
    private var threads: Double { Double(work.threads) }
    private var sequences: Double { Double(work.batch) }
    /// Steps of one sequence.
    private var steps: Double {
        axes.reduce(1) { $0 * Double($1 < work.extents.count ? work.extents[$1] : 1) }
    }
    private var axes: [Int] {
        guard case .sweep(let axes, _) = segment.kind else { return [] }
        return axes
    }
    /// Threads that can share sequences.
    private var overSequences: Double { min(threads, max(sequences, 1)) }

    /// Seconds of work that workers share: threads of one core take turns at its vector units, but wait at once.
    private func shared(_ throughput: Double, waiting: Double = 0, over workers: Double) -> Double {
        max(throughput / max(1, min(workers, machine.units)), waiting / workers)
    }

    var seconds: Double {
        let total = sequences * steps
        switch stage.form {
        case .map, .totals: return shared(total * itemSeconds(stage.items, isMap: true), over: threads)
        case .sequential:
            if stage.wavefront != nil {
                // A thread looks at the row before its own every few steps.
                return shared(total * itemSeconds(stage.items), over: threads) + total / 16 * machine.latency * 20
            }
            guard let scan = stage.scan else { return stepwiseSeconds }
            return blocked(itemSeconds(stage.items) + itemSeconds(scan.items), 0, scan)
        case .lanes(let carries):
            let step = laneSeconds(stage.items, carries)
            guard let scan = stage.scan else {
                let workers = overSequences >= threads ? threads : min(threads, max(overSequences, step.groups))
                return shared(total * step.throughput, waiting: total * step.waiting, over: workers)
            }
            guard case .lanes(let carried) = scan.form else {
                return blocked(step.throughput + itemSeconds(scan.items), step.waiting, scan)
            }
            let summary = laneSeconds(scan.items, carried)
            return blocked(step.throughput + summary.throughput, step.waiting + summary.waiting, scan)
        case .registers(let scan): return registerSeconds(scan)
        }
    }

    /// One step after another, by workers that take sequences of their own or share the rows of each step.
    private var stepwiseSeconds: Double {
        let step = StepCost(plan, stage, machine, bytesPerReal: work.bytesPerReal)
        func contended(_ seconds: Double, _ workers: Double) -> Double { seconds * workers / max(1, min(workers, machine.units)) }
        if let rows = stage.rows {
            let busy = step.seconds(sequences: sequences, shares: step.shares(rows, workers: work.threads))
            return steps * (contended(busy, threads) + Double(rows.barriers.count) * machine.barrier)
        }
        // With fewer sequences than threads one thread takes them all.
        let workers = sequences >= threads ? threads : 1
        return steps * contended(step.seconds(sequences: (sequences / workers).rounded(.up)), workers)
    }

    /// By recurrence, seconds of a step that are for its values; `owner` says which recurrence a value belongs to.
    func parts(by owner: [ValueID: Int]) -> [Int: Double] {
        var result: [Int: Double] = [:]
        for item in stage.items {
            let owners = item.values.compactMap { owner[$0] }
            guard !owners.isEmpty else { continue }
            let each = itemSeconds([item]) / Double(owners.count)
            for k in owners { result[k, default: 0] += each }
        }
        return result
    }

    /// Seconds of one step of one sequence, instruction after instruction.
    private func itemSeconds(_ items: [Item], isMap: Bool = false) -> Double {
        items.reduce(0) { sum, item in
            switch item {
            case .total(let total):
                return sum + Double(total.operationCount) / 2 / lanes * machine.operation
            case .product(let product):
                return sum + Double(product.operationCount) / 2 / lanes * machine.operation
            case .nest(let nest):
                let cost = NestCost(nest, lanes: lanes, bytesPerReal: work.bytesPerReal)
                // One loop through all steps fills its vectors.
                if isMap, let flat = FlatNest(nest, buffers: plan.buffers, axes: axes) {
                    return sum + Double(flat.rowCount) / lanes * cost.evaluation * machine.operation
                }
                return sum + cost.operations * machine.operation
            }
        }
    }

    /// Seconds of one step: of all its instructions, and of those that wait for each other, in groups of vectors that run
    /// through all steps one group after another.
    private func laneSeconds(
        _ items: [Item], _ carries: [Stage.Carry]
    ) -> (throughput: Double, waiting: Double, groups: Double) {
        guard case .nest(let nest)? = items.first else { return (0, 0, 1) }
        let cost = NestCost(nest, lanes: lanes, bytesPerReal: work.bytesPerReal, carried: carries.map(\.node))
        let vectors = max(1, (Double(nest.domain.reduce(1, *)) / lanes).rounded(.up))
        let groups = (vectors / 4).rounded(.up)
        return (cost.operations * machine.operation, groups * cost.chain * machine.latency, groups)
    }

    /// Time blocks are shared out over threads; the states between them are joined by one.
    private func blocked(_ throughput: Double, _ waiting: Double, _ scan: Scan) -> Double {
        let blocks = max(1, (steps / Double(Scan.blockSteps)).rounded(.up))
        let total = sequences * steps
        let busy = shared(total * throughput, waiting: total * waiting, over: min(threads, max(blocks, overSequences)))
        let elements = scan.maps.reduce(0.0) { total, map in
            total + map.factors.joined().reduce(0.0) { $0 + Double(plan[$1.place].rowCount) }
        }
        // A join is a scalar loop, with rings to be filled, copied and found for every block; around it stand waits.
        let rings = scan.maps.reduce(0) { $0 + $1.states.count + $1.constants.count + $1.factors.joined().count }
        return busy + sequences * blocks * (800 * Double(rings) + 4 * elements) * machine.latency + blocks / 8 * 5 * machine.barrier
    }

    /// Instructions that join two numbers; the larger of two takes some, because NaN passes through.
    private func joinWeight(_ form: BlockMap.Form) -> Double {
        switch form {
        case .fraction, .linear(.plusTimes), .linear(.orAnd): 1
        case .linear(.maxPlus), .linear(.minPlus): 4
        case .linear(.logSumExp): FunctionCost.weight(of: .logaddexp, bytesPerReal: work.bytesPerReal)
        }
    }

    /// Instructions in which each lane's map is composed with an earlier one: matrices are multiplied, and every entry is moved
    /// along and kept where there is none earlier.
    private func compositionOperations(_ map: RegisterScan.Map) -> Double {
        let join = joinWeight(map.form)
        let size = map.form == .fraction ? 2.0 : Double(map.slots.count)
        let products = size * size * size * (1 + join)
        // The entries of a fraction are brought near 1: magnitudes, the largest, divisions.
        if map.form == .fraction { return products + 3 * size * size + 40 }
        return products + size * size + 3 * (size * size + size)
    }

    private func registerSeconds(_ scan: RegisterScan) -> Double {
        let elements = Double(scan.flat.rowCount)
        let rounds = max(1, (lanes / elements).rounded(.up)).logarithm
        let compositions = scan.maps.reduce(0.0) { $0 + compositionOperations($1) }
        let operations =
            NestCost(scan.flat.nest, lanes: lanes, bytesPerReal: work.bytesPerReal).evaluation + rounds * compositions
            + scan.maps.reduce(0.0) { $0 + Double($1.slots.count) * (joinWeight($1.form) + 1) }
        let vectors = sequences * steps * elements / lanes
        return shared(vectors * operations * machine.operation, waiting: 3 * vectors * machine.latency, over: overSequences)
    }
}

extension Double {
    /// How often it can be halved until it is 1.
    fileprivate var logarithm: Double {
        var (rest, count) = (self, 0.0)
        while rest > 1 {
            rest /= 2
            count += 1
        }
        return count
    }
}
