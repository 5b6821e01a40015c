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
        leaves = withoutCopies(leaves)
        // Without what nothing reads any more.
        var read = Set(schedule.behind.flatMap(\.read))
        var kept: [Schedule.Leaf] = []
        for leaf in leaves.reversed() where schedule[leaf.written].role != .scratch || read.contains(leaf.written) {
            kept.append(leaf)
            read.formUnion(leaf.read)
        }
        return kept.reversed()
    }

    // MARK: Copies

    /// Reads what is a copy where it is copied from: memory of the schedule's own in the same places, rows of streams that one nest reads, and
    /// those that products take from the left, number by number.
    private func withoutCopies(_ leaves: [Schedule.Leaf]) -> [Schedule.Leaf] {
        var result = leaves
        for (k, leaf) in leaves.enumerated() {
            guard case .nest(let nest) = result[k], nest.reduction == nil, nest.condition == .always, nest.stepLoop == nil, !nest.isChecked,
                isWrittenOnce(leaf.written), case .load(let source) = nest.nodes[nest.result], source.slot == .none
            else { continue }
            let readers = result.indices.filter { result[$0].read.contains(leaf.written) }
            if source.step == nil, isWrittenOnce(source.buffer), Set(source.terms) == Set(nest.target.terms) {
                for reader in readers { result[reader] = result[reader].reading(source.buffer, for: leaf.written) }
            } else if source.step != nil, readers.count == 1, case .nest(let user) = result[readers[0]], let moved = user.reading(source, for: nest) {
                result[readers[0]] = .nest(moved)
            } else if source.step != nil, !schedule.isReversed {
                let moved = readers.map { reader -> Schedule.Leaf? in
                    if case .matmul(let product) = result[reader] { product.reading(source, for: nest, rows: schedule[source.buffer].count).map { .matmul($0) } } else { nil }
                }
                guard !moved.contains(nil) else { continue }
                for (reader, leaf) in zip(readers, moved) { if let leaf { result[reader] = leaf } }
            }
        }
        return result
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

extension Schedule.Leaf {
    /// The same with another buffer that it reads.
    fileprivate func reading(_ buffer: Schedule.BufferID, for other: Schedule.BufferID) -> Schedule.Leaf {
        func moved(_ node: Schedule.Node) -> Schedule.Node {
            guard case .load(var view) = node, view.buffer == other else { return node }
            view.buffer = buffer
            return .load(view)
        }
        switch self {
        case .nest(var nest):
            nest.nodes = nest.nodes.map(moved)
            return .nest(nest)
        case .running(var running):
            running.nodes = running.nodes.map(moved)
            return .running(running)
        case .matmul(var product):
            if product.left == other { product.left = buffer }
            if product.right == other { product.right = buffer }
            return .matmul(product)
        case .solve(var system):
            if system.matrix == other { system.matrix = buffer }
            if system.right == other { system.right = buffer }
            return .solve(system)
        }
    }
}

extension Schedule.Nest {
    /// A view without terms that have one place.
    fileprivate func withoutSinglePlaces(_ view: Schedule.View) -> Schedule.View {
        var result = view
        result.terms.removeAll { term in term.index.variable.map { $0 >= 0 && extents[$0] == 1 && term.index == Schedule.Index(variable: $0) } ?? false }
        return result
    }

    /// The nest with a view of a stream in place of its copy; nil where places of the copy do not tell those of the stream.
    ///
    /// - Parameters:
    ///   - source: what is copied, in the loops of the copying nest.
    ///   - copying: the nest that copies it.
    fileprivate func reading(_ source: Schedule.View, for copying: Schedule.Nest) -> Schedule.Nest? {
        var result = self
        let (source, copy) = (copying.withoutSinglePlaces(source), copying.withoutSinglePlaces(copying.target))
        for (k, node) in nodes.enumerated() {
            guard case .load(let view) = node, view.buffer == copy.buffer else { continue }
            // By the stride of a dim: the index of the reader in place of the loop of the copy.
            var indices: [Int: Schedule.Index] = [:]
            guard Set(view.terms.map(\.stride)).count == view.terms.count, view.terms.count == copy.terms.count else { return nil }
            for term in copy.terms {
                guard let own = view.terms.first(where: { $0.stride == term.stride }), term.index == Schedule.Index(variable: term.index.variable) else { return nil }
                if let variable = term.index.variable { indices[variable] = own.index }
            }
            func moved(_ index: Schedule.Index) -> Schedule.Index? {
                guard let variable = index.variable, variable >= 0 else { return index }
                guard index == Schedule.Index(variable: variable) else { return nil }
                return indices[variable]
            }
            var made = source
            for (place, term) in source.terms.enumerated() {
                guard let index = moved(term.index) else { return nil }
                made.terms[place].index = index
            }
            guard let step = source.step.flatMap(moved) else { return nil }
            made.step = step
            result.nodes[k] = .load(made)
        }
        return result
    }
}

extension Schedule.Matmul {
    /// The product with the rows of a stream as its left factor in place of their copy; nil where that is no left factor, or their places do not
    /// tell those of the stream.
    ///
    /// - Parameter rows: the distance between rows of the stream.
    fileprivate func reading(_ source: Schedule.View, for copying: Schedule.Nest, rows distance: Int) -> Schedule.Matmul? {
        guard left == copying.target.buffer, right != left else { return nil }
        let (source, copy) = (copying.withoutSinglePlaces(source), copying.withoutSinglePlaces(copying.target))
        var strides: [Int: Int] = [0: 0]
        for term in copy.terms {
            guard let variable = term.index.variable, variable >= 0, term.index == Schedule.Index(variable: variable), strides[term.stride] == nil else { return nil }
            if source.step == term.index { strides[term.stride] = distance } else {
                let own = source.terms.filter { $0.index.variable == variable }
                guard own.count == 1, own[0].index == term.index else { return nil }
                strides[term.stride] = own[0].stride
            }
        }
        // Nothing but what the copy has.
        guard source.terms.allSatisfy({ term in (term.index.variable ?? -1) < 0 ? term.index.variable == nil && term.index.offset == 0 : true }) else { return nil }
        var result = self
        result.left = source.buffer
        result.leftSlot = .none
        func move(_ loops: inout [Loop]) -> Bool {
            for k in loops.indices where loops[k].extent > 1 {
                guard let stride = strides[loops[k].left] else { return false }
                loops[k].left = stride
            }
            return true
        }
        guard move(&result.blocks), move(&result.rows), move(&result.columns), move(&result.sums) else { return nil }
        return result
    }
}
