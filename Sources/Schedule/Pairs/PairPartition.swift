import RecStream

/// A graph with pairs of steps, taken apart into parts that run one after another: steps of whole sequences without pairs, and reductions
/// over pairs, block by block.
///
/// Between parts stand tensors, named by their values: `%12`.
package struct PairPartition: Sendable {
    package enum Part: Sendable {
        case steps(StreamGraph)
        case pairs(PairTraversal)
    }

    package let graph: StreamGraph
    package private(set) var parts: [Part] = []
    private let levels: PairLevels

    /// How many pairs are looked at together.
    package struct Size: Hashable, Sendable {
        /// Steps that are kept in hand at once.
        package var block: Int
        /// Steps that run by them at once.
        package var chunk: Int

        package init(block: Int, chunk: Int) { (self.block, self.chunk) = (block, chunk) }

        /// Where nobody says anything else.
        package static let usual = Size(block: 64, chunk: 64)
        /// Pair by pair: all holds of numbers that are not finite that the program says.
        package static let single = Size(block: 1, chunk: 1)
    }

    /// - Throws: where there is no code for a value of pairs, or a recurrence needs one.
    package init(_ graph: StreamGraph, by size: Size = .usual) throws(ScheduleRefusal) {
        let sums = graph.writingMeansOfPairsAsSums()
        let graph = size == .single ? sums : sums.gatheringPairFactors()
        if let id = graph.ids.first(where: { graph.isPair($0) && graph[$0].variance.axes.nonzeroBitCount > 2 }) {
            throw ScheduleRefusal(reason: "pairs of steps of one axis vary over another axis as well", span: graph[id].span)
        }
        self.graph = graph
        levels = try PairLevels(graph)
        try divide(by: size)
    }

    private mutating func divide(by size: Size) throws(ScheduleRefusal) {
        /// Tensors by the level of their values, and reductions by the level from which on they are known.
        var wanted: [Int: Set<PairTensor>] = [:]
        var reductions: [Int: Set<ValueID>] = [:]
        func want(_ tensor: PairTensor) {
            let level = levels[tensor.value]
            if levels.isReduction(tensor.value), tensor.form == .plain {
                reductions[level, default: []].insert(tensor.value)
            } else {
                wanted[level, default: []].insert(tensor)
            }
        }
        var stated: [Int: [StreamGraph.State]] = [:]
        for state in graph.states { stated[levels[graph.unindexed(state.value)], default: []].append(state) }
        for output in graph.outputs where !graph.isGiven(graph.unindexed(output.value)) {
            want(PairTensor(value: graph.unindexed(output.value), form: .plain))
        }
        var losses: [Int: [StreamGraph.Output]] = [:]
        for loss in graph.losses { losses[levels[loss.value], default: []].append(loss) }
        var found: [Part] = []
        for level in stride(from: levels.most, through: 0, by: -1) {
            let (own, states, ownLosses) = (wanted[level] ?? [], stated[level] ?? [], losses[level] ?? [])
            if !own.isEmpty || !states.isEmpty || !ownLosses.isEmpty {
                var part = PairStepsPart(graph, levels, level)
                found.append(.steps(part.graph(handingOn: own, states: states, losses: ownLosses)))
                for tensor in part.wanted { want(tensor) }
            }
            // What is known from here on is reduced by the traversals before.
            var groups: [Int: Set<ValueID>] = [:]
            for id in reductions[level] ?? [] {
                guard case .overTime(_, _, let axis) = graph[id].operation else { continue }
                // Ints need double precision, which others are not to pay for.
                let own = 2 * axis + (graph.computesWithInts(id) ? 1 : 0)
                groups[own, default: []].insert(id)
                if let most = levels.running[id]?.most { groups[own]?.insert(most) }
            }
            for (group, others) in joined(groups.sorted { $0.key < $1.key }.map { $0.value.sorted() }, size) {
                let traversal = try PairTraversal(group, addingUp: others, in: graph, by: size)
                found.append(.pairs(traversal))
                for tensor in traversal.wanted { want(tensor) }
            }
        }
        parts = found.reversed()
    }

    /// The groups of reductions that are computed together. Sums over one index go along with those over the other one where they are made
    /// of the same values of pairs, which then are computed once.
    private func joined(_ groups: [[ValueID]], _ size: Size) -> [(own: [ValueID], others: [ValueID])] {
        let apart = groups.map { (own: $0, others: [ValueID]()) }
        guard size != .single, groups.count == 2 else { return apart }
        for id in groups[0] + groups[1] {
            guard case .overTime(.sum, _, _) = graph[id].operation, graph[id].element == .real, levels.running[id] == nil, !graph.computesWithInts(id) else { return apart }
        }
        let (first, second) = (graph.dearPairs(of: groups[0]), graph.dearPairs(of: groups[1]))
        guard !first.isDisjoint(with: second) else { return apart }
        func elements(_ group: [ValueID]) -> Int { group.reduce(0) { $0 + graph[$1].shape.elementCount } }
        // What has more elements stays in hand.
        return elements(groups[0]) < elements(groups[1]) ? [(groups[1], groups[0])] : [(groups[0], groups[1])]
    }
}

extension StreamGraph {
    /// The values of pairs that reductions are made of and that are worth computing once: sums of products, and functions that are no single
    /// instruction.
    fileprivate func dearPairs(of reductions: [ValueID]) -> Set<ValueID> {
        var seen: Set<ValueID> = []
        var rest = reductions.flatMap { self[$0].operation.operands }
        while let id = rest.popLast() {
            guard isPair(id), seen.insert(id).inserted else { continue }
            rest += self[id].operation.operands
        }
        return seen.filter { id in
            switch self[id].operation {
            case .contract, .reduce: true
            case .unary(let function, _): !function.isSimple
            case .binary(let function, _, _): !function.isSimple
            case .input, .parameter, .constant, .select, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window, .gather, .scatter, .delay,
                .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                false
            }
        }
    }
}

/// When the values of a graph with pairs are known: a reduction over pairs one level behind what it reduces.
struct PairLevels: Sendable {
    private var levels: [Int]
    private var reductions: Set<ValueID> = []
    /// Reductions that run along with the one of the largest exponent.
    private(set) var running: [ValueID: RunningExponential] = [:]
    var most: Int { levels.max() ?? 0 }

    subscript(_ id: ValueID) -> Int { levels[id.index] }
    func isReduction(_ id: ValueID) -> Bool { reductions.contains(id) }

    init(_ graph: StreamGraph) throws(ScheduleRefusal) {
        levels = graph.values.map { _ in 0 }
        for component in components(of: graph) {
            if component.isRecurrence, let pair = component.members.first(where: { graph.isPair($0) }) {
                throw ScheduleRefusal(reason: "a recurrence reads what attends to it", span: graph[pair].span)
            }
            let members = Set(component.members)
            let level = component.members.reduce(0) { most, id in
                graph[id].operation.operands.reduce(most) { members.contains($1) ? $0 : max($0, levels[$1.index]) }
            }
            for id in component.members { levels[id.index] = level }
            guard let id = component.members.first, case .overTime(_, let term, _) = graph[id].operation, graph.isPair(term) else { continue }
            reductions.insert(id)
            levels[id.index] = level + 1
            // Along with the largest exponent, where nothing else has to wait for it.
            guard let own = RunningExponential(of: id, in: graph), level == levels[own.most.index],
                Self.level(of: term, in: graph, levels, without: own) < level
            else { continue }
            running[id] = own
            levels[id.index] = level
        }
    }

    /// The level of a value of pairs if the shift of its exponent were known from the beginning.
    private static func level(of id: ValueID, in graph: StreamGraph, _ levels: [Int], without running: RunningExponential) -> Int {
        var seen: Set<ValueID> = [running.shift]
        var rest = [id]
        var level = 0
        while let next = rest.popLast() {
            guard seen.insert(next).inserted else { continue }
            if graph.isPair(next) { rest += graph[next].operation.operands } else { level = max(level, levels[next.index]) }
        }
        return level
    }
}

/// The work of writing what is computed between reductions over pairs as a graph of steps.
private struct PairStepsPart {
    private let source: StreamGraph
    private let levels: PairLevels
    private let level: Int
    private(set) var wanted: Set<PairTensor> = []

    init(_ graph: StreamGraph, _ levels: PairLevels, _ level: Int) {
        (source, self.levels, self.level) = (graph, levels, level)
    }

    /// Whether a value follows from parameters and numbers alone: it is computed wherever it is needed.
    private func isFixed(_ id: ValueID) -> Bool { source[id].variance.isStatic && levels[id] == 0 && !source.followsFromBatch(id) }

    mutating func graph(handingOn tensors: Set<PairTensor>, states: [StreamGraph.State], losses: [StreamGraph.Output]) -> StreamGraph {
        var own: Set<ValueID> = []
        var boundary: Set<ValueID> = []
        var rest = tensors.map(\.value) + losses.map(\.value)
        for state in states { rest += [source.unindexed(state.value)] + (state.initial.map { [$0] } ?? []) }
        // Delays tell at which end of a sequence a state is at its last value.
        let stated = Set(states.map { source.unindexed($0.value) })
        rest += source.ids.filter { id in
            if case .delay(let a, _, _) = source[id].operation { stated.contains(source.unindexed(a)) && levels[id] <= level } else { false }
        }
        while let next = rest.popLast() {
            let id = source.unindexed(next)
            guard !own.contains(id), !boundary.contains(id) else { continue }
            if !source.isGiven(id), levels.isReduction(id) || levels[id] < level && !isFixed(id) {
                boundary.insert(id)
                wanted.insert(PairTensor(value: id, form: .plain))
                continue
            }
            own.insert(id)
            rest += source[id].operation.operands
        }
        var new: [ValueID: ValueID] = [:]
        var result = StreamGraph(name: "\(source.name), part \(level)", axes: Array(source.axes[source.dataAxes]))
        let order = own.union(boundary).sorted()
        for (k, id) in order.enumerated() { new[id] = ValueID(k) }
        for id in order {
            var value = source[id]
            value.variance = source.variance(alongFirst: value.variance)
            if boundary.contains(id) {
                let name = PairTensor(value: id, form: .plain).description
                value.operation = value.variance.isStatic
                    ? .parameter(ParameterInfo(path: name, isTrained: false, initializer: .zeros)) : .input(name: name, fallback: nil)
                value.name = nil
            } else {
                value.operation = operation(of: id).mapOperands { new[source.unindexed($0)] ?? $0 }
            }
            _ = result.add(value)
        }
        for state in states {
            guard let value = new[source.unindexed(state.value)] else { continue }
            result.states.append(StreamGraph.State(name: state.name, value: value, initial: state.initial.flatMap { new[$0] }, span: state.span))
        }
        for loss in losses {
            guard let value = new[loss.value] else { continue }
            result.losses.append(StreamGraph.Output(name: loss.name, value: value, span: loss.span))
        }
        var builder = GraphBuilder(continuing: result)
        for tensor in tensors.sorted(by: { $0.description < $1.description }) {
            guard let value = new[tensor.value] else { continue }
            builder.output(tensor.description, PairTensor.add(tensor.form, of: value, to: &builder))
        }
        return builder.graph.ordered()
    }

    /// An operation along axes of data alone.
    private func operation(of id: ValueID) -> Operation {
        switch source[id].operation {
        case .delay(let a, let offsets, let initial): .delay(a, offsets: source.offsets(alongFirst: offsets), initial: initial)
        case .overTime(let kind, let a, let axis): .overTime(kind, a, axis: source.axes[axis].again ?? axis)
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad,
            .window, .gather, .scatter, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            source[id].operation
        }
    }
}

extension StreamGraph {
    /// What varies over second indices, over the axes that they go along.
    func variance(alongFirst variance: Variance) -> Variance {
        var own: UInt8 = 0
        for axis in axes.indices where variance.varies(over: axis) { own |= 1 << UInt8(axes[axis].again ?? axis) }
        return Variance(batch: variance.batch, axes: own)
    }

    /// The same for the distances of a delay.
    func offsets(alongFirst offsets: [Int]) -> [Int] {
        var result = Array(offsets[dataAxes])
        for axis in axes.indices where offsets[axis] != 0 { result[axes[axis].again ?? axis] = offsets[axis] }
        return result
    }

    /// Whether a value is the caller's.
    func isGiven(_ id: ValueID) -> Bool {
        switch self[id].operation {
        case .input, .parameter: true
        case .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window, .gather,
            .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            false
        }
    }

    /// Whether it sums over the batch, or follows from what does.
    func followsFromBatch(_ id: ValueID) -> Bool {
        var seen: Set<ValueID> = []
        var rest = [id]
        while let next = rest.popLast() {
            guard seen.insert(next).inserted else { continue }
            if case .overBatch = self[next].operation { return true }
            rest += self[next].operation.instantOperands
        }
        return false
    }
}
