import RecSource
import RecStream

/// A graph with axes of chunks, taken apart into parts that run one after another.
///
/// A part of steps is a graph over whole sequences for the plans that exist, or for parts of pairs of steps. A traversal goes through the chunks of each sequence in
/// one order. Between parts stand tensors, named by their values: `%12`.
package struct ChunkPartition: Sendable {
    package enum Part: Sendable {
        case steps(StreamGraph)
        case traversal(Traversal)
    }

    package struct Traversal: Sendable {
        package var axis: Int
        package var isDescending: Bool
        package var level: Int
        /// What is carried from chunk to chunk: the delays, and what they delay.
        package var carried: [Carried] = []
        /// Values at every step that others need.
        package var stored: [ValueID] = []
        /// Reductions over the chunks.
        package var reduced: [ValueID] = []

        package struct Carried: Sendable {
            package var value: ValueID
            package var delay: ValueID
            /// Whether later traversals read it at every chunk.
            package var isKept = false
        }
    }

    package let graph: StreamGraph
    package private(set) var parts: [Part] = []
    let places: ChunkPlaces
    /// What later traversals read rather than compute again, chunk by chunk: results, and what parts of steps follow from.
    private var handedOn: Set<ValueID> = []

    /// - Throws: where an operation has no place in any part.
    package init(_ graph: StreamGraph) throws(ScheduleRefusal) {
        self.graph = graph
        places = try ChunkPlaces(graph)
        handedOn = Set(graph.outputs.map { source($0.value) })
        var rest = graph.ids.filter { places.kind($0) == .fixed }.flatMap { graph[$0].operation.operands }
        var seen: Set<ValueID> = []
        while let id = rest.popLast() {
            guard !places.isChunked(id), [.floating, .carried].contains(places.kind(id)), places.place(id).level % 2 == 1, seen.insert(id).inserted
            else { continue }
            // Between parts stand numbers.
            if graph[id].element == .real { handedOn.insert(source(id)) }
            rest += graph[id].operation.operands
        }
        try divide()
    }

    /// The name of a tensor between parts.
    package static func name(_ id: ValueID) -> String { id.description }

    /// A value under its first name: renamed values of the same sizes and steps share a tensor.
    package func source(_ id: ValueID) -> ValueID {
        var id = id
        while case .rename(let a) = graph[id].operation, graph[a].variance == graph[id].variance { id = a }
        return id
    }

    // MARK: Demand

    private mutating func divide() throws(ScheduleRefusal) {
        /// What parts at a level must hand on, or results must have.
        var wanted: [Int: Set<ValueID>] = [:]
        /// States of earlier traversals that are read at every chunk.
        var kept: Set<ValueID> = []
        var finals: Set<ValueID> = []
        func want(_ id: ValueID) {
            guard places.kind(id) != .given else { return }
            wanted[level(of: id), default: []].insert(id)
        }
        for output in graph.outputs + graph.losses { want(source(output.value)) }
        /// States that are results of a traversal at every step: the part of steps behind it says what they are at the end.
        var behind: [Int: Set<ValueID>] = [:]
        for state in graph.states {
            guard !places.isChunked(state.value) else {
                finals.insert(state.value)
                continue
            }
            let value = source(state.value)
            want(value)
            let level = level(of: value)
            if level % 2 == 1, places.kind(value) != .given { behind[level + 1, default: []].insert(value) }
        }
        // Inputs that are results otherwise than as they stand.
        let given = Set((graph.losses.map(\.value) + graph.states.map(\.value)).map(source).filter { places.kind($0) == .given })
        var found: [Part] = []
        let top = (places.places.map(\.level).max() ?? 0) + 1
        for level in stride(from: top, through: 0, by: -1) {
            let roots = wanted[level, default: []]
            if level % 2 == 0 {
                let own = level == 0 ? roots.union(given) : roots
                let ended = behind[level, default: []]
                guard !own.isEmpty || !ended.isEmpty else { continue }
                found.append(.steps(try steps(own, ending: ended, level, want)))
            } else {
                for traversal in try traversals(roots, finals, level, &kept, want) { found.append(.traversal(traversal)) }
            }
        }
        parts = found.reversed()
    }

    // MARK: Traversals

    /// The traversals of a level, each with what it needs of lower levels.
    private func traversals(
        _ roots: Set<ValueID>, _ finals: Set<ValueID>, _ level: Int, _ kept: inout Set<ValueID>, _ want: (ValueID) -> Void
    ) throws(ScheduleRefusal) -> [Traversal] {
        var byDirection: [ChunkPlaces.Direction: Traversal] = [:]
        var undecided: [ValueID] = []
        func traversal(_ direction: ChunkPlaces.Direction) -> Traversal {
            byDirection[direction] ?? Traversal(axis: direction.axis, isDescending: direction.isDescending, level: level)
        }
        for id in roots.sorted() {
            guard let direction = places.place(id).direction else {
                undecided.append(id)
                continue
            }
            var own = traversal(direction)
            if places.kind(id) == .reduced { own.reduced.append(id) } else { own.stored.append(id) }
            byDirection[direction] = own
        }
        // States that somebody reads: at the end, at every chunk, or within the traversal.
        for id in finals where places.place(id).level == level && places.kind(id) == .carried {
            if let direction = places.place(id).direction { byDirection[direction] = traversal(direction) }
        }
        for delay in kept where places.place(delay).level == level {
            if let direction = places.place(delay).direction { byDirection[direction] = traversal(direction) }
        }
        for id in undecided {
            guard let axis = places.place(id).axis ?? axis(of: id) else { throw ScheduleRefusal(reason: "a value has no chunks", span: graph[id].span) }
            let known = byDirection.keys.filter { $0.axis == axis }.min { !$0.isDescending && $1.isDescending }
            let direction = known ?? ChunkPlaces.Direction(axis: axis, isDescending: false)
            var own = traversal(direction)
            if places.kind(id) == .reduced { own.reduced.append(id) } else { own.stored.append(id) }
            byDirection[direction] = own
        }
        var result: [Traversal] = []
        for (direction, own) in byDirection.sorted(by: { ($0.key.axis, $0.key.isDescending ? 1 : 0) < ($1.key.axis, $1.key.isDescending ? 1 : 0) }) {
            var own = own
            var start = own.stored + own.reduced
            start += finals.filter { places.place($0) == ChunkPlaces.Place(level: level, direction: direction) && places.kind($0) == .carried }
            start += kept.filter { places.place($0) == ChunkPlaces.Place(level: level, direction: direction) }
            let reached = reach(from: start, in: ChunkPlaces.Place(level: level, direction: direction))
            for delay in reached.carried.sorted() {
                guard let value = places.carriers[delay] else { continue }
                own.carried.append(Traversal.Carried(value: value, delay: delay, isKept: kept.contains(delay)))
            }
            kept.formUnion(reached.foreign)
            for id in reached.boundary { want(id) }
            result.append(own)
        }
        return result
    }

    /// The axis of chunks that a floating value is computed along.
    private func axis(of id: ValueID) -> Int? {
        var seen: Set<ValueID> = []
        var rest = [id]
        while let next = rest.popLast() {
            guard seen.insert(next).inserted else { continue }
            if let axis = places.chunkAxis(next) { return axis }
            rest += graph[next].operation.operands
        }
        return nil
    }

    private struct Reached {
        var carried: Set<ValueID> = []
        var foreign: Set<ValueID> = []
        /// Tensors of lower levels.
        var boundary: Set<ValueID> = []
        var computed: Set<ValueID> = []
    }

    /// What a traversal computes for its roots, and what it needs of others.
    private func reach(from roots: [ValueID], in place: ChunkPlaces.Place) -> Reached {
        var result = Reached()
        var rest = roots
        var seen: Set<ValueID> = []
        while let id = rest.popLast() {
            guard seen.insert(id).inserted else { continue }
            if places.carriers[id] != nil {
                guard places.place(id) == place else {
                    result.foreign.insert(id)
                    continue
                }
                result.carried.insert(id)
                rest += graph[id].operation.operands
                continue
            }
            let isRoot = roots.contains(id)
            switch places.kind(id) {
            case .given, .constant: continue
            case .fixed:
                result.boundary.insert(source(id))
                continue
            case .reduced:
                if !isRoot {
                    result.boundary.insert(id)
                    continue
                }
            case .floating, .carried: break
            }
            // What an earlier traversal has stored is not computed again.
            if !isRoot, !places.isChunked(id), places.place(id).level % 2 == 1, places.place(id).level < place.level,
                handedOn.contains(source(id))
            {
                result.boundary.insert(source(id))
                continue
            }
            // Chunks of another axis are others: what they give is read as a stream.
            if case .steps(_, let axis) = graph[id].operation, axis != place.direction?.axis {
                result.boundary.insert(source(id))
                continue
            }
            result.computed.insert(id)
            rest += graph[id].operation.operands
        }
        return result
    }

    /// The values that a traversal computes, in order.
    func computed(in traversal: Traversal) -> [ValueID] {
        let direction = ChunkPlaces.Direction(axis: traversal.axis, isDescending: traversal.isDescending)
        let roots = traversal.stored + traversal.reduced + traversal.carried.flatMap { [$0.value, $0.delay] }
        return reach(from: roots, in: ChunkPlaces.Place(level: traversal.level, direction: direction)).computed.sorted()
    }

    /// The level of the part that gives a value to others. Traversals give numbers: a bool is computed behind them from these.
    private func level(of id: ValueID) -> Int {
        let level = places.place(id).level
        return level % 2 == 1 && graph[id].element == .bool ? level + 1 : level
    }

    // MARK: Steps

    /// The graph of a part of steps that hands on `roots`.
    ///
    /// - Parameter ended: what it is given, of which it says the last values as well.
    private func steps(
        _ roots: Set<ValueID>, ending ended: Set<ValueID>, _ level: Int, _ want: (ValueID) -> Void
    ) throws(ScheduleRefusal) -> StreamGraph {
        let stated = roots.union(ended)
        var own: Set<ValueID> = []
        var boundary: Set<ValueID> = []
        var rest = stated.sorted() + graph.states.compactMap { stated.contains(source($0.value)) ? $0.initial : nil }
        // Delays tell at which end of a sequence a state is at its last value.
        rest += graph.ids.filter { id in
            if case .delay(let a, _, _) = graph[id].operation { ended.contains(source(a)) && self.level(of: id) <= level } else { false }
        }
        while let id = rest.popLast() {
            guard !own.contains(id), !boundary.contains(id) else { continue }
            let isOutside = places.kind(id) == .reduced || self.level(of: id) % 2 == 1
                || (places.place(id).level < level && places.kind(id) == .fixed && !graph[id].variance.isStatic && !graph.isAlongSecondIndex(id))
            // What was given stands where it is, under whatever name.
            let known = source(id)
            if isOutside, places.kind(known) != .given {
                boundary.insert(id)
                want(known)
                continue
            }
            own.insert(id)
            rest += graph[id].operation.operands
        }
        let axes = KeptAxes(of: graph, for: own) { _ in true }
        var result = StreamGraph(name: "\(graph.name), part \(level)", axes: axes.axes)
        var new: [ValueID: ValueID] = [:]
        for (k, id) in own.union(boundary).sorted().enumerated() { new[id] = ValueID(k) }
        for id in own.union(boundary).sorted() {
            var value = graph[id]
            if boundary.contains(id) {
                let name = Self.name(source(id))
                value.operation = value.variance.isStatic
                    ? .parameter(ParameterInfo(path: name, isTrained: false, initializer: .zeros)) : .input(name: name, fallback: nil)
                value.name = nil
            } else {
                value.operation = axes.operation(of: id).mapOperands { new[$0] ?? $0 }
            }
            value.variance = axes.variance(value.variance)
            _ = result.add(value)
        }
        for state in graph.states {
            guard stated.contains(source(state.value)), let value = new[source(state.value)] else { continue }
            // The initial value of a state is computed wherever the state is.
            let initial = state.initial.flatMap { new[$0] }
            result.states.append(StreamGraph.State(name: state.name, value: value, initial: initial, span: state.span))
        }
        for loss in graph.losses {
            guard let value = new[source(loss.value)], roots.contains(source(loss.value)) else { continue }
            result.losses.append(StreamGraph.Output(name: loss.name, value: value, span: loss.span))
        }
        let lossesAlone = Set(graph.losses.map { source($0.value) })
        for id in roots.sorted() where places.kind(id) != .given {
            guard let value = new[id], !lossesAlone.contains(id) || handsOn(id) else { continue }
            result.outputs.append(StreamGraph.Output(name: Self.name(id), value: value))
        }
        return result.ordered()
    }

    private func handsOn(_ id: ValueID) -> Bool { graph.outputs.contains { source($0.value) == id } || graph.values.contains { $0.operation.operands.contains(id) } }
}
