import RecScheduling

/// How a kernel finds its data: an array of 64-bit words that the runtime fills and kernels read.
///
/// First a header; then for each buffer of the plan, and after those for each product's packed weights, a descriptor of
/// four words: base address, and the distances in elements between sequences of the batch, between steps of the first
/// axis and of the second. The row of step `(b, i, j)` lies at `base + b·batch + i·first + j·second`. A ring has its
/// period in place of the last stride; its row for a step is the number of the step modulo the period.
package enum FrameLayout {
    /// The extents of the axes; an open stream's first extent is unbounded.
    package static let firstExtent = 0
    package static let secondExtent = 1
    /// Address of the lengths of the sequences (64-bit integers), or 0 where all have the full length.
    package static let lengths = 2
    /// The steps of the second axis that sequential stages take.
    package static let secondFirst = 3
    package static let secondLast = 4
    /// Address of the counts of workers that share the steps of a stage, see `StepBarrier`.
    package static let barriers = 5
    package static let headerWords = 8
    package static let descriptorWords = 4

    package static let base = 0
    package static let batchStride = 1
    package static let firstStride = 2
    package static let secondStride = 3
    /// In a ring's descriptor, in place of the second stride.
    package static let period = 3

    package static func descriptor(of buffer: BufferID) -> Int { headerWords + descriptorWords * buffer.index }

    /// Where the packed weights of the `index`-th product of the plan are described.
    package static func descriptor(ofProduct index: Int, in plan: Plan) -> Int {
        headerWords + descriptorWords * (plan.buffers.count + index)
    }

    /// Words of the counts of so many workers.
    package static func barrierWords(workers: Int) -> Int { StepBarrier.slotWords * workers }

    package static func wordCount(of plan: Plan) -> Int {
        headerWords + descriptorWords * (plan.buffers.count + plan.products.count)
    }
}
