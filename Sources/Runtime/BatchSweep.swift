import RecCodeGen
import RecScheduling

/// Sweeps that sum over the sequences of a batch: workers take sequences of their own through the other stages of a block,
/// or share the rows of their steps, then share its sums by rows.
extension Sweep {
    /// Runs the sweep by some of the pool's workers. Groups and blocks are the same for any number of them, and so is the
    /// order in which sequences and steps are summed.
    func runInStep(workers: Int, _ all: Range<Int>, on pool: ThreadPool) {
        for sequences in division.lengths.groups(of: 0..<memory.batch, inStep: true) {
            let length = blockLength(sequences: sequences.count)
            let window = BlockWindow(memory, blocks: blocks, sequences: sequences, steps: length, isReversed: isReversed)
            edges?.restore(window, before: all)
            defer { edges?.save(window) }
            let shared = SharedWindow(window: window)
            let rows = rowWorkers(workers)
            if workers == 1 {
                runInStep(sequences, length, all, shared, rows, worker: 0, of: 1) {}
            } else {
                pool.run { worker, team in
                    runInStep(sequences, length, all, shared, rows, worker: worker, of: pool.count) { team.barrier() }
                }
            }
        }
    }

    private func runInStep(
        _ sequences: Range<Int>, _ length: Int, _ all: Range<Int>, _ shared: SharedWindow, _ rows: [RowWorkers?], worker: Int,
        of workers: Int, barrier: () -> Void
    ) {
        let start = sequences.lowerBound + sequences.count * worker / workers
        let end = sequences.lowerBound + sequences.count * (worker + 1) / workers
        let frame = shared.window.frame
        let scans = timeBlocks(start..<end)
        forEachBlock(length, of: all) { steps in
            if worker == 0 { shared.window.move(to: steps) }
            barrier()
            for stage in stages {
                let description = segment.stages[stage]
                let function = model.code.stages[index][stage]
                if model.plan.sumsOverBatch(description) {
                    barrier()
                    let rows = model.code.grains[index][stage].share(worker, of: workers)
                    if !rows.isEmpty {
                        function(
                            frame.pointer, sequences.lowerBound, sequences.upperBound, steps.lowerBound, steps.upperBound,
                            rows.lowerBound, rows.upperBound)
                    }
                    barrier()
                } else if let rows = rows[stage] {
                    barrier()
                    function(
                        rows.frame(of: worker, like: frame).pointer, sequences.lowerBound, sequences.upperBound,
                        steps.lowerBound, steps.upperBound, worker, workers)
                    barrier()
                } else if start < end {
                    if let blocks = scans[stage] {
                        blocks.run(steps, frame)
                    } else {
                        function(frame.pointer, start, end, steps.lowerBound, steps.upperBound, 0, Int.max)
                    }
                }
            }
            // No worker moves the window while another looks at it.
            barrier()
        }
    }
}
