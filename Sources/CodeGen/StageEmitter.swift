import CLLVM
import RecAnalysis
import RecScheduling
import RecStream

/// Emits the function of one stage: `void stage(frame, table, b0, b1, i0, i1, l0, l1)`, which does the stage's work for
/// sequences `b0 ..< b1`, steps `i0 ..< i1` of the first axis (all of the second), and in a lane loop for elements
/// `l0 ..< l1`. Where workers share the rows of each step, `l0` is the number of the worker and `l1` how many there are.
///
/// It sees the shape of the stage and nothing of its plan, so that equal shapes have equal code. A table says at which words of the
/// frame the descriptors of buffers are, and behind them those of products, unless they are known.
final class StageEmitter {
    let builder: IRBuilder
    let shape: StageShape
    let target: HostTarget
    let math: VectorMath
    private let frame: IRValue
    let firstSequence: IRValue
    let lastSequence: IRValue
    let firstStep: IRValue
    let lastStep: IRValue
    let firstLane: IRValue
    let lastLane: IRValue
    /// By buffer, and behind them by product.
    private var descriptors: [[IRValue]] = []
    private let secondExtent: IRValue
    private let secondFirst: IRValue
    private let secondLast: IRValue
    private let firstExtent: IRValue
    private let lengths: IRValue
    /// How the steps of the stage are shared by workers, if they are.
    private var shares: RowShares?

    private var axes: [Int] { shape.axes }
    private var order: LoopOrder { shape.order }

    init(
        _ shape: StageShape, at places: [Int]?, takesTable: Bool, named name: String, in module: LLVMModule, precision: Precision,
        target: HostTarget, products: ProductKernels, totals: TotalKernels
    ) {
        self.shape = shape
        self.target = target
        let word = LLVMInt64TypeInContext(module.context)
        let address = LLVMPointerTypeInContext(module.context, 0)
        let parameters = [address] + (takesTable ? [address] : []) + [word, word, word, word, word, word]
        builder = IRBuilder(
            module: module, function: name, parameters: parameters.compactMap { $0 }, result: nil, precision: precision,
            target: target)
        math = VectorMath(builder)
        frame = builder.parameter(0)
        let first = takesTable ? 2 : 1
        firstSequence = builder.parameter(first)
        lastSequence = builder.parameter(first + 1)
        firstStep = builder.parameter(first + 2)
        lastStep = builder.parameter(first + 3)
        firstLane = builder.parameter(first + 4)
        lastLane = builder.parameter(first + 5)
        let b = builder
        let base = frame
        func header(_ word: Int) -> IRValue { b.load(b.i64, b.element(base, b.int(word), of: b.i64), alignment: 8) }
        firstExtent = header(FrameLayout.firstExtent)
        secondExtent = header(FrameLayout.secondExtent)
        secondFirst = header(FrameLayout.secondFirst)
        secondLast = header(FrameLayout.secondLast)
        lengths = LLVMBuildIntToPtr(b.builder, header(FrameLayout.lengths), b.pointer, "lengths")
        let stage = shape.stage
        for place in 0..<shape.buffers.count + stage.products.count { loadDescriptor(place, at: places) }
        if let rows = stage.rows {
            let slots: IRValue = LLVMBuildIntToPtr(b.builder, header(FrameLayout.barriers), b.pointer, "barriers")
            shares = RowShares(rows, b, target: target, worker: firstLane, workers: lastLane, slots: slots)
        }
        switch stage.form {
        case .map: emitMap(stage, products: products)
        case .sequential: emitSequential(stage, products: products)
        case .lanes(let carries):
            if case .nest(let nest)? = stage.items.first { emitLanes(nest, carries: carries) }
        case .registers(let scan):
            emitRegisters(scan)
        case .totals:
            emitTotals(stage.totals, kernels: totals)
        }
        builder.returnVoid()
    }

    private func loadDescriptor(_ place: Int, at places: [Int]?) {
        let start =
            places.map { builder.int($0[place]) }
            ?? builder.load(builder.i64, builder.element(builder.parameter(1), builder.int(place), of: builder.i64), alignment: 8)
        descriptors.append(
            (0..<FrameLayout.descriptorWords).map { word in
                let value = builder.load(
                    builder.i64, builder.element(frame, builder.add(start, builder.int(word)), of: builder.i64), alignment: 8)
                guard word == FrameLayout.base else { return value }
                return LLVMBuildIntToPtr(builder.builder, value, builder.pointer, "")
            })
    }

    private func word(_ word: Int, of buffer: BufferID) -> IRValue { descriptors[buffer.index][word] }

    private func word(_ word: Int, ofProduct number: Int) -> IRValue { descriptors[shape.buffers.count + number][word] }

    func memoryType(of element: ElementType) -> LLVMTypeRef {
        switch element {
        case .real, .complex: builder.real
        case .int: builder.i64
        case .bool: builder.i8
        }
    }

    func byteCount(of element: ElementType) -> Int { element.byteCount(builder.precision) }

    // MARK: Rows

    /// A step of a sequence; what the segment does not run over is zero.
    struct Row {
        var sequence: IRValue
        var first: IRValue
        var second: IRValue
    }

    /// The number of steps of a sequence along the first axis.
    func length(of sequence: IRValue) -> IRValue {
        builder.load(builder.i64, builder.element(lengths, sequence, of: builder.i64), alignment: 8)
    }

    func length(axis: Int, _ row: Row) -> IRValue { axis == 0 ? length(of: row.sequence) : secondExtent }

    /// Where a row of a buffer begins.
    func address(_ id: BufferID, at row: Row, offsets: [Int] = [], batch: Bool = true) -> IRValue {
        let buffer = shape[id]
        var index = builder.int(0)
        func move(_ position: IRValue, by stride: IRValue) { index = builder.add(index, builder.multiply(position, stride)) }
        if case .ring(let ring) = buffer.kind {
            move(row.sequence, by: word(FrameLayout.batchStride, of: id))
            move(slot(ring, at: row, offsets: offsets, buffer: id), by: word(FrameLayout.firstStride, of: id))
            return builder.element(word(FrameLayout.base, of: id), index, of: memoryType(of: buffer.element))
        }
        if buffer.variance.batch { move(row.sequence, by: word(FrameLayout.batchStride, of: id)) }
        if case .step = buffer.kind {
            return builder.element(word(FrameLayout.base, of: id), index, of: memoryType(of: buffer.element))
        }
        func offset(_ axis: Int) -> Int { axis < offsets.count ? offsets[axis] : 0 }
        if buffer.variance.varies(over: 0) {
            move(builder.add(row.first, builder.int(offset(0))), by: word(FrameLayout.firstStride, of: id))
        }
        if buffer.variance.varies(over: 1) {
            move(builder.add(row.second, builder.int(offset(1))), by: word(FrameLayout.secondStride, of: id))
        }
        return builder.element(word(FrameLayout.base, of: id), index, of: memoryType(of: buffer.element))
    }

    /// How far apart the steps of the first axis lie; 0 where the buffer does not vary over it.
    func stepStride(_ id: BufferID) -> IRValue {
        shape[id].variance.varies(over: 0) ? word(FrameLayout.firstStride, of: id) : builder.int(0)
    }

    func batchStride(_ id: BufferID) -> IRValue {
        shape[id].variance.batch ? word(FrameLayout.batchStride, of: id) : builder.int(0)
    }

    /// The row of a ring for a step: the number of the step in the order of the loops, modulo the period.
    private func slot(_ ring: Ring, at row: Row, offsets: [Int], buffer: BufferID) -> IRValue {
        if shape.axisCount == 1 {
            let period = ring.period(innerExtent: 1)
            let moved = builder.add(row.first, builder.int((offsets.first ?? 0) + period))
            return builder.remainder(moved, builder.int(period))
        }
        func position(_ loop: LoopOrder.Loop) -> IRValue {
            let index = loop.axis == 0 ? row.first : row.second
            let moved = builder.add(index, builder.int(loop.axis < offsets.count ? offsets[loop.axis] : 0))
            guard loop.isReversed else { return moved }
            return builder.subtract(builder.subtract(extent(loop.axis), builder.int(1)), moved)
        }
        var number = position(order.loops[0])
        if order.loops.count > 1 {
            number = builder.add(builder.multiply(number, extent(order.loops[1].axis)), position(order.loops[1]))
        }
        let period = word(FrameLayout.period, of: buffer)
        return builder.remainder(builder.add(number, period), period)
    }

    private func extent(_ axis: Int) -> IRValue { axis == 0 ? firstExtent : secondExtent }

    /// Where an access reads: the row at its offsets, or its fallback where that row lies outside the sequence.
    func address(_ access: Access, at row: Row) -> IRValue {
        let inside = address(access.buffer, at: row, offsets: access.offsets)
        guard let fallback = access.fallback else { return inside }
        var isInside: IRValue?
        for (axis, offset) in access.offsets.enumerated() where offset != 0 {
            let index = builder.add(axis == 0 ? row.first : row.second, builder.int(offset))
            let test =
                offset < 0
                ? builder.compare(LLVMIntSGE, index, builder.int(0))
                : builder.compare(LLVMIntSLT, index, length(axis: axis, row))
            isInside = isInside.map { builder.and($0, test) } ?? test
        }
        guard let isInside else { return inside }
        return builder.select(isInside, inside, address(fallback, at: row))
    }

    // MARK: Forms

    private func emitMap(_ stage: Stage, products: ProductKernels) {
        var product = 0
        for item in stage.items {
            switch item {
            case .product(let operation):
                emitProduct(operation, index: product, products: products, steps: nil)
                product += 1
            case .total: preconditionFailure("totals have a stage of their own")
            case .nest(let nest):
                if let flat = FlatNest(nest, buffers: shape.buffers, axes: axes) {
                    emitFlat(flat)
                } else {
                    builder.loop(from: firstSequence, to: lastSequence) { sequence, _ in
                        self.overSteps { first, second in
                            NestEmitter(nest, self).emit(at: Row(sequence: sequence, first: first, second: second))
                        }
                        return []
                    }
                }
            }
        }
    }

    /// Runs the body for every step of the call, in the order of the segment.
    private func overSteps(_ body: (IRValue, IRValue) -> Void) {
        let zero = builder.int(0)
        func over(_ axis: Int, _ inner: (IRValue) -> Void) {
            guard axes.contains(axis) else { return inner(zero) }
            let start = axis == 0 ? firstStep : secondFirst
            let end = axis == 0 ? lastStep : secondLast
            let isReversed = order.loops.contains { $0.axis == axis && $0.isReversed }
            builder.loop(from: start, to: end) { counter, _ in
                // Counting down: start + end − 1 − counter.
                inner(
                    isReversed
                        ? builder.subtract(builder.subtract(builder.add(start, end), builder.int(1)), counter) : counter)
                return []
            }
        }
        if order.loops.first?.axis == 1 {
            over(1) { second in over(0) { first in body(first, second) } }
        } else {
            over(0) { first in over(1) { second in body(first, second) } }
        }
    }

    private func emitSequential(_ stage: Stage, products: ProductKernels) {
        overSteps { first, second in
            var product = 0
            for (k, item) in stage.items.enumerated() {
                inShare(of: k) { range in
                    switch item {
                    case .product(let operation):
                        let share = range.map { ProductKernels.Share(range: $0, isOfColumns: self.shares?.dividesColumns(of: k) ?? false) }
                        self.emitProduct(operation, index: product, products: products, steps: (first, second), share: share)
                        product += 1
                    case .total: preconditionFailure("totals have a stage of their own")
                    case .nest(let nest):
                        self.emitStep(of: nest, first: first, second: second, share: range, variable: self.shares?.variable(of: k))
                    }
                }
            }
        }
    }

    /// Emits an item, or the worker's share of it.
    private func inShare(of item: Int, _ body: (RowShares.Range?) -> Void) {
        if let shares { shares.emit(item, body) } else { body(nil) }
    }

    /// A nest at one step of all sequences, or the turns `share` of its loop over `variable`.
    private func emitStep(of nest: Nest, first: IRValue, second: IRValue, share: RowShares.Range?, variable: Int?) {
        builder.loop(from: firstSequence, to: lastSequence) { sequence, _ in
            let row = Row(sequence: sequence, first: first, second: second)
            let emitter = NestEmitter(nest, self)
            if let share, let variable { emitter.share = (variable, share) }
            if self.axes == [0] {
                // A sequence that has ended keeps its state.
                let isActive = self.builder.compare(LLVMIntSLT, first, self.length(of: sequence))
                self.builder.ifThen(isActive) { emitter.emit(at: row) }
            } else {
                emitter.emit(at: row)
            }
            return []
        }
    }

    private func emitLanes(_ nest: Nest, carries: [Stage.Carry]) {
        let isReversed = order.loops.first?.isReversed ?? false
        builder.loop(from: firstSequence, to: lastSequence) { sequence, _ in
            let end = self.builder.minimum(self.lastStep, self.length(of: sequence))
            self.builder.ifThen(self.builder.compare(LLVMIntSLT, self.firstStep, end)) {
                LaneEmitter(nest, carries: carries, self).emit(
                    sequence: sequence, from: self.firstStep, to: end, isReversed: isReversed)
            }
            return []
        }
    }

    private func emitRegisters(_ scan: RegisterScan) {
        let isReversed = order.loops.first?.isReversed ?? false
        builder.loop(from: firstSequence, to: lastSequence) { sequence, _ in
            let end = self.builder.minimum(self.lastStep, self.length(of: sequence))
            self.builder.ifThen(self.builder.compare(LLVMIntSLT, self.firstStep, end)) {
                let composed = RegisterScanEmitter(scan, self, isReversed: isReversed)
                let outcome = composed.emit(sequence: sequence, from: self.firstStep, to: end)
                self.builder.ifThen(self.builder.not(outcome.isFinite)) {
                    composed.restore(outcome)
                    LaneEmitter(scan.steps.nest, carries: scan.steps.carries, self).emit(
                        sequence: sequence, from: self.firstStep, to: end, isReversed: isReversed)
                }
            }
            return []
        }
    }

    // MARK: Flat maps

    /// One loop through all elements of all steps of a sequence.
    private func emitFlat(_ flat: FlatNest) {
        let steps = axes.contains(1) ? secondExtent : builder.int(1)
        let perStep = builder.multiply(steps, builder.int(flat.rowCount))
        builder.loop(from: firstSequence, to: lastSequence) { sequence, _ in
            let zero = self.builder.int(0)
            let row = Row(sequence: sequence, first: zero, second: zero)
            let start = self.axes.contains(0) ? self.builder.multiply(self.firstStep, perStep) : zero
            let end = self.axes.contains(0) ? self.builder.multiply(self.lastStep, perStep) : perStep
            NestEmitter(flat.nest, self).emitFlat(at: row, from: start, to: end)
            return []
        }
    }

    // MARK: Products

    /// `steps` is the present step of a sequential stage; nil in a map, where the product runs over all steps of the call.
    private func emitProduct(
        _ product: Product, index: Int, products: ProductKernels, steps: (IRValue, IRValue)?, share: ProductKernels.Share? = nil
    ) {
        let zero = builder.int(0)
        let row = Row(
            sequence: firstSequence, first: steps?.0 ?? (axes.contains(0) ? firstStep : zero), second: steps?.1 ?? zero)
        let element = builder.real
        let input = builder.element(
            address(product.input, at: row), builder.int(product.input.position.offset), of: element)
        let output = address(product.output, at: row)
        let weights = word(FrameLayout.base, ofProduct: index)

        func stride(_ id: BufferID, axis: Int) -> IRValue {
            guard shape[id].variance.varies(over: axis) else { return zero }
            if case .step = shape[id].kind { return zero }
            return word(axis == 0 ? FrameLayout.firstStride : FrameLayout.secondStride, of: id)
        }
        var inputBatchStride = batchStride(product.input.buffer)
        if let fallback = product.input.fallback {
            // Outside the grid the initial value is read, which may be one for the whole batch.
            let inside = address(product.input.buffer, at: row, offsets: product.input.offsets)
            let isInside = builder.compare(
                LLVMIntEQ, inside, address(product.input, at: row))
            inputBatchStride = builder.select(isInside, inputBatchStride, batchStride(fallback))
        }
        var dimensions = [
            ProductKernels.RowDimension(
                count: builder.subtract(lastSequence, firstSequence), inputStride: inputBatchStride,
                outputStride: batchStride(product.output))
        ]
        if steps == nil {
            if axes.contains(0) {
                dimensions.append(
                    ProductKernels.RowDimension(
                        count: builder.subtract(lastStep, firstStep), inputStride: stride(product.input.buffer, axis: 0),
                        outputStride: stride(product.output, axis: 0)))
            }
            if axes.contains(1) {
                dimensions.append(
                    ProductKernels.RowDimension(
                        count: secondExtent, inputStride: stride(product.input.buffer, axis: 1),
                        outputStride: stride(product.output, axis: 1)))
            }
        }
        for dimension in product.rows {
            dimensions.append(
                ProductKernels.RowDimension(
                    count: builder.int(dimension.extent), inputStride: builder.int(dimension.inputStride),
                    outputStride: builder.int(dimension.outputStride)))
        }
        products.emit(product, input: input, output: output, weights: weights, rows: dimensions, share: share, in: builder)
    }
}
