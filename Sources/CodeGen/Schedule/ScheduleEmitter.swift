import CLLVM
import RecSchedule
import RecStream

/// Emits the function of a schedule: `word (arguments, first turn, last turn, workspace)`, which gives 0 where all numbers are finite
/// that it has written to streams, or in nests that are checked.
///
/// It needs nothing beyond what it is given: `arguments` are 64-bit words, `workspace` is memory of one worker. Turns are those of the
/// loops over sequences and parallel dims together; workers may take any of them.
final class ScheduleEmitter {
    let schedule: Schedule
    let builder: IRBuilder
    let math: VectorMath
    let target: HostTarget
    let products: MatmulKernels
    let finite: FiniteResults
    private let layout: WorkspaceLayout
    private var callers: [Int: Int] = [:]

    // Known within a turn, and within a chunk.
    private var sequence: IRValue
    private var parallel: [IRValue] = []
    private var length: IRValue
    private(set) var chunk: IRValue
    private var chunks: IRValue
    private(set) var validSteps: IRValue
    private var firstStep: IRValue
    /// Of the present block.
    private(set) var validBlockSteps: IRValue
    private var firstBlockStep: IRValue
    /// The chunks that run: from the first to the last one, exclusive.
    private var firstChunk: IRValue
    private var endChunk: IRValue
    private var bases: [Int: IRValue] = [:]
    /// Where it stands how many blocks have added to the first chunk of the present sequence and parallel places.
    private var progress: IRValue
    /// The present block, and the end of the chunks of the one before.
    private var block: IRValue
    private var endOfChunksBefore: IRValue

    /// The words of `arguments` before the addresses of the caller's buffers: the address of the sequences' lengths, the steps between
    /// sequences in streams, the places for what is kept between chunks, and the address of how many blocks have added to each chunk.
    static let header = 4

    init(_ schedule: Schedule, named name: String, in module: LLVMModule, precision: Precision, target: HostTarget, products: MatmulKernels) {
        self.schedule = schedule
        self.target = target
        self.products = products
        layout = WorkspaceLayout(schedule)
        let word = LLVMInt64TypeInContext(module.context)
        let address = LLVMPointerTypeInContext(module.context, 0)
        builder = IRBuilder(
            module: module, function: name, parameters: [address, word, word, address].compactMap { $0 }, result: word, precision: precision,
            target: target)
        finite = FiniteResults(builder, lanes: target.vectorBytes / precision.byteCount)
        math = VectorMath(builder)
        let zero = builder.int(0)
        (sequence, length, chunk, chunks, validSteps, firstStep) = (zero, zero, zero, zero, zero, zero)
        (validBlockSteps, firstBlockStep, firstChunk, endChunk) = (zero, zero, zero, zero)
        (progress, block, endOfChunksBefore) = (zero, zero, zero)
        var next = Self.header
        for (index, buffer) in schedule.buffers.enumerated() where buffer.role != .scratch && buffer.role != .carried {
            callers[index] = next
            next += 1
        }
        emit()
    }

    var lanes: Int { target.vectorBytes / builder.precision.byteCount }

    private func word(_ index: Int) -> IRValue {
        builder.load(builder.i64, builder.element(builder.parameter(0), builder.int(index), of: builder.i64), alignment: 8)
    }

    private func emit() {
        let lengths = builder.load(builder.pointer, builder.parameter(0), alignment: 8)
        let steps = word(1)
        let places = word(2)
        builder.loop(from: builder.parameter(1), to: builder.parameter(2)) { turn, _ in
            var rest = turn
            if let blocks = schedule.blocks {
                let count = builder.quotient(builder.add(steps, builder.int(blocks.count - 1)), builder.int(blocks.count))
                let own = builder.remainder(turn, count)
                rest = builder.quotient(turn, count)
                block = place(ofTurn: own, among: count)
                if schedule.addsUp {
                    let start = builder.load(builder.pointer, builder.element(builder.parameter(0), builder.int(3), of: builder.i64), alignment: 8)
                    progress = builder.element(start, builder.multiply(rest, places), of: builder.i64)
                }
            }
            var parallel = schedule.parallel.map { _ in turn }
            for k in schedule.parallel.indices.reversed() {
                let size = builder.int(schedule.parallel[k].size)
                parallel[k] = builder.remainder(rest, size)
                rest = builder.quotient(rest, size)
            }
            self.parallel = parallel
            sequence = rest
            length = builder.load(builder.i64, builder.element(lengths, rest, of: builder.i64), alignment: 8)
            let count = builder.int(schedule.count)
            chunks = builder.quotient(builder.add(length, builder.int(schedule.count - 1)), count)
            findBases(steps, places)
            (firstChunk, endChunk) = (builder.int(0), chunks)
            guard let blocks = schedule.blocks else {
                emitChunks()
                return []
            }
            firstBlockStep = builder.multiply(block, builder.int(blocks.count))
            // Blocks are those of the longest sequence.
            builder.ifThen(builder.compare(LLVMIntSLT, firstBlockStep, length)) {
                validBlockSteps = builder.minimum(builder.int(blocks.count), builder.subtract(length, firstBlockStep))
                (firstChunk, endChunk) = findChunks(of: blocks, from: firstBlockStep)
                if schedule.addsUp {
                    let before = findChunks(of: blocks, from: builder.subtract(firstBlockStep, builder.int(blocks.count))).end
                    endOfChunksBefore = builder.select(builder.compare(LLVMIntEQ, block, builder.int(0)), builder.int(0), before)
                }
                emitChunks()
            }
            return []
        }
        builder.returnValue(finite.verdict())
    }

    /// The block of a turn; as of `Schedule.block(ofTurn:)`.
    private func place(ofTurn turn: IRValue, among count: IRValue) -> IRValue {
        if schedule.addsUp { return turn }
        let half = builder.quotient(turn, builder.int(2))
        let isEven = builder.compare(LLVMIntEQ, builder.and(turn, builder.int(1)), builder.int(0))
        return builder.select(isEven, half, builder.subtract(builder.subtract(count, builder.int(1)), half))
    }

    /// The chunks that the block from a step on has to do with; as of `Schedule.Blocks.chunks`.
    private func findChunks(of blocks: Schedule.Blocks, from firstBlockStep: IRValue) -> (first: IRValue, end: IRValue) {
        let count = builder.int(schedule.count)
        var (firstChunk, endChunk) = (builder.int(0), chunks)
        if let before = blocks.before {
            let start = builder.maximum(builder.subtract(firstBlockStep, builder.int(before)), builder.int(0))
            firstChunk = builder.minimum(builder.quotient(start, count), chunks)
        }
        if let behind = blocks.behind {
            // A count further, so that what is divided is not negative where it counts.
            let last = builder.add(firstBlockStep, builder.int(blocks.count - 1 + behind + schedule.count))
            endChunk = builder.minimum(builder.quotient(builder.maximum(last, builder.int(0)), count), chunks)
        }
        return (firstChunk, builder.maximum(endChunk, firstChunk))
    }

    private func emitChunks() {
        let count = builder.int(schedule.count)
        for leaf in schedule.before { emit(leaf) }
        builder.loop(from: firstChunk, to: endChunk) { k, _ in
            chunk = schedule.isDescending ? builder.subtract(builder.subtract(chunks, builder.int(1)), k) : k
            firstStep = builder.multiply(chunk, count)
            validSteps = builder.minimum(count, builder.subtract(length, firstStep))
            guard let inner = schedule.inner, let blocks = schedule.blocks else {
                emit(schedule.body)
                return []
            }
            let isInner = self.isInner(inner, blocks)
            builder.ifThen(isInner) { emit(inner.body) }
            builder.ifThen(builder.not(isInner)) { emit(schedule.body) }
            return []
        }
        for leaf in schedule.behind { emit(leaf) }
    }

    /// What runs for a chunk. To sums of all blocks this one adds when those before it have.
    private func emit(_ leaves: [Schedule.Leaf]) {
        let firstSum = leaves.firstIndex { schedule[$0.written].role == .sum }
        for (k, leaf) in leaves.enumerated() {
            if k == firstSum {
                builder.ifThen(builder.compare(LLVMIntSLT, chunk, endOfChunksBefore)) {
                    builder.wait(for: block, at: builder.element(progress, chunk, of: builder.i64), target: target)
                }
            }
            emit(leaf)
        }
        guard firstSum != nil else { return }
        let next = builder.add(block, builder.int(1))
        builder.store(next, builder.element(progress, chunk, of: builder.i64), alignment: 8, ordering: LLVMAtomicOrderingRelease)
    }

    /// Whether the present chunk is one for the inner body; as of `Schedule.Inner.holds`.
    private func isInner(_ inner: Schedule.Inner, _ blocks: Schedule.Blocks) -> IRValue {
        var result = builder.and(
            builder.compare(LLVMIntEQ, validSteps, builder.int(schedule.count)), builder.compare(LLVMIntEQ, validBlockSteps, builder.int(blocks.count)))
        let distance = builder.subtract(firstBlockStep, firstStep)
        if let least = inner.least {
            result = builder.and(result, builder.compare(LLVMIntSGE, distance, builder.int(least + schedule.count - 1)))
        }
        if let most = inner.most {
            result = builder.and(result, builder.compare(LLVMIntSLE, distance, builder.int(most - blocks.count + 1)))
        }
        return result
    }

    private func emit(_ leaf: Schedule.Leaf) {
        switch leaf {
        case .nest(let nest): ScheduleNestEmitter(self, nest.extents, nest.nodes, nest.isBool).emit(nest)
        case .running(let running): ScheduleNestEmitter(self, running.extents, running.nodes, running.isBool).emit(running)
        case .matmul(let product):
            products.emit(
                product, left: factor(product.left, product.leftSlot), right: factor(product.right, product.rightSlot),
                result: base(product.result.buffer, product.result.slot), added: product.added.map { base($0.buffer, $0.slot) },
                factor: product.added?.factor.map { base($0.buffer, $0.slot) }, in: builder)
        case .solve(let system):
            products.emit(
                system, matrix: base(system.matrix, .none), right: base(system.right, .none), result: base(system.result, .none), in: builder)
        }
    }

    // MARK: Addresses

    /// Where the buffers begin for the present sequence and parallel places.
    private func findBases(_ steps: IRValue, _ places: IRValue) {
        for (index, buffer) in schedule.buffers.enumerated() {
            if let own = layout.offsets[index] {
                bases[index] = builder.element(builder.parameter(3), builder.int(own), of: builder.real)
                continue
            }
            guard let argument = callers[index] else { continue }
            let start = builder.load(
                builder.pointer, builder.element(builder.parameter(0), builder.int(argument), of: builder.i64), alignment: 8)
            var offset = builder.int(0)
            switch buffer.role {
            case .stream, .block, .sum: offset = builder.multiply(builder.multiply(sequence, steps), builder.int(buffer.count))
            case .once: offset = builder.multiply(sequence, builder.int(buffer.count))
            case .kept: offset = builder.multiply(builder.multiply(sequence, places), builder.int(buffer.count))
            case .shared, .carried, .scratch: break
            }
            for (place, stride) in zip(parallel, buffer.parallelStrides) where stride != 0 {
                offset = builder.add(offset, builder.multiply(place, builder.int(stride)))
            }
            bases[index] = builder.element(start, offset, of: builder.real)
        }
    }

    /// Where a buffer begins at the place that a slot says.
    func base(_ id: Schedule.BufferID, _ slot: Schedule.View.Slot) -> IRValue {
        guard let start = bases[id.index] else { preconditionFailure("every buffer has a base") }
        let buffer = schedule[id]
        switch buffer.role {
        case .stream, .block, .sum, .once, .shared, .scratch: return start
        case .kept: return builder.element(start, builder.multiply(place(of: slot), builder.int(buffer.count)), of: builder.real)
        case .carried:
            let half = builder.and(place(of: slot), builder.int(1))
            return builder.element(start, builder.multiply(half, builder.int(buffer.count)), of: builder.real)
        }
    }

    /// Where a factor of a product begins: of a stream at the first step of the chunk.
    private func factor(_ id: Schedule.BufferID, _ slot: Schedule.View.Slot) -> IRValue {
        guard case .stream = schedule[id].role else { return base(id, slot) }
        return builder.element(base(id, slot), builder.multiply(firstStep, builder.int(schedule[id].count)), of: builder.real)
    }

    private func place(of slot: Schedule.View.Slot) -> IRValue {
        let next = { self.builder.add(self.chunk, self.builder.int(1)) }
        switch slot {
        case .none: return builder.int(0)
        case .start: return schedule.isDescending ? next() : chunk
        case .end: return schedule.isDescending ? chunk : next()
        case .first: return schedule.isDescending ? endChunk : firstChunk
        case .last: return schedule.isDescending ? firstChunk : endChunk
        case .before: return chunk
        case .behind: return next()
        }
    }

    /// Elements of a stream from a step of one chunk to the same of the next one.
    func distanceToNextChunk(_ id: Schedule.BufferID) -> Int {
        let distance = schedule.count * schedule[id].count
        return schedule.isDescending == schedule.isReversed ? distance : -distance
    }

    func parallelPlace(_ k: Int) -> IRValue { parallel[k] }

    var isFirst: IRValue { builder.compare(LLVMIntEQ, chunk, firstChunk) }
    var isLast: IRValue { builder.compare(LLVMIntEQ, builder.add(chunk, builder.int(1)), endChunk) }

    /// Of the steps of a chunk, or of a block, those of the sequence.
    func validSteps(of id: Schedule.BufferID) -> IRValue {
        if case .block = schedule[id].role { validBlockSteps } else { validSteps }
    }

    /// The row of a stream at a step of the chunk, or of the block; behind the end of the sequence its last one.
    func row(_ step: IRValue, of id: Schedule.BufferID) -> IRValue {
        if case .block = schedule[id].role {
            return builder.add(firstBlockStep, builder.minimum(step, builder.subtract(validBlockSteps, builder.int(1))))
        }
        let inside = builder.minimum(step, builder.subtract(validSteps, builder.int(1)))
        let place = builder.add(firstStep, inside)
        return schedule.isReversed ? builder.subtract(builder.subtract(length, builder.int(1)), place) : place
    }
}
