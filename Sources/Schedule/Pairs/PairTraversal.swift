import RecSource
import RecStream

/// Reductions over pairs of steps that are computed together: for each block of steps of one index all chunks of the other one.
package struct PairTraversal: Sendable {
    /// The schedule of its chunks, run once for each block.
    package let schedule: Schedule
    /// The tensors that it needs of other parts.
    let wanted: Set<PairTensor>
    /// The names of both indices: of that of the results, and of that which is reduced.
    package let indices: (outer: String, inner: String)
    /// The axis of data whose steps they go along.
    package let axis: Int
    /// Where the first reduction stands in the source.
    package let span: SourceSpan?
    /// How many reductions it computes.
    package let count: Int
    /// How many of them are sums over the steps of blocks, to which blocks add one after another.
    package let addedUp: Int
    /// Whether ints are computed with, for which code has to be in double precision.
    package let holdsInts: Bool
    /// Whether results are ints, by name.
    package let ints: Set<String>
    /// The buffers with ints that it reads as they are.
    package let intBuffers: [Schedule.Buffer]
    /// Whether exponentials are made smaller as larger exponents turn up, so that one look at each pair is enough.
    package let isRunning: Bool

    /// - Parameters:
    ///   - reductions: over one index.
    ///   - others: sums over the other index, of values that are computed anyway.
    /// - Throws: where an operation is none that code is made for.
    init(_ reductions: [ValueID], addingUp others: [ValueID] = [], in graph: StreamGraph, by size: PairPartition.Size) throws(ScheduleRefusal) {
        guard let first = reductions.first, case .overTime(_, _, let inner) = graph[first].operation, let outer = graph.counterpart(of: inner) else {
            throw ScheduleRefusal(reason: "there is nothing to reduce", span: nil)
        }
        axis = graph.axes[inner].again ?? inner
        holdsInts = reductions.contains { graph.computesWithInts($0) }
        ints = Set(reductions.filter { graph[$0].element == .int }.map { PairTensor(value: $0, form: .plain).description })
        var work = PairReductions(graph, outer: outer, inner: inner, by: size, holdsInts: holdsInts)
        let domain = work.domain(of: reductions + others)
        let blocks = work.blocks(domain, size.block)
        // What stands behind a sequence's end is behind all of its steps.
        let isMasked = blocks.behind.map { $0 > 0 } ?? true
        for id in reductions.sorted() { try work.add(id, isMasked: isMasked, together: Set(reductions)) }
        for id in others.sorted() { try work.addUp(id) }
        wanted = work.tiles.wanted
        indices = (graph.axes[outer].name, graph.axes[inner].name)
        span = reductions.lazy.compactMap { graph[$0].span }.first
        count = reductions.count + others.count
        addedUp = others.count
        isRunning = reductions.contains { RunningExponential(of: $0, in: graph).map { reductions.contains($0.most) } ?? false }
        let parts = try ChunkPartition(work.graph())
        guard parts.parts.count == 1, case .traversal(let traversal) = parts.parts[0] else {
            throw ScheduleRefusal(reason: "pairs of steps are no single traversal", span: graph[first].span)
        }
        let plain = try Schedule(traversal, of: parts, blocks: blocks, checking: size == .single ? [] : work.sums)
        let schedule = size == .single ? plain : plain.separatingInnerChunks().addingProducts()
        assert(schedule.violations().isEmpty, "\(schedule.violations())\n\(schedule.text)")
        self.schedule = schedule
        let names = work.tiles.givenInts
        intBuffers = schedule.buffers.filter { names.contains(Self.tensorName(of: $0)) }
    }
}

/// The work of writing reductions over pairs as what is carried from chunk to chunk.
private struct PairReductions {
    let source: StreamGraph
    var tiles: PairTiles
    /// Names of results that are sums.
    var sums: Set<String> = []
    private var results: [(name: String, value: ValueID, initial: ValueID)] = []
    private var addedUp: [(name: String, value: ValueID)] = []

    init(_ graph: StreamGraph, outer: Int, inner: Int, by size: PairPartition.Size, holdsInts: Bool) {
        source = graph
        tiles = PairTiles(graph, outer: outer, inner: inner, by: size, holdsInts: holdsInts)
    }

    /// The pairs that some reduction takes.
    func domain(of reductions: [ValueID]) -> PairDomain {
        let domains = PairDomains(graph: source)
        let own = reductions.map { id -> PairDomain in
            guard case .overTime(let kind, let a, _) = source[id].operation else { return .all }
            return switch kind {
            case .sum: domains.nonzero(a)
            case .max, .min: domains.finite(a, isLeast: kind == .min)
            case .mean, .first, .last: .all
            }
        }
        return own.dropFirst().reduce(own.first ?? .all) { $0.union($1) }
    }

    func blocks(_ domain: PairDomain, _ count: Int) -> Schedule.Blocks {
        // The distance is that of the first index from the second.
        source.axes[tiles.inner].again != nil
            ? Schedule.Blocks(count: count, before: domain.most, behind: domain.least.map { -$0 })
            : Schedule.Blocks(count: count, before: domain.least.map { -$0 }, behind: domain.most)
    }

    mutating func add(_ id: ValueID, isMasked: Bool, together: Set<ValueID>) throws(ScheduleRefusal) {
        guard case .overTime(let kind, let term, _) = source[id].operation else { return }
        guard source[id].element == .real || source[id].element == .int else { throw tiles.refusal("they are \(source[id].element.rawValue)s", id) }
        switch kind {
        case .max, .min:
            let neutral = kind == .max ? -Double.infinity : .infinity
            let own = try tiles.joined(kind == .max ? .max : .min, term, isMasked: isMasked, else: neutral)
            carry(id, from: neutral) { tiles, before in tiles.elementwise([before, own]) { $0.binary(kind == .max ? .max : .min, $1[0], $1[1]) } }
        case .sum:
            sums.insert(PairTensor(value: id, form: .plain).description)
            guard let running = RunningExponential(of: id, in: source), together.contains(running.most) else {
                let own = try tiles.summed(term, isMasked: isMasked)
                return carry(id, from: 0) { tiles, before in tiles.elementwise([before, own]) { $0.binary(.add, $1[0], $1[1]) } }
            }
            let own = try tiles.within(PairTiles.Context(value: running.most, isBefore: false)) { tiles throws(ScheduleRefusal) in
                try tiles.summed(term, isMasked: isMasked)
            }
            let share = try shrinking(running, to: source[id].shape)
            carry(id, from: 0) { tiles, before in
                tiles.elementwise([before, share, own]) { $0.binary(.add, $0.binary(.multiply, $1[0], $1[1]), $1[2]) }
            }
        case .mean, .first, .last: throw tiles.refusal("'\(kind.rawValue)' of them has no code", id)
        }
    }

    /// A sum over the steps of the block, which is added to what other blocks give.
    mutating func addUp(_ id: ValueID) throws(ScheduleRefusal) {
        guard case .overTime(.sum, let term, _) = source[id].operation else { throw tiles.refusal("blocks add nothing but sums", id) }
        let own = try tiles.summed(term, over: .block, isMasked: true)
        let whole = tiles.builder.rename(tiles.lifted(own, false, true), to: tiles.lead(false, true) + source[id].shape)
        addedUp.append((PairTensor(value: id, form: .plain).description, tiles.builder.steps(whole, axis: 1)))
    }

    /// What a sum is multiplied by where a larger exponent has turned up; 0 where there was none at all.
    private mutating func shrinking(_ running: RunningExponential, to shape: Shape) throws(ScheduleRefusal) -> PairTiles.Tile {
        func shift(_ isBefore: Bool, _ tiles: inout PairTiles) throws(ScheduleRefusal) -> PairTiles.Tile {
            try tiles.within(PairTiles.Context(value: running.most, isBefore: isBefore)) { tiles throws(ScheduleRefusal) in try tiles.tile(running.shift) }
        }
        let (before, behind) = (try shift(true, &tiles), try shift(false, &tiles))
        guard let most = tiles.carried[PairTiles.Context(value: running.most, isBefore: true)] else {
            throw tiles.refusal("a largest number is not carried", running.most)
        }
        let factor = tiles.elementwise([most, before, behind]) { builder, id in
            let shape = builder[id[0]].shape
            let isNone = builder.binary(.equal, id[0], builder.constant(.real(-.infinity), shape))
            let shrunk = builder.unary(.exp, builder.binary(.subtract, id[1], id[2]))
            return builder.select(isNone, builder.constant(.real(0), shape), shrunk)
        }
        let lead = factor.lead
        let from: [Int?] = Array(0..<lead) + shape.indices.map { dim in running.dims.firstIndex(of: dim).map { $0 + lead } }
        guard from != Array(tiles.builder[factor.id].shape.indices) || tiles.builder[factor.id].shape.dropFirst(lead) != shape[...] else { return factor }
        let whole = Array(tiles.builder[factor.id].shape.prefix(lead)) + shape
        return PairTiles.Tile(id: tiles.builder.broadcast(factor.id, to: whole, from: from), hasOuter: factor.hasOuter)
    }

    private mutating func carry(_ id: ValueID, from start: Double, _ next: (inout PairTiles, PairTiles.Tile) -> PairTiles.Tile) {
        let shape = [tiles.blockDim] + source[id].shape
        let initial = tiles.builder.constant(.real(start), shape)
        let before = tiles.builder.delay(ofLater: ValueType(.real, shape, tiles.chunked), [0, -1], from: initial)
        let own = PairTiles.Tile(id: before, hasOuter: true)
        tiles.carried[PairTiles.Context(value: id, isBefore: true)] = own
        let behind = next(&tiles, own)
        tiles.builder.close(before, with: behind.id)
        tiles.carried[PairTiles.Context(value: id, isBefore: false)] = behind
        results.append((PairTensor(value: id, form: .plain).description, behind.id, initial))
    }

    func graph() -> StreamGraph {
        var builder = tiles.builder
        for result in results { builder.state(result.name, result.value, from: result.initial) }
        for result in addedUp { builder.output(result.name, result.value) }
        return builder.graph.ordered().sharingCommonValues().recognizingContractions().ordered()
    }
}

extension StreamGraph {
    /// Whether a reduction over pairs needs ints other than to compare them, or than distances.
    func computesWithInts(_ id: ValueID) -> Bool {
        guard self[id].element != .int else { return true }
        var seen: Set<ValueID> = []
        var rest = self[id].operation.operands
        while let next = rest.popLast() {
            guard isPair(next), seen.insert(next).inserted else { continue }
            if self[next].element == .int, PairDistance(next, in: self) == nil { return true }
            rest += self[next].operation.operands
        }
        return false
    }
}
