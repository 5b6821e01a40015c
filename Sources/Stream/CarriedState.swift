import RecSource

/// From what the delays of a run read that goes on from another one.
package enum Beginning: Hashable, Sendable {
    /// As the program says: nothing was before.
    case fresh
    /// From values that the run is given.
    case given
    /// From values that the run is given where its input `state` says so, else as the program says.
    case either
}

/// Turns a graph into one whose runs take up a sequence where another run has left it.
///
/// What a step reads of earlier ones are the operands of delays. Each becomes a value that is given once, `state.NAME`, and a state
/// of that name, whose last value is what the next run is given. A value that is read several steps back is carried once for each
/// step, `NAME`, `NAME[t-1]` and so on; its delays then stand in a chain of single steps, each with a start of its own. So every
/// form of every recurrence goes on as it does in the midst of a sequence.
package struct CarriedState {
    /// In front of the names of inputs, states and outputs that carry something; no name of a program begins so.
    package static let prefix = "state."
    /// The bool that says whether values are given, where that is open.
    package static let switchName = "state"

    private let beginning: Beginning
    private var graph: StreamGraph
    private var entries: [(name: String, value: ValueID, initial: ValueID?)] = []

    /// What is carried of one value: all that its delays read that have one start.
    private struct Line: Hashable {
        var value: ValueID
        var initial: ValueID?
    }

    /// The graph with its state as inputs, and as states of the names, or also as outputs.
    ///
    /// - Parameter givesEachStep: whether what is carried is an output too, so that it is known after each step.
    /// - Throws: `state-refused` where the model cannot go on from the last step of another run.
    package static func carrying(
        _ graph: StreamGraph, _ beginning: Beginning, givingEachStep givesEachStep: Bool = false
    ) throws(DiagnosticList) -> StreamGraph {
        let problems = problems(of: graph)
        if !problems.isEmpty { throw DiagnosticList(problems) }
        var work = CarriedState(graph, beginning)
        return work.run(givesEachStep)
    }

    private init(_ graph: StreamGraph, _ beginning: Beginning) {
        self.graph = graph
        self.beginning = beginning
    }

    private mutating func run(_ givesEachStep: Bool) -> StreamGraph {
        let lines = lines()
        let choice = beginning == .either ? add(.input(name: Self.switchName, fallback: nil), ValueType(.bool, [], .once)) : nil
        for (line, name, depth, delays) in lines {
            let type = graph[line.value].type
            let delayed = ValueType(type.element, type.shape, type.variance.union(Variance(batch: true, axes: 1)))
            var previous = line.value
            for back in 1...depth {
                let own = back == 1 ? name : "\(name)[t-\(back - 1)]"
                let start = start(of: line, own, ValueType(type.element, type.shape, .once), choice)
                entries.append((own, previous, start))
                if back == 1 { restart(line, from: start) }
                let operation: Operation =
                    beginning == .fresh
                    ? .delay(line.value, offsets: [-back], initial: line.initial) : .delay(previous, offsets: [-1], initial: start)
                let present = delays.filter { $0.back == back }.map(\.delay)
                for delay in present { graph[delay].operation = operation }
                if back < depth { previous = present.first ?? add(operation, delayed) }
            }
        }
        carrySeed(choice)
        for entry in entries {
            graph.states.append(StreamGraph.State(name: Self.prefix + entry.name, value: entry.value, initial: entry.initial))
            if givesEachStep { graph.outputs.append(StreamGraph.Output(name: Self.prefix + entry.name, value: entry.value)) }
        }
        let ordered = graph.ordered()
        return ordered.keeping(Selection(all: ordered))
    }

    /// What chance draws from goes on as well: a run that takes up another one needs no seed, and gives the numbers of the whole.
    private mutating func carrySeed(_ choice: ValueID?) {
        guard let seed = graph.ids.first(where: { if case .input(DrawSeed.name, _) = graph[$0].operation { true } else { false } }) else { return }
        if beginning != .fresh {
            let given = add(.input(name: Self.prefix + DrawSeed.name, fallback: nil), graph[seed].type)
            if let choice {
                let own = add(graph[seed].operation, graph[seed].type)
                graph[seed].operation = .select(choice, then: given, otherwise: own)
            } else {
                graph[seed].operation = .rename(given)
            }
        }
        let always = add(.delay(seed, offsets: [-1], initial: seed), ValueType(.int, [], Variance(batch: true, axes: 1)))
        entries.append((DrawSeed.name, always, seed))
    }

    private mutating func add(_ operation: Operation, _ type: ValueType) -> ValueID { graph.add(Value(operation, type)) }

    /// What stands before the first step of a run.
    private mutating func start(of line: Line, _ name: String, _ type: ValueType, _ choice: ValueID?) -> ValueID? {
        guard beginning != .fresh else { return line.initial }
        let given = add(.input(name: Self.prefix + name, fallback: nil), type)
        guard let choice, let initial = line.initial else { return given }
        var own = initial
        if graph[initial].shape != type.shape { own = add(.rename(initial), ValueType(type.element, type.shape, graph[initial].variance)) }
        var isGiven = choice
        if !type.shape.isEmpty {
            isGiven = add(.broadcast(choice, from: type.shape.map { _ in nil }), ValueType(.bool, type.shape, .once))
        }
        return add(.select(isGiven, then: given, otherwise: own), type)
    }

    /// The states of a line begin as its delays do.
    private mutating func restart(_ line: Line, from start: ValueID?) {
        for k in graph.states.indices where graph.states[k].value == line.value && graph.states[k].initial == line.initial {
            graph.states[k].initial = start
        }
    }

    /// All that is carried, in the order of the states and then of the delays; of each, how many steps back it is read, and where.
    private func lines() -> [(line: Line, name: String, depth: Int, delays: [(delay: ValueID, back: Int)])] {
        var order: [Line] = []
        var names: [Line: String] = [:]
        var delays: [Line: [(delay: ValueID, back: Int)]] = [:]
        for state in graph.states {
            let line = Line(value: state.value, initial: state.initial)
            guard names[line] == nil else { continue }
            names[line] = state.name
            order.append(line)
        }
        let states = Set(graph.states.map(\.value))
        let begun = Set(graph.values.compactMap { if case .delay(let value, _, .some) = $0.operation { value } else { nil } })
        var taken = Set(names.values)
        for id in graph.ids {
            guard case .delay(let value, let offsets, let initial) = graph[id].operation, offsets[0] < 0 else { continue }
            let line = Line(value: value, initial: initial)
            if names[line] == nil {
                let start = initial.map { graph[$0].name ?? $0.description } ?? "0"
                let own = graph[value].name ?? value.description
                let name = isOwn(line, states, begun) && !taken.contains(own) ? own : "\(own) from \(start)"
                names[line] = name
                taken.insert(name)
                order.append(line)
            }
            delays[line, default: []].append((id, -offsets[0]))
        }
        return order.map { line in
            let own = delays[line] ?? []
            return (line, names[line] ?? "", own.map(\.back).max() ?? 1, own)
        }
    }

    /// Whether a line begins with what its value is known to begin with: the identity of a fold, the start of a state some steps back, else 0.
    ///
    /// - Parameter begun: values that a delay reads which begins with something.
    private func isOwn(_ line: Line, _ states: Set<ValueID>, _ begun: Set<ValueID>) -> Bool {
        if line.initial == nil { return !states.contains(line.value) && !begun.contains(line.value) }
        if case .delay(_, _, .some) = graph[line.value].operation { return true }
        return !states.contains(line.value)
    }

    // MARK: What cannot go on

    private static func problems(of graph: StreamGraph) -> [Diagnostic] {
        func refuse(_ reason: String, _ id: ValueID?, help: String = "run it over whole sequences") -> Diagnostic {
            Diagnostic(
                .stateRefused, "'\(graph.name)' has no state that another run could go on from: \(reason)", at: id.flatMap { graph[$0].span },
                help: help)
        }
        guard graph.dataAxes.count == 1 else { return [refuse("it runs over \(graph.axes.count) axes", nil)] }
        if graph.axes.contains(where: { $0.again != nil }) {
            return [
                refuse(
                    "its steps attend to others", graph.ids.first { if case .along = graph[$0].operation { true } else { false } },
                    help: "run it over whole sequences, or as a stream")
            ]
        }
        // Losses are those of each run: what they alone need may be anything.
        let isCarried = graph.needed(by: carriedRoots(of: graph))
        // Of each value the first reduction over time that it follows from.
        var whole = [ValueID?](repeating: nil, count: graph.values.count)
        var found: [Diagnostic] = []
        var told: Set<ValueID> = []
        for id in graph.ids {
            let value = graph[id]
            switch value.operation {
            case .delay(let operand, let offsets, _) where offsets[0] > 0:
                if isCarried[id.index] || graph.needed(by: [operand])[id.index] {
                    found.append(refuse("it looks ahead here, or runs from the end to the beginning", id))
                }
            case .overTime: whole[id.index] = id
            case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat,
                .pad, .window, .gather, .scatter, .delay, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                whole[id.index] = value.operation.instantOperands.lazy.compactMap { whole[$0.index] }.first
            }
            if value.variance.isStream, isCarried[id.index], let first = whole[id.index], told.insert(first).inserted {
                found.append(refuse("its steps need this, which is known only when the sequence has ended", first))
            }
        }
        for output in graph.outputs where !graph[output.value].variance.isStream {
            guard let id = whole[output.value.index], case .overTime(let kind, _, _) = graph[id].operation, kind != .last else { continue }
            found.append(
                refuse("the output '\(output.name)' is made of all steps of a sequence", id, help: "ask for other outputs, or run it over whole sequences"))
        }
        return found
    }

    /// The outputs, and what is carried.
    private static func carriedRoots(of graph: StreamGraph) -> [ValueID] {
        let delays = graph.ids.filter { if case .delay(_, let offsets, _) = graph[$0].operation { offsets[0] < 0 } else { false } }
        return graph.outputs.map(\.value) + graph.states.flatMap(graph.roots) + delays
    }
}

extension StreamGraph {
    /// The same graph in which each value that a delay reads, or begins from, has a name of its own: that of the program, else the
    /// expression that it is, else its number. What is carried is called by it, whichever part of the graph is run.
    package func namingDelayedValues() -> StreamGraph {
        var result = self
        var taken: [String: ValueID] = [:]
        for state in states where taken[state.name] == nil { taken[state.name] = state.value }
        for value in values {
            guard case .delay(let operand, _, let initial) = value.operation else { continue }
            for id in [operand, initial].compactMap({ $0 }) {
                let name = self[id].name ?? shortText(of: id) ?? id.description
                let owner = taken[name] ?? id
                taken[name] = owner
                result[id].name = owner == id ? name : id.description
            }
        }
        return result
    }

    /// `-inf`, `2 * mean[t](x)`; nil for what is longer.
    private func shortText(of id: ValueID) -> String? {
        let text = ExpressionWriter(self).text(id, longest: 24)
        return text.contains(ExpressionText.omitted.text) ? nil : text
    }
}
