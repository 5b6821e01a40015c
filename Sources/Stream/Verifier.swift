extension StreamGraph {
    /// Every rule of the graph that is broken, in words; empty for a sound graph. Meant for tests of what makes graphs.
    public func violations() -> [String] {
        var verifier = Verifier(self)
        verifier.run()
        return verifier.found
    }
}

/// Checks each value against its operands.
private struct Verifier {
    let graph: StreamGraph
    var found: [String] = []

    init(_ graph: StreamGraph) { self.graph = graph }

    private mutating func check(_ condition: Bool, _ id: ValueID, _ rule: String) {
        if !condition { found.append("\(id): \(rule)") }
    }

    mutating func run() {
        for id in graph.ids {
            let operands = graph[id].operation.operands
            check(operands.allSatisfy { graph.values.indices.contains($0.index) }, id, "an operand is not in the graph")
            guard operands.allSatisfy({ graph.values.indices.contains($0.index) }) else { continue }
            check(graph[id].operation.instantOperands.allSatisfy { $0 < id }, id, "an instant operand comes later")
            check(graph[id].shape.allSatisfy { $0.size >= 1 }, id, "an axis is empty")
            checkVariance(id)
            checkShape(id)
        }
        let count = graph.values.count
        for output in graph.outputs + graph.losses where output.value.index >= count { found.append("'\(output.name)' has no value") }
        for state in graph.states {
            guard state.value.index < count, state.initial.map({ $0.index < count }) ?? true else {
                found.append("the state '\(state.name)' has no value")
                continue
            }
            if let initial = state.initial { check(!graph[initial].variance.isStream, state.value, "an initial value varies over time") }
        }
        if Set(graph.outputs.map(\.name)).count != graph.outputs.count { found.append("two outputs have one name") }
        for fold in graph.folds {
            if fold.elements.count != fold.fields.count || fold.states.count != fold.fields.count || fold.identity.count != fold.fields.count {
                found.append("the fold over '\(fold.monoid)' lacks fields")
            }
            found += fold.combine.violations().map { "'\(fold.monoid)': \($0)" }
        }
    }

    private mutating func checkVariance(_ id: ValueID) {
        let operation = graph[id].operation
        let union = operation.operands.reduce(Variance.none) { $0.union(graph[$1].variance) }
        switch operation {
        case .input, .delay: break
        case .parameter, .constant: check(graph[id].variance == .none, id, "a parameter or constant varies")
        case .overTime(_, let operand, let axis):
            check(graph[operand].variance.varies(over: axis), id, "the operand does not vary over the axis")
            check(graph[id].variance == union.removing(axis: axis), id, "what it varies over does not follow")
        case .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window,
            .gather:
            check(graph[id].variance.union(union) == graph[id].variance, id, "it varies over less than its operands")
        }
    }

    private func sizes(_ id: ValueID) -> [Int] { graph[id].shape.sizes }

    private mutating func checkShape(_ id: ValueID) {
        let value = graph[id]
        switch value.operation {
        case .input, .parameter: break
        case .constant: check(value.shape.isEmpty, id, "a constant has a shape")
        case .unary(_, let a), .rename(let a), .overTime(_, let a, _):
            check(sizes(a) == value.shape.sizes, id, "the shape is not the operand's")
        case .binary(let function, let a, let b):
            check(sizes(a) == value.shape.sizes && sizes(b) == value.shape.sizes, id, "the shape is not the operands'")
            check(graph[a].element == graph[b].element, id, "the element types differ")
            checkElement(function, a, id)
        case .select(let c, let a, let b):
            check([c, a, b].allSatisfy { sizes($0) == value.shape.sizes }, id, "the shape is not the operands'")
            check(graph[c].element == .bool, id, "the condition is no bool")
            check(graph[a].element == value.element && graph[b].element == value.element, id, "the element types differ")
        case .contract(let contraction): checkContraction(contraction, id)
        case .reduce(_, let a, let axes):
            let kept = graph[a].shape.indices.filter { !axes.contains($0) }.map { graph[a].shape[$0].size }
            check(axes.allSatisfy { graph[a].shape.indices.contains($0) } && kept == value.shape.sizes, id, "the shape is not what is left")
        case .broadcast(let a, let from):
            let sources = from.compactMap { $0 }
            check(sources.sorted() == Array(graph[a].shape.indices) && from.count == value.shape.count, id, "the axes do not match")
            guard from.count == value.shape.count, sources.allSatisfy({ graph[a].shape.indices.contains($0) }) else { return }
            check(zip(from, value.shape).allSatisfy { $0.map { graph[a].shape[$0].size } ?? $1.size == $1.size }, id, "a size changes")
        case .reshape(let a): check(graph[a].shape.elementCount == value.shape.elementCount, id, "the number of elements changes")
        case .slice(let a, let axis, let start, let stride):
            check(graph[a].shape.indices.contains(axis) && value.shape.count == graph[a].shape.count, id, "there is no such axis")
            guard graph[a].shape.indices.contains(axis), value.shape.indices.contains(axis) else { return }
            check(start >= 0 && stride >= 1 && start + (value.shape[axis].size - 1) * stride < graph[a].shape[axis].size, id, "the slice lies outside")
        case .concat(let parts, let axis):
            check(value.shape.indices.contains(axis) && !parts.isEmpty, id, "there is no such axis")
            guard value.shape.indices.contains(axis), parts.allSatisfy({ graph[$0].shape.indices.contains(axis) }) else { return }
            check(parts.reduce(0) { $0 + graph[$1].shape[axis].size } == value.shape[axis].size, id, "the parts do not add up")
        case .pad(let a, let axis, let before, let after, _):
            guard graph[a].shape.indices.contains(axis), value.shape.indices.contains(axis) else { return check(false, id, "there is no such axis") }
            check(graph[a].shape[axis].size + before + after == value.shape[axis].size, id, "the padding does not add up")
        case .window(let a, let axis, let stride):
            guard graph[a].shape.indices.contains(axis), value.shape.indices.contains(axis + 1) else { return check(false, id, "there is no such axis") }
            let last = (value.shape[axis].size - 1) * stride + value.shape[axis + 1].size
            check(last <= graph[a].shape[axis].size, id, "the windows reach outside")
        case .gather(let table, let index):
            check(graph[index].element == .int, id, "the index is no int")
            check(sizes(index) + sizes(table).dropFirst() == value.shape.sizes && !sizes(table).isEmpty, id, "the shape is not the index's and a row's")
        case .delay(let a, let offsets, let initial):
            check(offsets.count == graph.axes.count, id, "an offset is missing")
            check(sizes(a) == value.shape.sizes && graph[a].element == value.element, id, "the shape is not the operand's")
            if let initial {
                check(sizes(initial) == value.shape.sizes && !graph[initial].variance.isStream, id, "the initial value does not fit")
            }
        }
    }

    private mutating func checkElement(_ function: BinaryOperator, _ operand: ValueID, _ id: ValueID) {
        let expected: ElementType
        switch function {
        case .less, .lessOrEqual, .equal, .notEqual, .greaterOrEqual, .greater, .and, .or: expected = .bool
        case .complex: expected = .complex
        case .add, .subtract, .multiply, .divide, .power, .min, .max, .logaddexp: expected = graph[operand].element
        }
        check(graph[id].element == expected, id, "the element type does not follow")
    }

    private mutating func checkContraction(_ contraction: Contraction, _ id: ValueID) {
        var extents: [Int: Int] = [:]
        for (labels, operand) in [(contraction.leftLabels, contraction.left), (contraction.rightLabels, contraction.right)] {
            check(labels.count == graph[operand].shape.count && Set(labels).count == labels.count, id, "labels do not match the axes")
            for (label, dim) in zip(labels, graph[operand].shape) {
                check(extents[label] == nil || extents[label] == dim.size, id, "lined-up axes differ in size")
                extents[label] = dim.size
            }
        }
        check(contraction.resultLabels.map { extents[$0] ?? 0 } == graph[id].shape.sizes, id, "the shape is not what is left")
    }
}
