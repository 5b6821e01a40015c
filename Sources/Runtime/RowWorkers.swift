import RecCodeGen
import RecScheduling

/// What each worker has of its own where workers share the rows of every step: buffers that all of them fill.
///
/// Sendable because each worker touches its own frame alone.
final class RowWorkers: @unchecked Sendable {
    private let frames: [Frame]
    private let own: [[(buffer: BufferID, memory: AlignedMemory)]]

    init(_ rows: RowSharing, _ memory: RunMemory, workers: Int) {
        let needed = rows.ownBuffers.isEmpty ? 0 : workers
        frames = (0..<needed).map { _ in Frame(copying: memory.frame) }
        own = (0..<needed).map { _ in
            rows.ownBuffers.map { ($0, AlignedMemory(byteCount: memory.batch * memory.model.rowBytes(memory.model.plan[$0]))) }
        }
    }

    /// Where a worker finds its data: as `shared` says, but for its own buffers.
    func frame(of worker: Int, like shared: Frame) -> Frame {
        guard !frames.isEmpty else { return shared }
        let frame = frames[worker]
        frame.words.update(from: shared.words, count: shared.count)
        for (buffer, memory) in own[worker] { frame.move(buffer, base: memory.start) }
        return frame
    }
}

extension Sweep {
    /// For each stage whose rows workers share, what each of them has of its own.
    func rowWorkers(_ workers: Int) -> [RowWorkers?] {
        segment.stages.map { stage in stage.rows.map { RowWorkers($0, memory, workers: workers) } }
    }
}

extension Segment {
    /// Whether workers share the steps of some stage.
    var sharesRows: Bool { stages.contains { $0.rows != nil } }
}
