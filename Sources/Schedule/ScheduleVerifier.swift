import RecStream

extension Schedule {
    /// What is wrong with it, if anything: places outside of buffers, operands that come later, values of the wrong kind, memory that is
    /// read before anything has written it.
    package func violations() -> [String] {
        var verifier = ScheduleVerifier(self)
        return verifier.run()
    }
}

/// Looks through a schedule leaf by leaf, in the order in which leaves run.
private struct ScheduleVerifier {
    private let schedule: Schedule
    private var faults: [String] = []
    /// What has been written: buffers of the schedule's own, and the places of what is carried.
    private var written: Set<Written> = []
    private var place = ""

    private struct Written: Hashable {
        var buffer: Schedule.BufferID
        var slot: Schedule.View.Slot
    }

    private enum Section { case before, body, inner, behind }
    private var section = Section.before

    init(_ schedule: Schedule) { self.schedule = schedule }

    mutating func run() -> [String] {
        if let blocks = schedule.blocks, blocks.count < 1 { faults.append("a block has \(blocks.count) steps") }
        if schedule.count < 1 { faults.append("a chunk has \(schedule.count) steps") }
        for dim in schedule.parallel where dim.size < 1 { faults.append("the parallel dim \(dim.name) has \(dim.size) places") }
        checkBuffers()
        // Views are of buffers that are there, from here on.
        guard faults.isEmpty else { return faults }
        check(schedule.before, .before)
        for buffer in schedule.buffers.indices.map({ Schedule.BufferID($0) }) where schedule[buffer].role == .carried {
            // What is carried into a chunk is what was before the first one, or behind the one that ran last.
            if written.contains(Written(buffer: buffer, slot: .first)) { written.insert(Written(buffer: buffer, slot: .start)) }
        }
        let lasting = written
        check(schedule.body, .body)
        if let inner = schedule.inner {
            if schedule.blocks == nil { faults.append("chunks are within blocks, and the schedule has none") }
            written = lasting
            check(inner.body, .inner)
        }
        // A sequence without steps has no chunk.
        written = lasting
        for buffer in schedule.buffers.indices.map({ Schedule.BufferID($0) }) where schedule[buffer].role == .carried {
            written.insert(Written(buffer: buffer, slot: .last))
        }
        check(schedule.behind, .behind)
        return faults
    }

    private mutating func checkBuffers() {
        var names: Set<String> = []
        for (index, buffer) in schedule.buffers.enumerated() {
            if buffer.count < 0 { faults.append("@\(index) has \(buffer.count) elements") }
            if buffer.parallelStrides.count != schedule.parallel.count { faults.append("@\(index) has other parallel dims than the schedule") }
            switch buffer.role {
            case .stream, .block, .sum, .once, .shared, .kept:
                if case .sum = buffer.role, schedule.blocks == nil || schedule.isDescending {
                    faults.append("blocks add to @\(index), and the schedule has none, or goes backwards")
                }
                if case .block = buffer.role, schedule.blocks == nil { faults.append("@\(index) is of blocks, and the schedule has none") }
                if !names.insert(buffer.name).inserted { faults.append("two buffers of the caller are \"\(buffer.name)\"") }
            case .carried, .scratch:
                if buffer.parallelStrides.contains(where: { $0 != 0 }) { faults.append("@\(index) is one worker's own, and has parallel dims") }
            }
        }
        for leaf in schedule.before + schedule.body + (schedule.inner?.body ?? []) + schedule.behind {
            for buffer in leaf.buffers where !schedule.buffers.indices.contains(buffer.index) { faults.append("there is no @\(buffer.index)") }
        }
    }

    private mutating func check(_ leaves: [Schedule.Leaf], _ section: Section) {
        self.section = section
        for (k, leaf) in leaves.enumerated() {
            place = "\(section) \(k)"
            switch leaf {
            case .nest(let nest): check(nest)
            case .running(let running): check(running)
            case .matmul(let product): check(product)
            case .solve(let system): check(system)
            }
        }
    }

    private mutating func fault(_ text: String) { faults.append("\(place): \(text)") }

    // MARK: Leaves

    private mutating func check(_ nest: Schedule.Nest) {
        let reduced = nest.reduction?.loops ?? 0
        guard (0...nest.extents.count).contains(reduced) else { return fault("\(reduced) of \(nest.extents.count) loops are joined") }
        check(nest.nodes, nest.isBool, nest.extents)
        checkReal(nest.result, nest.isBool)
        if let loop = nest.stepLoop {
            let count = schedule.steps(of: nest.target.buffer)
            if !nest.extents.indices.contains(loop) { fault("there is no loop i\(loop)") } else if nest.extents[loop] != count {
                fault("i\(loop) runs through \(nest.extents[loop]) steps of \(count)")
            }
        }
        write(nest.target, Array(nest.extents.dropLast(reduced)))
    }

    private mutating func check(_ running: Schedule.Running) {
        guard running.extents.indices.contains(running.loop) else { return fault("there is no loop i\(running.loop)") }
        check(running.nodes, running.isBool, running.extents)
        checkReal(running.factor, running.isBool)
        checkReal(running.term, running.isBool)
        write(running.target, running.extents)
    }

    private mutating func check(_ product: Schedule.Matmul) {
        let loops = product.blocks + product.rows + product.columns + product.sums
        if loops.contains(where: { $0.extent < 1 }) { return fault("a loop of a product has no turn") }
        for triangle in product.triangles where product.loops(triangle.larger).count != 1 || product.loops(triangle.smaller).count != 1 || triangle.larger == triangle.smaller {
            return fault("a triangle of a product is not of two loops")
        }
        func last(_ loops: [Schedule.Matmul.Loop], _ stride: (Schedule.Matmul.Loop) -> Int) -> ClosedRange<Int> {
            loops.reduce(0...0) { range, loop in range.plus(0...0, times: 1, reaching: stride(loop) * (loop.extent - 1)) }
        }
        for (buffer, slot, range) in [
            (product.left, product.leftSlot, last(product.blocks + product.rows + product.sums, \.left)),
            (product.right, product.rightSlot, last(product.blocks + product.columns + product.sums, \.right)),
        ] {
            if buffer == product.result.buffer, slot == product.result.slot { fault("a product is written over its own factor @\(buffer.index)") }
            if case .stream(isResult: false) = schedule[buffer].role, section == .inner {
                // The steps of the chunk one behind the other, all of which are there.
                let reach = zip(schedule.parallel, schedule[buffer].parallelStrides).reduce(range) { $0.plus(0...0, times: 1, reaching: ($1.0.size - 1) * $1.1) }
                if reach.lowerBound < 0 || reach.upperBound >= schedule.count * schedule[buffer].count { fault("places \(reach) of @\(buffer.index) at the steps of a chunk") }
            } else {
                checkWhole(buffer, slot, range)
            }
            read(buffer, slot)
        }
        if let added = product.added {
            guard product.blocks.isEmpty, product.rows.count == 1, product.columns.count == 1 else { return fault("what is added to has other loops than its product") }
            checkWhole(added.buffer, added.slot, last(product.rows + product.columns, \.result))
            read(added.buffer, added.slot)
            if added.buffer == product.result.buffer, added.slot == product.result.slot { fault("a product is written over what it is added to") }
            if let factor = added.factor {
                checkWhole(factor.buffer, factor.slot, (0...0).plus(0...0, times: 1, reaching: factor.stride * (product.rows[0].extent - 1)))
                read(factor.buffer, factor.slot)
            }
        }
        checkWhole(product.result.buffer, product.result.slot, last(product.blocks + product.rows + product.columns, \.result))
        written(product.result.buffer, product.result.slot)
    }

    private mutating func check(_ system: Schedule.Solve) {
        let square = system.blocks * system.size * system.size
        let columns = system.blocks * system.size * system.width
        guard square > 0, columns > 0 else { return fault("a system has no places") }
        checkWhole(system.matrix, .none, 0...square - 1)
        checkWhole(system.right, .none, 0...columns - 1)
        read(system.matrix, .none)
        read(system.right, .none)
        checkWhole(system.result, .none, 0...columns - 1)
        written(system.result, .none)
        if system.result == system.matrix { fault("a system is written over its own matrix") }
    }

    // MARK: Nodes

    private mutating func check(_ nodes: [Schedule.Node], _ isBool: [Bool], _ extents: [Int]) {
        guard nodes.count == isBool.count else { return fault("\(nodes.count) values, and kinds of \(isBool.count)") }
        if extents.contains(where: { $0 < 0 }) { return fault("a loop runs backwards: \(extents)") }
        for (k, node) in nodes.enumerated() {
            func expect(_ operands: [Int], _ kind: Bool?, gives: Bool?) {
                for operand in operands {
                    guard (0..<k).contains(operand) else { return fault("n\(k) has n\(operand) as an operand, which does not come before it") }
                    if let kind, isBool[operand] != kind { fault("n\(k) takes n\(operand) for a \(kind ? "bool" : "real")") }
                }
                if let gives, isBool[k] != gives { fault("n\(k) is a \(gives ? "bool" : "real")") }
            }
            switch node {
            case .constant: break
            case .load(let view):
                expect([], nil, gives: false)
                checkPlaces(view, extents)
                read(view.buffer, view.slot)
            case .unary(let function, let a):
                switch function {
                case .not: expect([a], true, gives: true)
                case .toReal: expect([a], nil, gives: false)
                case .negate, .abs, .sign, .floor, .exp, .log, .log2, .log1p, .expm1, .sqrt, .rsqrt, .sin, .cos, .tan, .erf, .tanh, .sigmoid,
                    .logsigmoid, .relu, .gelu, .silu, .softplus, .step, .stop:
                    expect([a], false, gives: false)
                case .cis, .re, .im, .conj, .toComplex, .toInt, .numbered: fault("n\(k) is \(function.rawValue), which schedules do not have")
                }
            case .binary(let function, let a, let b):
                switch function {
                case .add, .subtract, .multiply, .divide, .power, .min, .max, .logaddexp, .atan2, .mod: expect([a, b], false, gives: false)
                case .less, .lessOrEqual, .greaterOrEqual, .greater: expect([a, b], false, gives: true)
                case .equal, .notEqual: expect([a, b], nil, gives: true)
                case .and, .or: expect([a, b], true, gives: true)
                case .complex: fault("n\(k) is complex")
                case .random, .uniform, .uniformNext: fault("n\(k) is of ints")
                }
            case .select(let condition, let a, let b):
                expect([condition], true, gives: nil)
                expect([a, b], isBool[k], gives: nil)
            case .isInside(let index, _), .isStep(let index), .isBlockStep(let index):
                expect([], nil, gives: true)
                _ = range(of: index, extents)
            case .isFirst, .isLast: expect([], nil, gives: true)
            }
        }
    }

    private mutating func checkReal(_ node: Int, _ isBool: [Bool]) {
        guard isBool.indices.contains(node) else { return fault("there is no n\(node)") }
        if isBool[node] { fault("n\(node) is a bool, and is written to memory") }
    }

    // MARK: Places

    /// The places that an index takes.
    private mutating func range(of index: Schedule.Index, _ extents: [Int]) -> ClosedRange<Int> {
        var last = 0
        if let variable = index.variable {
            if variable < 0 {
                guard schedule.parallel.indices.contains(-1 - variable) else {
                    fault("there is no loop p\(-1 - variable)")
                    return 0...0
                }
                last = schedule.parallel[-1 - variable].size - 1
            } else {
                guard extents.indices.contains(variable) else {
                    fault("there is no loop i\(variable)")
                    return 0...0
                }
                last = max(0, extents[variable] - 1)
            }
        }
        let range = (index.offset...index.offset).plus(0...0, times: 1, reaching: last * index.scale)
        guard let bounds = index.bounds else { return range }
        return min(max(range.lowerBound, bounds.lowerBound), bounds.upperBound)...max(min(range.upperBound, bounds.upperBound), bounds.lowerBound)
    }

    private mutating func checkPlaces(_ view: Schedule.View, _ extents: [Int]) {
        // Nothing is read in a nest without a turn.
        guard !extents.contains(0) else { return }
        var places = 0...0
        for term in view.terms { places = places.plus(range(of: term.index, extents), times: term.stride, reaching: 0) }
        checkWhole(view.buffer, view.slot, places, step: view.step)
        if let step = view.step {
            let steps = range(of: step, extents)
            let count = schedule.steps(of: view.buffer)
            if steps.lowerBound < 0 || steps.upperBound >= count { fault("steps \(steps) of a chunk of \(count) are read or written") }
        }
    }

    /// Places of a buffer, of those that it has for a step, a sequence or a chunk.
    private mutating func checkWhole(_ id: Schedule.BufferID, _ slot: Schedule.View.Slot, _ places: ClosedRange<Int>, step: Schedule.Index? = nil) {
        let buffer = schedule[id]
        var all = places
        for (dim, stride) in zip(schedule.parallel, buffer.parallelStrides) { all = all.plus(0...0, times: 1, reaching: (dim.size - 1) * stride) }
        if all.lowerBound < 0 || all.upperBound >= buffer.count { fault("places \(all) of @\(id.index), which has \(buffer.count)") }
        switch buffer.role {
        case .stream, .block, .sum: if step == nil || slot != .none { fault("@\(id.index) is a stream, and no step of it is named") }
        case .kept, .carried: if slot == .none || step != nil { fault("@\(id.index) is carried, and it is not said between which chunks") }
        case .once, .shared, .scratch: if slot != .none || step != nil { fault("@\(id.index) is the same at all steps and chunks") }
        }
    }

    // MARK: Order

    private mutating func write(_ view: Schedule.View, _ extents: [Int]) {
        checkPlaces(view, extents)
        written(view.buffer, view.slot)
    }

    private mutating func written(_ id: Schedule.BufferID, _ slot: Schedule.View.Slot) {
        written.insert(Written(buffer: id, slot: slot))
        switch schedule[id].role {
        case .stream(isResult: false), .block(isResult: false), .once(isResult: false), .shared: fault("@\(id.index) is the caller's, and is written")
        case .stream(isResult: true), .block(isResult: true), .sum, .once(isResult: true), .kept, .carried, .scratch: break
        }
    }

    private mutating func read(_ id: Schedule.BufferID, _ slot: Schedule.View.Slot) {
        switch schedule[id].role {
        case .scratch, .carried:
            if !written.contains(Written(buffer: id, slot: slot)) {
                fault("@\(id.index)\(slot == .none ? "" : "[\(slot.rawValue)]") is read, and nothing has written it")
            }
        case .stream, .block, .sum, .once, .shared, .kept: break
        }
    }
}

extension ClosedRange where Bound == Int {
    /// With the places of another range, times a stride, and with those up to a distance further.
    fileprivate func plus(_ other: ClosedRange<Int>, times stride: Int, reaching distance: Int) -> ClosedRange<Int> {
        let ends = [other.lowerBound * stride, other.upperBound * stride]
        return (lowerBound + Swift.min(ends[0], ends[1]) + Swift.min(0, distance))...(upperBound + Swift.max(ends[0], ends[1]) + Swift.max(0, distance))
    }
}
