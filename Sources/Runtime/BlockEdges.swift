import RecScheduling

/// The last rows of block buffers that the next block reads, between two chunks of a sweep.
///
/// Sendable to workers because each saves and restores sequences of its own.
final class BlockEdges: @unchecked Sendable {
    private let rows: [BufferID: AlignedMemory]
    /// Whether a chunk has left its edges here.
    var isFilled = false

    init(_ memory: RunMemory, segment: Segment) {
        let second = memory.extents.count > 1 ? memory.extents[1] : 1
        var rows: [BufferID: AlignedMemory] = [:]
        for id in segment.written {
            let buffer = memory.model.plan[id]
            guard case .block(let halo) = buffer.kind, halo > 0 else { continue }
            let stepBytes = memory.model.rowBytes(buffer) * (buffer.variance.varies(over: 1) ? second : 1)
            rows[id] = AlignedMemory(byteCount: memory.batch * halo * stepBytes)
        }
        self.rows = rows
    }

    /// Makes a window go on where the last chunk ended.
    func restore(_ window: BlockWindow, before steps: Range<Int>) {
        guard isFilled else { return }
        window.resume(beside: steps.lowerBound)
        for edge in window.edges {
            guard let memory = rows[edge.id] else { continue }
            for sequence in window.sequences {
                edge.start(sequence).copyMemory(from: memory.start + sequence * edge.byteCount, byteCount: edge.byteCount)
            }
        }
    }

    /// Takes over what a window ends with.
    func save(_ window: BlockWindow) {
        for edge in window.edges {
            guard let memory = rows[edge.id] else { continue }
            for sequence in window.sequences {
                (memory.start + sequence * edge.byteCount).copyMemory(from: edge.start(sequence), byteCount: edge.byteCount)
            }
        }
    }

    /// The rows, in the order of buffers.
    var bytes: [UnsafeMutableRawBufferPointer] {
        rows.sorted { $0.key.index < $1.key.index }.map { UnsafeMutableRawBufferPointer(start: $1.start, count: $1.byteCount) }
    }
}
