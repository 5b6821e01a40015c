import RecStream

/// What one step of a sequential stage costs one worker, for some sequences and a share of each item.
struct StepCost {
    private let plan: Plan
    private let stage: Stage
    private let machine: MachineProfile
    private let bytesPerReal: Int

    /// What a core's own caches hold, in bytes.
    private static let firstLevel = 32e3
    private static let secondLevel = 1e6
    /// Vector instructions in whose time a vector of weights comes from the first and second level, and from beyond them.
    private static let loads = (first: 0.5, second: 4.0, beyond: 10.0)
    /// Vector instructions in whose time a loop has begun, and reads what the one before has written.
    private static let start = 20.0
    /// Sequences for which a vector of weights is loaded once.
    private static let tileRows = 6.0

    init(_ plan: Plan, _ stage: Stage, _ machine: MachineProfile, bytesPerReal: Int) {
        self.plan = plan
        self.stage = stage
        self.machine = machine
        self.bytesPerReal = bytesPerReal
    }

    private var lanes: Double { Double(machine.lanes * 4 / bytesPerReal) }

    /// The largest share that a worker has of each item, where so many share the rows of a step.
    func shares(_ rows: RowSharing, workers: Int) -> [Double] {
        rows.parts.map { part in
            switch part {
            case .repeated, .alone: return 1
            case .loop, .columns, .batches:
                guard let grain = rows.grains.first(where: { $0.period == part.period }) else { return 1 }
                let unit = grain.unit(vector: 4 * machine.lanes * 4 / bytesPerReal)
                let units = (grain.period + unit - 1) / unit
                return Double((units + workers - 1) / workers) / Double(units)
            }
        }
    }

    /// - Parameter shares: of each item; nil for the whole.
    func seconds(sequences: Double, shares: [Double]? = nil) -> Double {
        let parts = zip(stage.items, shares ?? stage.items.map { _ in 1 })
        let weights = parts.reduce(0.0) { sum, part in
            if case .product(let product) = part.0 { sum + vectors(product) * part.1 * lanes * Double(bytesPerReal) } else { sum }
        }
        let load = weights <= Self.firstLevel ? Self.loads.first : weights <= Self.secondLevel ? Self.loads.second : Self.loads.beyond
        let operations = parts.reduce(0.0) { sum, part in
            let (item, share) = part
            switch item {
            case .total(let total): return sum + sequences * Double(total.operationCount) / 2 / lanes
            case .product(let product):
                let rows = sequences * Double(product.rows.reduce(1) { $0 * $1.extent })
                let tiles = max(1, (rows / Self.tileRows).rounded(.up))
                // The first tile of sequences brings a panel of weights nearer.
                let again = (tiles - 1) * max(Self.tileRows, min(load, Self.loads.second))
                return sum + share * vectors(product) * max(rows, max(min(rows, Self.tileRows), load) + again)
            case .nest(let nest):
                let cost = NestCost(nest, lanes: lanes, bytesPerReal: bytesPerReal)
                // Sequences run beside each other, so that they wait once.
                return sum + max(sequences * max(share * cost.operations, min(cost.operations, cost.evaluation)), cost.longest * NestCost.latency / 2)
                    + sequences * Self.start
            }
        }
        return operations * machine.operation
    }

    /// Vectors of weights.
    private func vectors(_ product: Product) -> Double {
        Double(product.batchCount * product.sumCount) * (Double(product.columnCount) / lanes).rounded(.up)
    }
}
