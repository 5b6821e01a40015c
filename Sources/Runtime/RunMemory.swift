import RecCodeGen
import RecScheduling
import RecStream
import RecTensors

/// The memory of one run or session: everything but what comes from outside and the blocks of a worker.
final class RunMemory {
    let model: CompiledModel
    let frame: Frame
    let batch: Int
    let extents: [Int]
    private let lengths: AlignedMemory
    private let workers: Int
    private var owned: [AlignedMemory] = []
    /// Whole streams, whose memory is kept for the next run like that of results.
    private var streams: [ResultBytes] = []
    /// Streams of which a chunk is in memory at a time; nil where streams are kept whole.
    let chunk: StreamChunk?

    /// `lengths` of the sequences along the first axis; nil for the full extent. `workers` take part in the run. Of `chunked`
    /// streams so many steps are in memory at a time.
    init(
        _ model: CompiledModel, batch: Int, extents: [Int], lengths given: [Int]?, workers: Int = 1,
        chunked: (streams: [KeptStream], steps: Int)? = nil
    ) {
        self.workers = workers
        self.model = model
        self.batch = batch
        self.extents = extents
        frame = Frame(copying: model.frame)
        lengths = AlignedMemory(byteCount: 8 * max(batch, 1))
        let whole = extents.first ?? 0
        for k in 0..<batch { lengths.start.storeBytes(of: given?[k] ?? whole, toByteOffset: 8 * k, as: Int.self) }
        let second = extents.count > 1 ? extents[1] : 1
        chunk = chunked.map { StreamChunk($0.streams, steps: $0.steps, model, batch: batch, second: second) }
        chunk?.describe(in: frame)
        frame.words[FrameLayout.firstExtent] = whole
        frame.words[FrameLayout.secondExtent] = second
        frame.words[FrameLayout.secondFirst] = 0
        frame.words[FrameLayout.secondLast] = second
        frame.words[FrameLayout.lengths] = Int(bitPattern: lengths.start)
        let barriers = AlignedMemory(byteCount: 8 * FrameLayout.barrierWords(workers: max(workers, 1)))
        owned.append(barriers)
        frame.words[FrameLayout.barriers] = Int(bitPattern: barriers.start)
        let inChunks = Set(chunked?.streams.map(\.buffer) ?? [])
        for index in model.plan.buffers.indices where !inChunks.contains(BufferID(index)) {
            switch model.plan.buffers[index].kind {
            case .once, .accumulator, .full, .step: allocateRows(BufferID(index))
            case .ring(let ring): allocateRing(BufferID(index), ring)
            case .input, .parameter, .output, .static, .zero, .block: break
            }
        }
    }

    /// The same run, but with rings and sums of its own for what some stages of a segment write: there they can run again.
    init(repeating stages: [Int], of segment: Segment, in other: RunMemory) {
        model = other.model
        batch = other.batch
        extents = other.extents
        lengths = other.lengths
        workers = other.workers
        chunk = other.chunk
        frame = Frame(copying: other.frame)
        owned = other.owned
        for id in Set(stages.flatMap { segment.stages[$0].writtenBuffers }) {
            switch model.plan[id].kind {
            case .ring(let ring): allocateRing(id, ring)
            case .accumulator(let initial, _):
                allocateRows(id)
                fill(id, initial)
            case .input, .parameter, .output, .static, .once, .full, .block, .step, .zero: break
            }
        }
    }

    private var second: Int { extents.count > 1 ? extents[1] : 1 }

    func length(of sequence: Int) -> Int { lengths.start.load(fromByteOffset: 8 * sequence, as: Int.self) }

    /// Element strides of rows that lie densely: `[batch, first, second]`, zero where the buffer does not vary.
    func denseStrides(_ buffer: Buffer, firstExtent: Int) -> (batch: Int, first: Int, second: Int) {
        var size = buffer.rowCount
        var strides = (batch: 0, first: 0, second: 0)
        if case .step = buffer.kind { return (size, 0, 0) }
        if buffer.variance.varies(over: 1) {
            strides.second = size
            size *= second
        }
        if buffer.variance.varies(over: 0) {
            strides.first = size
            size *= firstExtent
        }
        if buffer.variance.batch { strides.batch = size }
        return strides
    }

    /// How many rows a buffer of the whole run has.
    func rowTotal(_ buffer: Buffer) -> Int {
        (buffer.variance.batch ? batch : 1) * (buffer.variance.varies(over: 0) ? extents[0] : 1)
            * (buffer.variance.varies(over: 1) ? second : 1)
    }

    private func allocateRows(_ id: BufferID) {
        let buffer = model.plan[id]
        var rows = rowTotal(buffer)
        if case .step = buffer.kind { rows = batch }
        let byteCount = rows * model.rowBytes(buffer)
        let start: UnsafeMutableRawPointer
        if case .full = buffer.kind {
            let memory = ResultBytes(from: model.resultMemory, byteCount: byteCount)
            streams.append(memory)
            start = memory.start
        } else {
            let memory = AlignedMemory(byteCount: byteCount, zeroed: false)
            owned.append(memory)
            start = memory.start
        }
        let strides = denseStrides(buffer, firstExtent: extents.first ?? 1)
        frame.describe(id, base: start, batch: strides.batch, first: strides.first, second: strides.second)
    }

    private func allocateRing(_ id: BufferID, _ ring: Ring) {
        let buffer = model.plan[id]
        let inner = ring.order.count > 1 ? extents[ring.order[1]] : 1
        // In a wavefront as many rows are on their way as there are workers.
        let rows = model.plan.hasWavefront ? workers * inner : 0
        let period = ring.period(innerExtent: inner) + rows
        let memory = AlignedMemory(byteCount: batch * period * model.rowBytes(buffer))
        owned.append(memory)
        frame.describe(
            id, base: memory.start, batch: period * buffer.rowCount, first: buffer.rowCount, second: period)
    }

    /// Sets what a sweep's rings and accumulators hold before its first step.
    func start(_ segment: Segment) {
        for id in segment.written {
            let buffer = model.plan[id]
            switch buffer.kind {
            case .ring(let ring): fill(id, ring)
            case .accumulator(let initial, _): fill(id, initial)
            case .input, .parameter, .output, .static, .once, .full, .block, .step, .zero: break
            }
        }
    }

    /// Makes the sums that are means be so, once a sweep's last step is taken.
    func finish(_ segment: Segment) {
        for id in segment.written {
            guard case .accumulator(_, .some(let axis)) = model.plan[id].kind else { continue }
            switch model.precision {
            case .f32: divide(id, byLengthsAlong: axis, Float.self)
            case .f64: divide(id, byLengthsAlong: axis, Double.self)
            }
        }
    }

    private func divide<Real: BinaryFloatingPoint>(_ id: BufferID, byLengthsAlong axis: Int, _: Real.Type) {
        let buffer = model.plan[id]
        guard let base = frame.base(of: id)?.assumingMemoryBound(to: Real.self) else { return }
        let sequences = buffer.variance.batch ? batch : 1
        let count = sequences == 0 ? 0 : rowTotal(buffer) * buffer.rowCount / sequences
        for sequence in 0..<sequences {
            let length = Real(axis == 0 ? self.length(of: sequence) : second)
            for element in sequence * count..<(sequence + 1) * count { base[element] /= length }
        }
    }

    private func fill(_ id: BufferID, _ ring: Ring) {
        let buffer = model.plan[id]
        let bytes = model.rowBytes(buffer)
        guard let base = frame.base(of: id) else { return }
        let source = ring.initial.flatMap { frame.base(of: $0) }
        let sourceStride = ring.initial.map { frame.batchStride(of: $0) * buffer.element.byteCount(model.precision) } ?? 0
        let period = frame.period(of: id)
        for row in 0..<batch * period {
            let target = base + row * bytes
            if let source {
                target.copyMemory(from: source + (row / period) * sourceStride, byteCount: bytes)
            } else {
                target.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
            }
        }
    }

    private func fill(_ id: BufferID, _ value: Double) {
        let buffer = model.plan[id]
        guard let base = frame.base(of: id) else { return }
        let count = rowTotal(buffer) * buffer.rowCount
        switch buffer.element {
        case .real, .complex:
            switch model.precision {
            case .f32: base.initializeMemory(as: Float.self, repeating: Float(value), count: count)
            case .f64: base.initializeMemory(as: Double.self, repeating: value, count: count)
            }
        case .int:
            let start = value == .infinity ? Int.max : value == -.infinity ? Int.min : Int(value)
            base.initializeMemory(as: Int.self, repeating: start, count: count)
        case .bool:
            base.initializeMemory(as: UInt8.self, repeating: value == .infinity ? 1 : 0, count: count)
        }
    }

    /// The bytes of a ring.
    func bytes(ofRing id: BufferID) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: frame.base(of: id), count: batch * frame.period(of: id) * model.rowBytes(model.plan[id]))
    }

    /// The one row of a sequence in a buffer that does not vary over steps.
    func row(of id: BufferID, sequence: Int) -> UnsafeMutableRawPointer? {
        let stride = frame.batchStride(of: id) * model.plan[id].element.byteCount(model.precision)
        return frame.base(of: id).map { $0 + sequence * stride }
    }

    /// The row of a ring that holds the last step taken of a sequence that has one.
    func finalRow(of ring: BufferID, sequence: Int, isReversed: Bool) -> UnsafeMutableRawPointer? {
        let buffer = model.plan[ring]
        let last = isReversed ? 0 : length(of: sequence) - 1
        let slot = last % max(frame.period(of: ring), 1)
        return frame.base(of: ring).map { $0 + (sequence * frame.period(of: ring) + slot) * model.rowBytes(buffer) }
    }
}
