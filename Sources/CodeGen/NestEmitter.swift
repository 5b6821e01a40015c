import CLLVM
import RecScheduling
import RecStream

/// Emits the loops of a nest at one row, with one variable in vector lanes.
///
/// Values that do not vary over a loop are computed before it; what does not vary over the vector variable is scalar and
/// spread over the lanes where it meets a vector.
final class NestEmitter {
    let nest: Nest
    let stage: StageEmitter
    let builder: IRBuilder
    private let dependencies: [UInt64]
    private var known: [Nest.NodeID: IRValue] = [:]
    private var variables: [Int: IRValue] = [:]
    private var opened: UInt64 = 0
    /// The variable in lanes while code for vectors is emitted.
    private var vectorVariable: Int?
    private var lanes = 1
    /// Lanes that are there in the last, incomplete vector.
    private var mask: IRValue?
    private var row: StageEmitter.Row
    private var rowAddresses: [RowKey: IRValue] = [:]
    /// Values of carries, set by a lane loop.
    private var carried: [[IRValue]] = []
    /// In a lane loop, the nodes that change from step to step.
    private let varying: [Bool]

    private struct RowKey: Hashable {
        var buffer: BufferID
        var offsets: [Int]
        var fallback: BufferID?
    }

    init(_ nest: Nest, _ stage: StageEmitter, varying: [Bool]? = nil) {
        self.nest = nest
        self.varying = varying ?? [Bool](repeating: false, count: nest.nodes.count)
        self.stage = stage
        builder = stage.builder
        dependencies = nest.dependencies
        let zero = stage.builder.int(0)
        row = StageEmitter.Row(sequence: zero, first: zero, second: zero)
    }

    // MARK: Choice of lanes

    /// Vectors of the machine's width hold this many reals.
    private var nativeLanes: Int { stage.target.vectorBytes / builder.precision.byteCount }

    /// Several machine vectors side by side hide the latency of one chain of operations.
    static let mostVectors = 4

    /// How many: functions fill the registers by themselves.
    static func vectors(for nest: Nest) -> Int {
        nest.nodes.contains { node in
            switch node.operation {
            case .unary(let function, _): !function.isSimple
            case .binary(let function, _, _): function == .logaddexp || function == .power
            case .constant, .load, .gather, .select, .reduce, .length, .carried: false
            }
        } ? 1 : mostVectors
    }

    static func lanes(for extent: Int, native: Int, vectors: Int = mostVectors) -> Int {
        var lanes = 1
        while lanes < extent, lanes < native * vectors { lanes *= 2 }
        // A wide vector that would be mostly empty is not worth it.
        while lanes > native, extent % lanes != 0, extent < 2 * lanes { lanes /= 2 }
        return lanes
    }

    private var reductions: [Nest.NodeID] {
        nest.nodes.indices.filter { if case .reduce = nest.nodes[$0].operation { true } else { false } }
    }

    /// Whether reductions run their own last variable in lanes, rather than the nest its last loop.
    private var reducesInLanes: Bool {
        guard !reductions.isEmpty else { return false }
        guard let last = nest.domain.indices.last else { return true }
        var alongDomain = 0
        var alongReduction = 0
        for reduction in reductions {
            guard case .reduce(let kind, _, let variables) = nest.nodes[reduction].operation, let inner = variables.last
            else { continue }
            if kind == .argmax { return false }
            for (node, bits) in zip(nest.nodes, dependencies) where bits & (1 << UInt64(inner)) != 0 {
                for access in node.operation.accesses {
                    let outer = access.position.coefficient(of: last)
                    let own = access.position.coefficient(of: inner)
                    if outer == 1 || (outer == 0 && own != 1) { alongDomain += 1 }
                    if own == 1 || (own == 0 && outer != 1) { alongReduction += 1 }
                }
            }
        }
        return alongReduction > alongDomain
    }

    // MARK: Loops

    func emit(at row: StageEmitter.Row) {
        self.row = row
        if reducesInLanes || nest.domain.isEmpty {
            emitScalarLoops(0)
        } else {
            emitLoops(0) { loop in self.emitVectorLoop(loop) { self.emitStores() } }
        }
    }

    /// One loop through whole streams from element `start` to `end`.
    func emitFlat(at row: StageEmitter.Row, from start: IRValue, to end: IRValue) {
        self.row = row
        compute(upTo: opened)
        let lanes = nativeLanes * min(2, Self.vectors(for: nest))
        let count = builder.subtract(end, start)
        let whole = builder.and(count, builder.int(-lanes))
        vectorVariable = 0
        self.lanes = lanes
        let saved = known
        builder.loop(from: builder.int(0), to: whole, by: lanes) { index, _ in
            self.open(0, at: self.builder.add(start, index)) { self.emitStores() }
            return []
        }
        let rest = builder.subtract(count, whole)
        builder.ifThen(builder.compare(LLVMIntSGT, rest, builder.int(0))) {
            self.mask = self.laneMask(rest, lanes)
            self.open(0, at: self.builder.add(start, whole)) { self.emitStores() }
            self.mask = nil
        }
        known = saved
        vectorVariable = nil
    }

    private func laneMask(_ count: IRValue, _ lanes: Int) -> IRValue {
        let numbers = builder.vectorConstant(Array(0..<lanes), of: builder.i64)
        return builder.compare(LLVMIntULT, numbers, builder.splat(count, lanes))
    }

    /// Opens a variable at a value for the time of `body`.
    private func open(_ variable: Int, at value: IRValue, _ body: () -> Void) {
        let saved = (known, opened, rowAddresses)
        variables[variable] = value
        opened |= 1 << UInt64(variable)
        compute(upTo: opened, varyingOver: 1 << UInt64(variable))
        body()
        variables[variable] = nil
        (known, opened, rowAddresses) = saved
    }

    /// Computes all nodes that vary over opened variables only, and over all of `needed`.
    private func compute(upTo opened: UInt64, varyingOver needed: UInt64 = 0) {
        for node in nest.nodes.indices
        where dependencies[node] & ~opened == 0 && dependencies[node] & needed == needed && !varying[node] {
            _ = value(node)
        }
    }

    /// Scalar loops over all of the domain but the last variable, which `inner` runs.
    private func emitLoops(_ variable: Int, _ inner: (Int) -> Void) {
        if variable == 0 { compute(upTo: 0) }
        guard variable < nest.domain.count - 1 else { return inner(variable) }
        builder.loop(from: builder.int(0), to: builder.int(nest.domain[variable])) { index, _ in
            self.open(variable, at: index) { self.emitLoops(variable + 1, inner) }
            return []
        }
    }

    private func emitScalarLoops(_ variable: Int) {
        if variable == 0 { compute(upTo: 0) }
        guard variable < nest.domain.count else { return emitStores() }
        builder.loop(from: builder.int(0), to: builder.int(nest.domain[variable])) { index, _ in
            self.open(variable, at: index) { self.emitScalarLoops(variable + 1) }
            return []
        }
    }

    /// Runs a variable of known extent in lanes: whole vectors, then what is left.
    private func emitVectorLoop(_ variable: Int, _ body: () -> Void) {
        let extent = nest.extents[variable]
        let lanes = Self.lanes(for: extent, native: nativeLanes, vectors: Self.vectors(for: nest))
        let whole = extent / lanes * lanes
        vectorVariable = variable
        self.lanes = lanes
        if whole == lanes {
            open(variable, at: builder.int(0), body)
        } else if whole > 0 {
            builder.loop(from: builder.int(0), to: builder.int(whole), by: lanes) { index, _ in
                self.open(variable, at: index, body)
                return []
            }
        }
        if extent > whole { emitRest(variable, from: whole, count: extent - whole, body) }
        vectorVariable = nil
        self.lanes = 1
    }

    private func emitRest(_ variable: Int, from start: Int, count: Int, _ body: () -> Void) {
        var lanes = 1
        while lanes < count { lanes *= 2 }
        self.lanes = lanes
        if lanes != count { mask = builder.vectorConstant((0..<lanes).map { $0 < count ? 1 : 0 }, of: builder.i1) }
        open(variable, at: builder.int(start), body)
        mask = nil
    }

    // MARK: Lane loops

    /// For a lane loop: every vector of the domain's elements between the lane bounds.
    func forEachVector(from first: IRValue, to last: IRValue, _ body: (NestEmitter) -> Void) {
        compute(upTo: 0)
        guard let variable = nest.domain.indices.last else { return body(self) }
        let extent = nest.extents[variable]
        let lanes = Self.lanes(for: extent, native: nativeLanes, vectors: Self.vectors(for: nest))
        let whole = extent / lanes * lanes
        emitLoops(0) { _ in
            self.vectorVariable = variable
            self.lanes = lanes
            if whole > 0 {
                self.builder.loop(from: first, to: self.builder.minimum(last, self.builder.int(whole)), by: lanes) { index, _ in
                    self.open(variable, at: index) { body(self) }
                    return []
                }
            }
            if extent > whole {
                self.builder.ifThen(self.builder.compare(LLVMIntSGT, last, self.builder.int(whole))) {
                    self.emitRest(variable, from: whole, count: extent - whole) { body(self) }
                }
            }
            self.vectorVariable = nil
            self.lanes = 1
        }
    }

    /// Emits the nest at one step of a lane loop; `next` gives what is carried on.
    func emitStep(at row: StageEmitter.Row, carried: [[IRValue]], then next: () -> [IRValue]) -> [IRValue] {
        let saved = (known, rowAddresses)
        self.row = row
        rowAddresses = [:]
        self.carried = carried
        for node in nest.nodes.indices { _ = value(node) }
        emitStores()
        let result = next()
        (known, rowAddresses) = saved
        return result
    }

    func setRow(_ row: StageEmitter.Row) { self.row = row }

    /// The value of a node in all lanes.
    func vectorValue(_ node: Nest.NodeID) -> IRValue { spread(value(node), node) }

    /// The vector at the present lanes of a row of memory laid out like the domain.
    func loadLanes(_ address: IRValue, _ element: ElementType) -> IRValue {
        load(address, lanePosition, element, isVector: vectorVariable != nil)
    }

    func storeLanes(_ value: IRValue, _ address: IRValue, _ element: ElementType) {
        store(value, address, lanePosition, element, isVector: vectorVariable != nil)
    }

    private var lanePosition: Affine {
        Affine.rowMajor(nest.domain)
    }

    // MARK: Nodes

    private func isVector(_ node: Nest.NodeID) -> Bool {
        guard let vectorVariable else { return false }
        return dependencies[node] & (1 << UInt64(vectorVariable)) != 0
    }

    private func spread(_ value: IRValue, _ node: Nest.NodeID) -> IRValue {
        guard vectorVariable != nil, lanes > 1, builder.lanes(of: value) == 1 else { return value }
        return builder.splat(value, lanes)
    }

    private func value(_ node: Nest.NodeID) -> IRValue {
        if let value = known[node] { return value }
        let result = compute(node)
        known[node] = result
        return result
    }

    private func operand(_ operand: Nest.NodeID, of node: Nest.NodeID) -> IRValue {
        let result = value(operand)
        return isVector(node) ? spread(result, operand) : result
    }

    private func compute(_ node: Nest.NodeID) -> IRValue {
        let element = nest.nodes[node].element
        switch nest.nodes[node].operation {
        case .constant(let scalar):
            return constant(scalar)
        case .load(let access):
            return load(rowAddress(access), access.position, element, isVector: isVector(node))
        case .gather(let access, let index, let stride, let count):
            let inside = clamp(operand(index, of: node), count)
            return gather(access, inside, stride, element, isVector: isVector(node), indexIsVector: isVector(index))
        case .unary(let function, let a):
            return stage.math.unary(function, operand(a, of: node), from: nest.nodes[a].element)
        case .binary(let function, let a, let b):
            return stage.math.binary(function, operand(a, of: node), operand(b, of: node), of: nest.nodes[a].element)
        case .select(let condition, let a, let b):
            return builder.select(operand(condition, of: node), operand(a, of: node), operand(b, of: node))
        case .reduce(let kind, let body, let over):
            return reduce(kind, body, over, element, isVector: isVector(node))
        case .length(let axis):
            return LLVMBuildSIToFP(builder.builder, stage.length(axis: axis, row), builder.real, "")
        case .carried(let carry, let distance):
            return carried[carry][distance - 1]
        }
    }

    private func constant(_ scalar: Scalar) -> IRValue {
        switch scalar {
        case .real(let value): builder.number(value)
        case .int(let value): builder.int(value)
        case .bool(let value): builder.bool(value)
        case .complex(let real, _): builder.number(real)
        }
    }

    private func clamp(_ index: IRValue, _ count: Int) -> IRValue {
        let type = builder.type(of: index)
        let low = builder.maximum(index, builder.constant(0, like: type))
        return builder.minimum(low, builder.constant(max(count - 1, 0), like: type))
    }

    // MARK: Memory

    private func rowAddress(_ access: Access) -> IRValue {
        let key = RowKey(buffer: access.buffer, offsets: access.offsets, fallback: access.fallback)
        if let address = rowAddresses[key] { return address }
        let address = stage.address(access, at: row)
        rowAddresses[key] = address
        return address
    }

    /// `offset + Σ coefficient · variable` for the opened variables; the vector variable stands for its first lane.
    private func index(_ position: Affine) -> IRValue {
        var result = builder.int(position.offset)
        for term in position.terms {
            guard let variable = variables[term.variable] else { preconditionFailure("a variable is used in its loop") }
            result = builder.add(result, builder.multiply(variable, builder.int(term.coefficient)))
        }
        return result
    }

    private func elementAddress(_ base: IRValue, _ position: Affine, _ element: ElementType) -> IRValue {
        builder.element(base, index(position), of: stage.memoryType(of: element))
    }

    private func load(_ base: IRValue, _ position: Affine, _ element: ElementType, isVector: Bool) -> IRValue {
        let type = stage.memoryType(of: element)
        let alignment = stage.byteCount(of: element)
        let address = elementAddress(base, position, element)
        guard isVector, lanes > 1, let vectorVariable else {
            return truth(builder.load(type, address, alignment: alignment), element)
        }
        let vectorType = builder.vector(type, lanes)
        let stride = position.coefficient(of: vectorVariable)
        if stride == 1 {
            let loaded =
                mask.map { builder.maskedLoad(vectorType, address, mask: $0, alignment: alignment) }
                ?? builder.load(vectorType, address, alignment: alignment)
            return truth(loaded, element)
        }
        let offsets = builder.vectorConstant((0..<lanes).map { $0 * stride }, of: builder.i64)
        return truth(gatherLanes(address, offsets, vectorType, type, alignment), element)
    }

    private func gatherLanes(
        _ address: IRValue, _ offsets: IRValue, _ vectorType: LLVMTypeRef, _ type: LLVMTypeRef, _ alignment: Int
    ) -> IRValue {
        let pointers = builder.element(address, offsets, of: type)
        let all = mask ?? builder.vectorConstant([Int](repeating: 1, count: lanes), of: builder.i1)
        return builder.intrinsic(
            "llvm.masked.gather", overloads: [vectorType, builder.type(of: pointers)],
            [pointers, LLVMConstInt(builder.i32, UInt64(alignment), 0), all, LLVMConstNull(vectorType)])
    }

    private func gather(
        _ access: Access, _ index: IRValue, _ stride: Int, _ element: ElementType, isVector: Bool, indexIsVector: Bool
    ) -> IRValue {
        let base = rowAddress(access)
        guard indexIsVector, lanes > 1, let vectorVariable else {
            let scalar = builder.lanes(of: index) == 1 ? index : builder.extract(index, 0)
            let moved = builder.element(
                base, builder.multiply(scalar, builder.int(stride)), of: stage.memoryType(of: element))
            return load(moved, access.position, element, isVector: isVector)
        }
        let type = stage.memoryType(of: element)
        let own = access.position.coefficient(of: vectorVariable)
        let steps = builder.vectorConstant((0..<lanes).map { $0 * own }, of: builder.i64)
        let offsets = builder.add(
            builder.multiply(index, builder.constant(stride, like: builder.type(of: index))), steps)
        return truth(
            gatherLanes(
                elementAddress(base, access.position, element), offsets, builder.vector(type, lanes), type,
                stage.byteCount(of: element)),
            element)
    }

    /// Bools are bytes in memory and bits in registers.
    private func truth(_ value: IRValue, _ element: ElementType) -> IRValue {
        guard element == .bool else { return value }
        return builder.compare(LLVMIntNE, value, LLVMConstNull(builder.type(of: value)))
    }

    private func emitStores() {
        for item in nest.stores {
            let element = nest.nodes[item.node].element
            let base = stage.address(item.buffer, at: row)
            var isVector = false
            if let vectorVariable { isVector = item.position.coefficient(of: vectorVariable) != 0 }
            var result = value(item.node)
            if isVector { result = spread(result, item.node) }
            if case .accumulate(let kind, let axis) = item.mode {
                let old = load(base, item.position, element, isVector: isVector)
                result = accumulate(kind, axis: axis, old, result, element)
            }
            store(result, base, item.position, element, isVector: isVector)
        }
    }

    private func accumulate(_ kind: TimeReduceKind, axis: Int, _ old: IRValue, _ new: IRValue, _ element: ElementType) -> IRValue {
        let at = axis == 0 ? row.first : row.second
        switch kind {
        case .sum, .mean: return stage.math.binary(.add, old, new, of: element)
        case .max: return stage.math.binary(.max, old, new, of: element)
        case .min: return stage.math.binary(.min, old, new, of: element)
        case .first: return builder.select(builder.compare(LLVMIntEQ, at, builder.int(0)), new, old)
        case .last:
            let final = builder.subtract(stage.length(axis: axis, row), builder.int(1))
            return builder.select(builder.compare(LLVMIntEQ, at, final), new, old)
        }
    }

    private func store(_ value: IRValue, _ base: IRValue, _ position: Affine, _ element: ElementType, isVector: Bool) {
        let type = stage.memoryType(of: element)
        let alignment = stage.byteCount(of: element)
        let address = elementAddress(base, position, element)
        var value = value
        if element == .bool {
            value = LLVMBuildZExt(builder.builder, value, builder.vector(type, builder.lanes(of: value)), "")
        }
        guard isVector, lanes > 1, let vectorVariable else { return builder.store(value, address, alignment: alignment) }
        let stride = position.coefficient(of: vectorVariable)
        if stride == 1 {
            if let mask {
                builder.maskedStore(value, address, mask: mask, alignment: alignment)
            } else {
                builder.store(value, address, alignment: alignment)
            }
            return
        }
        let offsets = builder.vectorConstant((0..<lanes).map { $0 * stride }, of: builder.i64)
        let pointers = builder.element(address, offsets, of: type)
        let all = mask ?? builder.vectorConstant([Int](repeating: 1, count: lanes), of: builder.i1)
        _ = builder.intrinsic(
            "llvm.masked.scatter", overloads: [builder.type(of: value), builder.type(of: pointers)],
            [value, pointers, LLVMConstInt(builder.i32, UInt64(alignment), 0), all])
    }

    // MARK: Reductions

    private func reduce(
        _ kind: ReduceKind, _ body: Nest.NodeID, _ over: [Int], _ element: ElementType, isVector: Bool
    ) -> IRValue {
        let bodyElement = nest.nodes[body].element
        if vectorVariable == nil, kind != .argmax, let last = over.last, nest.extents[last] > 1 {
            return reduceInLanes(kind, body, over, bodyElement)
        }
        let width = isVector ? lanes : 1
        if kind == .argmax { return argmax(body, over, width) }
        let start = builder.splat(identity(kind, bodyElement), width)
        return reduceLoops(over[...], carrying: [start]) { carried in
            let term = isVector ? self.spread(self.value(body), body) : self.value(body)
            return [self.combine(kind, carried[0], term, bodyElement)]
        }[0]
    }

    /// Loops over the variables, innermost last, carrying values through all of them.
    private func reduceLoops(
        _ over: ArraySlice<Int>, carrying start: [IRValue], _ body: ([IRValue]) -> [IRValue]
    ) -> [IRValue] {
        guard let variable = over.first else { return body(start) }
        return builder.loop(from: builder.int(0), to: builder.int(nest.extents[variable]), carrying: start) { index, carried in
            var next: [IRValue] = []
            self.open(variable, at: index) { next = self.reduceLoops(over.dropFirst(), carrying: carried, body) }
            return next
        }
    }

    /// The last variable runs in lanes, which are added up at the end.
    private func reduceInLanes(_ kind: ReduceKind, _ body: Nest.NodeID, _ over: [Int], _ element: ElementType) -> IRValue {
        let last = over[over.count - 1]
        let extent = nest.extents[last]
        let lanes = Self.lanes(for: extent, native: nativeLanes, vectors: Self.vectors(for: nest))
        let whole = extent / lanes * lanes
        // A sum that ends in one number is where cancellation hurts most: in f32 it is taken in f64, products exactly.
        let isWide = kind == .sum && element == .real && builder.precision == .f32
        let neutral = isWide ? builder.double(0) : identity(kind, element)
        func term() -> IRValue { isWide ? wideValue(body) : spread(value(body), body) }
        let outer = reduceLoops(over.dropLast(), carrying: [builder.splat(neutral, lanes)]) { carried in
            self.vectorVariable = last
            self.lanes = lanes
            var sum = carried
            if whole > 0 {
                sum = self.builder.loop(from: self.builder.int(0), to: self.builder.int(whole), by: lanes, carrying: sum) { index, carried in
                    var next = carried[0]
                    self.open(last, at: index) {
                        next = self.combine(kind, carried[0], term(), element)
                    }
                    return [next]
                }
            }
            if extent > whole {
                let mask = self.builder.vectorConstant((0..<lanes).map { $0 < extent - whole ? 1 : 0 }, of: self.builder.i1)
                self.mask = mask
                self.open(last, at: self.builder.int(whole)) {
                    let present = self.builder.select(mask, term(), self.builder.splat(neutral, lanes))
                    sum = [self.combine(kind, sum[0], present, element)]
                }
                self.mask = nil
            }
            self.vectorVariable = nil
            self.lanes = 1
            return sum
        }
        let total = horizontal(kind, outer[0], lanes, element)
        return isWide ? LLVMBuildFPTrunc(builder.builder, total, builder.real, "") : total
    }

    /// The value of a node in f64 lanes; a product of two f32 numbers is exact there.
    private func wideValue(_ node: Nest.NodeID) -> IRValue {
        func wide(_ node: Nest.NodeID) -> IRValue {
            let value = spread(value(node), node)
            let double: LLVMTypeRef = LLVMDoubleTypeInContext(builder.module.context)
            return LLVMBuildFPExt(builder.builder, value, builder.vector(double, builder.lanes(of: value)), "")
        }
        if case .binary(.multiply, let a, let b) = nest.nodes[node].operation { return builder.fmul(wide(a), wide(b)) }
        return wide(node)
    }

    private func horizontal(_ kind: ReduceKind, _ vector: IRValue, _ lanes: Int, _ element: ElementType) -> IRValue {
        var vector = vector
        var lanes = lanes
        while lanes > 1 {
            lanes /= 2
            func half(_ start: Int) -> IRValue {
                let indices = builder.vectorConstant(Array(start..<start + lanes), of: builder.i32)
                return LLVMBuildShuffleVector(builder.builder, vector, LLVMGetPoison(builder.type(of: vector)), indices, "")
            }
            vector = lanes == 1
                ? combine(kind, builder.extract(vector, 0), builder.extract(vector, 1), element)
                : combine(kind, half(0), half(lanes), element)
        }
        return vector
    }

    private func identity(_ kind: ReduceKind, _ element: ElementType) -> IRValue {
        switch element {
        case .real, .complex:
            switch kind {
            case .sum: builder.number(0)
            case .product: builder.number(1)
            case .min: builder.number(.infinity)
            case .max, .logsumexp, .argmax: builder.number(-.infinity)
            }
        case .int:
            switch kind {
            case .sum: builder.int(0)
            case .product: builder.int(1)
            case .min: builder.int(.max)
            case .max, .logsumexp, .argmax: builder.int(.min)
            }
        case .bool:
            builder.bool(kind == .min || kind == .product)
        }
    }

    private func combine(_ kind: ReduceKind, _ a: IRValue, _ b: IRValue, _ element: ElementType) -> IRValue {
        switch kind {
        case .sum: stage.math.binary(.add, a, b, of: element)
        case .product: stage.math.binary(.multiply, a, b, of: element)
        case .min: stage.math.binary(.min, a, b, of: element)
        case .max, .logsumexp, .argmax: stage.math.binary(.max, a, b, of: element)
        }
    }

    /// The index of the first largest element.
    private func argmax(_ body: Nest.NodeID, _ over: [Int], _ width: Int) -> IRValue {
        let element = nest.nodes[body].element
        let best = builder.splat(identity(.max, element), width)
        let index = builder.splat(builder.int(0), width)
        let variable = over[over.count - 1]
        return reduceLoops(over[...], carrying: [best, index]) { carried in
            let term = width > 1 ? self.spread(self.value(body), body) : self.value(body)
            let isLarger = self.stage.math.binary(.greater, term, carried[0], of: element)
            let at = self.builder.splat(self.variables[variable] ?? self.builder.int(0), width)
            return [
                self.builder.select(isLarger, term, carried[0]), self.builder.select(isLarger, at, carried[1]),
            ]
        }[1]
    }
}
