import RecCodeGen
import RecScheduling
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The rows of a two-dimensional recurrence, taken by threads in turn: a thread goes on along its row as far as the row
/// before it has come.
///
/// Sendable because each worker has a frame and scratch of its own, and rows write memory of their own.
final class WavefrontRun: @unchecked Sendable {
    private final class Row: Sendable {
        /// Steps of the inner axis that are done.
        let done = Atomic<Int>(0)
    }

    private let stage: CompiledPlan.StageFunction
    private let reach: Int
    private let second: Int
    private let batch: Int
    private let isReversed: (first: Bool, second: Bool)
    private var rows: [Row] = []
    private var steps = 0..<0
    private let frames: [Frame]
    private let scratch: [[(BufferID, AlignedMemory)]]

    /// Steps of the inner axis between two looks at the row before.
    private static let tile = 16

    init(
        _ memory: RunMemory, _ stage: Stage, _ code: CompiledPlan.StageFunction, reach: Int, second: Int, workers: Int,
        isReversed: (first: Bool, second: Bool)
    ) {
        self.stage = code
        self.reach = reach
        self.second = second
        self.isReversed = isReversed
        batch = memory.batch
        frames = (0..<workers).map { _ in Frame(copying: memory.frame) }
        let own = stage.writtenBuffers.filter { id in
            if case .step = memory.model.plan[id].kind { true } else { false }
        }
        scratch = (0..<workers).map { _ in
            own.map { ($0, AlignedMemory(byteCount: memory.batch * memory.model.rowBytes(memory.model.plan[$0]))) }
        }
    }

    /// Called by one worker before all take part in `run`.
    func prepare(_ steps: Range<Int>, _ frame: Frame) {
        self.steps = steps
        rows = steps.map { _ in Row() }
        for (own, scratch) in zip(frames, scratch) {
            own.words.update(from: frame.words, count: frame.count)
            for (buffer, memory) in scratch { own.move(buffer, base: memory.start) }
        }
    }

    func run(worker: Int) {
        let frame = frames[worker]
        for row in stride(from: worker, to: rows.count, by: frames.count) {
            let step = isReversed.first ? steps.upperBound - 1 - row : steps.lowerBound + row
            var at = 0
            while at < second {
                let end = min(at + Self.tile, second)
                if row > 0 { wait(for: rows[row - 1], until: min(end + reach, second)) }
                frame.words[FrameLayout.secondFirst] = isReversed.second ? second - end : at
                frame.words[FrameLayout.secondLast] = isReversed.second ? second - at : end
                stage(frame.pointer, 0, batch, step, step + 1, 0, Int.max)
                rows[row].done.store(end, ordering: .releasing)
                at = end
            }
        }
    }

    private func wait(for row: Row, until count: Int) {
        var turns = 0
        while row.done.load(ordering: .acquiring) < count {
            turns += 1
            if turns > 1000 { sched_yield() }
        }
    }
}
