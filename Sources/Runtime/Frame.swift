import RecCodeGen
import RecScheduling

/// The words through which kernels find their data; see `FrameLayout`.
final class Frame {
    let words: UnsafeMutablePointer<Int>
    let count: Int

    init(_ plan: Plan) {
        count = FrameLayout.wordCount(of: plan)
        words = .allocate(capacity: count)
        words.initialize(repeating: 0, count: count)
    }

    /// A copy whose block buffers may lie elsewhere.
    init(copying other: Frame) {
        count = other.count
        words = .allocate(capacity: count)
        words.initialize(from: other.words, count: count)
    }

    deinit { words.deallocate() }

    var pointer: UnsafeMutableRawPointer { UnsafeMutableRawPointer(words) }

    /// Distances in elements.
    func describe(_ buffer: BufferID, base: UnsafeRawPointer, batch: Int, first: Int, second: Int) {
        let at = FrameLayout.descriptor(of: buffer)
        words[at + FrameLayout.base] = Int(bitPattern: base)
        words[at + FrameLayout.batchStride] = batch
        words[at + FrameLayout.firstStride] = first
        words[at + FrameLayout.secondStride] = second
    }

    func base(of buffer: BufferID) -> UnsafeMutableRawPointer? {
        UnsafeMutableRawPointer(bitPattern: words[FrameLayout.descriptor(of: buffer) + FrameLayout.base])
    }

    func move(_ buffer: BufferID, base: UnsafeRawPointer) {
        words[FrameLayout.descriptor(of: buffer) + FrameLayout.base] = Int(bitPattern: base)
    }

    func batchStride(of buffer: BufferID) -> Int { words[FrameLayout.descriptor(of: buffer) + FrameLayout.batchStride] }
    func firstStride(of buffer: BufferID) -> Int { words[FrameLayout.descriptor(of: buffer) + FrameLayout.firstStride] }
    func period(of buffer: BufferID) -> Int { words[FrameLayout.descriptor(of: buffer) + FrameLayout.period] }
}
