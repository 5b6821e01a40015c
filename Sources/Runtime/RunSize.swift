import RecCodeGen
import RecScheduling
import RecSource
import RecStream

/// What the parts of a run take, in bytes.
struct RunSize {
    let facts: KernelFacts
    let batch: Int
    let extents: [Int]
    let pool: PoolSize

    init(_ facts: KernelFacts, batch: Int, extents: [Int], pool: PoolSize) {
        self.facts = facts
        self.batch = batch
        self.extents = extents
        self.pool = pool
    }

    var plan: Plan { facts.plan }
    var second: Int { extents.count > 1 ? extents[1] : 1 }
    var firstExtent: Int { extents.first ?? 1 }

    func rowBytes(_ buffer: Buffer) -> Int { buffer.rowCount * buffer.element.byteCount(facts.precision) }

    /// Bytes of a buffer's rows at one step of the first axis, of all sequences.
    func stepBytes(_ buffer: Buffer) -> Int {
        rowBytes(buffer) * (buffer.variance.batch ? batch : 1) * (buffer.variance.varies(over: 1) ? second : 1)
    }

    /// Bytes of all rows of a buffer.
    func bytes(_ buffer: Buffer) -> Int {
        switch buffer.kind {
        case .ring(let ring): return ringBytes(buffer, ring)
        case .step: return batch * rowBytes(buffer)
        // The blocks of a worker are bounded together.
        case .block: return 0
        case .input, .parameter, .output, .static, .once, .accumulator, .full, .zero:
            return stepBytes(buffer) * (buffer.variance.varies(over: 0) ? firstExtent : 1)
        }
    }

    private func ringBytes(_ buffer: Buffer, _ ring: Ring) -> Int {
        let inner = ring.order.count > 1 ? extents[ring.order[1]] : 1
        return batch * (ring.period(innerExtent: inner) + (plan.hasWavefront ? pool.count * inner : 0)) * rowBytes(buffer)
    }

    /// The sequences of a worker.
    private var sequencesOfWorker: Int { batch >= pool.count ? (batch + pool.count - 1) / pool.count : batch }

    /// Blocks of workers, and those of scans with the maps of each.
    private var blockBytes: Int {
        let scans = plan.segments.flatMap(\.stages).compactMap(\.scan)
        let rings = scans.flatMap(\.maps).flatMap { $0.states + $0.constants + $0.factors.joined().map(\.place) }
        return max(pool.count * BlockLength.blockBytes, batch > 1 ? BlockLength.groupBytes : 0)
            + (BlockLength.mostScanBlocks + 1) * rings.reduce(0) { $0 + bytes(plan[$1]) }
    }

    /// Everything kept for all steps.
    var whole: MemoryPlan {
        var result = MemoryPlan(dataBytes: 0, resultBytes: 0, workBytes: blockBytes, streams: [])
        for buffer in plan.buffers {
            switch buffer.kind {
            case .input, .parameter: result.dataBytes += bytes(buffer)
            case .output: result.resultBytes += bytes(buffer)
            case .full:
                let bytes = bytes(buffer)
                result.streams.append(MemoryPlan.Stream(name: buffer.name, wholeBytes: bytes, bytes: bytes))
            case .static, .once, .accumulator, .block, .step, .ring, .zero: result.workBytes += bytes(buffer)
            }
        }
        for product in plan.products { result.dataBytes += facts.packing.byteCount(of: product) }
        return result
    }
}

extension RunSize {
    /// Larger runs are beyond every machine; sizes within it are added and multiplied without a thought of overflow.
    private static let largest = 0x1p47

    /// Refuses runs whose sizes cannot be computed with.
    static func check(_ facts: KernelFacts, batch: Int, extents: [Int]) throws(DiagnosticList) {
        let steps = extents.reduce(Double(max(batch, 1))) { $0 * Double(max($1, 1)) }
        let row = facts.plan.buffers.reduce(8.0) { sum, buffer in
            switch buffer.kind {
            case .parameter, .static, .zero: sum
            case .input, .output, .once, .accumulator, .full, .block, .step, .ring:
                sum + Double(buffer.rowCount * buffer.element.byteCount(facts.precision))
            }
        }
        guard steps * row <= largest else {
            throw DiagnosticList(
                .tooLarge, "a batch of \(batch) over \(extents.map(String.init).joined(separator: " × ")) steps is too large",
                help: "make the batch, the length or the dims smaller")
        }
    }
}
