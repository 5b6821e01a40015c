import RecSource
import RecStream

/// A graph in which an axis is a dim within the steps of others, taken apart into parts that run one after another: those along the axis
/// itself, as an encoder runs, and those along the others, for which all of its steps are rows.
///
/// Between parts stand tensors, named by their values: `%12`. What varies over the axis in one part has it as a dim in another: these are the
/// same numbers in the same order.
package struct AxisPartition: Sendable {
    /// The graph with an axis of one chunk of all steps, as `StreamGraph.keepingStreams(along:count:)` gives it.
    package let graph: StreamGraph
    package private(set) var parts: [Part] = []
    private let axis: Int
    private let places: [Place]

    package struct Part: Sendable {
        package var graph: StreamGraph
        /// Whether it runs along the axis, and not within the steps of others.
        package var isAlong: Bool
    }

    /// Where a value is computed.
    private enum Place: Hashable {
        /// Wherever it is needed: what is given, and what follows from parameters and numbers alone.
        case anywhere
        case part(level: Int, isAlong: Bool)
    }

    /// - Throws: where a recurrence runs along the axis and along others.
    package init(_ graph: StreamGraph) throws(ScheduleRefusal) {
        guard let own = graph.axes.last(where: { $0.chunks?.isWhole == true })?.chunks else {
            throw ScheduleRefusal(reason: "no axis is a dim of others", span: nil)
        }
        self.graph = graph
        axis = own.axis
        places = try Self.places(in: graph, axis: own.axis)
        divide()
    }

    /// The value whose tensor holds the numbers of a value.
    package func source(_ id: ValueID) -> ValueID {
        switch graph[id].operation {
        case .steps(let a, _), .chunks(let a, _, _): a
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad,
            .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .runningAffine, .solve:
            id
        }
    }

    // MARK: Places

    private static func places(in graph: StreamGraph, axis: Int) throws(ScheduleRefusal) -> [Place] {
        var places = graph.values.map { _ in Place.anywhere }
        let components = components(of: graph)
        for component in components {
            let members = Set(component.members)
            let runsAlong = component.members.contains { graph.variance(alongFirst: graph[$0].variance).varies(over: axis) && !isCrossing($0, graph) }
            let runsWithin = component.members.contains { graph.variance(alongFirst: graph[$0].variance).axes & ~(1 << UInt8(axis)) != 0 }
            if component.isRecurrence, runsAlong, runsWithin {
                throw ScheduleRefusal(reason: "it runs along '\(graph.axes[axis].name)' and within the steps of another axis", span: graph[component.members[0]].span)
            }
            guard let first = component.members.first else { continue }
            // What varies over both is given, or is read as rows alone.
            let operands = component.members.flatMap { graph[$0].operation.operands.filter { !members.contains($0) } }.map { places[$0.index] }
            let place: Place
            if case .steps = graph[first].operation {
                place = Self.place(true, after: operands)
            } else if runsWithin, !graph.isGiven(first) {
                place = Self.place(false, after: operands)
            } else if runsAlong, !graph.isGiven(first) {
                place = Self.place(true, after: operands)
            } else if operands.contains(where: { $0 != .anywhere }) || isReduction(first, graph) {
                let both = [Self.place(true, after: operands), Self.place(false, after: operands)]
                // A sum over an axis belongs to the part along it.
                place = reducedAxis(first, graph).map { both[$0 == axis ? 0 : 1] } ?? (Self.level(both[0]) < Self.level(both[1]) ? both[0] : both[1])
            } else {
                place = .anywhere
            }
            for id in component.members where !graph.isGiven(id) { places[id.index] = place }
        }
        delay(&places, components, graph)
        return places
    }

    /// Computes what only later parts need in the first of these that runs the same way, so that there are fewer parts.
    private static func delay(_ places: inout [Place], _ components: [Component], _ graph: StreamGraph) {
        /// The last level at which a value is in time for all who need it.
        var latest = graph.values.map { _ in Int.max }
        for component in components.reversed() {
            guard let first = component.members.first(where: { places[$0.index] != .anywhere }), case .part(let level, let isAlong) = places[first.index] else { continue }
            let members = Set(component.members)
            let last = component.members.reduce(Int.max) { min($0, latest[$1.index]) }
            let own = last == .max ? level : max(level, last)
            for id in component.members where places[id.index] != .anywhere {
                places[id.index] = .part(level: own, isAlong: isAlong)
                for operand in graph[id].operation.operands where !members.contains(operand) {
                    guard case .part(_, let isOther) = places[operand.index] else { continue }
                    latest[operand.index] = min(latest[operand.index], isOther == isAlong ? own : own - 1)
                }
            }
        }
    }

    private static func isCrossing(_ id: ValueID, _ graph: StreamGraph) -> Bool {
        if case .chunks = graph[id].operation { true } else { false }
    }

    private static func isReduction(_ id: ValueID, _ graph: StreamGraph) -> Bool {
        switch graph[id].operation {
        case .overTime, .overBatch: true
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad,
            .window, .gather, .scatter, .delay, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            false
        }
    }

    private static func reducedAxis(_ id: ValueID, _ graph: StreamGraph) -> Int? {
        if case .overTime(_, _, let axis) = graph[id].operation { graph.axes[axis].again ?? axis } else { nil }
    }

    /// The first part of a kind behind some others.
    private static func place(_ isAlong: Bool, after others: [Place]) -> Place {
        let level = others.reduce(0) { most, other in
            guard case .part(let level, let isOther) = other else { return most }
            return max(most, isOther == isAlong ? level : level + 1)
        }
        return .part(level: level, isAlong: isAlong)
    }

    private static func level(_ place: Place) -> Int {
        if case .part(let level, _) = place { level } else { 0 }
    }

    private static func isAlong(_ place: Place) -> Bool {
        if case .part(_, let isAlong) = place { isAlong } else { false }
    }

    // MARK: Parts

    private mutating func divide() {
        var wanted: [Place: Set<ValueID>] = [:]
        func want(_ id: ValueID) {
            guard !graph.isGiven(id) else { return }
            // What follows from numbers alone is computed by a part as well.
            let place = places[id.index] == .anywhere ? Place.part(level: 0, isAlong: graph[id].variance.varies(over: axis)) : places[id.index]
            wanted[place, default: []].insert(id)
        }
        for output in graph.outputs { want(source(output.value)) }
        var losses: [Place: [StreamGraph.Output]] = [:]
        for loss in graph.losses {
            let place = places[loss.value.index]
            losses[place == .anywhere ? .part(level: 0, isAlong: false) : place, default: []].append(loss)
        }
        let most = places.reduce(0) { max($0, Self.level($1)) }
        var found: [Part] = []
        for level in stride(from: most, through: 0, by: -1) {
            for isAlong in [false, true] {
                let place = Place.part(level: level, isAlong: isAlong)
                let (own, ownLosses) = (wanted[place] ?? [], losses[place] ?? [])
                guard !own.isEmpty || !ownLosses.isEmpty else { continue }
                var part = AxisPart(graph, isAlong: isAlong, axis: axis)
                let graph = part.graph(handingOn: own.sorted(), losses: ownLosses) { isOwn($0, of: place) }
                found.append(Part(graph: graph, isAlong: isAlong))
                for id in part.wanted { want(id) }
            }
        }
        parts = found.reversed()
    }

    /// Whether a part computes a value that it needs itself. Pairs of steps are never handed on.
    private func isOwn(_ id: ValueID, of place: Place) -> Bool {
        let other = places[id.index]
        return other == place || other == .anywhere || graph.isAlongSecondIndex(id) && Self.isAlong(other) == Self.isAlong(place)
    }
}

/// The work of writing a part as a graph of its own axes.
private struct AxisPart {
    private let source: StreamGraph
    private let isAlong: Bool
    private let axis: Int
    /// What other parts must hand on.
    private(set) var wanted: Set<ValueID> = []

    init(_ source: StreamGraph, isAlong: Bool, axis: Int) {
        (self.source, self.isAlong, self.axis) = (source, isAlong, axis)
    }

    mutating func graph(handingOn roots: [ValueID], losses: [StreamGraph.Output], isOwn: (ValueID) -> Bool) -> StreamGraph {
        var own: Set<ValueID> = []
        /// What stands for the numbers of another part, by its value here.
        var given: [ValueID: ValueID] = [:]
        var rest = roots + losses.map(\.value)
        while let id = rest.popLast() {
            guard !own.contains(id), given[id] == nil else { continue }
            if let crossed = crossed(id) {
                given[id] = crossed
                if !source.isGiven(crossed) { wanted.insert(crossed) }
            } else if isOwn(id) {
                own.insert(id)
                rest += source[id].operation.operands
            } else {
                given[id] = id
                wanted.insert(id)
            }
        }
        let axes = KeptAxes(of: source, for: own) { ($0 == axis) == isAlong }
        var result = StreamGraph(name: "\(source.name) \(isAlong ? "along" : "within")", axes: axes.axes)
        let order = own.union(given.keys).sorted()
        var new: [ValueID: ValueID] = [:]
        for (k, id) in order.enumerated() { new[id] = ValueID(k) }
        for id in order {
            var value = source[id]
            value.variance = axes.variance(value.variance)
            if let crossed = given[id] {
                value.operation = input(crossed, value)
                value.name = nil
            } else {
                value.operation = axes.operation(of: id).mapOperands { new[$0] ?? $0 }
            }
            _ = result.add(value)
        }
        for loss in losses {
            if let value = new[loss.value] { result.losses.append(StreamGraph.Output(name: loss.name, value: value, span: loss.span)) }
        }
        for root in roots {
            if let value = new[root] { result.outputs.append(StreamGraph.Output(name: root.description, value: value)) }
        }
        return result.ordered()
    }

    /// The value whose numbers another one has otherwise; nil for others.
    private func crossed(_ id: ValueID) -> ValueID? {
        switch source[id].operation {
        case .chunks(let a, _, _): isAlong ? nil : a
        case .steps(let a, _): isAlong ? a : nil
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad,
            .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .runningAffine, .solve:
            nil
        }
    }

    private func input(_ id: ValueID, _ value: Value) -> Operation {
        switch source[id].operation {
        case .input(let name, let fallback): .input(name: name, fallback: fallback)
        case .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window,
            .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            value.variance.isStatic
                ? .parameter(ParameterInfo(path: id.description, isTrained: false, initializer: .zeros)) : .input(name: id.description, fallback: nil)
        }
    }
}
