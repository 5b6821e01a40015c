import RecStream

/// The work that a plan is asked to do.
package struct Workload: Equatable, Sendable {
    package var batch: Int
    /// Steps along each axis.
    package var extents: [Int]
    package var threads: Int
    package var bytesPerReal: Int

    package init(batch: Int, extents: [Int], threads: Int, bytesPerReal: Int = 4) {
        self.batch = batch
        self.extents = extents
        self.threads = threads
        self.bytesPerReal = bytesPerReal
    }
}

extension Plan {
    /// Seconds that a run should take: a few constants of the machine and a count of vector instructions. Good enough to
    /// tell one plan from another, no more.
    package func estimatedSeconds(_ work: Workload, on machine: MachineProfile) -> Double {
        segments.reduce(0) { $0 + seconds(of: $1, work, machine) }
    }

    /// What the caches of a core hold for certain, and what the last one is likely to.
    private static let coreBytes = 2e6
    private static let cachedBytes = 1.6e7
    /// How much faster than memory the last cache is.
    private static let cacheSpeed = 1.4

    private func seconds(of segment: Segment, _ work: Workload, _ machine: MachineProfile) -> Double {
        guard segment.kind != .static else { return 0 }
        let busy = segment.stages.reduce(0) { $0 + StageCost(self, segment, $1, work, machine).seconds }
        // Streams that are whole in memory pass through it once, whatever is computed.
        var streams: Set<BufferID> = []
        for stage in segment.stages { streams.formUnion(stage.touchedBuffers) }
        let bytes = streams.reduce(0.0) { total, id in
            switch self[id].kind {
            case .input, .output, .full: total + Double(self[id].rowCount * work.bytesPerReal) * StageCost.rows(self[id].variance, work)
            case .parameter, .static, .once, .accumulator, .block, .step, .ring, .zero: total
            }
        }
        guard bytes > Self.coreBytes else { return busy }
        return max(busy, bytes / machine.bandwidth / (bytes > Self.cachedBytes ? 1 : Self.cacheSpeed))
    }
}

extension Item {
    /// The values that it computes.
    package var values: [ValueID] {
        switch self {
        case .nest(let nest): nest.values
        case .product(let product): [product.value]
        case .total(let total): [total.value]
        }
    }
}

extension Stage {
    /// Every buffer that the stage writes.
    package var writtenBuffers: [BufferID] {
        var result = items.flatMap { item -> [BufferID] in
            switch item {
            case .product(let product): [product.output]
            case .total(let total): [total.output]
            case .nest(let nest): nest.stores.map(\.buffer)
            }
        }
        switch form {
        case .lanes(let carries): result += carries.map(\.ring)
        case .registers(let scan): result += scan.maps.flatMap(\.rings)
        case .map, .totals, .sequential: break
        }
        return result
    }

    /// Every buffer that the stage reads or writes.
    package var touchedBuffers: Set<BufferID> {
        var result = Set(writtenBuffers)
        for item in items {
            switch item {
            case .product(let product): result.insert(product.input.buffer)
            case .total(let total): result.formUnion([total.left.buffer, total.right.buffer])
            case .nest(let nest): for node in nest.nodes { result.formUnion(node.operation.accesses.map(\.buffer)) }
            }
        }
        return result
    }
}
