import RecAnalysis
import RecStream

/// Where a value lies in a row: the buffer, and how far apart its elements are along each of its axes.
struct Home: Equatable {
    var buffer: BufferID
    var strides: [Int]
}

/// The buffers of a plan, and which of them hold which values.
struct Homes {
    private(set) var buffers: [Buffer] = []
    /// Where a value is read at the present step.
    private(set) var current: [ValueID: Home] = [:]
    /// Where its operand is read, for each delay: a value may be kept in a ring for its own recurrence, and whole for others.
    private(set) var delayed: [ValueID: Home] = [:]
    /// The ring of each state.
    private(set) var rings: [ValueID: BufferID] = [:]
    /// Every place to which it is written.
    private(set) var written: [ValueID: [Home]] = [:]
    private(set) var losses: [BufferID] = []
    /// The products that are rounded before they are added to anything.
    let isRounded: [Bool]
    private var zeros: [ElementType: BufferID] = [:]

    private let graph: StreamGraph
    private let placement: Placement
    private let staging: Staging
    private let users: [[ValueID]]
    /// By value, which outputs it is.
    private let outputsOf: [ValueID: [Int]]
    private let states: [ValueID: StreamGraph.State]

    init(_ graph: StreamGraph, placement: Placement, staging: Staging, roots: Roots) {
        self.graph = graph
        self.placement = placement
        self.staging = staging
        users = graph.users
        states = Dictionary(graph.states.map { ($0.value, $0) }) { first, _ in first }
        outputsOf = Dictionary(grouping: graph.outputs.indices) { graph.outputs[$0].value }
        isRounded = graph.roundedProducts
        for element in ElementType.allCases {
            let rowCount = graph.values.filter { $0.element == element }.map(\.shape.elementCount).max() ?? 0
            zeros[element] = addBuffer(.zero, element: element, rowCount: rowCount, variance: .none, name: "zero.\(element)")
        }
        for id in graph.ids { addLeaf(id) }
        // Initial values first: rings name their buffers.
        let initials = Set(
            graph.ids.compactMap { id -> ValueID? in
                if case .delay(_, _, let initial) = graph[id].operation { return initial }
                return nil
            } + graph.states.compactMap(\.initial))
        for id in graph.ids where roots.isRoot[id.index] && initials.contains(id) { addRoot(id) }
        for id in graph.ids where roots.isRoot[id.index] && !initials.contains(id) { addRoot(id) }
        losses = graph.losses.compactMap { current[$0.value]?.buffer }
    }

    func zero(_ element: ElementType) -> BufferID { zeros[element] ?? BufferID(0) }

    private mutating func addBuffer(
        _ kind: Buffer.Kind, element: ElementType, rowCount: Int, variance: Variance, name: String
    ) -> BufferID {
        buffers.append(Buffer(kind: kind, element: element, rowCount: rowCount, variance: variance, name: name))
        return BufferID(buffers.count - 1)
    }

    private mutating func addLeaf(_ id: ValueID) {
        let value = graph[id]
        let kind: Buffer.Kind
        let name: String
        switch value.operation {
        case .input(let input, _): (kind, name) = (.input(name: input), input)
        case .parameter(let info): (kind, name) = (.parameter(path: info.path), info.path)
        case .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat,
            .pad, .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            return
        }
        let buffer = addBuffer(
            kind, element: value.element, rowCount: value.shape.elementCount, variance: value.variance, name: name)
        current[id] = Home(buffer: buffer, strides: value.shape.strides)
        for user in users[id.index] { if isDelay(user, of: id) { delayed[user] = current[id] } }
    }

    private mutating func write(_ id: ValueID, to buffer: BufferID, strides: [Int]? = nil) {
        written[id, default: []].append(Home(buffer: buffer, strides: strides ?? graph[id].shape.strides))
    }

    private mutating func add(_ id: ValueID, _ kind: Buffer.Kind, order: [Int]? = nil) -> BufferID {
        let value = graph[id]
        let buffer = addBuffer(
            kind, element: value.element, rowCount: value.shape.elementCount, variance: value.variance,
            name: value.name ?? "\(id)")
        write(id, to: buffer, strides: order.map { graph[id].shape.strides(inOrder: $0) })
        return buffer
    }

    private mutating func outputBuffer(_ k: Int) -> BufferID {
        let output = graph.outputs[k]
        let value = graph[output.value]
        return addBuffer(
            .output(k), element: value.element, rowCount: value.shape.elementCount,
            variance: value.variance, name: output.name)
    }

    private mutating func addRoot(_ id: ValueID) {
        guard let segment = placement.segment[id.index] else { return }
        var outputs: [BufferID] = []
        for k in outputsOf[id] ?? [] {
            let buffer = outputBuffer(k)
            write(id, to: buffer)
            outputs.append(buffer)
        }
        if case .overTime(let kind, _, let axis) = graph[id].operation {
            setCurrent(id, add(id, .accumulator(initial: kind.initial, mean: kind == .mean ? axis : nil)))
            return
        }
        if case .overBatch = graph[id].operation {
            setCurrent(id, add(id, .accumulator(initial: 0, mean: nil)))
            return
        }
        switch placement.kinds[segment] {
        case .static: setCurrent(id, add(id, .static))
        case .once, .joined: setCurrent(id, add(id, .once))
        case .sweep(_, let order): addStreamRoot(id, order: order, outputs: outputs)
        }
    }

    private mutating func setCurrent(_ id: ValueID, _ buffer: BufferID) {
        current[id] = written[id]?.first { $0.buffer == buffer }
        for user in users[id.index] { if isDelay(user, of: id) { delayed[user] = current[id] } }
    }

    private func isDelay(_ user: ValueID, of id: ValueID) -> Bool {
        if case .delay(let operand, _, _) = graph[user].operation { return operand == id }
        return false
    }

    private mutating func addStreamRoot(_ id: ValueID, order: LoopOrder, outputs: [BufferID]) {
        let segment = placement.segment[id.index]
        let stage = staging.stage[id.index]
        let isSequential = stage % 2 == 1
        var fullNeeded = false
        var elsewhere = false
        var ringDelays: [[Int]] = []
        var ringInitial: ValueID?
        var haloDelays: [[Int]] = []
        var ringReaders: [ValueID] = []
        var otherReaders: [ValueID] = []
        for user in users[id.index] {
            let isSameSegment = placement.segment[user.index] == segment
            if case .delay(let operand, let offsets, let initial) = graph[user].operation, operand == id {
                if !isSameSegment || !order.reachesBack(offsets) {
                    fullNeeded = true
                    otherReaders.append(user)
                } else if isSequential, staging.stage[user.index] == stage {
                    ringDelays.append(offsets)
                    ringInitial = initial
                    ringReaders.append(user)
                } else {
                    haloDelays.append(offsets)
                    otherReaders.append(user)
                }
            } else if !isSameSegment {
                fullNeeded = true
            } else if staging.stage[user.index] != stage {
                elsewhere = true
            }
        }
        // The map of a block is needed wherever its state is.
        if let state = staging.mapped[id] {
            for user in users[state.index] {
                guard case .delay(let operand, let offsets, _) = graph[user].operation, operand == state,
                    placement.segment[user.index] == segment, staging.stage[user.index] == stage
                else { continue }
                ringDelays.append(offsets)
            }
        }
        let state = states[id]
        if let state {
            ringInitial = state.initial ?? ringInitial
            if ringDelays.isEmpty { ringDelays.append([Int](repeating: 0, count: graph.axes.count)) }
        }

        if !ringDelays.isEmpty {
            let ring = Ring(delays: ringDelays, initial: ringInitial.flatMap { current[$0]?.buffer }, order: order.loops.map(\.axis))
            let buffer = add(id, .ring(ring))
            for reader in ringReaders { delayed[reader] = written[id]?.last }
            // A product writes the rows of sequences that have ended, too; those of a ring must stay as they are, and are
            // copied from elsewhere.
            if staging.products[id] == nil { current[id] = written[id]?.last }
            rings[id] = buffer
        }
        if fullNeeded {
            let whole = outputs.first ?? add(id, .full)
            current[id] = written[id]?.first { $0.buffer == whole }
            for reader in otherReaders { delayed[reader] = current[id] }
            return
        }
        if !haloDelays.isEmpty {
            let halo = haloDelays.map { abs($0[order.loops[0].axis]) }.max() ?? 0
            _ = add(id, .block(halo: halo))
            current[id] = written[id]?.last
            for reader in otherReaders { delayed[reader] = current[id] }
            return
        }
        if elsewhere || !isSequential {
            let home: BufferID
            if let output = outputs.first {
                home = output
            } else {
                home = add(id, .block(halo: 0), order: preferredOrder(id))
            }
            current[id] = written[id]?.first { $0.buffer == home }
        } else if current[id] == nil {
            // Only the present step is ever looked at.
            let home = outputs.first ?? add(id, .step, order: preferredOrder(id))
            current[id] = written[id]?.first { $0.buffer == home }
        }
    }

    /// The order of axes in memory in which a value is computed without strided access: that of the product it follows.
    private func preferredOrder(_ id: ValueID) -> [Int] {
        let identity = Array(graph[id].shape.indices)
        let mustBeRowMajor = users[id.index].contains { user in
            switch graph[user].operation {
            case .reshape, .gather, .delay: true
            case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename,
                .slice, .concat, .pad, .window, .scatter, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                false
            }
        }
        guard !mustBeRowMajor, identity.count > 1 else { return identity }
        var id = id
        // position[a]: the axis of the value now looked at that is axis `a` of the value asked for.
        var position = identity
        while true {
            let operands: [ValueID]
            switch graph[id].operation {
            case .unary(_, let a), .rename(let a): operands = [a]
            case .binary(_, let a, let b): operands = [a, b]
            case .select(let c, let a, let b): operands = [a, b, c]
            case .broadcast(let a, let from):
                let next = position.map { from[$0] }
                guard next.allSatisfy({ $0 != nil }) else { return identity }
                position = next.compactMap { $0 }
                operands = [a]
            case .input, .parameter, .constant, .contract, .reduce, .reshape, .slice, .concat, .pad, .window, .gather,
                .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                return identity
            }
            // Follow the operand that has all the axes.
            guard let next = operands.first(where: { $0 != id && leadsToProduct($0, rank: position.count) }) else {
                return identity
            }
            id = next
            if staging.products[id] != nil {
                return identity.sorted { position[$0] < position[$1] }
            }
        }
    }

    private func leadsToProduct(_ id: ValueID, rank: Int) -> Bool {
        guard graph[id].shape.count == rank else { return false }
        if staging.products[id] != nil { return true }
        switch graph[id].operation {
        case .unary(_, let a), .rename(let a): return leadsToProduct(a, rank: rank)
        case .broadcast(let a, let from): return from.allSatisfy { $0 != nil } && leadsToProduct(a, rank: rank)
        case .binary(_, let a, let b), .select(_, let a, let b):
            return leadsToProduct(a, rank: rank) || leadsToProduct(b, rank: rank)
        case .input, .parameter, .constant, .contract, .reduce, .reshape, .slice, .concat, .pad, .window, .gather, .scatter,
            .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            return false
        }
    }
}

extension TimeReduceKind {
    /// What a reduction over no step at all gives.
    var initial: Double {
        switch self {
        case .sum, .mean, .last, .first: 0
        case .max: -.infinity
        case .min: .infinity
        }
    }
}

extension Array where Element == Dim {
    /// Strides where memory runs through the axes in this order, the last one fastest.
    func strides(inOrder order: [Int]) -> [Int] {
        var result = [Int](repeating: 1, count: count)
        var next = 1
        for axis in order.reversed() {
            result[axis] = next
            next *= self[axis].size
        }
        return result
    }
}
