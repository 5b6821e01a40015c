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
    var wanted: Set<PairTensor> = []
    /// The names of tensors that are read as ints.
    var givenInts: Set<String> = []
    let outerDim: Dim
    /// The steps of a block.
    var blockDim: Dim { outerDim }
    let innerDim: Dim
    var tensors: [String: Tile] = [:]
    var validity: [Side: Tile] = [:]
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
            axes: [axis, StreamAxis(name: "\(axis.name)/\(size.chunk)", chunks: StreamAxis.Chunks(of: 0, count: size.chunk))])
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

    mutating func dependsOnContext(_ id: ValueID) -> Bool {
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
}

extension StreamGraph {
    /// The value that one stands for along another index.
    package func unindexed(_ id: ValueID) -> ValueID {
        var id = id
        while case .along(let a, _) = self[id].operation { id = a }
        return id
    }
}
