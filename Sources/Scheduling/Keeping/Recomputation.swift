import RecStream

/// A graph in which a later pass over the sequence computes again what is cheaper to compute than to keep.
///
/// A value that an earlier pass computes and a later one reads is written to memory for all steps, and read back. Where it
/// follows from other values that the later pass has, it can be computed there instead. Which values are kept and which
/// are computed again is a minimum cut between what a pass has and what it needs. A delay is never dear: it reads its
/// operand, which is kept, at another step. So no copy is part of a recurrence, whatever was copied.
struct Recomputation {
    private(set) var graph: StreamGraph
    /// Values that are to be computed in the first pass that uses them, rather than as early as they can be.
    private(set) var later: Set<ValueID> = []

    private var placement: Placement
    /// What lies in memory for all steps whatever is decided.
    private let isWhole: Set<ValueID>
    private let states: Set<ValueID>

    init(_ graph: StreamGraph) {
        self.graph = graph
        placement = Placement(graph, components: components(of: graph), totals: TotalShape.all(in: graph))
        isWhole = Set(graph.outputs.map(\.value))
        states = Set(graph.states.map(\.value))
        let sweeps = placement.kinds.indices.filter { axes(of: $0) != nil }
        for sweep in sweeps.dropFirst() { decide(sweep) }
        if !later.isEmpty { renumber() }
    }

    /// The axes of a pass over the steps.
    private func axes(of segment: Int) -> [Int]? {
        if case .sweep(let axes, _) = placement.kinds[segment] { axes } else { nil }
    }

    // MARK: Decision

    /// Whether a value is a stream that another pass than `sweep` computes.
    private func isFromEarlier(_ id: ValueID, than sweep: Int) -> Bool {
        guard let at = placement.segment[id.index], at < sweep else { return false }
        return axes(of: at) != nil && graph[id].variance.isStream
    }

    private mutating func decide(_ sweep: Int) {
        let users = graph.users
        let needed = graph.ids.filter { id in
            isFromEarlier(id, than: sweep) && users[id.index].contains { placement.segment[$0.index] == sweep }
        }
        guard !needed.isEmpty else { return }
        // Everything from which something needed follows.
        var members: [ValueID] = []
        var number: [ValueID: Int] = [:]
        var waiting = needed
        while let id = waiting.popLast() {
            guard number[id] == nil else { continue }
            number[id] = members.count
            members.append(id)
            guard cost(ofComputing: id, in: sweep, users) < MinimumCut.infinite else { continue }
            waiting += graph[id].operation.operands
        }
        // Vertex 2k is where value k is computed, 2k + 1 where it is there.
        let (source, sink) = (2 * members.count, 2 * members.count + 1)
        var cut = MinimumCut(vertexCount: 2 * members.count + 2, source: source, sink: sink)
        for (k, id) in members.enumerated() {
            let cost = cost(ofComputing: id, in: sweep, users)
            cut.connect(2 * k, 2 * k + 1, self.cost(ofReading: id, in: sweep, users))
            cut.connect(source, 2 * k, cost)
            guard cost < MinimumCut.infinite else { continue }
            for operand in graph[id].operation.operands {
                if let from = number[operand] { cut.connect(2 * from + 1, 2 * k, MinimumCut.infinite) }
            }
        }
        for id in needed { if let k = number[id] { cut.connect(2 * k + 1, sink, MinimumCut.infinite) } }
        let isBehind = cut.sinkSide()
        compute(again: members.indices.filter { isBehind[2 * $0] }.map { members[$0] }.sorted { $0.index < $1.index }, in: sweep)
    }

    /// Copies values into a pass, and lets what is computed there read the copies.
    private mutating func compute(again values: [ValueID], in sweep: Int) {
        var copies: [ValueID: ValueID] = [:]
        for id in values where isFromEarlier(id, than: sweep) {
            copies[id] = graph.add(graph[id])
            placement.segment.append(sweep)
        }
        for id in graph.ids where placement.segment[id.index] == sweep {
            graph[id].operation = graph[id].operation.mapOperands { copies[$0] ?? $0 }
        }
        later.formUnion(copies.values)
    }

    // MARK: Costs, in picoseconds a step on one thread

    /// What it costs that the pass reads a value from memory, and where only for it that the value is written.
    private func cost(ofReading id: ValueID, in sweep: Int, _ users: [[ValueID]]) -> Int {
        switch graph[id].operation {
        case .constant: return 0
        case .input, .parameter, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat,
            .pad, .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            break
        }
        // What does not vary from step to step stays in a cache.
        guard graph[id].variance.isStream else { return 0 }
        let isThere = !isFromEarlier(id, than: sweep) || isWhole.contains(id) || users[id.index].contains { user in
            guard let at = placement.segment[user.index] else { return false }
            return at != sweep && at != placement.segment[id.index]
        }
        // What is written goes to memory and, before that, comes from there.
        return Self.rounded(Double(graph[id].shape.elementCount) * Self.elementBytes * Self.picosecondsPerByte * (isThere ? 1 : 3))
    }

    /// Of f32 numbers.
    private static let elementBytes = 4.0
    private static let picosecondsPerByte = 200.0
    /// Of an instruction, for each of the elements of a vector.
    private static let picosecondsPerOperation = 25.0

    private static func rounded(_ cost: Double) -> Int { Int(min(cost, 1e12).rounded(.up)) }

    /// What computing a value in a pass costs beside its operands; infinite where it cannot be.
    private func cost(ofComputing id: ValueID, in sweep: Int, _ users: [[ValueID]]) -> Int {
        guard isFromEarlier(id, than: sweep), let at = placement.segment[id.index],
            axes(of: at) == axes(of: sweep), ProductShape(id, in: graph) == nil,
            !states.contains(id), !users[id.index].contains(where: { isDelay($0, of: id) })
        else { return MinimumCut.infinite }
        let weight: Double
        var elements = graph[id].shape.elementCount
        switch graph[id].operation {
        case .unary(let function, _): weight = FunctionCost.weight(of: function)
        case .binary(let function, _, _): weight = FunctionCost.weight(of: function)
        case .select: weight = 1
        case .rename, .broadcast, .slice: weight = 0
        // Steps that fill a vector together are not read from other steps.
        case .delay: weight = elements <= RegisterScan.mostElements ? 100 : 0
        // These are written to memory, if only for a block of steps.
        case .reshape, .concat, .pad: weight = 3
        case .gather: weight = 12
        case .contract(let contraction):
            weight = 1
            elements = graph.elementCount(ofLabelsIn: contraction)
        case .reduce(_, let operand, _):
            weight = 1
            elements = graph[operand].shape.elementCount
        case .input, .parameter, .constant, .window, .scatter, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve: return MinimumCut.infinite
        }
        return Self.rounded(Double(elements) * weight * Self.picosecondsPerOperation)
    }

    /// What is read at other steps must be there at all of them.
    private func isDelay(_ user: ValueID, of id: ValueID) -> Bool {
        if case .delay(let operand, _, _) = graph[user].operation { operand == id } else { false }
    }

    // MARK: Order

    /// Copies stand before what uses them, and what nothing uses any more is left out.
    private mutating func renumber() {
        var isUsed = [Bool](repeating: false, count: graph.values.count)
        var waiting = graph.kept
        for id in waiting { isUsed[id.index] = true }
        while let id = waiting.popLast() {
            for operand in graph[id].operation.operands where !isUsed[operand.index] {
                isUsed[operand.index] = true
                waiting.append(operand)
            }
        }
        var order: [ValueID] = []
        var isPlaced = [Bool](repeating: false, count: graph.values.count)
        for id in graph.ids where isUsed[id.index] && !later.contains(id) {
            var stack = [(id, false)]
            while let (id, isDone) = stack.popLast() {
                guard !isPlaced[id.index] else { continue }
                if isDone {
                    isPlaced[id.index] = true
                    order.append(id)
                    continue
                }
                stack.append((id, true))
                for operand in graph[id].operation.operands.reversed() where later.contains(operand) { stack.append((operand, false)) }
            }
        }
        var number: [ValueID: ValueID] = [:]
        for (new, old) in order.enumerated() { number[old] = ValueID(new) }
        graph = graph.renumbered(order)
        later = Set(later.compactMap { number[$0] })
    }
}

extension StreamGraph {
    /// How many products of elements a contraction has.
    fileprivate func elementCount(ofLabelsIn contraction: Contraction) -> Int {
        var extents: [Int: Int] = [:]
        for (labels, operand) in [(contraction.leftLabels, contraction.left), (contraction.rightLabels, contraction.right)] {
            for (axis, label) in labels.enumerated() { extents[label] = self[operand].shape[axis].size }
        }
        return extents.values.reduce(1, *)
    }
}
