import RecCodeGen
import RecScheduling

/// What each worker but the first has of its own where workers share the rows of every step: copies of the buffers that all of
/// them fill. The first one fills those of the run.
///
/// Rings are copied as they are when workers begin; from then on each worker's go through the same steps. Of other buffers only
/// the present row is looked at, so that all steps have one.
///
/// Sendable because each worker touches its own frame alone.
final class RowWorkers: @unchecked Sendable {
    private struct Copy {
        var buffer: BufferID
        var memory: AlignedMemory
        var batchStride: Int
        var firstStride: Int
        /// A ring's period takes the place of the second stride.
        var period: Int
    }

    private let frames: [Frame]
    private let copies: [[Copy]]

    init(_ rows: RowSharing, _ memory: RunMemory, workers: Int) {
        let others = rows.ownBuffers.isEmpty ? 0 : workers - 1
        frames = (0..<others).map { _ in Frame(copying: memory.frame) }
        copies = (0..<others).map { _ in rows.ownBuffers.map { Self.copy($0, memory) } }
    }

    private static func copy(_ id: BufferID, _ memory: RunMemory) -> Copy {
        let buffer = memory.model.plan[id]
        if case .ring = buffer.kind {
            let bytes = memory.bytes(ofRing: id)
            let copy = AlignedMemory(byteCount: bytes.count, zeroed: false)
            if let base = bytes.baseAddress { copy.start.copyMemory(from: base, byteCount: bytes.count) }
            return Copy(
                buffer: id, memory: copy, batchStride: memory.frame.batchStride(of: id), firstStride: memory.frame.firstStride(of: id),
                period: memory.frame.period(of: id))
        }
        return Copy(
            buffer: id, memory: AlignedMemory(byteCount: memory.batch * memory.model.rowBytes(buffer)), batchStride: buffer.rowCount,
            firstStride: 0, period: 0)
    }

    /// Where a worker finds its data: as `shared` says, but for its own copies.
    func frame(of worker: Int, like shared: Frame) -> Frame {
        guard worker > 0, !frames.isEmpty else { return shared }
        let frame = frames[worker - 1]
        frame.words.update(from: shared.words, count: shared.count)
        for copy in copies[worker - 1] {
            frame.describe(copy.buffer, base: copy.memory.start, batch: copy.batchStride, first: copy.firstStride, second: copy.period)
        }
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
