import RecStream

extension Schedule {
    /// The loops of one traversal.
    ///
    /// - Parameters:
    ///   - blocks: of steps for which the chunks are run through, each for itself; last values are then results of the steps of a block.
    ///   - checked: results of blocks that must be finite for the traversal to count.
    /// - Throws: where an operation is none that loops are made for.
    package init(
        _ traversal: ChunkPartition.Traversal, of parts: ChunkPartition, blocks: Blocks? = nil, checking checked: Set<String> = []
    ) throws(ScheduleRefusal) {
        var builder = ScheduleBuilder(traversal, of: parts, blocks: blocks)
        builder.checked = checked
        try builder.run()
        self = builder.schedule
        assert(violations().isEmpty, "\(violations())\n\(text)")
    }
}

/// The work of writing a traversal as loops.
///
/// Products, sums, running maps and systems are computed into memory; what is element-wise between them is computed where it is used.
struct ScheduleBuilder {
    let traversal: ChunkPartition.Traversal
    let parts: ChunkPartition
    let graph: StreamGraph
    let forms: ChunkShapes
    /// The values of the traversal, in order, and for each dim of each the parallel loop that it is.
    let values: [ValueID]
    let isComputed: Set<ValueID>
    let positions: [ValueID: [Int?]]
    var schedule: Schedule
    /// Where values stand in memory.
    var memory: [ValueID: Place] = [:]
    /// A tensor of the caller; under several names of its dims it may have other ones of them in parallel.
    private struct Caller: Hashable {
        var name: String
        var parallelStrides: [Int]
    }
    private var callers: [Caller: Schedule.BufferID] = [:]
    let needsMemory: Set<ValueID>
    /// Results of blocks that must be finite.
    var checked: Set<String> = []
    let triangular: Triangles

    /// Where a value stands: a stride for each of its dims, 0 at parallel ones that the buffer does not have.
    struct Place {
        var buffer: Schedule.BufferID
        var strides: [Int]
        var offset = 0
        var slot = Schedule.View.Slot.none
        /// Whether the first dim is the steps of a stream.
        var isStream = false
    }

    init(_ traversal: ChunkPartition.Traversal, of parts: ChunkPartition, blocks: Schedule.Blocks?) {
        self.traversal = traversal
        self.parts = parts
        graph = parts.graph
        let chunks = graph.axes[traversal.axis].chunks
        let count = chunks?.count ?? 1
        let forms = ChunkShapes(graph: graph, count: count)
        self.forms = forms
        let own = parts.computed(in: traversal)
        isComputed = Set(own)
        // Numbers of the source, and what is read, have dims too.
        var all = isComputed
        var rest = own + traversal.carried.map(\.delay)
        while let id = rest.popLast() {
            for operand in graph[id].operation.operands where !all.contains(operand) {
                all.insert(operand)
                if parts.places.kind(operand) == .constant { rest.append(operand) }
            }
        }
        for carried in traversal.carried { all.formUnion([carried.value, carried.delay]) }
        // What is read of other traversals has the dims of what is carried there.
        values = all.sorted()
        let computed = isComputed
        let written = values.filter { computed.contains($0) || parts.places.kind($0) == .constant || parts.places.carriers[$0] != nil }
        var classes = DimClasses(written, carriers: parts.places.carriers, forms)
        let roots = traversal.stored + traversal.reduced + traversal.carried.map(\.value)
        if blocks != nil { classes.keepTogether(firstDimOf: traversal.carried.map(\.value)) }
        let parallel = classes.parallel(values, roots: roots)
        positions = parallel.positions
        schedule = Schedule(
            name: "\(graph.name) by \(count)\(traversal.isDescending ? ", last chunk first" : "")", count: count,
            isReversed: chunks?.isReversed ?? false, isDescending: traversal.isDescending, parallel: parallel.dims)
        schedule.blocks = blocks
        triangular = Triangles(written, roots: Set(traversal.stored + traversal.reduced + traversal.carried.map(\.value)), forms)
        needsMemory = MemoryNeeds(written, traversal, graph, forms, parallel.positions, gathersChunks: blocks != nil).values
    }

    mutating func run() throws(ScheduleRefusal) {
        for carried in traversal.carried { try begin(carried) }
        for id in values where isComputed.contains(id) || parts.places.kind(id) == .constant {
            guard parts.places.carriers[id] == nil else { continue }
            let isCarried = traversal.carried.contains { $0.value == id }
            if needsMemory.contains(id) || isCarried { try compute(id) }
            if traversal.stored.contains(id) { try store(id) } else if parts.places.watched.contains(id) { try check(id) }
            if traversal.reduced.contains(id) { try reduce(id) }
        }
        for (k, state) in graph.states.enumerated() {
            guard let carried = traversal.carried.first(where: { $0.value == state.value }), let place = memory[carried.delay] else { continue }
            var own = place
            own.slot = .last
            var nest = NestNodes()
            let node = nest.add(.load(view(own, state.value)))
            if schedule.blocks != nil {
                let target = blockOfCaller(state.name, state.value, isResult: true)
                var made = nest.nest(loops(of: state.value), node, view(target, state.value))
                made.stepLoop = 0
                made.isChecked = checked.contains(state.name)
                schedule.behind.append(.nest(made))
                continue
            }
            let target = caller("final \(k)", state.value, .once(isResult: true), rows: false)
            schedule.behind.append(.nest(nest.nest(loops(of: state.value), node, view(target, state.value))))
        }
    }

    // MARK: Memory

    mutating func addBuffer(_ name: String, _ role: Schedule.Buffer.Role, _ count: Int, _ parallelStrides: [Int]) -> Schedule.BufferID {
        schedule.buffers.append(Schedule.Buffer(name: name, role: role, count: count, parallelStrides: parallelStrides))
        return Schedule.BufferID(schedule.buffers.count - 1)
    }

    /// The sizes of a value's dims that are no parallel loops.
    func loops(of id: ValueID) -> [Int] {
        zip(forms.shape(id), positions[id] ?? []).compactMap { $1 == nil ? $0.size : nil }
    }

    /// Where each dim of a value stands in a nest over its own loops.
    func index(of id: ValueID) -> [Schedule.Index] {
        var next = 0
        return (positions[id] ?? []).map { parallel in
            if let parallel { return Schedule.Index(variable: -1 - parallel) }
            next += 1
            return Schedule.Index(variable: next - 1)
        }
    }

    /// Row-major places for a value, without its parallel dims.
    func rowMajor(_ id: ValueID) -> (strides: [Int], count: Int) {
        let shape = forms.shape(id)
        var strides = [Int](repeating: 0, count: shape.count)
        var count = 1
        for axis in shape.indices.reversed() where positions[id]?[axis] == nil {
            strides[axis] = count
            count *= shape[axis].size
        }
        return (strides, count)
    }

    mutating func scratch(_ id: ValueID) -> Place {
        let (strides, count) = rowMajor(id)
        let buffer = addBuffer("value \(id)", .scratch, count, schedule.parallel.map { _ in 0 })
        return Place(buffer: buffer, strides: strides)
    }

    /// A tensor of the caller: that of a value, dense, with its parallel dims.
    mutating func caller(_ name: String, _ id: ValueID, _ role: Schedule.Buffer.Role, rows: Bool) -> Place {
        let shape = graph[id].shape
        let parallelOf = Array((positions[id] ?? []).dropFirst(forms.lead(id)))
        var parallelStrides = schedule.parallel.map { _ in 0 }
        for (axis, parallel) in parallelOf.enumerated() { if let parallel { parallelStrides[parallel] = shape.strides[axis] } }
        let buffer: Schedule.BufferID
        let key = Caller(name: name, parallelStrides: parallelStrides)
        if let known = callers[key] { buffer = known } else {
            buffer = addBuffer(name, role, shape.elementCount, parallelStrides)
            callers[key] = buffer
        }
        var strides = zip(shape.strides, parallelOf).map { $1 == nil ? $0 : 0 }
        // The distance between steps is the buffer's business.
        if rows { strides.insert(0, at: 0) }
        return Place(buffer: buffer, strides: strides, isStream: rows)
    }

    /// A stream of the caller at the steps of the block, which are the first dim of a value.
    private mutating func blockOfCaller(_ name: String, _ id: ValueID, isResult: Bool) -> Place {
        let shape = Array(graph[id].shape.dropFirst())
        let parallelOf = (positions[id] ?? []).dropFirst()
        var parallelStrides = schedule.parallel.map { _ in 0 }
        for (stride, parallel) in zip(shape.strides, parallelOf) { if let parallel { parallelStrides[parallel] = stride } }
        let buffer = addBuffer(name, .block(isResult: isResult), shape.elementCount, parallelStrides)
        return Place(buffer: buffer, strides: [0] + zip(shape.strides, parallelOf).map { $1 == nil ? $0 : 0 }, isStream: true)
    }

    /// What is read at the steps of the block, in memory of the schedule's own from the first chunk on.
    mutating func blockPlace(_ id: ValueID, _ name: String) -> Place {
        if name == PairTensor.block + PairTensor.validity {
            let place = scratch(id)
            var nest = NestNodes()
            let isStep = nest.add(.isBlockStep(index(of: id)[0]), isBool: true)
            let (one, zero) = (nest.add(.constant(1)), nest.add(.constant(0)))
            let node = nest.add(.select(isStep, one, zero))
            schedule.before.append(.nest(nest.nest(loops(of: id), node, view(place, id))))
            memory[id] = place
            return place
        }
        let (place, leaf) = copy(of: id, blockOfCaller(name, id, isResult: false))
        schedule.before.append(leaf)
        return place
    }

    /// A value in memory of the schedule's own, and what copies it there.
    mutating func copy(of id: ValueID, _ source: Place) -> (Place, Schedule.Leaf) {
        let place = scratch(id)
        var nest = NestNodes()
        let node = nest.add(.load(view(source, id)))
        memory[id] = place
        return (place, .nest(nest.nest(loops(of: id), node, view(place, id))))
    }

    /// Elements of a place, in a nest whose loops are the value's own.
    func view(_ place: Place, _ id: ValueID) -> Schedule.View { view(place, index(of: id)) }

    func view(_ place: Place, _ index: [Schedule.Index]) -> Schedule.View {
        var result = Schedule.View(buffer: place.buffer, terms: [], slot: place.slot)
        if place.offset != 0 { result.terms.append(Schedule.Term(index: Schedule.Index(variable: nil, offset: place.offset), stride: 1)) }
        for (axis, (own, stride)) in zip(index, place.strides).enumerated() {
            if axis == 0, place.isStream { result.step = own } else if stride != 0 { result.terms.append(Schedule.Term(index: own, stride: stride)) }
        }
        return result
    }

    // MARK: Carried values

    private mutating func begin(_ carried: ChunkPartition.Traversal.Carried) throws(ScheduleRefusal) {
        let place = carriedPlace(carried.delay, isKept: carried.isKept)
        memory[carried.delay] = place
        var nest = NestNodes()
        var node = nest.add(.constant(0))
        if case .delay(_, _, let initial?) = graph[carried.delay].operation {
            node = try self.node(initial, index(of: carried.delay), &nest)
        }
        var first = place
        first.slot = .first
        schedule.before.append(.nest(nest.nest(loops(of: carried.delay), node, view(first, carried.delay))))
    }

    mutating func carriedPlace(_ delay: ValueID, isKept: Bool) -> Place {
        if isKept {
            var place = caller("kept \(delay)", delay, .kept, rows: false)
            place.slot = .start
            return place
        }
        let (strides, count) = rowMajor(delay)
        let buffer = addBuffer("carried \(delay)", .carried, count, schedule.parallel.map { _ in 0 })
        return Place(buffer: buffer, strides: strides, slot: .start)
    }

    // MARK: Results

    private mutating func store(_ id: ValueID) throws(ScheduleRefusal) {
        if schedule.blocks != nil { return try addUp(id) }
        let target = caller(ChunkPartition.name(id), id, .stream(isResult: true), rows: true)
        var nest = NestNodes()
        let node = try self.node(id, index(of: id), &nest)
        var made = nest.nest(loops(of: id), node, view(target, id))
        made.stepLoop = 0
        schedule.body.append(.nest(made))
    }

    /// Adds what a block gives for the steps of a chunk to what others gave.
    private mutating func addUp(_ id: ValueID) throws(ScheduleRefusal) {
        guard let name = graph.outputs.first(where: { parts.source($0.value) == id })?.name else { throw refusal("a sum of blocks has no name", id) }
        let target = view(caller(name, id, .sum, rows: true), id)
        var nest = NestNodes()
        let before = nest.add(.load(target))
        let node = nest.add(.binary(.add, before, try self.node(id, index(of: id), &nest)))
        var made = nest.nest(loops(of: id), node, target)
        made.stepLoop = 0
        schedule.body.append(.nest(made))
    }

    /// Looks at a value that no result may tell of.
    private mutating func check(_ id: ValueID) throws(ScheduleRefusal) {
        let target = scratch(id)
        var nest = NestNodes()
        let node = try self.node(id, index(of: id), &nest)
        var made = nest.nest(loops(of: id), node, view(target, id))
        made.stepLoop = 0
        made.isChecked = true
        schedule.body.append(.nest(made))
    }

    private mutating func reduce(_ id: ValueID) throws(ScheduleRefusal) {
        guard case .overTime(let kind, let a, _) = graph[id].operation, kind == .first || kind == .last else {
            throw ScheduleRefusal(reason: "values of chunks are joined by something else than the first or the last", span: graph[id].span)
        }
        let target = caller(ChunkPartition.name(id), id, .once(isResult: true), rows: false)
        var zero = NestNodes()
        let number = zero.add(.constant(0))
        schedule.before.append(.nest(zero.nest(loops(of: id), number, view(target, id))))
        var nest = NestNodes()
        let node = try self.node(a, index(of: id), &nest)
        schedule.body.append(.nest(nest.nest(loops(of: id), node, view(target, id), condition: kind == .first ? .inFirst : .inLast)))
    }
}
