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

    let division: SweepDivision
    /// The stages to run.
    let stages: [Int]
    /// Where the edges of blocks stay between two calls of `run(on:over:)`; nil where all steps are run at once.
    let edges: BlockEdges?

    /// - Parameter stages: some of the stages; nil for all.
    init?(_ memory: RunMemory, segment index: Int, stages: [Int]? = nil, edges: BlockEdges? = nil) {
        let segment = memory.model.plan.segments[index]
        guard case .sweep(let axes, let order) = segment.kind,
            let division = SweepDivision(memory.model.code.facts, segment: index, batch: memory.batch, extents: memory.extents)
        else { return nil }
        self.memory = memory
        self.division = division
        self.stages = stages ?? Array(segment.stages.indices)
        self.edges = edges
        self.segment = segment
        self.index = index
        self.axes = axes
        isReversed = order.loops[0].isReversed
        isBlocked = order.loops[0].axis == 0
    }

    var model: CompiledModel { memory.model }
    var firstExtent: Int { axes.contains(0) ? memory.extents[0] : 1 }
    private var second: Int { memory.extents.count > 1 ? memory.extents[1] : 1 }

    /// Where blocks lie.
    var blocks: BlockPlaces { model.code.facts.blocks[index] }

    func run(on pool: ThreadPool) {
        memory.start(segment)
        run(on: pool, over: 0..<firstExtent)
        memory.finish(segment)
    }

    /// Runs some steps, which begin where those of the last call ended. Ends that are not those of the sequence are multiples
    /// of every block's length.
    func run(on pool: ThreadPool, over steps: Range<Int>) {
        guard memory.batch > 0, axes.allSatisfy({ memory.extents[$0] > 0 }), !stages.isEmpty else { return }
        let mode = division.mode(pool.size)
        guard edges == nil, sharesRows(mode) else { return run(mode, steps, on: pool) }
        let contention = model.contention
        let key = Contention.Key(segment: index, batch: memory.batch, workers: pool.count)
        let avoidsSharing = contention.avoidsSharing(key)
        let losses = ProcessorLosses()
        run(avoidsSharing ? byOneThread : mode, steps, on: pool)
        let secondsPerStep = losses.seconds / Double(max(1, steps.count))
        if avoidsSharing {
            contention.noteAlone(key, secondsPerStep: secondsPerStep)
        } else {
            contention.noteShared(key, secondsPerStep: secondsPerStep, isDisturbed: losses.areMany)
        }
    }

    /// Whether workers share the rows of some stage's steps.
    private func sharesRows(_ mode: SweepDivision.Mode) -> Bool {
        switch mode {
        case .alone, .bySequence: false
        case .inStep(let workers): workers > 1 && segment.sharesRows
        case .together: segment.sharesRows
        }
    }

    private var byOneThread: SweepDivision.Mode {
        if case .inStep = division.mode(PoolSize(count: 1)) { .inStep(workers: 1) } else { .alone }
    }

    private func run(_ mode: SweepDivision.Mode, _ steps: Range<Int>, on pool: ThreadPool) {
        switch mode {
        case .alone: runSequences(0..<memory.batch, steps)
        case .bySequence: runBatchParallel(steps, on: pool)
        case .inStep(let workers): runInStep(workers: workers, steps, on: pool)
        case .together: runTogether(steps, on: pool)
        }
    }

    /// Steps of a block for so many sequences at a time.
    func blockLength(sequences: Int) -> Int {
        guard isBlocked else { return firstExtent }
        return max(1, min(firstExtent, division.blockSteps(sequences: sequences) ?? firstExtent))
    }

    /// Each worker takes sequences of its own through all blocks and stages; nobody waits for anybody.
    private func runBatchParallel(_ steps: Range<Int>, on pool: ThreadPool) {
        let workers = min(pool.count, memory.batch)
        pool.run { worker, _ in
            guard worker < workers else { return }
            runSequences(division.share(worker, of: workers), steps)
        }
    }

    /// Some sequences through all blocks and stages.
    private func runSequences(_ range: Range<Int>, _ all: Range<Int>) {
        for group in division.lengths.groups(of: range) {
            let (start, end) = (group.lowerBound, group.upperBound)
            let length = blockLength(sequences: end - start)
            let window = BlockWindow(memory, blocks: blocks, sequences: start..<end, steps: length, isReversed: isReversed)
            edges?.restore(window, before: all)
            defer { edges?.save(window) }
            let scans = timeBlocks(start..<end)
            forEachBlock(length, of: all) { steps in
                window.move(to: steps)
                for stage in stages {
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
    private func runShared(_ blocks: TimeBlocks, _ steps: Range<Int>, _ frame: Frame, worker: Int, of team: ThreadTeam) {
        if worker == 0 { _ = blocks.prepare(steps, frame) }
        team.barrier()
        for k in stride(from: worker, to: blocks.count, by: team.count) { blocks.summarize(k) }
        team.barrier()
        if worker == 0 { blocks.join() }
        team.barrier()
        for k in stride(from: worker, to: blocks.count, by: team.count) { blocks.apply(k) }
        team.barrier()
        if worker == 0 { blocks.finish() }
        team.barrier()
    }

    /// All workers share each stage: by steps where they are independent, by lanes in lane loops, by rows where the plan says so.
    private func runTogether(_ all: Range<Int>, on pool: ThreadPool) {
        for sequences in division.groupsTogether { runTogether(sequences, all, on: pool) }
    }

    private func runTogether(_ sequences: Range<Int>, _ all: Range<Int>, on pool: ThreadPool) {
        let length = blockLength(sequences: sequences.count)
        let window = BlockWindow(memory, blocks: blocks, sequences: sequences, steps: length, isReversed: isReversed)
        edges?.restore(window, before: all)
        defer { edges?.save(window) }
        let shared = SharedWindow(window: window)
        let rows = rowWorkers(pool.count)
        if let number = stages.first, stages.count == 1, blocks.isEmpty, segment.stages[number].scan == nil,
            segment.stages[number].wavefront == nil
        {
            // Nothing passes between workers: nobody waits.
            pool.run { worker, _ in
                forEachBlock(length, of: all) { steps in
                    share(
                        segment.stages[number], number, sequences, steps, shared.window.frame, worker: worker, of: pool.count, rows: rows[number])
                }
            }
            return
        }
        let scans = timeBlocks(sequences)
        let wavefronts = wavefronts(workers: pool.count)
        pool.run { worker, team in
            forEachBlock(length, of: all) { steps in
                if worker == 0 { shared.window.move(to: steps) }
                team.barrier()
                for stage in stages {
                    let description = segment.stages[stage]
                    if let blocks = scans[stage] {
                        runShared(blocks, steps, shared.window.frame, worker: worker, of: team)
                        continue
                    }
                    if let wavefront = wavefronts[stage] {
                        if worker == 0 { wavefront.prepare(steps, shared.window.frame) }
                        team.barrier()
                        wavefront.run(worker: worker)
                        team.barrier()
                        continue
                    }
                    share(
                        description, stage, sequences, steps, shared.window.frame, worker: worker, of: pool.count, rows: rows[stage])
                    team.barrier()
                }
            }
        }
    }

    /// A worker's share of a stage over a block of some sequences.
    func share(
        _ stage: Stage, _ number: Int, _ sequences: Range<Int>, _ steps: Range<Int>, _ frame: Frame, worker: Int, of workers: Int, rows: RowWorkers?
    ) {
        let function = model.code.stages[index][number]
        let (first, last) = (sequences.lowerBound, sequences.upperBound)
        switch stage.form {
        case .map:
            let start = steps.lowerBound + steps.count * worker / workers
            let end = steps.lowerBound + steps.count * (worker + 1) / workers
            if axes.contains(0) {
                if start < end { function(frame.pointer, first, last, start, end, 0, Int.max) }
            } else if worker == 0 {
                function(frame.pointer, first, last, 0, 1, 0, Int.max)
            }
        case .lanes, .totals:
            let share = model.code.grains[index][number].share(worker, of: workers)
            if !share.isEmpty {
                function(frame.pointer, first, last, steps.lowerBound, steps.upperBound, share.lowerBound, share.upperBound)
            }
        case .sequential where rows != nil:
            let frame = rows?.frame(of: worker, like: frame) ?? frame
            function(frame.pointer, first, last, steps.lowerBound, steps.upperBound, worker, workers)
        case .sequential, .registers:
            if worker == 0 { function(frame.pointer, first, last, steps.lowerBound, steps.upperBound, 0, Int.max) }
        }
    }

    func forEachBlock(_ length: Int, of steps: Range<Int>, _ body: (Range<Int>) -> Void) {
        let first = steps.lowerBound / length
        let count = (steps.upperBound + length - 1) / length - first
        for k in 0..<count {
            let block = first + (isReversed ? count - 1 - k : k)
            // A block may be longer than what is to be run.
            body(max(steps.lowerBound, block * length)..<min(steps.upperBound, (block + 1) * length))
        }
    }
}
