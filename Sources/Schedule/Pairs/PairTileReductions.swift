import RecStream

/// Products of tiles, and what reductions make of tiles over the steps of a chunk or of a block.
extension PairTiles {
    /// Labels of the first dims.
    private static let outerLabel = 1_000_000, innerLabel = 1_000_001

    /// A sum of products, perhaps over the steps of the chunk or of the block as well.
    ///
    /// - Parameter isMasked: whether steps that are summed count 0 behind the end of the sequence.
    mutating func contracted(_ c: Contraction, _ shape: Shape, over side: Side? = nil, isMasked: Bool = false) throws(ScheduleRefusal) -> Tile {
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
