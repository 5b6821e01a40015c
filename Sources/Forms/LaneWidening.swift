import RecSource
import RecStream

extension StreamGraph {
    /// The name of the axis along which windows lie side by side.
    package static let laneName = "windows"

    /// The same steps for `lanes` sequences at once, which lie side by side along a last axis of every stream. What is static, and what
    /// `isShared` says of the values that are given once, is the same for all lanes.
    ///
    /// - Throws: where an operation cannot be taken for several sequences at once.
    package func widened(by lanes: Int, sharing isShared: (String) -> Bool) throws(FormRefusal) -> StreamGraph {
        var isWide = values.map { !$0.variance.isStatic }
        // What follows from values alone that are the same for all lanes is so too.
        for id in ids where isWide[id.index] && !self[id].variance.isStream {
            switch self[id].operation {
            case .input(let name, _): isWide[id.index] = !isShared(name)
            case let operation: isWide[id.index] = operation.operands.contains { isWide[$0.index] }
            }
        }
        return try widened(along: Dim(Self.laneName, lanes), isWide) { _ in true }
    }

    /// The same steps with a last axis for some values, which all that follows from one of them has to be among, for all outputs, and for
    /// the states of some names.
    func widened(along axis: Dim, _ isWide: [Bool], states isWidened: (String) -> Bool) throws(FormRefusal) -> StreamGraph {
        var work = LaneWidening(self, axis, isWide)
        try work.run(isWidened)
        return work.result
    }
}

/// Gives values a last axis, one after another.
private struct LaneWidening {
    private let graph: StreamGraph
    private let lane: Dim
    private(set) var result: StreamGraph
    /// By old value.
    private var new: [ValueID]
    private let isWide: [Bool]
    private var widened: [ValueID: ValueID] = [:]

    init(_ graph: StreamGraph, _ lane: Dim, _ isWide: [Bool]) {
        self.graph = graph
        self.lane = lane
        self.isWide = isWide
        result = StreamGraph(name: graph.name, axes: graph.axes)
        new = Array(repeating: ValueID(-1), count: graph.values.count)
    }

    mutating func run(_ isWidened: (String) -> Bool) throws(FormRefusal) {
        var delays: [(old: ValueID, new: ValueID)] = []
        for id in graph.ids {
            new[id.index] = try add(id)
            if case .delay = graph[id].operation { delays.append((id, new[id.index])) }
        }
        // Delayed operands may come later than their delays.
        for delay in delays {
            guard case .delay(let operand, let offsets, let initial) = graph[delay.old].operation else { continue }
            guard isWide[delay.old.index] else {
                result[delay.new].operation = .delay(new[operand.index], offsets: offsets, initial: initial.map { new[$0.index] })
                continue
            }
            guard isWide[operand.index] else { throw FormRefusal(reason: "a value that never changes is read at another step", span: graph[operand].span) }
            result[delay.new].operation = .delay(new[operand.index], offsets: offsets, initial: initial.map { wide($0) })
        }
        result.states = graph.states.map { state in
            func moved(_ id: ValueID) -> ValueID { isWidened(state.name) ? wide(id) : new[id.index] }
            return StreamGraph.State(name: state.name, value: moved(state.value), initial: state.initial.map(moved), span: state.span)
        }
        result.outputs = graph.outputs.map { StreamGraph.Output(name: $0.name, value: wide($0.value), span: $0.span) }
        result = result.ordered()
    }

    /// The value with the last axis, which is repeated along it where it has none yet.
    private mutating func wide(_ id: ValueID) -> ValueID {
        guard !isWide[id.index] else { return new[id.index] }
        if let known = widened[id] { return known }
        let value = graph[id]
        let fresh = result.add(
            Value(.broadcast(new[id.index], from: value.shape.indices.map { $0 } + [nil]), ValueType(value.element, value.shape + [lane], value.variance)))
        widened[id] = fresh
        return fresh
    }

    private mutating func add(_ id: ValueID) throws(FormRefusal) -> ValueID {
        var value = graph[id]
        guard isWide[id.index] else {
            value.operation = value.operation.mapOperands { new[$0.index] }
            return result.add(value)
        }
        value.shape.append(lane)
        value.operation = try operation(id)
        return result.add(value)
    }

    private mutating func operation(_ id: ValueID) throws(FormRefusal) -> Operation {
        let value = graph[id]
        func refusal(_ reason: String) -> FormRefusal { FormRefusal(reason: reason, span: value.span) }
        switch value.operation {
        case .input, .parameter, .constant, .delay: return value.operation
        case .unary, .binary, .select, .rename, .reshape, .slice, .pad, .window, .concat, .reduce:
            // All of them leave a last axis alone.
            var operands: [ValueID: ValueID] = [:]
            for operand in value.operation.operands { operands[operand] = wide(operand) }
            return value.operation.mapOperands { operands[$0] ?? $0 }
        case .broadcast(let a, let from): return .broadcast(wide(a), from: from + [graph[a].shape.count])
        case .contract(var contraction):
            let label = (contraction.leftLabels + contraction.rightLabels).reduce(0, max) + 1
            if isWide[contraction.left.index] { contraction.leftLabels.append(label) }
            if isWide[contraction.right.index] { contraction.rightLabels.append(label) }
            contraction.resultLabels.append(label)
            contraction.left = new[contraction.left.index]
            contraction.right = new[contraction.right.index]
            return .contract(contraction)
        case .gather(let table, let index):
            guard !isWide[index.index] else { throw refusal("it looks rows up at indices of its own") }
            return .gather(table: new[table.index], index: new[index.index])
        case .scatter: throw refusal("it adds rows at indices")
        case .overTime, .overBatch, .along, .distance: throw refusal("its steps need a whole sequence")
        case .chunks, .steps, .runningAffine, .solve: throw refusal("it runs chunk by chunk")
        }
    }
}
