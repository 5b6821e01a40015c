import CLLVM
import RecScheduling

/// Emits what a worker needs to take its share of every step of a stage: where its shares begin and end, and waiting.
struct RowShares {
    /// Which of a worker's elements, or turns of a loop.
    struct Range {
        var start: IRValue
        var end: IRValue
    }

    private let rows: RowSharing
    private let builder: IRBuilder
    private let worker: IRValue
    private let ranges: [Int: Range]
    private let barrier: StepBarrier?

    /// - Parameters:
    ///   - workers: of whom this is one; `Int.max` stands for one alone.
    ///   - slots: where barriers count, see `StepBarrier`.
    init(
        _ rows: RowSharing, _ builder: IRBuilder, target: HostTarget, worker: IRValue, workers: IRValue, slots: IRValue
    ) {
        self.rows = rows
        self.builder = builder
        self.worker = worker
        let b = builder
        let isAlone = b.compare(LLVMIntEQ, workers, b.int(.max))
        let workers = b.select(isAlone, b.int(1), workers)
        let vector = NestEmitter.mostVectors * target.vectorBytes / builder.precision.byteCount
        var ranges: [Int: Range] = [:]
        for grain in rows.grains {
            let unit = grain.unit(vector: vector)
            let units = b.int((grain.period + unit - 1) / unit)
            func bound(_ worker: IRValue) -> IRValue {
                b.minimum(b.multiply(b.quotient(b.multiply(units, worker), workers), b.int(unit)), b.int(grain.period))
            }
            ranges[grain.period] = Range(start: bound(worker), end: bound(b.add(worker, b.int(1))))
        }
        self.ranges = ranges
        barrier =
            rows.barriers.isEmpty
            ? nil : StepBarrier(builder, target: target, slots: slots, worker: worker, workers: workers)
    }

    /// Emits the worker's part of an item: `body` gets the turns of the loop or the batches to take, or the columns of each group.
    func emit(_ item: Int, _ body: (Range?) -> Void) {
        if rows.barriers.contains(item) { barrier?.wait() }
        switch rows.parts[item] {
        case .repeated: body(nil)
        case .alone: builder.ifThen(builder.compare(LLVMIntEQ, worker, builder.int(0))) { body(nil) }
        case .columns(let period): withRange(period, stride: 1, body)
        case .loop(_, let stride, let period), .batches(let stride, let period): withRange(period, stride: stride, body)
        }
    }

    private func withRange(_ period: Int, stride: Int, _ body: (Range?) -> Void) {
        guard let range = ranges[period] else { preconditionFailure("every divided item has a grain") }
        body(
            Range(start: builder.quotient(range.start, builder.int(stride)), end: builder.quotient(range.end, builder.int(stride))))
    }

    /// The loop of a nest that is divided.
    func variable(of item: Int) -> Int? {
        if case .loop(let variable, _, _) = rows.parts[item] { variable } else { nil }
    }

    /// Whether a product is divided by its columns rather than by its matrices.
    func dividesColumns(of item: Int) -> Bool {
        if case .columns = rows.parts[item] { true } else { false }
    }
}
