import RecCodeGen
import RecScheduling

/// What a run keeps in memory, and in chunks of how many steps it runs so that this fits a bound.
package struct MemoryPlan: Equatable, Sendable {
    /// Steps of the first axis of which kept streams are in memory at a time; nil where all are.
    package var chunkSteps: Int?
    /// How many chunks the steps make.
    package var chunkCount = 1
    /// Inputs, parameters and packed weights.
    package var dataBytes: Int
    /// Outputs and gradients.
    package var resultBytes: Int
    /// What a step needs, sums over time, and the blocks of workers.
    package var workBytes: Int
    /// Streams that one pass keeps for another, or a chunk of them.
    package var streams: [Stream]
    /// What is kept at the boundaries of chunks.
    package var boundaryBytes = 0
    /// Segments that run again.
    package var repeated: Set<Int> = []

    /// A stream that one pass keeps for another.
    package struct Stream: Equatable, Sendable {
        package var name: String
        /// Of all steps.
        package var wholeBytes: Int
        /// Of what is in memory at a time.
        package var bytes: Int
    }

    package var streamBytes: Int { streams.reduce(0) { $0 + $1.bytes } }
    /// Of kept streams with all their steps.
    package var wholeStreamBytes: Int { streams.reduce(0) { $0 + $1.wholeBytes } }
    /// The program itself: what a process has in memory that has compiled a small model and not run it, mostly LLVM.
    package static let programBytes = 100_000_000
    /// The most that a run has in memory: the program, the data, the results and all that it works with.
    package var peakBytes: Int { Self.programBytes + dataBytes + resultBytes + workBytes + streamBytes + boundaryBytes }
}

/// Why a run does not fit its bound.
package struct MemoryShortage: Error, Equatable, Sendable {
    /// What the run needs at least.
    package var least: MemoryPlan
    /// Why it cannot run in chunks; nil where it can, and needs more all the same.
    package var refusal: ChunkRefusal?
}

extension MemoryPlan {
    /// Where no bound is given, kept streams are whole where they take no more than this, or than `usualShare` of data and
    /// results. Beyond that a pass more is worth the memory: see `docs/gradients.md`.
    package static let usualBytes = 128 << 20
    package static let usualShare = 0.25

    /// Whether a run without a bound keeps its streams whole, so far as can be told at once: short runs are over in microseconds.
    static func isSurelyWhole(_ facts: KernelFacts, batch: Int, extents: [Int], pool: ThreadPool) -> Bool {
        let size = RunSize(facts, batch: batch, extents: extents, pool: pool.size)
        var bytes = 0
        for buffer in facts.plan.buffers { if case .full = buffer.kind { bytes += size.bytes(buffer) } }
        return bytes <= Self.usualBytes
    }

    /// What is usual where no bound is given.
    package init(_ facts: KernelFacts, batch: Int, extents: [Int], workers: Int, leastWork: Double = ThreadPool.usualLeastWork) {
        let size = RunSize(facts, batch: batch, extents: extents, pool: PoolSize(count: workers, leastWork: leastWork))
        self = size.whole
        let most = max(Self.usualBytes, Int(Self.usualShare * Double(dataBytes + resultBytes)))
        guard wholeStreamBytes > most, let chunking = try? Chunking(facts.plan) else { return }
        let chunks = ChunkChoice(size, chunking)
        self = chunks.longest(within: peakBytes - wholeStreamBytes + most) ?? chunks.least
    }

    /// A run in chunks of so many of the shortest chunks that there are, whatever it takes.
    ///
    /// - Throws: where the plan cannot run in chunks.
    init(_ facts: KernelFacts, batch: Int, extents: [Int], pool: ThreadPool, units: Int) throws(ChunkRefusal) {
        let size = RunSize(facts, batch: batch, extents: extents, pool: pool.size)
        self = ChunkChoice(size, try Chunking(facts.plan)).plan(units: units)
    }

    /// The plan that fits a bound in bytes with the fewest boundaries.
    ///
    /// - Throws: where not even the most frugal chunks fit.
    package init(
        _ facts: KernelFacts, batch: Int, extents: [Int], workers: Int, leastWork: Double = ThreadPool.usualLeastWork, bound: Int
    ) throws(MemoryShortage) {
        let size = RunSize(facts, batch: batch, extents: extents, pool: PoolSize(count: workers, leastWork: leastWork))
        self = size.whole
        guard peakBytes > bound else { return }
        let chunking: Chunking
        do throws(ChunkRefusal) { chunking = try Chunking(facts.plan) } catch {
            throw MemoryShortage(least: self, refusal: error)
        }
        let chunks = ChunkChoice(size, chunking)
        guard let fitting = chunks.longest(within: bound) else {
            throw MemoryShortage(least: chunks.least.peakBytes < peakBytes ? chunks.least : self)
        }
        self = fitting
    }
}
