import RecStream

/// What is wrong with a graph that lowering made: order of operands, shapes and element types of each operation.
func faults(of graph: StreamGraph) -> [String] {
    var result: [String] = []
    for id in graph.ids {
        let value = graph[id]
        var problems: [String] = []
        for operand in value.operation.instantOperands where operand >= id { problems.append("needs the later \(operand)") }
        for operand in value.operation.operands where operand.index >= graph.values.count { problems.append("needs the missing \(operand)") }
        if problems.isEmpty { problems = shapeFaults(of: value, in: graph) + varianceFaults(of: value, in: graph) }
        for problem in problems { result.append("\(id) \(value.operation): \(problem)") }
    }
    for loss in graph.losses where graph[loss.value].variance.isStream || !graph[loss.value].shape.isEmpty {
        result.append("loss \(loss.name) is no scalar")
    }
    for state in graph.states {
        guard let initial = state.initial else { continue }
        if graph[initial].variance.isStream || graph[initial].shape.sizes != graph[state.value].shape.sizes {
            result.append("state \(state.name) starts from something else")
        }
    }
    for name in repeated(graph.states.map(\.name)) { result.append("two states are called \(name)") }
    let paths = graph.values.compactMap { if case .parameter(let info) = $0.operation { info.path } else { nil } }
    for path in repeated(paths) { result.append("parameter \(path) stands twice") }
    return result
}

private func repeated(_ names: [String]) -> [String] {
    var seen: Set<String> = []
    return names.filter { !seen.insert($0).inserted }
}

private func shapeFaults(of value: Value, in graph: StreamGraph) -> [String] {
    func shape(_ id: ValueID) -> Shape { graph[id].shape }
    func element(_ id: ValueID) -> ElementType { graph[id].element }
    var result: [String] = []
    func expect(_ condition: Bool, _ what: String) { if !condition { result.append(what) } }
    switch value.operation {
    case .input, .parameter: break
    case .constant(let scalar):
        expect(value.shape.isEmpty, "a constant is a scalar")
        let wanted: ElementType =
            switch scalar {
            case .real: .real
            case .int: .int
            case .bool: .bool
            case .complex: .complex
            }
        expect(value.element == wanted, "element \(value.element)")
    case .unary(let operation, let a):
        expect(shape(a) == value.shape, "shape \(shape(a))")
        expect(unaryResult(operation, element(a)) == value.element, "\(element(a)) to \(value.element)")
    case .binary(let operation, let a, let b):
        expect(shape(a) == value.shape && shape(b) == value.shape, "shapes \(shape(a)) and \(shape(b))")
        expect(element(a) == element(b), "elements \(element(a)) and \(element(b))")
        switch operation {
        case .less, .lessOrEqual, .equal, .notEqual, .greaterOrEqual, .greater: expect(value.element == .bool, "bool")
        case .and, .or: expect(value.element == .bool && element(a) == .bool, "bools")
        case .complex: expect(value.element == .complex && element(a) == .real, "complex of reals")
        case .power, .logaddexp, .atan2: expect(value.element == .real && element(a) == .real, "reals")
        case .random: expect(value.element == .int && element(a) == .int, "ints")
        case .uniform, .uniformNext: expect(value.element == .real && element(a) == .int, "a real of ints")
        case .divide: expect(value.element == element(a) && (element(a) == .real || element(a) == .complex), "no integer division")
        case .mod: expect(value.element == element(a) && (element(a) == .real || element(a) == .int), "reals or ints")
        case .add, .subtract, .multiply, .min, .max: expect(value.element == element(a) && element(a) != .bool, "numbers")
        }
    case .select(let c, let a, let b):
        expect(element(c) == .bool && element(a) == value.element && element(b) == value.element, "elements")
        expect([c, a, b].allSatisfy { shape($0) == value.shape }, "shapes")
    case .contract(let c):
        expect(c.leftLabels.count == shape(c.left).count && c.rightLabels.count == shape(c.right).count, "labels")
        expect(c.resultLabels.count == value.shape.count, "result labels")
        var sizes: [Int: Int] = [:]
        for (label, dim) in zip(c.leftLabels + c.rightLabels + c.resultLabels, shape(c.left) + shape(c.right) + value.shape) {
            expect(sizes[label] ?? dim.size == dim.size, "label \(label) has two sizes")
            sizes[label] = dim.size
        }
        expect(element(c.left) == value.element && element(c.right) == value.element, "elements")
    case .reduce(let kind, let a, let axes):
        expect(axes == axes.sorted() && axes.allSatisfy(shape(a).indices.contains), "axes \(axes)")
        expect(shape(a).indices.filter { !axes.contains($0) }.map { shape(a)[$0] } == value.shape, "shape")
        expect(value.element == (kind == .argmax ? .int : element(a)), "element")
    case .broadcast(let a, let from):
        expect(from.count == value.shape.count && from.compactMap { $0 }.sorted() == Array(shape(a).indices), "mapping \(from)")
        for (position, source) in from.enumerated() {
            if let source, shape(a).indices.contains(source) { expect(shape(a)[source].size == value.shape[position].size, "size") }
        }
    case .rename(let a): expect(shape(a).sizes == value.shape.sizes && element(a) == value.element, "sizes")
    case .reshape(let a): expect(shape(a).elementCount == value.shape.elementCount && element(a) == value.element, "count")
    case .slice(let a, let axis, let start, let stride):
        expect(shape(a).count == value.shape.count && start >= 0, "rank")
        expect(start + (value.shape[axis].size - 1) * stride < shape(a)[axis].size, "end")
    case .concat(let parts, let axis):
        expect(parts.reduce(0) { $0 + shape($1)[axis].size } == value.shape[axis].size, "length")
        expect(parts.allSatisfy { element($0) == value.element }, "elements")
    case .pad(let a, let axis, let before, let after, _):
        expect(before >= 0 && after >= 0 && shape(a)[axis].size + before + after == value.shape[axis].size, "length")
    case .window(let a, let axis, let stride):
        expect(value.shape.count == shape(a).count + 1, "rank")
        expect((value.shape[axis].size - 1) * stride + value.shape[axis + 1].size <= shape(a)[axis].size, "reaches outside")
    case .gather(let table, let index):
        expect(element(index) == .int, "index")
        expect((shape(index) + shape(table).dropFirst()).sizes == value.shape.sizes, "shape")
    case .scatter(let updates, let index, let count):
        expect(element(index) == .int && element(updates) == value.element, "elements")
        expect(value.shape.sizes == [count] + shape(updates).sizes.dropFirst(shape(index).count), "shape")
    case .overBatch(let a): expect(shape(a) == value.shape && element(a) == value.element, "shape")
    case .delay(let a, let offsets, let initial):
        expect(offsets.count == graph.axes.count && offsets.contains { $0 != 0 }, "offsets \(offsets)")
        expect(shape(a).sizes == value.shape.sizes && element(a) == value.element, "operand")
        if let initial {
            expect(shape(initial).sizes == value.shape.sizes && element(initial) == value.element, "initial value")
            expect(!graph[initial].variance.isStream, "the initial value varies over time")
        }
    case .overTime(_, let a, let axis):
        expect(shape(a) == value.shape, "shape")
        expect(graph[a].variance.varies(over: axis), "the operand does not vary over the axis")
    case .along(let a, _): expect(shape(a) == value.shape && element(a) == value.element, "operand")
    case .distance: expect(value.element == .int && value.shape.isEmpty, "an int")
    case .chunks, .steps, .runningAffine, .solve: expect(false, "lowering makes no chunks")
    }
    return result
}

private func unaryResult(_ operation: UnaryOperator, _ operand: ElementType) -> ElementType? {
    switch operation {
    case .negate: operand == .bool ? nil : operand
    case .abs: operand == .complex ? .real : operand == .bool ? nil : operand
    case .sign: operand == .real || operand == .int ? operand : nil
    case .not: operand == .bool ? .bool : nil
    case .exp: operand == .real || operand == .complex ? operand : nil
    case .re, .im: operand == .complex ? .real : nil
    case .conj: operand == .complex ? .complex : nil
    case .cis: operand == .real ? .complex : nil
    case .stop: operand
    case .toReal: operand == .int || operand == .bool ? .real : nil
    case .toInt: operand == .real || operand == .bool ? .int : nil
    case .toComplex: operand == .real ? .complex : nil
    // Lowering counts; it makes no numbers of steps.
    case .numbered: nil
    case .floor: operand == .real || operand == .int ? operand : nil
    case .log, .log2, .log1p, .expm1, .sqrt, .rsqrt, .sin, .cos, .tan, .erf, .tanh, .sigmoid, .logsigmoid, .relu, .gelu, .silu,
        .softplus, .step: operand == .real ? .real : nil
    }
}

private func varianceFaults(of value: Value, in graph: StreamGraph) -> [String] {
    let operands = value.operation.operands.reduce(Variance.none) { $0.union(graph[$1].variance) }
    switch value.operation {
    case .input: return []
    case .parameter, .constant: return value.variance.isStatic ? [] : ["varies"]
    case .delay(_, let offsets, _):
        let moved = offsets.indices.filter { offsets[$0] != 0 }
        return moved.allSatisfy(value.variance.varies) && value.variance.batch ? [] : ["a delay varies over its axes"]
    case .overTime(_, _, let axis): return value.variance == operands.removing(axis: axis) ? [] : ["variance"]
    case .along, .distance: return value.variance.isStream && value.variance.batch ? [] : ["variance"]
    case .overBatch: return value.variance.isStatic && operands == .once ? [] : ["variance"]
    // An output that is the same for all sequences is given for each.
    case .rename where operands.isStatic && graph.outputs.contains { graph[$0.value] == value }:
        return value.variance == .once ? [] : ["variance"]
    // What a state of one step is may be known before.
    case .rename: return value.variance.covers(operands) ? [] : ["variance"]
    case .unary, .binary, .select, .contract, .reduce, .broadcast, .reshape, .slice, .concat, .pad, .window,
        .gather, .scatter, .chunks, .steps, .runningAffine, .solve:
        return value.variance == operands ? [] : ["varies over \(value.variance), its operands over \(operands)"]
    }
}
