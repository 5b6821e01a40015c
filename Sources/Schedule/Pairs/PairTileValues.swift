import RecStream

/// Tiles of what is computed of pairs, operation by operation.
extension PairTiles {
    /// The tile of a value that has none yet.
    ///
    /// - Throws: where no code is made for an operation.
    mutating func compute(_ id: ValueID) throws(ScheduleRefusal) -> Tile {
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
