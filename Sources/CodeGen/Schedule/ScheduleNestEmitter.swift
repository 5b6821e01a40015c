import CLLVM
import RecSchedule
import RecStream

/// Emits the loops of a nest of a schedule, one of them in vector lanes. What does not vary over a loop is computed before it.
final class ScheduleNestEmitter {
    let frame: ScheduleEmitter
    let builder: IRBuilder
    let extents: [Int]
    let nodes: [Schedule.Node]
    private let isBool: [Bool]
    /// For each node the loops that it varies over.
    private let dependences: [UInt64]
    private var known: [IRValue?]
    var variables: [Int: IRValue] = [:]
    private var opened: UInt64 = 0
    /// The loop in lanes, how many lanes, and how many of them are there.
    var vectorLoop: Int?
    var lanes = 1
    var present = 1
    /// Whether rows of the next chunk are asked for along with the present ones: once for each line of the cache.
    private(set) var prefetches = true
    private static let lineBytes = 64
    /// Turns of a loop in lanes that are written out, and values of a nest for which that is done.
    private static let mostUnrolled = 8
    private static let mostUnrolledNodes = 6
    /// Whether the verdict on what is finite covers what is written.
    private(set) var isChecked = false
    /// Of the steps that the step loop runs through, those of the sequence.
    private var validSteps: IRValue

    init(_ frame: ScheduleEmitter, _ extents: [Int], _ nodes: [Schedule.Node], _ isBool: [Bool]) {
        self.frame = frame
        builder = frame.builder
        self.extents = extents
        self.nodes = nodes
        self.isBool = isBool
        known = nodes.map { _ in nil }
        validSteps = frame.validSteps
        var dependences: [UInt64] = []
        func bit(_ index: Schedule.Index) -> UInt64 { index.variable.map { $0 >= 0 ? 1 << UInt64($0) : 0 } ?? 0 }
        for node in nodes {
            switch node {
            case .constant, .isFirst, .isLast: dependences.append(0)
            case .load(let view):
                dependences.append(view.terms.reduce(view.step.map(bit) ?? 0) { $0 | bit($1.index) })
            case .unary(_, let a): dependences.append(dependences[a])
            case .binary(_, let a, let b): dependences.append(dependences[a] | dependences[b])
            case .select(let a, let b, let c): dependences.append(dependences[a] | dependences[b] | dependences[c])
            case .isInside(let index, _), .isStep(let index), .isBlockStep(let index): dependences.append(bit(index))
            }
        }
        self.dependences = dependences
    }

    // MARK: Nests

    func emit(_ nest: Schedule.Nest) {
        isChecked = nest.isChecked
        validSteps = frame.validSteps(of: nest.target.buffer)
        switch nest.condition {
        case .always: emitLoops(of: nest)
        case .inFirst: builder.ifThen(frame.isFirst) { emitLoops(of: nest) }
        case .inLast: builder.ifThen(frame.isLast) { emitLoops(of: nest) }
        }
    }

    private func emitLoops(of nest: Schedule.Nest) {
        let outer = extents.count - (nest.reduction?.loops ?? 0)
        let inLanes = bestLoop(Array(0..<outer), nest.target)
        if let reduction = nest.reduction {
            let inner = Array(outer..<extents.count)
            let along = inner.last.flatMap { extents[$0] > 1 && score($0) > (inLanes.map { score($0) + (stride(nest.target, $0) == 1 ? 1 : 0) } ?? -1) ? $0 : nil }
            compute()
            if let along, let rows = neighbouringRows(nest, inner, along) {
                emitRows(nest, reduction.kind, rows: rows, along: along)
            } else if let along {
                loops(Array(0..<outer), nest.stepLoop) {
                    let sum = self.reduceInLanes(reduction.kind, inner, along, nest.result)
                    self.store(sum, nest.target)
                }
            } else if let inLanes, let count = vectorsTogether(inLanes, nest) {
                emitColumns(nest, reduction.kind, inner, along: inLanes, vectors: count)
            } else {
                loops((0..<outer).filter { $0 != inLanes }, nest.stepLoop) {
                    self.vectors(inLanes, nest.stepLoop) {
                        let start = self.builder.splat(self.identity(reduction.kind), self.lanes)
                        let sum = self.reduceLoops(inner[...], carrying: start) { carried in
                            self.combine(reduction.kind, carried, self.wide(nest.result))
                        }
                        self.store(sum, nest.target)
                    }
                }
            }
            return
        }
        compute()
        if let inLanes, let other = transposedLoop(inLanes, nest) { return emitTransposed(nest, reading: other, writing: inLanes) }
        loops((0..<outer).filter { $0 != inLanes }, nest.stepLoop) {
            self.vectors(inLanes, nest.stepLoop) { self.store(self.wide(nest.result), nest.target) }
        }
    }

    /// `y[i] = factor[i] · y[i-1] + term[i]`, with other loops outside and one of them in lanes.
    func emit(_ running: Schedule.Running) {
        let others = extents.indices.filter { $0 != running.loop }
        let inLanes = bestLoop(others, running.target)
        compute()
        loops(others.filter { $0 != inLanes }, nil) {
            self.vectors(inLanes, nil) {
                let count = self.extents[running.loop]
                let zero = self.builder.splat(self.builder.number(0), self.lanes)
                self.builder.loop(from: self.builder.int(0), to: self.builder.int(count), carrying: [zero]) { k, carried in
                    let place = running.isReversed ? self.builder.subtract(self.builder.int(count - 1), k) : k
                    var next = carried[0]
                    self.open(running.loop, at: place) {
                        next = self.builder.fma(self.wide(running.factor), carried[0], self.wide(running.term))
                        self.store(next, running.target)
                    }
                    return [next]
                }
            }
        }
    }

    // MARK: Loops

    /// Loops outermost first; the step loop runs through the steps of the sequence alone.
    func loops(_ variables: [Int], _ stepLoop: Int?, _ body: @escaping () -> Void) {
        guard let first = variables.first else { return body() }
        let end = first == stepLoop ? validSteps : builder.int(extents[first])
        if extents[first] == 1, first != stepLoop {
            open(first, at: builder.int(0)) { self.loops(Array(variables.dropFirst()), stepLoop, body) }
            return
        }
        builder.loop(from: builder.int(0), to: end) { index, _ in
            self.open(first, at: index) { self.loops(Array(variables.dropFirst()), stepLoop, body) }
            return []
        }
    }

    /// A loop in lanes: whole vectors, then what is left.
    func vectors(_ variable: Int?, _ stepLoop: Int?, _ body: () -> Void) {
        guard let variable else { return body() }
        if variable == stepLoop {
            // As many as the sequence has: one by one.
            builder.loop(from: builder.int(0), to: validSteps) { index, _ in
                self.open(variable, at: index, body)
                return []
            }
            return
        }
        let extent = extents[variable]
        let native = frame.lanes
        let whole = extent / native * native
        vectorLoop = variable
        if whole > 0 {
            (lanes, present) = (native, native)
            if whole <= Self.mostUnrolled * native, nodes.count <= Self.mostUnrolledNodes {
                // Little work in few turns: counting them would take as long.
                for start in Swift.stride(from: 0, to: whole, by: native) {
                    prefetches = start * builder.precision.byteCount % Self.lineBytes == 0
                    open(variable, at: builder.int(start), body)
                }
                prefetches = true
            } else {
                builder.loop(from: builder.int(0), to: builder.int(whole), by: native) { index, _ in
                    self.open(variable, at: index, body)
                    return []
                }
            }
        }
        if extent > whole {
            lanes = 1
            while lanes < extent - whole { lanes *= 2 }
            present = extent - whole
            open(variable, at: builder.int(whole), body)
        }
        vectorLoop = nil
        (lanes, present) = (1, 1)
    }

    func open(_ variable: Int, at value: IRValue, _ body: () -> Void) {
        let saved = (known, opened)
        variables[variable] = value
        opened |= 1 << UInt64(variable)
        compute()
        body()
        variables[variable] = nil
        (known, opened) = saved
    }

    /// Computes what varies over open loops alone.
    private func compute() {
        for node in nodes.indices where known[node] == nil && dependences[node] & ~opened == 0 { known[node] = compute(node) }
    }

    /// The loop along which neighbours lie side by side.
    private func bestLoop(_ candidates: [Int], _ target: Schedule.View) -> Int? {
        let wide = candidates.filter { extents[$0] > 1 }
        return wide.last { stride(target, $0) == 1 } ?? wide.max { score($0) < score($1) }
    }

    /// How well loads go along a loop in lanes.
    private func score(_ variable: Int) -> Int {
        nodes.reduce(0) { sum, node in
            guard case .load(let view) = node else { return sum }
            guard let stride = stride(view, variable) else { return sum - 2 }
            return stride == 1 ? sum + 1 : stride == 0 ? sum : sum - 1
        }
    }

    /// The distance between neighbours along a loop; nil where it is not the same everywhere.
    func stride(_ view: Schedule.View, _ variable: Int) -> Int? {
        var result = 0
        if view.step?.variable == variable { return nil }
        for term in view.terms where term.index.variable == variable {
            guard term.index.bounds == nil else { return nil }
            result += term.index.scale * term.stride
        }
        return result
    }

    // MARK: Nodes

    private func isVector(_ node: Int) -> Bool { vectorLoop.map { dependences[node] & (1 << UInt64($0)) != 0 } ?? false }

    /// The value in all lanes.
    func wide(_ node: Int) -> IRValue {
        let value = known[node] ?? compute(node)
        known[node] = value
        return lanes > 1 && builder.lanes(of: value) == 1 ? builder.splat(value, lanes) : value
    }

    private func operand(_ node: Int, of user: Int) -> IRValue {
        if isVector(user) { return wide(node) }
        let value = known[node] ?? compute(node)
        known[node] = value
        return value
    }

    private func compute(_ node: Int) -> IRValue {
        switch nodes[node] {
        case .constant(let number): return isBool[node] ? builder.bool(number != 0) : builder.number(number)
        case .load(let view): return load(view, isVector: isVector(node))
        case .unary(let function, let a): return frame.math.unary(function, operand(a, of: node), from: isBool[a] ? .bool : .real)
        case .binary(let function, let a, let b):
            return frame.math.binary(function, operand(a, of: node), operand(b, of: node), of: isBool[a] ? .bool : .real)
        case .select(let c, let a, let b): return builder.select(operand(c, of: node), operand(a, of: node), operand(b, of: node))
        case .isInside(let index, let range):
            let place = self.place(unbounded(index), isVector: isVector(node))
            let type = builder.type(of: place)
            let low = builder.compare(LLVMIntSGE, place, builder.constant(range.lowerBound, like: type))
            return builder.and(low, builder.compare(LLVMIntSLE, place, builder.constant(range.upperBound, like: type)))
        case .isStep(let index):
            let place = self.place(unbounded(index), isVector: isVector(node))
            return builder.compare(LLVMIntSLT, place, builder.splat(frame.validSteps, builder.lanes(of: place)))
        case .isBlockStep(let index):
            let place = self.place(unbounded(index), isVector: isVector(node))
            return builder.compare(LLVMIntSLT, place, builder.splat(frame.validBlockSteps, builder.lanes(of: place)))
        case .isFirst: return frame.isFirst
        case .isLast: return frame.isLast
        }
    }

    private func unbounded(_ index: Schedule.Index) -> Schedule.Index {
        var result = index
        result.bounds = nil
        return result
    }
}
