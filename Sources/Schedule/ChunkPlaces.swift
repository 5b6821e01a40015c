import RecSource
import RecStream

/// Where the values of a graph with chunks are computed.
///
/// Parts run one after another: at even levels whole sequences step by step, at odd ones traversals of chunks. What acts on one step
/// alone is computed wherever it is used; what runs along the steps, and products with weights, stay outside the chunks.
struct ChunkPlaces {
    /// An order of the chunks of an axis.
    struct Direction: Hashable {
        var axis: Int
        var isDescending: Bool
    }

    struct Place: Hashable {
        var level: Int
        /// Nil where any order will do.
        var direction: Direction?
        /// The axis of chunks along which a value is computed; nil where any will do.
        var axis: Int?

        init(level: Int, direction: Direction? = nil, axis: Int? = nil) {
            self.level = level
            self.direction = direction
            self.axis = direction?.axis ?? axis
        }

        /// Along an axis of chunks: behind what is computed along another one.
        func along(_ own: Int) -> Place {
            if let axis, axis != own { return Place(level: level + 2, axis: own) }
            return Place(level: level, direction: direction, axis: own)
        }
    }

    enum Kind: Hashable {
        /// An input or a parameter.
        case given
        /// What follows from numbers of the source alone.
        case constant
        /// Computed wherever it is used.
        case floating
        /// Computed with whole sequences.
        case fixed
        /// Carried from chunk to chunk, or computed with what is.
        case carried
        /// Reduced over the chunks of a sequence.
        case reduced
    }

    let graph: StreamGraph
    private(set) var kinds: [Kind]
    private(set) var places: [Place]
    /// For a delay that is carried from chunk to chunk: what it delays.
    private(set) var carriers: [ValueID: ValueID] = [:]
    /// What chunks give to steps that must be looked at: it may be infinite or NaN though no result is.
    let watched: Set<ValueID>
    /// Levels at which both orders of the chunks are needed for one value.
    private var meeting: Set<Int> = []
    /// Levels whose traversals from the last chunk on wait for those from the first one.
    private var postponed: Set<Int> = []

    init(_ graph: StreamGraph) throws(ScheduleRefusal) {
        self.graph = graph
        watched = HiddenNumbers(graph).values
        (kinds, places) = ([], [])
        let components = components(of: graph)
        try place(components)
        // What needs both orders would be a traversal of its own behind them. Where the one from the last chunk on waits, it computes that as
        // well: so it is with the gradient of a recurrence by what it is read by, whose adjoint needs none of its states.
        if !meeting.isEmpty {
            postponed = meeting
            try place(components)
        }
    }

    private mutating func place(_ components: [Component]) throws(ScheduleRefusal) {
        kinds = graph.values.map { _ in .fixed }
        places = graph.values.map { _ in Place(level: 0) }
        carriers = [:]
        for component in components { try place(component) }
    }

    func kind(_ id: ValueID) -> Kind { kinds[id.index] }
    func place(_ id: ValueID) -> Place { places[id.index] }

    /// The axis of chunks that a value varies over.
    func chunkAxis(_ id: ValueID) -> Int? {
        graph.axes.indices.first { graph.axes[$0].chunks != nil && graph[id].variance.varies(over: $0) }
    }

    func isChunked(_ id: ValueID) -> Bool { chunkAxis(id) != nil }

    private func refuse(_ reason: String, _ id: ValueID) -> ScheduleRefusal { ScheduleRefusal(reason: reason, span: graph[id].span) }

    private mutating func place(_ component: Component) throws(ScheduleRefusal) {
        let members = component.members
        guard component.isRecurrence else { return try place(members[0]) }
        guard members.contains(where: isChunked) else {
            let level = members.map { evenLevel(of: $0, outside: members) }.max() ?? 0
            for id in members { places[id.index] = Place(level: level) }
            return
        }
        guard members.allSatisfy(isChunked), let axis = chunkAxis(members[0]) else {
            throw refuse("what is carried between chunks depends on what is carried between steps, and the other way round", members[0])
        }
        var offsets: Set<Int> = []
        var result = Place(level: 1)
        for id in members {
            try check(id, isCarried: true)
            if case .delay(let operand, let moved, _) = graph[id].operation, members.contains(operand) {
                offsets.insert(moved[axis])
                carriers[id] = operand
            }
            for operand in graph[id].operation.operands where !members.contains(operand) {
                result = joined(result, entering(operand))
            }
        }
        guard offsets == [-1] || offsets == [1] else { throw refuse("chunks look at others that are not next to them", members[0]) }
        let own = Direction(axis: axis, isDescending: offsets == [1])
        result = result.along(axis)
        if let other = result.direction, other != own { result.level += 2 }
        if own.isDescending, postponed.contains(result.level) { result.level += 2 }
        result = Place(level: result.level, direction: own)
        for id in members {
            kinds[id.index] = .carried
            places[id.index] = result
        }
    }

    private mutating func place(_ id: ValueID) throws(ScheduleRefusal) {
        let value = graph[id]
        let operands = value.operation.operands
        switch value.operation {
        case .input, .parameter: kinds[id.index] = .given
        case .constant: kinds[id.index] = .constant
        case .overTime(_, let a, let axis) where graph.axes[axis].chunks != nil:
            kinds[id.index] = .reduced
            places[id.index] = place(a)
        case .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window, .gather, .scatter,
            .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            if isConstant(id) {
                kinds[id.index] = .constant
            } else if isChunked(id) || isFloating(id) {
                if isChunked(id) { try check(id, isCarried: false) }
                kinds[id.index] = .floating
                var result = Place(level: isChunked(id) ? 1 : 0)
                for operand in operands where kind(operand) != .constant {
                    result = joined(result, isChunked(id) ? entering(operand) : standing(operand))
                }
                places[id.index] = chunkAxis(id).map(result.along) ?? result
            } else {
                places[id.index] = Place(level: evenLevel(of: id, outside: [id]))
            }
        }
    }

    /// Whether a value follows from numbers of the source alone, by operations that traversals have: ints are none of theirs, and known
    /// only where they stand as they are.
    private func isConstant(_ id: ValueID) -> Bool {
        let value = graph[id]
        func isNumber(_ id: ValueID) -> Bool { graph[id].element == .real || graph[id].element == .bool }
        guard value.variance.isStatic, isLocal(id), value.operation.operands.allSatisfy({ kind($0) == .constant }) else { return false }
        if ChunkShapes(graph: graph, count: 1).number(id) != nil { return true }
        return isNumber(id) && value.operation.operands.allSatisfy(isNumber)
    }

    /// The level of a part in which a value is computed with whole sequences.
    private func evenLevel(of id: ValueID, outside members: [ValueID]) -> Int {
        graph[id].operation.operands.filter { !members.contains($0) }.map { (place($0).level + 1) / 2 * 2 }.max() ?? 0
    }

    /// The place of an operand as a traversal sees it.
    private func entering(_ operand: ValueID) -> Place {
        switch kind(operand) {
        case .constant: Place(level: 1)
        case .given, .fixed: Place(level: place(operand).level + 1)
        case .reduced: Place(level: place(operand).level + 2)
        case .floating, .carried: place(operand).level % 2 == 1 ? place(operand) : Place(level: place(operand).level + 1)
        }
    }

    /// The place of an operand as what acts on one step sees it.
    private func standing(_ operand: ValueID) -> Place {
        kind(operand) == .reduced ? Place(level: place(operand).level + 1) : place(operand)
    }

    /// Behind both.
    private mutating func joined(_ a: Place, _ b: Place) -> Place {
        if a.level != b.level {
            // What has waited for a whole traversal may be in any part behind it.
            return a.level > b.level ? a : b
        }
        if let one = a.axis, let other = b.axis, one != other { return Place(level: a.level + 2) }
        if let one = a.direction, let other = b.direction, one != other {
            meeting.insert(a.level)
            return Place(level: a.level + 2, axis: a.axis)
        }
        return Place(level: a.level, direction: a.direction ?? b.direction, axis: a.axis ?? b.axis)
    }

    /// Whether a value of one step follows from that step alone, by operations that traversals of chunks have.
    private func isFloating(_ id: ValueID) -> Bool {
        let value = graph[id]
        guard value.variance == Variance(batch: true, axes: 1), value.element == .real || value.element == .bool, isLocal(id) else { return false }
        for operand in value.operation.operands {
            switch graph[operand].element {
            case .real: break
            case .bool: guard kind(operand) == .floating || kind(operand) == .constant else { return false }
            case .int, .complex: return false
            }
        }
        // Products with weights are what the other parts are good at.
        if case .contract(let c) = value.operation {
            return [c.left, c.right].allSatisfy { !graph[$0].variance.isStatic || kind($0) == .constant }
        }
        return true
    }

    /// Whether an operation is one of those that traversals of chunks have, within a step or a chunk.
    private func isLocal(_ id: ValueID) -> Bool {
        switch graph[id].operation {
        case .unary, .binary, .select, .contract, .broadcast, .rename, .reshape, .slice, .concat, .runningAffine, .solve, .steps, .chunks: true
        case .reduce(let kind, _, _): kind == .sum || kind == .max || kind == .min || kind == .product
        case .pad(_, _, _, _, let mode): mode == .zero
        case .input, .parameter, .constant, .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance: false
        }
    }

    /// - Throws: where a value of chunks is none that traversals have.
    private func check(_ id: ValueID, isCarried: Bool) throws(ScheduleRefusal) {
        let value = graph[id]
        guard value.element == .real || value.element == .bool else { throw refuse("the chunks hold \(value.element.rawValue)s", id) }
        if case .delay(let operand, let offsets, _) = value.operation {
            guard !isCarried else { return }
            // Beside recurrences only what is the same in all chunks is looked at from another one.
            guard case .rename(let same) = graph[operand].operation, !graph[same].variance.isStream,
                offsets.filter({ $0 != 0 }).count == 1, offsets.allSatisfy({ abs($0) <= 1 })
            else { throw refuse("a value of another chunk is read that is not carried", id) }
            return
        }
        guard isLocal(id) else { throw refuse("an operation within the chunks has no code", id) }
        for operand in value.operation.operands where graph[operand].element == .int || graph[operand].element == .complex {
            throw refuse("the chunks hold \(graph[operand].element.rawValue)s", id)
        }
    }
}

/// Why a graph has no schedule, and where.
package struct ScheduleRefusal: Error, Equatable, Sendable {
    package var reason: String
    package var span: SourceSpan?
    package var help: String?

    package init(reason: String, span: SourceSpan?, help: String? = nil) {
        self.reason = reason
        self.span = span
        self.help = help
    }
}
