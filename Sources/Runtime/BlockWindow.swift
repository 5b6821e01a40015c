import RecScheduling
import RecStream

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Lets workers see one window; worker 0 moves it while the others wait at a barrier.
final class SharedWindow: @unchecked Sendable {
    let window: BlockWindow
    init(window: BlockWindow) { self.window = window }
}

/// The block buffers of a worker: memory for the steps of a block and for the few before it that are still read.
final class BlockWindow {
    let frame: Frame
    private let memory: RunMemory
    /// Whose steps the buffers hold.
    let sequences: Range<Int>
    let isReversed: Bool
    private var buffers: [(id: BufferID, halo: Int, memory: AlignedMemory, stepBytes: Int, sequenceBytes: Int)] = []
    /// One memory for all buffers that take turns in it, each sequence's part behind the other; and where each begins in a part.
    private let sharedMemory: AlignedMemory
    private let sharedSequenceBytes: Int
    private var shared: [(id: BufferID, start: Int, stepBytes: Int)] = []
    private var present: Range<Int>?
    private static let leastSteps = 16

    init(
        _ memory: RunMemory, blocks: BlockPlaces, sequences: Range<Int>, steps: Int, isReversed: Bool
    ) {
        self.memory = memory
        self.sequences = sequences
        self.isReversed = isReversed
        frame = Frame(copying: memory.frame)
        let second = memory.extents.count > 1 ? memory.extents[1] : 1
        // Whole cache lines, whatever a row has.
        let room = (steps + Self.leastSteps - 1) / Self.leastSteps * Self.leastSteps
        sharedSequenceBytes = blocks.sharedBytes * room
        sharedMemory = AlignedMemory(byteCount: sharedSequenceBytes * sequences.count, zeroed: false)
        for place in blocks.shared {
            let buffer = memory.model.plan[place.buffer]
            let size = buffer.element.byteCount(memory.model.precision)
            let varies = buffer.variance.varies(over: 0)
            frame.describe(
                place.buffer, base: sharedMemory.start + place.start * room, batch: sharedSequenceBytes / size,
                first: varies ? buffer.rowCount : 0, second: buffer.rowCount)
            shared.append((place.buffer, place.start * room, buffer.rowCount * size))
        }
        for (id, halo) in blocks.own {
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
        let own = (shared.map(\.id) + buffers.map(\.id)).map { ($0, frame.base(of: $0), frame.batchStride(of: $0), frame.firstStride(of: $0), frame.period(of: $0)) }
        frame.words.update(from: other.words, count: frame.count)
        for (id, base, batch, first, second) in own {
            if let base { frame.describe(id, base: base, batch: batch, first: first, second: second) }
        }
    }

    /// For each buffer of which the next block reads an edge, that edge's rows, one sequence after another.
    var edges: [(id: BufferID, byteCount: Int, start: (Int) -> UnsafeMutableRawPointer)] {
        buffers.filter { $0.halo > 0 }.map { buffer in
            // Forwards the end of the block, backwards its beginning.
            let first = isReversed ? 0 : (present?.count ?? 0) * buffer.stepBytes
            let (start, stride, base) = (buffer.memory.start + first, buffer.sequenceBytes, sequences.lowerBound)
            return (buffer.id, buffer.halo * buffer.stepBytes, { start + ($0 - base) * stride })
        }
    }

    /// Buffers of which the next block reads the end.
    var lasting: [(id: BufferID, start: UnsafeMutableRawPointer, count: Int)] {
        buffers.filter { $0.halo > 0 }.map { ($0.id, $0.memory.start, $0.sequenceBytes * sequences.count) }
    }

    /// How many steps the present block has; none before the first.
    var presentCount: Int { present?.count ?? 0 }

    /// Makes the first rows of each sequence the edge of a block that ends, or backwards begins, here.
    func resume(beside step: Int) { present = step..<step }

    /// Goes on as if the `count` steps before `step` had just been taken.
    func resume(at step: Int, count: Int) { present = count > 0 ? step - count..<step : nil }

    /// Makes the buffers hold these steps; the last ones of the block before stay readable.
    func move(to steps: Range<Int>) {
        for (id, start, stepBytes) in shared {
            frame.move(
                id, base: sharedMemory.start + start - steps.lowerBound * stepBytes - sequences.lowerBound * sharedSequenceBytes)
        }
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
