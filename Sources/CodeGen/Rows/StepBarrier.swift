import CLLVM

/// Where workers that share the steps of a stage wait for each other.
///
/// Each worker has a word in a cache line of its own, in which it counts the barriers that it has come to; it goes on when
/// all the others have come as far. A worker writes no line but its own, so that a barrier costs one line's way from core
/// to core.
struct StepBarrier {
    /// Words from one worker's count to the next one's: two cache lines, since some machines fetch them in pairs.
    static let slotWords = 16

    private let function: LLVMValueRef
    private let builder: IRBuilder
    private let slots: IRValue
    private let worker: IRValue
    private let workers: IRValue
    private let count: IRValue

    /// Begins where the worker's count stands; to be called in the entry of a function.
    init(_ builder: IRBuilder, target: HostTarget, slots: IRValue, worker: IRValue, workers: IRValue) {
        self.builder = builder
        self.slots = slots
        self.worker = worker
        self.workers = workers
        function = Self.function(builder.module, builder.precision, target)
        count = builder.scratch(builder.i64)
        let own = builder.element(slots, builder.multiply(worker, builder.int(Self.slotWords)), of: builder.i64)
        builder.store(builder.load(builder.i64, own, alignment: 8), count, alignment: 8)
    }

    /// Waits until all workers have come here.
    func wait() {
        let next = builder.add(builder.load(builder.i64, count, alignment: 8), builder.int(1))
        builder.store(next, count, alignment: 8)
        builder.ifThen(builder.compare(LLVMIntSGT, workers, builder.int(1))) {
            _ = builder.call(function, [slots, worker, workers, next])
        }
    }

    /// `void (slots, worker, workers, count)`, once for a module.
    private static func function(_ module: LLVMModule, _ precision: Precision, _ target: HostTarget) -> LLVMValueRef {
        let name = "barrier"
        if let existing = LLVMGetNamedFunction(module.module, name) { return existing }
        let word = LLVMInt64TypeInContext(module.context)
        let address = LLVMPointerTypeInContext(module.context, 0)
        let b = IRBuilder(
            module: module, function: name, parameters: [address, word, word, word].compactMap { $0 }, result: nil,
            precision: precision, target: target, isInternal: true)
        let count = b.parameter(3)
        func slot(_ worker: IRValue) -> IRValue {
            b.element(b.parameter(0), b.multiply(worker, b.int(slotWords)), of: b.i64)
        }
        b.store(count, slot(b.parameter(1)), alignment: 8, ordering: LLVMAtomicOrderingRelease)
        b.loop(from: b.int(0), to: b.parameter(2)) { other, _ in
            b.wait(for: count, at: slot(other), target: target)
            return []
        }
        b.returnVoid()
        return b.function
    }
}
