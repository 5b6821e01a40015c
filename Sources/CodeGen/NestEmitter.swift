import CLLVM
import RecAnalysis
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
    let dependencies: [UInt64]
    var known: [Nest.NodeID: IRValue] = [:]
    var variables: [Int: IRValue] = [:]
    var opened: UInt64 = 0
    /// The variable in lanes while code for vectors is emitted.
    var vectorVariable: Int?
    var lanes = 1
    /// Lanes that are there in the last, incomplete vector.
    var mask: IRValue?
    var row: StageEmitter.Row
    var rowAddresses: [RowKey: IRValue] = [:]
    /// The loop of which only some turns are taken, and which.
    var share: (variable: Int, range: RowShares.Range)?
    /// Values of carries, set by a lane loop.
    private var carried: [[IRValue]] = []
    /// In a lane loop, the nodes that change from step to step.
    private let varying: [Bool]

    struct RowKey: Hashable {
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
    var nativeLanes: Int { stage.target.vectorBytes / builder.precision.byteCount }

    /// Several machine vectors side by side hide the latency of one chain of operations.
    static let mostVectors = 4
    /// Functions such as `tanh` fill the registers, but one alone waits for itself at each of its operations.
    private static let vectorsOfFunctions = 2

    static func vectors(for nest: Nest) -> Int {
        nest.nodes.contains { node in
            switch node.operation {
            case .unary(let function, _): !function.isSimple
            case .binary(let function, _, _): !function.isSimple
            case .constant, .load, .gather, .select, .reduce, .position, .carried, .scanned: false
            }
        } ? vectorsOfFunctions : mostVectors
    }

    static func lanes(for extent: Int, native: Int, vectors: Int = mostVectors) -> Int {
        var lanes = 1
        while lanes < extent, lanes < native * vectors { lanes *= 2 }
        // A wide vector that would be mostly empty is not worth it.
        while lanes > native, extent % lanes != 0, extent < 2 * lanes { lanes /= 2 }
        return lanes
    }

    // MARK: Loops

    func emit(at row: StageEmitter.Row) {
        self.row = row
        if nest.reducesInLanes || nest.scattersAcrossLanes || nest.domain.isEmpty {
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

    /// For a loop of one's own over the only variable, in vectors of so many lanes.
    func begin(at row: StageEmitter.Row, lanes: Int) {
        self.row = row
        compute(upTo: opened)
        vectorVariable = 0
        self.lanes = lanes
    }

    private func laneMask(_ count: IRValue, _ lanes: Int) -> IRValue {
        let numbers = builder.vectorConstant(Array(0..<lanes), of: builder.i64)
        return builder.compare(LLVMIntULT, numbers, builder.splat(count, lanes))
    }

    /// Opens a variable at a value for the time of `body`.
    func open(_ variable: Int, at value: IRValue, _ body: () -> Void) {
        let saved = (known, opened, rowAddresses)
        variables[variable] = value
        opened |= 1 << UInt64(variable)
        compute(upTo: opened, varyingOver: 1 << UInt64(variable))
        body()
        variables[variable] = nil
        (known, opened, rowAddresses) = saved
    }

    /// Computes all nodes that vary over opened variables only, and over all of `needed`.
    func compute(upTo opened: UInt64, varyingOver needed: UInt64 = 0) {
        for node in nest.nodes.indices
        where dependencies[node] & ~opened == 0 && dependencies[node] & needed == needed && !varying[node] {
            _ = value(node)
        }
    }

    /// Scalar loops over all of the domain but the last variable, which `inner` runs.
    private func emitLoops(_ variable: Int, _ inner: (Int) -> Void) {
        if variable == 0 { compute(upTo: 0) }
        guard variable < nest.domain.count - 1 else { return inner(variable) }
        let turns = turns(of: variable)
        builder.loop(from: turns.start, to: turns.end) { index, _ in
            self.open(variable, at: index) { self.emitLoops(variable + 1, inner) }
            return []
        }
    }

    private func emitScalarLoops(_ variable: Int) {
        if variable == 0 { compute(upTo: 0) }
        guard variable < nest.domain.count else { return emitStores() }
        let turns = turns(of: variable)
        builder.loop(from: turns.start, to: turns.end) { index, _ in
            self.open(variable, at: index) { self.emitScalarLoops(variable + 1) }
            return []
        }
    }

    /// The turns of a loop that are taken.
    private func turns(of variable: Int) -> RowShares.Range {
        if let share, share.variable == variable { return share.range }
        return RowShares.Range(start: builder.int(0), end: builder.int(nest.extents[variable]))
    }

    /// Runs the shared variable in lanes: whole vectors, then what is left of the share.
    private func emitVectorLoop(_ variable: Int, over turns: RowShares.Range, _ body: () -> Void) {
        let lanes = Self.lanes(for: nest.extents[variable], native: nativeLanes, vectors: Self.vectors(for: nest))
        let count = builder.subtract(turns.end, turns.start)
        let whole = builder.add(turns.start, builder.and(count, builder.int(-lanes)))
        vectorVariable = variable
        self.lanes = lanes
        builder.loop(from: turns.start, to: whole, by: lanes) { index, _ in
            self.open(variable, at: index, body)
            return []
        }
        let rest = builder.subtract(turns.end, whole)
        builder.ifThen(builder.compare(LLVMIntSGT, rest, builder.int(0))) {
            self.mask = self.laneMask(rest, lanes)
            self.open(variable, at: whole, body)
            self.mask = nil
        }
        vectorVariable = nil
        self.lanes = 1
    }

    /// Runs a variable of known extent in lanes: whole vectors, then what is left.
    private func emitVectorLoop(_ variable: Int, _ body: () -> Void) {
        if let share, share.variable == variable { return emitVectorLoop(variable, over: share.range, body) }
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

    func isVector(_ node: Nest.NodeID) -> Bool {
        guard let vectorVariable else { return false }
        return dependencies[node] & (1 << UInt64(vectorVariable)) != 0
    }

    func spread(_ value: IRValue, _ node: Nest.NodeID) -> IRValue {
        guard vectorVariable != nil, lanes > 1, builder.lanes(of: value) == 1 else { return value }
        return builder.splat(value, lanes)
    }

    private func spread(_ scalar: IRValue, like value: IRValue) -> IRValue {
        builder.lanes(of: value) == 1 ? scalar : builder.splat(scalar, builder.lanes(of: value))
    }

    func value(_ node: Nest.NodeID) -> IRValue {
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
        case .unary(.numbered, let a):
            let start = operand(a, of: node)
            return builder.add(start, spread(row.first, like: start))
        case .unary(let function, let a):
            return stage.math.unary(function, operand(a, of: node), from: nest.nodes[a].element)
        case .binary(let function, let a, let b):
            if function == .add || function == .subtract, let sum = fusedSum(function, a, b, of: node) { return sum }
            return stage.math.binary(function, operand(a, of: node), operand(b, of: node), of: nest.nodes[a].element)
        case .select(let condition, let a, let b):
            return builder.select(operand(condition, of: node), operand(a, of: node), operand(b, of: node))
        case .reduce(let kind, let body, let over):
            return reduce(kind, body, over, element, isVector: isVector(node))
        case .position(let affine):
            return position(affine, isVector: isVector(node))
        case .carried(let carry, let distance):
            return carried[carry][distance - 1]
        case .scanned:
            preconditionFailure("what is scanned is known before")
        }
    }

    // MARK: Fused products

    /// The factors of a real product that is fused with what it is added to.
    ///
    /// That is decided by the plan, not left to LLVM: wherever a number is computed, it has the same bits.
    private func factors(_ node: Nest.NodeID) -> (Nest.NodeID, Nest.NodeID)? {
        guard case .binary(.multiply, let a, let b) = nest.nodes[node].operation, nest.nodes[node].element == .real,
            !nest.nodes[node].isRounded
        else { return nil }
        return (a, b)
    }

    /// A sum or difference one side of which is a product: a multiply-add, rounded once.
    private func fusedSum(_ function: BinaryOperator, _ a: Nest.NodeID, _ b: Nest.NodeID, of node: Nest.NodeID) -> IRValue? {
        func number(_ id: Nest.NodeID) -> IRValue { operand(id, of: node) }
        if let (x, y) = factors(a) {
            return builder.fma(number(x), number(y), function == .add ? number(b) : builder.fneg(number(b)))
        }
        guard let (x, y) = factors(b) else { return nil }
        return builder.fma(function == .add ? number(x) : builder.fneg(number(x)), number(y), number(a))
    }

    /// `sum + node` where the node is such a product.
    func fused(_ sum: IRValue, plus node: Nest.NodeID, isVector: Bool) -> IRValue? {
        guard let (a, b) = factors(node) else { return nil }
        func number(_ id: Nest.NodeID) -> IRValue { isVector ? spread(value(id), id) : value(id) }
        return builder.fma(number(a), number(b), sum)
    }

    private func constant(_ scalar: Scalar) -> IRValue {
        switch scalar {
        case .real(let value): builder.number(value)
        case .int(let value): builder.int(value)
        case .bool(let value): builder.bool(value)
        case .complex(let real, _): builder.number(real)
        }
    }

    func clamp(_ index: IRValue, _ count: Int) -> IRValue {
        let type = builder.type(of: index)
        let low = builder.maximum(index, builder.constant(0, like: type))
        return builder.minimum(low, builder.constant(max(count - 1, 0), like: type))
    }
}
