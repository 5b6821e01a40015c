import RecCodeGen
import RecScheduling
import RecStream

/// Runs one segment over the steps in blocks that stay in the second-level cache.
///
/// Sendable to its workers because each writes rows, steps or lanes of its own, and barriers lie between stages.
struct Sweep: @unchecked Sendable {
    let memory: RunMemory
    let segment: Segment
    let index: Int
    let axes: [Int]
    let isReversed: Bool
    /// Whether the outermost loop runs over the first axis, so that the sweep can be cut into blocks along it.
    private let isBlocked: Bool

    /// What the blocks of one worker may take of the cache.
    private static let blockBytes = 384 << 10
    private static let laneBytes = 192 << 10
    static let blockSteps = 16...1024
    /// Time blocks are all in memory at once.
    private static let mostScanSteps = 64 * Scan.blockSteps

    init?(_ memory: RunMemory, segment index: Int) {
        let segment = memory.model.plan.segments[index]
        guard case .sweep(let axes, let order) = segment.kind else { return nil }
        self.memory = memory
        self.segment = segment
        self.index = index
        self.axes = axes
        isReversed = order.loops[0].isReversed
        isBlocked = order.loops[0].axis == 0
    }

    var model: CompiledModel { memory.model }
    var firstExtent: Int { axes.contains(0) ? memory.extents[0] : 1 }
    private var second: Int { memory.extents.count > 1 ? memory.extents[1] : 1 }

    /// Buffers of blocks, and how many steps before the block they keep.
    var blocks: [(id: BufferID, halo: Int)] {
        segment.written.compactMap { id in
            if case .block(let halo) = model.plan[id].kind { (id, halo) } else { nil }
        }
    }

    /// Bytes of all blocks for one step of one sequence.
    var stepBytes: Int {
        blocks.reduce(0) { $0 + model.rowBytes(model.plan[$1.id]) * (model.plan[$1.id].variance.varies(over: 1) ? second : 1) }
    }

    /// Steps after which a lane loop that takes several passes over its elements turns back to the first of them, while
    /// what it touched is still in the cache.
    private var laneSteps: Int {
        var bytes = 0
        for (k, stage) in segment.stages.enumerated() {
            guard case .lanes = stage.form else { continue }
            let grain = model.code.grains[index][k]
            guard grain.extent > grain.width else { continue }
            let streams = stage.touchedBuffers.filter { model.plan[$0].variance.varies(over: 0) && !model.plan[$0].isRing }
            bytes = max(bytes, streams.reduce(0) { $0 + model.rowBytes(model.plan[$1]) })
        }
        return bytes == 0 ? Int.max : max(1, Self.laneBytes / bytes)
    }

    /// Scalar operations, roughly.
    private var workSize: Double {
        var work = 0
        for item in segment.stages.flatMap(\.items) {
            switch item {
            case .nest(let nest): work += nest.domain.reduce(1, *) * nest.nodes.count
            case .product(let product): work += product.operationCount / 8
            case .total(let total): work += total.operationCount / 8
            }
        }
        return Double(work) * Double(memory.batch) * Double(firstExtent) * Double(axes.contains(1) ? second : 1)
    }

    func run(on pool: ThreadPool) {
        memory.start(segment)
        guard memory.batch > 0, axes.allSatisfy({ memory.extents[$0] > 0 }) else { return }
        if workSize < pool.leastWork {
            if sumsOverBatch { runInStep(workers: 1, on: pool) } else { runAlone() }
        } else if memory.batch >= pool.count, sumsOverBatch {
            runInStep(workers: pool.count, on: pool)
        } else if memory.batch >= pool.count, !segment.sharesRows {
            runBatchParallel(on: pool)
        } else {
            runTogether(on: pool)
        }
    }

    /// Steps of a block for so many sequences at a time.
    func blockLength(sequences: Int) -> Int {
        guard isBlocked else { return firstExtent }
        let fitting = stepBytes == 0 ? Int.max / 2 : Self.blockBytes / max(1, stepBytes * sequences)
        // Without block buffers nothing is gained by turning back, unless lanes do.
        let most = stepBytes == 0 ? Int.max / 2 : Self.blockSteps.upperBound
        let wanted = max(Self.blockSteps.lowerBound, min(fitting, laneSteps, most))
        // Time blocks of scans begin at multiples of their length.
        let hasBlocks = segment.stages.contains { $0.scan != nil }
        let isScan = segment.stages.contains { $0.isScan }
        let kept = hasBlocks ? min(wanted, Self.mostScanSteps) : wanted
        let whole = isScan ? max(Scan.blockSteps, kept / Scan.blockSteps * Scan.blockSteps) : wanted
        return max(1, min(firstExtent, whole))
    }

    /// Each worker takes sequences of its own through all blocks and stages; nobody waits for anybody.
    private func runBatchParallel(on pool: ThreadPool) {
        let batch = memory.batch
        let workers = min(pool.count, batch)
        pool.run { worker in
            guard worker < workers else { return }
            runSequences(batch * worker / workers..<batch * (worker + 1) / workers)
        }
    }

    private func runAlone() { runSequences(0..<memory.batch) }

    /// Some sequences through all blocks and stages.
    private func runSequences(_ range: Range<Int>) {
        // Groups small enough that even the shortest blocks fit.
        let most = max(1, Self.blockBytes / max(1, stepBytes * Self.blockSteps.lowerBound))
        let groups = (range.count + most - 1) / most
        for group in 0..<groups {
            let start = range.lowerBound + range.count * group / groups
            let end = range.lowerBound + range.count * (group + 1) / groups
            let length = blockLength(sequences: end - start)
            let window = BlockWindow(memory, blocks: blocks, sequences: start..<end, steps: length, isReversed: isReversed)
            let scans = timeBlocks(start..<end)
            forEachBlock(length) { steps in
                window.move(to: steps)
                for stage in segment.stages.indices {
                    if let blocks = scans[stage] {
                        blocks.run(steps, window.frame)
                        continue
                    }
                    model.code.stages[index][stage](
                        window.frame.pointer, start, end, steps.lowerBound, steps.upperBound, 0, Int.max)
                }
            }
        }
    }

    /// For each stage that is a scan, its time blocks.
    func timeBlocks(_ sequences: Range<Int>) -> [TimeBlocks?] {
        segment.stages.enumerated().map { k, stage in
            guard let scan = stage.scan, let summary = model.code.summaries[index][k] else { return nil }
            return TimeBlocks(
                memory, scan: scan, stage: stage, code: model.code.stages[index][k], summary: summary, sequences: sequences,
                isReversed: isReversed)
        }
    }

    /// For each stage whose rows run at the same time, what runs them.
    private func wavefronts(workers: Int) -> [WavefrontRun?] {
        segment.stages.enumerated().map { k, stage in
            guard let reach = stage.wavefront, isBlocked, case .sweep(_, let order) = segment.kind else { return nil }
            return WavefrontRun(
                memory, stage, model.code.stages[index][k], reach: reach, second: second, workers: workers,
                isReversed: (isReversed, order.loops.contains { $0.axis == 1 && $0.isReversed }))
        }
    }

    /// A scan by all workers; each takes every so many-th block.
    private func runShared(_ blocks: TimeBlocks, _ steps: Range<Int>, _ frame: Frame, worker: Int, on pool: ThreadPool) {
        if worker == 0 { _ = blocks.prepare(steps, frame) }
        pool.barrier()
        for k in stride(from: worker, to: blocks.count, by: pool.count) { blocks.summarize(k) }
        pool.barrier()
        if worker == 0 { blocks.join() }
        pool.barrier()
        for k in stride(from: worker, to: blocks.count, by: pool.count) { blocks.apply(k) }
        pool.barrier()
        if worker == 0 { blocks.finish() }
        pool.barrier()
    }

    /// All workers share each stage: by steps where they are independent, by lanes in lane loops, by rows where the plan says so.
    private func runTogether(on pool: ThreadPool) {
        let batch = memory.batch
        let length = blockLength(sequences: batch)
        let window = BlockWindow(memory, blocks: blocks, sequences: 0..<batch, steps: length, isReversed: isReversed)
        let shared = SharedWindow(window: window)
        let rows = rowWorkers(pool.count)
        if let only = segment.stages.first, segment.stages.count == 1, blocks.isEmpty, only.scan == nil, only.wavefront == nil {
            // Nothing passes between workers: nobody waits.
            pool.run { worker in
                forEachBlock(length) { steps in
                    share(only, 0, steps, shared.window.frame, worker: worker, of: pool.count, rows: rows[0])
                }
            }
            return
        }
        let scans = timeBlocks(0..<batch)
        let wavefronts = wavefronts(workers: pool.count)
        pool.run { worker in
            forEachBlock(length) { steps in
                if worker == 0 { shared.window.move(to: steps) }
                pool.barrier()
                for (stage, description) in segment.stages.enumerated() {
                    if let blocks = scans[stage] {
                        runShared(blocks, steps, shared.window.frame, worker: worker, on: pool)
                        continue
                    }
                    if let wavefront = wavefronts[stage] {
                        if worker == 0 { wavefront.prepare(steps, shared.window.frame) }
                        pool.barrier()
                        wavefront.run(worker: worker)
                        pool.barrier()
                        continue
                    }
                    share(
                        description, stage, steps, shared.window.frame, worker: worker, of: pool.count, rows: rows[stage])
                    pool.barrier()
                }
            }
        }
    }

    /// A worker's share of a stage over a block.
    func share(
        _ stage: Stage, _ number: Int, _ steps: Range<Int>, _ frame: Frame, worker: Int, of workers: Int, rows: RowWorkers?
    ) {
        let function = model.code.stages[index][number]
        let batch = memory.batch
        switch stage.form {
        case .map:
            let start = steps.lowerBound + steps.count * worker / workers
            let end = steps.lowerBound + steps.count * (worker + 1) / workers
            if axes.contains(0) {
                if start < end { function(frame.pointer, 0, batch, start, end, 0, Int.max) }
            } else if worker == 0 {
                function(frame.pointer, 0, batch, 0, 1, 0, Int.max)
            }
        case .lanes, .totals:
            let share = model.code.grains[index][number].share(worker, of: workers)
            if !share.isEmpty {
                function(frame.pointer, 0, batch, steps.lowerBound, steps.upperBound, share.lowerBound, share.upperBound)
            }
        case .sequential where rows != nil:
            let frame = rows?.frame(of: worker, like: frame) ?? frame
            function(frame.pointer, 0, batch, steps.lowerBound, steps.upperBound, worker, workers)
        case .sequential, .registers:
            if worker == 0 { function(frame.pointer, 0, batch, steps.lowerBound, steps.upperBound, 0, Int.max) }
        }
    }

    func forEachBlock(_ length: Int, _ body: (Range<Int>) -> Void) {
        let count = (firstExtent + length - 1) / length
        for k in 0..<count {
            let block = isReversed ? count - 1 - k : k
            body(block * length..<min(firstExtent, (block + 1) * length))
        }
    }
}

/// Lets workers see one window; worker 0 moves it while the others wait at a barrier.
final class SharedWindow: @unchecked Sendable {
    let window: BlockWindow
    init(window: BlockWindow) { self.window = window }
}

/// The block buffers of a worker: memory for the steps of a block and for the few before it that are still read.
final class BlockWindow {
    let frame: Frame
    private let memory: RunMemory
    private let sequences: Range<Int>
    let isReversed: Bool
    private var buffers: [(id: BufferID, halo: Int, memory: AlignedMemory, stepBytes: Int, sequenceBytes: Int)] = []
    private var present: Range<Int>?

    init(
        _ memory: RunMemory, blocks: [(id: BufferID, halo: Int)], sequences: Range<Int>, steps: Int, isReversed: Bool
    ) {
        self.memory = memory
        self.sequences = sequences
        self.isReversed = isReversed
        frame = Frame(copying: memory.frame)
        let second = memory.extents.count > 1 ? memory.extents[1] : 1
        for (id, halo) in blocks {
            let buffer = memory.model.plan[id]
            let elements = buffer.rowCount * (buffer.variance.varies(over: 1) ? second : 1)
            let bytes = elements * buffer.element.byteCount(memory.model.precision)
            let sequenceBytes = bytes * (steps + halo)
            let block = AlignedMemory(byteCount: sequenceBytes * sequences.count, zeroed: halo > 0)
            buffers.append((id, halo, block, bytes, sequenceBytes))
            frame.describe(
                id, base: block.start, batch: elements * (steps + halo),
                first: buffer.variance.varies(over: 0) ? elements : 0, second: buffer.rowCount)
        }
    }

    /// Takes over where everything but the blocks lies, once that is known.
    func adopt(_ other: Frame) {
        let own = buffers.map { ($0.id, frame.base(of: $0.id), frame.batchStride(of: $0.id), frame.firstStride(of: $0.id), frame.period(of: $0.id)) }
        frame.words.update(from: other.words, count: frame.count)
        for (id, base, batch, first, second) in own {
            if let base { frame.describe(id, base: base, batch: batch, first: first, second: second) }
        }
    }

    /// Buffers of which the next block reads the end.
    var lasting: [(id: BufferID, start: UnsafeMutableRawPointer, count: Int)] {
        buffers.filter { $0.halo > 0 }.map { ($0.id, $0.memory.start, $0.sequenceBytes * sequences.count) }
    }

    /// How many steps the present block has; none before the first.
    var presentCount: Int { present?.count ?? 0 }

    /// Goes on as if the `count` steps before `step` had just been taken.
    func resume(at step: Int, count: Int) { present = count > 0 ? step - count..<step : nil }

    /// Makes the buffers hold these steps; the last ones of the block before stay readable.
    func move(to steps: Range<Int>) {
        for (id, halo, block, stepBytes, sequenceBytes) in buffers {
            if let present, halo > 0 {
                for sequence in 0..<sequences.count {
                    let start = block.start + sequence * sequenceBytes
                    // Forwards the halo lies before the block, backwards behind it.
                    let (target, source) =
                        isReversed ? (steps.count, 0) : (0, present.count)
                    memmove(start + target * stepBytes, start + source * stepBytes, halo * stepBytes)
                }
            }
            let first = steps.lowerBound - (isReversed ? 0 : halo)
            frame.move(id, base: block.start - first * stepBytes - sequences.lowerBound * sequenceBytes)
        }
        present = steps
    }
}

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif
