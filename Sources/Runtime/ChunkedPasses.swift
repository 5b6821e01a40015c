import RecScheduling

/// Runs the sweeps of a plan in chunks of the first axis, with a chunk of each kept stream in memory at a time.
///
/// The first run of a pass leaves what it carries at each boundary; a later pass has it run again from there over each chunk
/// that it comes to. Outputs are then written twice, with the same bits; sums are those of the first run.
final class ChunkedPasses {
    private let memory: RunMemory
    private let chunking: Chunking
    private let chunk: StreamChunk
    private let pool: ThreadPool
    /// Passes that run again, by segment.
    private var repetitions: [Int: Repetition] = [:]
    /// By segment, the chunk of its streams that is in memory.
    private var present: [Int: Int] = [:]

    /// A pass that runs again.
    private struct Repetition {
        var memory: RunMemory
        var sweep: Sweep
        var edges: BlockEdges
        var carried = CarriedMemory()
    }

    init(_ memory: RunMemory, _ chunking: Chunking, _ chunk: StreamChunk, pool: ThreadPool) {
        self.memory = memory
        self.chunking = chunking
        self.chunk = chunk
        self.pool = pool
    }

    private var extent: Int { memory.extents[0] }
    private var count: Int { (extent + chunk.steps - 1) / chunk.steps }
    private func steps(_ number: Int) -> Range<Int> { number * chunk.steps..<min(extent, (number + 1) * chunk.steps) }

    /// Runs a segment over all steps.
    func run(_ index: Int) {
        let segment = memory.model.plan.segments[index]
        guard let pass = chunking.passes.first(where: { $0.segment == index }) else {
            Sweep(memory, segment: index)?.run(on: pool)
            return
        }
        let isRepeated = chunking.repeatedSegments.contains(index)
        let edges = BlockEdges(memory, segment: segment)
        guard let sweep = Sweep(memory, segment: index, edges: edges) else { return }
        if isRepeated { addRepetition(of: pass, segment) }
        memory.start(segment)
        for number in pass.isReversed ? (0..<count).reversed() : Array(0..<count) {
            for source in pass.sources { repeatPass(source, chunk: number) }
            chunk.place(number, in: memory.frame)
            chunk.restoreEdges(of: number, writer: index)
            if isRepeated { repetitions[index]?.carried.keep(pass.rings, memory, edges, before: number) }
            sweep.run(on: pool, over: steps(number))
            edges.isFilled = true
            chunk.keepEdges(of: number, count: steps(number).count, writer: index)
            present[index] = number
        }
        memory.finish(segment)
    }

    private func addRepetition(of pass: Chunking.Pass, _ segment: Segment) {
        let own = RunMemory(repeating: pass.repeated, of: segment, in: memory)
        let edges = BlockEdges(own, segment: segment)
        edges.isFilled = true
        guard let sweep = Sweep(own, segment: pass.segment, stages: pass.repeated, edges: edges) else { return }
        repetitions[pass.segment] = Repetition(memory: own, sweep: sweep, edges: edges)
    }

    /// Makes a chunk of a pass's streams be in memory.
    private func repeatPass(_ index: Int, chunk number: Int) {
        guard present[index] != number, let repetition = repetitions[index],
            let pass = chunking.passes.first(where: { $0.segment == index })
        else {
            chunk.restoreEdges(of: number, writer: index)
            return
        }
        chunk.place(number, in: repetition.memory.frame)
        chunk.restoreEdges(of: number, writer: index)
        repetition.carried.restore(pass.rings, repetition.memory, repetition.edges, before: number)
        repetition.sweep.run(on: pool, over: steps(number))
        present[index] = number
    }
}
