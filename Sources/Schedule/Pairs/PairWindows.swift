import RecStream

extension StreamGraph {
    /// The graph over its own axis alone, step by step: other steps are those that a window keeps, as a first dim of what stands at them.
    ///
    /// What steps attend to in a window of their past is kept in registers that shift; where they attend to all of their past, to so much of
    /// it as is stated. So a stream can run: it never needs a whole sequence.
    ///
    /// - Parameter context: steps that are kept where there is no window, the present one among them; nil where there must be a window.
    /// - Throws: where steps attend to later ones, or to all earlier ones without a context, or are reduced by no such window.
    package func keepingWindows(context: Int?) throws(ScheduleRefusal) -> (graph: StreamGraph, isBounded: Bool) {
        guard axes.contains(where: { $0.again != nil }) else { return (self, true) }
        guard dataAxes.count == 1 else { throw ScheduleRefusal(reason: "it runs over several axes", span: nil) }
        var work = try PairWindows(self, context: context)
        return (try work.run(), work.isBounded)
    }
}

/// The work of writing pairs of steps as windows.
private struct PairWindows {
    private let source: StreamGraph
    private let second: Int
    private let window: Dim
    /// How far behind the present step the last one of a window is.
    private let least: Int
    let isBounded: Bool
    private var builder: GraphBuilder
    private var new: [ValueID: ValueID] = [:]
    /// Which values have the steps of a window as their first dim.
    private var isWindow: Set<ValueID> = []
    private var registers: [ValueID: ValueID] = [:]
    private var open: [(delay: ValueID, operand: ValueID)] = []

    init(_ graph: StreamGraph, context: Int?) throws(ScheduleRefusal) {
        source = graph
        second = graph.axes.firstIndex { $0.again != nil } ?? 0
        let domains = PairDomains(graph: graph)
        var whole: PairDomain?
        for id in graph.ids {
            guard case .overTime(let kind, let term, let axis) = graph[id].operation, graph.isPair(term) else { continue }
            guard axis == second else { throw ScheduleRefusal(reason: "a reduction for each earlier step needs all later ones", span: graph[id].span) }
            let own: PairDomain = switch kind {
            case .sum: domains.nonzero(term)
            case .max, .min: domains.finite(term, isLeast: kind == .min)
            case .mean, .first, .last: .all
            }
            guard let least = own.least, least >= 0 else { throw ScheduleRefusal(reason: "it attends to later steps here", span: graph[id].span) }
            whole = whole.map { $0.union(own) } ?? own
        }
        let domain = whole ?? PairDomain(least: 0, most: 0)
        least = domain.least ?? 0
        isBounded = domain.most != nil
        guard let most = domain.most ?? context.map({ $0 - 1 }) else {
            throw ScheduleRefusal(
                reason: "it attends to all earlier steps, which take more memory with each", span: graph.ids.lazy.compactMap { graph.isPair($0) ? graph[$0].span : nil }.first,
                help: "give it a window, as [t-1023 <= s <= t]; a stream may be told how many to keep: --context 1024, stream(keeping: 1024)")
        }
        window = Dim(graph.axes[second].name, max(1, most - (domain.least ?? 0) + 1))
        builder = GraphBuilder(graph.name, axes: Array(graph.axes[graph.dataAxes]))
    }

    private func refusal(_ reason: String, _ id: ValueID) -> ScheduleRefusal { ScheduleRefusal(reason: reason, span: source[id].span) }

    private func variance(_ id: ValueID) -> Variance {
        Variance(batch: source[id].variance.batch, axes: source[id].variance.isStream ? 1 : 0)
    }

    mutating func run() throws(ScheduleRefusal) -> StreamGraph {
        for id in source.ids {
            builder.span = source[id].span
            let made = try value(id)
            new[id] = made
            if let name = source[id].name, !isWindow.contains(id), builder[made].name == nil { builder.name(made, name) }
        }
        for (delay, operand) in open { builder.close(delay, with: new[operand] ?? delay) }
        for state in source.states { builder.state(state.name, new[state.value] ?? state.value, from: state.initial.flatMap { new[$0] }) }
        for output in source.outputs { builder.output(output.name, new[output.value] ?? output.value) }
        var graph = builder.graph.ordered()
        for k in graph.states.indices { graph.states[k].span = source.states.first { $0.name == graph.states[k].name }?.span }
        graph.requirements = source.requirements
        return graph
    }

    private func moved(_ id: ValueID) -> ValueID { new[id] ?? id }

    /// An operand with the steps of a window as its first dim.
    private mutating func lifted(_ id: ValueID) -> ValueID {
        let own = moved(id)
        guard !isWindow.contains(id) else { return own }
        let shape = builder[own].shape
        return builder.broadcast(own, to: [window] + shape, from: [nil] + shape.indices.map { $0 })
    }

    private mutating func value(_ id: ValueID) throws(ScheduleRefusal) -> ValueID {
        let operation = source[id].operation
        switch operation {
        case .along(let a, let axis):
            guard axis == second else { throw refusal("what is known of a step only when others have run is used", id) }
            isWindow.insert(id)
            return register(moved(a))
        case .distance:
            isWindow.insert(id)
            // A count of its own goes on wherever the stream is taken up.
            let before = builder.delay(ofLater: ValueType(.int, [], Variance(batch: true, axes: 1)), [-1])
            let number = builder.binary(.add, before, builder.constant(.int(1)))
            builder.close(before, with: number)
            return builder.binary(.subtract, builder.broadcast(number, to: [window], from: [nil]), register(number))
        case .overTime(let kind, let a, let axis):
            guard isWindow.contains(a), axis == second else { throw refusal("it needs a whole sequence", id) }
            return try reduced(kind, a, id)
        case .delay(let a, let offsets, let initial):
            guard offsets.indices.allSatisfy({ $0 == 0 || offsets[$0] == 0 }), !source.isPair(id) else {
                throw refusal("pairs of steps are read at other ones", id)
            }
            let delay = builder.delay(
                ofLater: ValueType(source[id].element, source[id].shape, variance(id)), [offsets[0]], from: initial.map(moved))
            open.append((delay, a))
            return delay
        case .chunks, .steps, .overBatch: throw refusal("it needs a whole sequence", id)
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad,
            .window, .gather, .scatter, .runningAffine, .solve:
            break
        }
        let type = ValueType(source[id].element, source[id].shape, variance(id))
        guard operation.operands.contains(where: isWindow.contains) else {
            return builder.add(operation.mapOperands(moved), proposing: type)
        }
        isWindow.insert(id)
        return try windowed(operation, id)
    }

    /// An operation on values of pairs.
    private mutating func windowed(_ operation: Operation, _ id: ValueID) throws(ScheduleRefusal) -> ValueID {
        let shape = [window] + source[id].shape
        let type = ValueType(source[id].element, shape, variance(id))
        func add(_ operation: Operation) -> ValueID { builder.add(operation, proposing: type) }
        switch operation {
        case .unary, .binary, .select:
            let operands = operation.operands.map { ($0, lifted($0)) }
            return add(operation.mapOperands { operand in operands.first { $0.0 == operand }?.1 ?? operand })
        case .contract(let c):
            let label = 1_000_000
            func labels(_ operand: ValueID, _ own: [Int]) -> [Int] { isWindow.contains(operand) ? [label] + own : own }
            return add(
                .contract(
                    Contraction(
                        left: moved(c.left), right: moved(c.right), leftLabels: labels(c.left, c.leftLabels), rightLabels: labels(c.right, c.rightLabels),
                        resultLabels: [label] + c.resultLabels)))
        case .reduce(let kind, let a, let axes): return add(.reduce(kind, moved(a), axes: axes.map { $0 + 1 }))
        case .broadcast(let a, let from): return add(.broadcast(moved(a), from: [0] + from.map { $0.map { $0 + 1 } }))
        case .rename(let a): return add(.rename(lifted(a)))
        case .reshape(let a): return add(.reshape(moved(a)))
        case .slice(let a, let axis, let start, let stride): return add(.slice(moved(a), axis: axis + 1, start: start, stride: stride))
        case .concat(let parts, let axis): return add(.concat(parts.map { lifted($0) }, axis: axis + 1))
        case .pad(let a, let axis, let before, let after, let mode): return add(.pad(moved(a), axis: axis + 1, before: before, after: after, mode: mode))
        case .window(let a, let axis, let stride): return add(.window(moved(a), axis: axis + 1, stride: stride))
        case .gather(let table, let index):
            guard !isWindow.contains(table) else { throw refusal("a table of pairs of steps is looked up", id) }
            return add(.gather(table: moved(table), index: moved(index)))
        case .input, .parameter, .constant, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            throw refusal("an operation on pairs of steps does not run step by step", id)
        }
    }

    /// What a value was at the steps of the window, the oldest first; 0 where there was none.
    private mutating func register(_ id: ValueID) -> ValueID {
        if let known = registers[id] { return known }
        let value = builder[id]
        let wide = Variance(batch: true, axes: 1)
        var last = value.variance.isStream ? id : builder.rename(id, over: wide)
        if least > 0 { last = builder.delay(last, -least) }
        let newest = builder.reshape(last, to: [Dim("1", 1)] + value.shape)
        let made: ValueID
        if window.size == 1 {
            made = builder.rename(newest, to: [window] + value.shape)
        } else {
            let before = builder.delay(ofLater: ValueType(value.element, [window] + value.shape, wide), [-1])
            let kept = builder.slice(before, axis: 0, start: 1, count: window.size - 1)
            made = builder.concat([kept, newest], axis: 0, named: window.name)
            builder.close(before, with: made)
        }
        registers[id] = made
        return made
    }

    /// A reduction over the steps of the window that there were.
    private mutating func reduced(_ kind: TimeReduceKind, _ a: ValueID, _ id: ValueID) throws(ScheduleRefusal) -> ValueID {
        let own = moved(a)
        let shape = builder[own].shape
        let ones = builder.rename(builder.constant(1), over: Variance(batch: true, axes: 1))
        let isThere = builder.binary(.greater, register(ones), builder.constant(.real(0), [window]))
        let wide = shape.count == 1 ? isThere : builder.broadcast(isThere, to: shape, from: [0] + shape.dropFirst().map { _ in nil })
        func number(_ real: Double, _ int: Int) -> ValueID { builder.constant(source[id].element == .int ? .int(int) : .real(real), shape) }
        switch kind {
        case .sum: return builder.reduce(.sum, builder.select(wide, own, number(0, 0)), axes: [0])
        case .max: return builder.reduce(.max, builder.select(wide, own, number(-.infinity, .min)), axes: [0])
        case .min: return builder.reduce(.min, builder.select(wide, own, number(.infinity, .max)), axes: [0])
        case .mean:
            let sum = builder.reduce(.sum, builder.select(wide, own, number(0, 0)), axes: [0])
            let count = builder.reduce(.sum, builder.unary(.toReal, isThere), axes: [0])
            let result = Array(shape.dropFirst())
            return builder.binary(.divide, sum, result.isEmpty ? count : builder.broadcast(count, to: result, from: result.map { _ in nil }))
        case .first, .last: throw refusal("the first or the last of pairs of steps is asked for", id)
        }
    }
}
