import RecCodeGen
import RecScheduling

/// Memory for one chunk of each kept stream, with room for the steps at its edges that passes over the chunk read.
///
/// Edges are remembered for every chunk when a stream is first written, and put back when the chunk is looked at again.
final class StreamChunk {
    private struct Stream {
        var kept: KeptStream
        var memory: ResultBytes
        var elements: Int
        var stepBytes: Int
        var sequenceBytes: Int
        /// By chunk: its last steps, which the next chunk reads, and its first, which the one before reads.
        var ends: [Int: AlignedMemory] = [:]
        var beginnings: [Int: AlignedMemory] = [:]
    }

    /// Steps of a chunk; the last may have fewer.
    let steps: Int
    private let batch: Int
    private let rowCounts: [Int]
    private var streams: [Stream]

    init(_ kept: [KeptStream], steps: Int, _ model: CompiledModel, batch: Int, second: Int) {
        self.steps = steps
        self.batch = batch
        rowCounts = kept.map { model.plan[$0.buffer].rowCount }
        streams = kept.map { stream in
            let buffer = model.plan[stream.buffer]
            let elements = buffer.rowCount * (buffer.variance.varies(over: 1) ? second : 1)
            let bytes = elements * buffer.element.byteCount(model.precision)
            let sequenceBytes = bytes * (stream.before + steps + stream.behind)
            let sequences = buffer.variance.batch ? batch : 1
            return Stream(
                kept: stream, memory: ResultBytes(from: model.resultMemory, byteCount: sequenceBytes * sequences),
                elements: elements, stepBytes: bytes, sequenceBytes: buffer.variance.batch ? sequenceBytes : 0)
        }
    }

    /// Says how the streams lie.
    func describe(in frame: Frame) {
        for (stream, rowCount) in zip(streams, rowCounts) {
            let count = stream.sequenceBytes / max(stream.stepBytes, 1) * stream.elements
            frame.describe(stream.kept.buffer, base: stream.memory.start, batch: count, first: stream.elements, second: rowCount)
        }
    }

    /// Makes the frame find these steps where they lie, and the steps at their edges.
    func place(_ number: Int, in frame: Frame) {
        for stream in streams {
            let first = number * steps - stream.kept.before
            frame.move(stream.kept.buffer, base: stream.memory.start - first * stream.stepBytes)
        }
    }

    // MARK: Edges

    /// Remembers the edges of what a segment has written.
    func keepEdges(of number: Int, count: Int, writer: Int) {
        for k in streams.indices where streams[k].kept.writer == writer {
            let (before, behind) = (streams[k].kept.before, streams[k].kept.behind)
            if before > 0 { streams[k].ends[number] = copy(streams[k], from: count, count: before) }
            if behind > 0 { streams[k].beginnings[number] = copy(streams[k], from: before, count: behind) }
        }
    }

    /// Puts the steps beside a chunk back, as far as they are known yet.
    func restoreEdges(of number: Int, writer: Int) {
        for stream in streams where stream.kept.writer == writer {
            if let end = stream.ends[number - 1] { put(end, back: stream, to: 0, count: stream.kept.before) }
            if let beginning = stream.beginnings[number + 1] {
                put(beginning, back: stream, to: stream.kept.before + steps, count: stream.kept.behind)
            }
        }
    }

    private func sequences(of stream: Stream) -> Int { stream.sequenceBytes == 0 ? 1 : batch }

    private func copy(_ stream: Stream, from row: Int, count: Int) -> AlignedMemory {
        let bytes = count * stream.stepBytes
        let memory = AlignedMemory(byteCount: bytes * sequences(of: stream), zeroed: false)
        for sequence in 0..<sequences(of: stream) {
            let source = stream.memory.start + sequence * stream.sequenceBytes + row * stream.stepBytes
            (memory.start + sequence * bytes).copyMemory(from: source, byteCount: bytes)
        }
        return memory
    }

    private func put(_ memory: AlignedMemory, back stream: Stream, to row: Int, count: Int) {
        let bytes = count * stream.stepBytes
        for sequence in 0..<sequences(of: stream) {
            let target = stream.memory.start + sequence * stream.sequenceBytes + row * stream.stepBytes
            target.copyMemory(from: memory.start + sequence * bytes, byteCount: bytes)
        }
    }
}
