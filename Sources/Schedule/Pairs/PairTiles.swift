import RecStream

/// Values of pairs of steps, written for the steps of a block and those of a chunk: a graph whose axis of chunks runs along the steps that
/// a reduction takes together.
///
/// A value of the reduction's own steps has those of the block as its first dim; one of the other steps those of the chunk; a value of
/// pairs both, the chunk's first: what products of it need turned is of the block then, and is turned once.
struct PairTiles {
    let graph: StreamGraph
    /// The index that the results vary over, and the one that is reduced.
    let outer: Int
    let inner: Int
    /// Whether ints are computed with: as reals of double precision, which hold them as long as they are not too large.
    let holdsInts: Bool
    var builder: GraphBuilder
    private(set) var wanted: Set<PairTensor> = []
    /// The names of tensors that are read as ints.
    private(set) var givenInts: Set<String> = []
    private let outerDim: Dim
    /// The steps of a block.
    var blockDim: Dim { outerDim }
    private let innerDim: Dim
    private var tensors: [String: Tile] = [:]
    private var validity: [Side: Tile] = [:]
    private var tiles: [Context?: [ValueID: Tile]] = [:]
    private var context: Context?
    /// What a reduction of the traversal is before and behind the present chunk.
    var carried: [Context: Tile] = [:]
    private var dependence: [ValueID: [ValueID: Bool]] = [:]

    /// A reduction of the traversal as it is before or behind the present chunk.
    struct Context: Hashable {
        var value: ValueID
        var isBefore: Bool
    }

    /// A value, and which of the two steps it has as first dims.
    struct Tile {
        var id: ValueID
        var hasOuter = false
        var hasInner = false
        var lead: Int { (hasOuter ? 1 : 0) + (hasInner ? 1 : 0) }
        func has(_ side: Side) -> Bool { side == .block ? hasOuter : hasInner }
    }

    /// The steps of the block, or those of the chunk.
    enum Side {
        case block, chunk
        var other: Side { self == .block ? .chunk : .block }
    }

    init(_ graph: StreamGraph, outer: Int, inner: Int, by size: PairPartition.Size, holdsInts: Bool) {
        self.graph = graph
        self.holdsInts = holdsInts
        self.outer = outer
        self.inner = inner
        outerDim = Dim("\(graph.axes[outer].name) of block", size.block)
        innerDim = Dim("\(graph.axes[inner].name) of chunk", size.chunk)
        let axis = StreamAxis(name: graph.axes[inner].name)
        builder = GraphBuilder(
            "\(graph.name), \(graph.axes[inner].name) for each \(graph.axes[outer].name)",
            axes: [axis, StreamAxis(name: "\(axis.name)/\(size.chunk)", chunks: StreamAxis.Chunks(of: 0, count: size.chunk, isReversed: false))])
    }

    /// What varies from chunk to chunk.
    var chunked: Variance { Variance(batch: true, axes: 2) }

    func refusal(_ reason: String, _ id: ValueID) -> ScheduleRefusal { ScheduleRefusal(reason: reason, span: graph[id].span) }

    func lead(_ hasOuter: Bool, _ hasInner: Bool) -> Shape { (hasInner ? [innerDim] : []) + (hasOuter ? [outerDim] : []) }

    // MARK: Shapes

    /// A tile with more first dims.
    mutating func lifted(_ tile: Tile, _ hasOuter: Bool, _ hasInner: Bool) -> ValueID {
        guard tile.hasOuter != hasOuter || tile.hasInner != hasInner else { return tile.id }
        let own = Array(builder[tile.id].shape.dropFirst(tile.lead))
        var from: [Int?] = []
        if hasInner { from.append(tile.hasInner ? 0 : nil) }
        if hasOuter { from.append(tile.hasOuter ? tile.lead - 1 : nil) }
        from += own.indices.map { $0 + tile.lead }
        return builder.broadcast(tile.id, to: lead(hasOuter, hasInner) + own, from: from)
    }

    mutating func elementwise(_ tiles: [Tile], _ make: (inout GraphBuilder, [ValueID]) -> ValueID) -> Tile {
        let (hasOuter, hasInner) = (tiles.contains(where: \.hasOuter), tiles.contains(where: \.hasInner))
        let lifted = tiles.map { self.lifted($0, hasOuter, hasInner) }
        return Tile(id: make(&builder, lifted), hasOuter: hasOuter, hasInner: hasInner)
    }

    /// A number in each element of a shape.
    mutating func number(_ number: Double, _ shape: Shape) -> Tile { Tile(id: builder.constant(.real(number), shape)) }

    // MARK: Tensors

    /// A tensor of the caller's, or of another part.
    private mutating func tensor(_ name: String, _ shape: Shape, _ variance: Variance) -> Tile {
        let isOuter = variance.varies(over: outer)
        // One tensor may be read along both indices.
        let key = isOuter ? PairTensor.block + name : name
        if let known = tensors[key] { return known }
        let made: Tile
        if isOuter {
            made = Tile(id: builder.add(.input(name: key, fallback: nil), proposing: ValueType(.real, [outerDim] + shape, chunked)), hasOuter: true)
        } else if variance.varies(over: inner) {
            // What stands behind the end of a sequence is later than all of it.
            let fill = name == PairTensor.places ? 0x1p25 : 0
            made = Tile(id: builder.chunks(builder.input(name, shape, over: [0]), axis: 1, fill: fill, named: innerDim.name), hasInner: true)
        } else {
            // As what varies from chunk to chunk it is read where it is used.
            let whole = variance.batch ? builder.once(name, shape) : builder.parameter(name, shape)
            made = Tile(id: builder.rename(whole, over: chunked))
        }
        tensors[key] = made
        return made
    }

    private func name(of source: ValueID) -> String {
        switch graph[source].operation {
        case .input(let name, _): PairTensor.input(name)
        case .parameter(let info): PairTensor.parameter(info.path)
        case .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window, .gather,
            .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            PairTensor(value: source, form: .plain).description
        }
    }

    /// What a value that is not one of pairs is read from.
    private mutating func read(_ id: ValueID, _ form: PairTensor.Form = .plain) -> Tile {
        let (variance, shape) = (graph[id].variance, graph[id].shape)
        let source = graph.unindexed(id)
        if graph[id].element == .int, form == .plain { givenInts.insert(name(of: source)) }
        switch (graph[source].operation, form) {
        case (.input(let name, _), .plain): return tensor(PairTensor.input(name), shape, variance)
        case (.parameter(let info), .plain): return tensor(PairTensor.parameter(info.path), shape, variance)
        default:
            let own = PairTensor(value: source, form: form)
            wanted.insert(own)
            return tensor(own.description, shape, variance)
        }
    }

    /// Whether a step of the chunk, or of the block, is one of the sequence.
    mutating func isValid(_ side: Side) -> Tile {
        if let known = validity[side] { return known }
        let made: ValueID
        switch side {
        case .chunk:
            let ones = builder.rename(builder.constant(1), over: Variance(batch: true, axes: 1))
            made = builder.chunks(ones, axis: 1, named: innerDim.name)
        case .block:
            made = builder.add(.input(name: PairTensor.block + PairTensor.validity, fallback: nil), proposing: ValueType(.real, [outerDim], chunked))
        }
        let condition = builder.binary(.notEqual, made, builder.constant(.real(0), builder[made].shape))
        let tile = Tile(id: condition, hasOuter: side == .block, hasInner: side == .chunk)
        validity[side] = tile
        return tile
    }

    /// `t - s` as a real.
    private mutating func distance() -> Tile {
        func places(_ axis: Int) -> Tile { tensor(PairTensor.places, [], Variance(batch: true, axes: 1 << UInt8(axis))) }
        let (own, other) = (places(outer), places(inner))
        return elementwise(graph.axes[outer].again != nil ? [other, own] : [own, other]) { $0.binary(.subtract, $1[0], $1[1]) }
    }

    // MARK: Values

    /// - Throws: where no code is made for an operation.
    mutating func tile(_ id: ValueID) throws(ScheduleRefusal) -> Tile {
        if let context, id == context.value, let own = carried[context] { return own }
        let place = dependsOnContext(id) ? context : nil
        if let known = tiles[place]?[id] { return known }
        let made = try compute(id)
        tiles[place, default: [:]][id] = made
        return made
    }

    private mutating func dependsOnContext(_ id: ValueID) -> Bool {
        guard let value = context?.value else { return false }
        if id == value { return true }
        if let known = dependence[value]?[id] { return known }
        // Operands come first, but for what a delay looks at.
        let found = id > value && graph[id].operation.instantOperands.contains { dependsOnContext($0) }
        dependence[value, default: [:]][id] = found
        return found
    }

    /// Tiles with what a reduction is so far, before or behind the present chunk, in the place of its result.
    mutating func within<Result>(
        _ own: Context, _ body: (inout PairTiles) throws(ScheduleRefusal) -> Result
    ) throws(ScheduleRefusal) -> Result {
        let outside = context
        context = own
        defer { context = outside }
        return try body(&self)
    }

    private mutating func compute(_ id: ValueID) throws(ScheduleRefusal) -> Tile {
        let value = graph[id]
        let shape = value.shape
        if let number = ChunkShapes(graph: graph, count: 1).number(id) {
            if value.element == .real || holdsInts && value.element == .int { return self.number(number, shape) }
            if value.element == .bool { return Tile(id: builder.constant(.bool(number != 0), shape)) }
        }
        guard graph.isPair(id) || dependsOnContext(id) else { return try given(id) }
        switch value.operation {
        case .distance: return distance(PairDistance(sign: 1, offset: 0), shape)
        case .unary(.toReal, let a) where graph[a].element == .int && holdsInts: return try tile(a)
        case .unary(.toInt, let a) where graph[a].element == .bool && holdsInts: return elementwise([try tile(a)]) { $0.unary(.toReal, $1[0]) }
        case .unary(.toReal, let a) where graph[a].element == .int:
            if let own = PairDistance(a, in: graph) { return distance(own, shape) }
            guard !graph.isPair(a) else { throw refusal("their ints are computed", id) }
            let parts = [read(a, .high), read(a, .middle), read(a, .low)]
            return elementwise(parts) { $0.binary(.add, $0.binary(.add, $1[0], $1[1]), $1[2]) }
        case .unary(.toReal, let a) where graph[a].element == .bool:
            return elementwise([try tile(a)]) { $0.unary(.toReal, $1[0]) }
        case .unary(.toInt, _), .unary(.numbered, _): throw refusal("their ints are computed", id)
        case .unary(let function, let a): return elementwise([try tile(a)]) { $0.unary(function, $1[0]) }
        case .binary(let function, let a, let b) where graph[a].element == .int && !holdsInts: return try compared(function, a, b, id)
        case .binary(let function, _, _) where value.element == .int && !function.keepsInts && PairIntSize(id, in: graph) == nil:
            throw refusal("their ints are computed with '\(function.rawValue)', and may be too large for it", id)
        case .binary(.mod, let a, let b) where value.element == .int:
            // By 0 the remainder of ints is 0.
            return elementwise([try tile(a), try tile(b)]) { builder, operands in
                let zero = builder.constant(.real(0), builder[operands[0]].shape)
                return builder.select(builder.binary(.equal, operands[1], zero), zero, builder.binary(.mod, operands[0], operands[1]))
            }
        case .binary(let function, let a, let b): return elementwise([try tile(a), try tile(b)]) { $0.binary(function, $1[0], $1[1]) }
        case .select(let condition, let a, let b):
            return elementwise([try tile(condition), try tile(a), try tile(b)]) { $0.select($1[0], $1[1], $1[2]) }
        case .contract(let c): return try contracted(c, shape)
        case .reduce(let kind, let a, let axes):
            guard kind != .argmax else { throw refusal("'\(kind.rawValue)' of them has no code", id) }
            let own = try tile(a)
            if kind == .logsumexp { return logsumexp(own, axes) }
            return Tile(id: builder.reduce(kind, own.id, axes: axes.map { $0 + own.lead }), hasOuter: own.hasOuter, hasInner: own.hasInner)
        case .broadcast(let a, let from):
            let own = try tile(a)
            let whole = lead(own.hasOuter, own.hasInner)
            let moved: [Int?] = Array(whole.indices) + from.map { $0.map { $0 + own.lead } }
            return Tile(id: builder.broadcast(own.id, to: whole + shape, from: moved), hasOuter: own.hasOuter, hasInner: own.hasInner)
        case .rename(let a), .reshape(let a):
            let own = try tile(a)
            let whole = lead(own.hasOuter, own.hasInner) + shape
            if builder[own.id].shape == whole { return own }
            let isSame = builder[own.id].shape.sizes == whole.sizes
            return Tile(id: isSame ? builder.rename(own.id, to: whole) : builder.reshape(own.id, to: whole), hasOuter: own.hasOuter, hasInner: own.hasInner)
        case .slice(let a, let axis, let start, let stride):
            let own = try tile(a)
            let made = builder.slice(own.id, axis: axis + own.lead, start: start, count: shape[axis].size, stride: stride, named: shape[axis].name)
            return Tile(id: made, hasOuter: own.hasOuter, hasInner: own.hasInner)
        case .concat(let parts, let axis):
            var own: [Tile] = []
            for part in parts { own.append(try tile(part)) }
            let (hasOuter, hasInner) = (own.contains(where: \.hasOuter), own.contains(where: \.hasInner))
            let count = lead(hasOuter, hasInner).count
            let lifted = own.map { self.lifted($0, hasOuter, hasInner) }
            return Tile(id: builder.concat(lifted, axis: axis + count, named: shape[axis].name), hasOuter: hasOuter, hasInner: hasInner)
        case .pad(let a, let axis, let before, let after, let mode):
            let own = try tile(a)
            let made = builder.pad(own.id, axis: axis + own.lead, before: before, after: after, mode: mode, named: shape[axis].name)
            return Tile(id: made, hasOuter: own.hasOuter, hasInner: own.hasInner)
        case .gather: throw refusal("a table is looked up for each of them", id)
        case .input, .parameter, .constant, .window, .scatter, .delay, .overTime, .overBatch, .along, .chunks, .steps,
            .runningAffine, .solve:
            throw refusal("an operation on them has no code", id)
        }
    }

    /// A value that other parts compute.
    private mutating func given(_ id: ValueID) throws(ScheduleRefusal) -> Tile {
        switch graph[id].element {
        case .int where holdsInts, .real: return read(id)
        case .bool: return elementwise([read(id, .truth)]) { $0.binary(.notEqual, $1[0], $0.constant(.real(0), $0[$1[0]].shape)) }
        case .int, .complex: throw refusal("they are \(graph[id].element.rawValue)s", id)
        }
    }

    private mutating func distance(_ own: PairDistance, _ shape: Shape) -> Tile {
        guard own.sign != 0 else { return number(Double(own.offset), shape) }
        let plain = distance()
        let scalar = elementwise([plain]) { builder, id in
            let turned = own.sign < 0 ? builder.unary(.negate, id[0]) : id[0]
            return own.offset == 0 ? turned : builder.binary(.add, turned, builder.constant(.real(Double(own.offset)), builder[turned].shape))
        }
        guard !shape.isEmpty else { return scalar }
        let whole = lead(true, true)
        return Tile(id: builder.broadcast(scalar.id, to: whole + shape, from: [0, 1] + shape.map { _ in nil }), hasOuter: true, hasInner: true)
    }

    /// The logarithm of a sum of exponentials over dims, held against the largest: of −∞ alone −∞, and ∞ where one is.
    private mutating func logsumexp(_ own: Tile, _ axes: [Int]) -> Tile {
        let reduced = axes.map { $0 + own.lead }
        let whole = builder[own.id].shape
        let most = builder.reduce(.max, own.id, axes: reduced)
        let shape = builder[most].shape
        let isFinite = builder.binary(.less, builder.unary(.abs, most), builder.constant(.real(.infinity), shape))
        let shift = builder.select(isFinite, most, builder.constant(.real(0), shape))
        let kept = whole.indices.filter { !reduced.contains($0) }
        let wide = builder.broadcast(shift, to: whole, from: whole.indices.map { kept.firstIndex(of: $0) })
        let sum = builder.reduce(.sum, builder.unary(.exp, builder.binary(.subtract, own.id, wide)), axes: reduced)
        return Tile(id: builder.binary(.add, builder.unary(.log, sum), shift), hasOuter: own.hasOuter, hasInner: own.hasInner)
    }

    // MARK: Ints

    /// Ints are compared as reals that hold them exactly.
    private mutating func compared(_ function: BinaryOperator, _ a: ValueID, _ b: ValueID, _ id: ValueID) throws(ScheduleRefusal) -> Tile {
        guard graph[id].element == .bool else { throw refusal("their ints are computed", id) }
        let shape = graph[id].shape
        let (x, y) = (PairDistance(a, in: graph), PairDistance(b, in: graph))
        func part(_ operand: ValueID, _ distance: PairDistance?, _ form: PairTensor.Form, _ tiles: inout PairTiles) throws(ScheduleRefusal) -> Tile {
            if let distance, distance.sign != 0 { return tiles.distance(distance, shape) }
            if let number = tiles.int(operand) { return tiles.number(PairTensor.number(number, form), shape) }
            guard !tiles.graph.isPair(operand) else { throw tiles.refusal("their ints are computed", operand) }
            return tiles.read(operand, form)
        }
        if x.map({ $0.sign != 0 }) ?? false || y.map({ $0.sign != 0 }) ?? false {
            return elementwise([try part(a, x, .clamped, &self), try part(b, y, .clamped, &self)]) { $0.binary(function, $1[0], $1[1]) }
        }
        var parts: [Tile] = []
        for form in [PairTensor.Form.high, .middle, .low] { parts += [try part(a, nil, form, &self), try part(b, nil, form, &self)] }
        return elementwise(parts) { builder, p in
            func equal(_ k: Int) -> ValueID { builder.binary(.equal, p[2 * k], p[2 * k + 1]) }
            func both(_ a: ValueID, _ b: ValueID) -> ValueID { builder.binary(.and, a, b) }
            switch function {
            case .equal: return both(equal(2), both(equal(1), equal(0)))
            case .notEqual: return builder.unary(.not, both(equal(2), both(equal(1), equal(0))))
            default:
                // By the first part that differs.
                let strict: BinaryOperator = function == .less || function == .lessOrEqual ? .less : .greater
                func differs(_ k: Int) -> ValueID { builder.binary(strict, p[2 * k], p[2 * k + 1]) }
                let last = builder.binary(function, p[4], p[5])
                let middle = builder.binary(.or, differs(1), both(equal(1), last))
                return builder.binary(.or, differs(0), both(equal(0), middle))
            }
        }
    }

    /// An int of the source.
    private func int(_ id: ValueID) -> Int? {
        switch graph[id].operation {
        case .constant(.int(let number)): number
        case .broadcast(let a, _), .rename(let a), .reshape(let a): int(a)
        case .unary(.negate, let a): int(a).flatMap { $0 == .min ? nil : -$0 }
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .slice, .concat, .pad, .window, .gather, .scatter,
            .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            nil
        }
    }

    // MARK: Products

    /// Labels of the first dims.
    private static let outerLabel = 1_000_000, innerLabel = 1_000_001

    /// A sum of products, perhaps over the steps of the chunk or of the block as well.
    ///
    /// - Parameter isMasked: whether steps that are summed count 0 behind the end of the sequence.
    private mutating func contracted(_ c: Contraction, _ shape: Shape, over side: Side? = nil, isMasked: Bool = false) throws(ScheduleRefusal) -> Tile {
        var (left, right) = (try tile(c.left), try tile(c.right))
        if let side, isMasked {
            // Either factor of pairs may be infinite where the other one counts 0.
            if left.has(side), left.has(side.other) || !right.has(side) { left = valid(left, side, else: 0) }
            if right.has(side), right.has(side.other) || !left.has(side) || !left.has(side.other) { right = valid(right, side, else: 0) }
        }
        func labels(_ tile: Tile, _ own: [Int]) -> [Int] {
            (tile.hasInner ? [Self.innerLabel] : []) + (tile.hasOuter ? [Self.outerLabel] : []) + own
        }
        let hasOuter = side != .block && (left.hasOuter || right.hasOuter)
        let hasInner = side != .chunk && (left.hasInner || right.hasInner)
        let result = (hasInner ? [Self.innerLabel] : []) + (hasOuter ? [Self.outerLabel] : []) + c.resultLabels
        let contraction = Contraction(
            left: left.id, right: right.id, leftLabels: labels(left, c.leftLabels), rightLabels: labels(right, c.rightLabels), resultLabels: result)
        let made = builder.add(.contract(contraction), proposing: ValueType(.real, lead(hasOuter, hasInner) + shape, .none))
        return Tile(id: made, hasOuter: hasOuter, hasInner: hasInner)
    }

    /// The sum of a value over the steps of the chunk, or of the block; what is behind the end of the sequence counts 0 where `isMasked`.
    mutating func summed(_ id: ValueID, over side: Side = .chunk, isMasked: Bool) throws(ScheduleRefusal) -> Tile {
        let shape = graph[id].shape
        switch graph[id].operation {
        case .rename(let a) where graph[a].shape == shape && graph.isPair(a): return try summed(a, over: side, isMasked: isMasked)
        case .contract(let c): return try contracted(c, shape, over: side, isMasked: isMasked)
        case .binary(.multiply, let a, let b):
            // Elements apart, and yet a sum of products.
            let own = Array(shape.indices)
            let c = Contraction(left: a, right: b, leftLabels: own, rightLabels: own, resultLabels: own)
            return try contracted(c, shape, over: side, isMasked: isMasked)
        case .input, .parameter, .constant, .unary, .binary, .select, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window,
            .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            return try joined(.sum, id, over: side, isMasked: isMasked, else: 0)
        }
    }

    /// A reduction of a value over the steps of the chunk, or of the block.
    mutating func joined(_ kind: ReduceKind, _ id: ValueID, over side: Side = .chunk, isMasked: Bool, else neutral: Double) throws(ScheduleRefusal) -> Tile {
        var own = try tile(id)
        if isMasked { own = valid(own, side, else: neutral) }
        guard own.has(side) else { throw refusal("what is reduced is the same for all steps", id) }
        let axis = side == .chunk ? 0 : own.lead - 1
        return Tile(id: builder.reduce(kind, own.id, axes: [axis]), hasOuter: side == .chunk && own.hasOuter, hasInner: side == .block && own.hasInner)
    }

    private mutating func valid(_ tile: Tile, _ side: Side, else neutral: Double) -> Tile {
        let shape = Array(builder[tile.id].shape.dropFirst(tile.lead))
        var wide = isValid(side)
        if !shape.isEmpty { wide.id = builder.broadcast(wide.id, to: lead(wide.hasOuter, wide.hasInner) + shape, from: [0] + shape.map { _ in nil }) }
        let other = number(neutral, shape)
        return elementwise([wide, tile, other]) { $0.select($1[0], $1[1], $1[2]) }
    }
}

extension StreamGraph {
    /// The value that one stands for along another index.
    package func unindexed(_ id: ValueID) -> ValueID {
        var id = id
        while case .along(let a, _) = self[id].operation { id = a }
        return id
    }
}

extension BinaryOperator {
    /// Whether what it gives for ints of some size is hardly larger.
    fileprivate var keepsInts: Bool {
        switch self {
        case .add, .subtract, .min, .max: true
        case .multiply, .divide, .power, .logaddexp, .atan2, .mod, .less, .lessOrEqual, .equal, .notEqual, .greaterOrEqual, .greater, .and, .or, .complex,
            .random, .uniform, .uniformNext:
            false
        }
    }
}
