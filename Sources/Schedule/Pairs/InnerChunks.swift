import RecStream

extension Schedule {
    /// The schedule with what runs for chunks within the bounds of all conditions on distances, where something is spared so.
    func separatingInnerChunks() -> Schedule {
        guard let blocks, blocks.count > 1, count > 1 else { return self }
        var work = InnerChunks(self)
        work.findPlaces()
        work.findBounds()
        // As far apart as the steps of a block and a chunk are among each other.
        if let least = work.least, let most = work.most, most - least < blocks.count + count - 2 { return self }
        let body = work.body()
        guard body != self.body else { return self }
        var result = self
        result.inner = Inner(least: work.least, most: work.most, body: body)
        return result
    }
}

/// The work of writing the body of a schedule for chunks all of whose pairs count: where all comparisons of a distance with a number hold, and
/// all steps are those of a sequence. Comparisons of how things are equal hold nowhere for long, and stay.
private struct InnerChunks {
    private let schedule: Schedule
    /// Memory with the numbers of the steps of the block, and of the chunk.
    private var blockPlaces: Set<Schedule.BufferID> = []
    private var chunkPlaces: Set<Schedule.BufferID> = []
    /// How much later a step of the block must be than one of the chunk at least, and may be at most.
    private(set) var least: Int?
    private(set) var most: Int?
    /// Memory that holds one number everywhere.
    private var numbers: [Schedule.BufferID: Double] = [:]
    private let writers: [Schedule.BufferID: Int]

    init(_ schedule: Schedule) {
        self.schedule = schedule
        var writers: [Schedule.BufferID: Int] = [:]
        for leaf in schedule.before + schedule.body { writers[leaf.written, default: 0] += 1 }
        self.writers = writers
    }

    /// Memory of the schedule's own that one nest writes.
    private func isWrittenOnce(_ id: Schedule.BufferID) -> Bool { schedule[id].role == .scratch && writers[id] == 1 }

    mutating func findPlaces() {
        for leaf in schedule.before + schedule.body {
            guard case .nest(let nest) = leaf, nest.reduction == nil, isWrittenOnce(nest.target.buffer) else { continue }
            var node = nest.result
            while case .select(let condition, let a, _) = nest.nodes[node], case .isStep = nest.nodes[condition] { node = a }
            guard case .load(let view) = nest.nodes[node], PairTraversal.source(of: schedule[view.buffer]) == .places else { continue }
            if case .block = schedule[view.buffer].role { blockPlaces.insert(nest.target.buffer) } else { chunkPlaces.insert(nest.target.buffer) }
        }
    }

    // MARK: Distances

    /// `block · (step of the block) + chunk · (step of the chunk) + offset`.
    private struct Form: Equatable {
        var block = 0
        var chunk = 0
        var offset = 0

        static func - (a: Form, b: Form) -> Form { Form(block: a.block - b.block, chunk: a.chunk - b.chunk, offset: a.offset - b.offset) }
        static func + (a: Form, b: Form) -> Form { Form(block: a.block + b.block, chunk: a.chunk + b.chunk, offset: a.offset + b.offset) }
    }

    private func form(_ node: Int, _ nodes: [Schedule.Node]) -> Form? {
        switch nodes[node] {
        case .constant(let number): return Int(exactly: number).flatMap { abs($0) < 1 << 22 ? Form(offset: $0) : nil }
        case .load(let view):
            if blockPlaces.contains(view.buffer) { return Form(block: 1) }
            return chunkPlaces.contains(view.buffer) ? Form(chunk: 1) : nil
        case .unary(.negate, let a): return form(a, nodes).map { Form() - $0 }
        case .binary(.subtract, let a, let b): return form(a, nodes).flatMap { x in form(b, nodes).map { x - $0 } }
        case .binary(.add, let a, let b): return form(a, nodes).flatMap { x in form(b, nodes).map { x + $0 } }
        case .unary, .binary, .select, .isInside, .isStep, .isBlockStep, .isFirst, .isLast: return nil
        }
    }

    /// For how much later a step of the block is than one of the chunk a comparison holds; nil where it is none of that.
    private func bound(_ node: Int, _ nodes: [Schedule.Node]) -> (least: Int?, most: Int?)? {
        guard case .binary(let function, let a, let b) = nodes[node], let x = form(a, nodes), let y = form(b, nodes) else { return nil }
        let difference = x - y
        guard difference.block == -difference.chunk, abs(difference.block) == 1 else { return nil }
        /// `sign · lag + offset` is at most, or at least, a number.
        func atMost(_ number: Int) -> (least: Int?, most: Int?) {
            difference.block == 1 ? (nil, number - difference.offset) : (difference.offset - number, nil)
        }
        func atLeast(_ number: Int) -> (least: Int?, most: Int?) {
            difference.block == 1 ? (number - difference.offset, nil) : (nil, difference.offset - number)
        }
        return switch function {
        case .less: atMost(-1)
        case .lessOrEqual: atMost(0)
        case .greater: atLeast(1)
        case .greaterOrEqual: atLeast(0)
        case .equal, .notEqual, .add, .subtract, .multiply, .divide, .power, .min, .max, .logaddexp, .atan2, .mod, .and, .or, .complex, .random, .uniform,
            .uniformNext: nil
        }
    }

    mutating func findBounds() {
        for case .nest(let nest) in schedule.body {
            for node in nest.nodes.indices {
                guard let own = bound(node, nest.nodes) else { continue }
                least = [least, own.least].compactMap { $0 }.max()
                most = [most, own.most].compactMap { $0 }.min()
            }
        }
    }

    // MARK: Rewriting

    mutating func body() -> [Schedule.Leaf] {
        // What stands before the chunks is there for the others as well, but what is known of it counts here.
        for case .nest(let nest) in schedule.before { _ = rewritten(nest) }
        var leaves: [Schedule.Leaf] = []
        for leaf in schedule.body {
            if case .nest(let nest) = leaf { leaves.append(.nest(rewritten(nest))) } else { leaves.append(leaf) }
        }
        leaves = CopiedRows(schedule: schedule, isWrittenOnce: isWrittenOnce).replaced(in: leaves)
        // Without what nothing reads any more.
        var read = Set(schedule.behind.flatMap(\.read))
        var kept: [Schedule.Leaf] = []
        for leaf in leaves.reversed() where schedule[leaf.written].role != .scratch || read.contains(leaf.written) {
            kept.append(leaf)
            read.formUnion(leaf.read)
        }
        return kept.reversed()
    }

    private mutating func rewritten(_ nest: Schedule.Nest) -> Schedule.Nest {
        var nodes = NestNodes()
        var new: [Int] = []
        func number(_ node: Int) -> Double? { if case .constant(let number) = nodes.nodes[new[node]] { number } else { nil } }
        for (k, node) in nest.nodes.enumerated() {
            func add(_ node: Schedule.Node) -> Int { nodes.add(node, isBool: nest.isBool[k]) }
            func truth(_ holds: Bool) -> Int { add(.constant(holds ? 1 : 0)) }
            let own: Int
            switch node {
            case .isStep, .isBlockStep: own = truth(true)
            case .load(let view): own = numbers[view.buffer].map { add(.constant($0)) } ?? add(node)
            case .unary(.not, let a) where number(a) != nil: own = truth(number(a) == 0)
            case .unary(let function, let a): own = add(.unary(function, new[a]))
            case .select(let condition, let a, let b):
                own = number(condition).map { $0 != 0 ? new[a] : new[b] } ?? add(.select(new[condition], new[a], new[b]))
            case .binary(.and, let a, let b) where number(a) != nil || number(b) != nil:
                own = number(a) == 0 || number(b) == 0 ? truth(false) : number(a) != nil ? new[b] : new[a]
            case .binary(.or, let a, let b) where number(a) != nil || number(b) != nil:
                own = number(a) ?? 0 != 0 || number(b) ?? 0 != 0 ? truth(true) : number(a) != nil ? new[b] : new[a]
            case .binary(let function, let a, let b):
                if bound(k, nest.nodes) != nil { own = truth(true) } else if let x = number(a), let y = number(b), function == .equal || function == .notEqual {
                    own = truth((x == y) == (function == .equal))
                } else {
                    own = add(.binary(function, new[a], new[b]))
                }
            case .constant, .isInside, .isFirst, .isLast: own = add(node)
            }
            new.append(own)
        }
        var result = nest
        (result.nodes, result.isBool, result.result) = nodes.reached(from: new[nest.result])
        // All steps of the chunk are there.
        if case .stream = schedule[nest.target.buffer].role { result.stepLoop = nil }
        if case .sum = schedule[nest.target.buffer].role { result.stepLoop = nil }
        if nest.reduction == nil, nest.condition == .always, isWrittenOnce(nest.target.buffer), case .constant(let number) = result.nodes[result.result] {
            numbers[nest.target.buffer] = number
        }
        return result
    }
}

extension NestNodes {
    /// The nodes that one follows from, and that one among them.
    fileprivate func reached(from result: Int) -> (nodes: [Schedule.Node], isBool: [Bool], result: Int) {
        var isReached = nodes.map { _ in false }
        isReached[result] = true
        for k in nodes.indices.reversed() where isReached[k] { for operand in nodes[k].operands { isReached[operand] = true } }
        var new: [Int: Int] = [:]
        var kept: ([Schedule.Node], [Bool]) = ([], [])
        for k in nodes.indices where isReached[k] {
            new[k] = kept.0.count
            kept.0.append(nodes[k].mapOperands { new[$0] ?? 0 })
            kept.1.append(isBool[k])
        }
        return (kept.0, kept.1, new[result] ?? 0)
    }
}
