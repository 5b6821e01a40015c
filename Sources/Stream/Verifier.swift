extension StreamGraph {
    /// Everything that is wrong with the graph, one line each; empty for a graph that every stage behind it takes.
    ///
    /// Meant for tests, after every pass, and for graphs that were read from text. No graph makes it trap.
    package func violations() -> [String] { Verifier(self).run() }
}

/// The work of checking a graph.
private final class Verifier {
    private let graph: StreamGraph
    private var faults: [String] = []

    init(_ graph: StreamGraph) { self.graph = graph }

    func run() -> [String] {
        checkAxes()
        for id in graph.ids { check(id) }
        checkRoots()
        // What follows walks the graph, which must be sound for that.
        guard faults.isEmpty else { return faults }
        checkStates()
        checkResults()
        checkRequirements()
        for fold in graph.folds { check(fold) }
        for own in graph.ownGradients { check(own) }
        for nest in graph.loopNests { checkOrder(nest) }
        return faults
    }

    private func expect(_ condition: Bool, _ fault: @autoclosure () -> String) {
        if !condition { faults.append(fault()) }
    }

    private func expectUnique(_ names: [String], _ what: String) {
        var seen: Set<String> = []
        for name in names where !seen.insert(name).inserted { faults.append("two \(what) are called '\(name)'") }
    }

    private func holds(_ id: ValueID) -> Bool { graph.values.indices.contains(id.index) }

    // MARK: Values

    private func checkAxes() {
        expect(graph.axes.count <= 8, "\(graph.axes.count) axes, and at most 8 can be told apart")
        expectUnique(graph.axes.map(\.name), "axes")
        for (position, axis) in graph.axes.enumerated() {
            if let first = axis.again {
                expect(
                    (0..<position).contains(first) && graph.axes[first].chunks == nil && graph.axes[first].again == nil && axis.chunks == nil
                        && axis.length == graph.axes[first].length && !graph.axes[..<position].contains { $0.again == first },
                    "the axis '\(axis.name)' is no second index over an axis before it")
            }
            guard let chunks = axis.chunks else { continue }
            expect(
                (0..<position).contains(chunks.axis) && graph.axes[chunks.axis].chunks == nil && graph.axes[chunks.axis].again == nil && chunks.count >= 1,
                "the axis '\(axis.name)' counts no chunks of an axis before it")
            expect(
                !chunks.isWhole || !chunks.isReversed && graph.axes.indices.contains(chunks.axis) && graph.axes[chunks.axis].length == chunks.count,
                "the axis '\(axis.name)' is not one chunk of all steps")
        }
        for axis in graph.axes { expect(axis.length ?? 1 >= 0, "the axis '\(axis.name)' has the length \(axis.length ?? 0)") }
        expectUnique(
            graph.values.compactMap { if case .input(let name, _) = $0.operation { name } else { nil } }, "inputs")
        expectUnique(
            graph.values.compactMap { if case .parameter(let info) = $0.operation { info.path } else { nil } }, "parameters")
    }

    private func check(_ id: ValueID) {
        let value = graph[id]
        let operation = value.operation
        if let missing = operation.operands.first(where: { !holds($0) }) {
            return faults.append("\(id): the operand \(missing) is not in the graph")
        }
        if let late = operation.instantOperands.first(where: { $0 >= id }) {
            faults.append("\(id): the operand \(late) does not come first")
        }
        if value.variance.axes >> graph.axes.count != 0 {
            return faults.append("\(id): varies over an axis that the graph does not have")
        }
        expect(value.variance.batch || !value.variance.isStream, "\(id): a stream varies over the batch")
        let type: ValueType
        do { type = try graph.inferredType(of: operation, proposing: value.type) } catch {
            return faults.append("\(id): \(error)")
        }
        expect(type.element == value.element, "\(id): \(value.element.rawValue), not \(type.element.rawValue)")
        expect(type.shape == value.shape, "\(id): the shape is \(value.type), not \(type)")
        expect(
            type.variance == value.variance,
            "\(id): varies over \(describe(value.variance)), its operands over \(describe(type.variance))")
    }

    private func describe(_ variance: Variance) -> String {
        var over = variance.batch ? ["batch"] : []
        for (axis, streamAxis) in graph.axes.enumerated() where variance.varies(over: axis) { over.append(streamAxis.name) }
        return over.isEmpty ? "nothing" : over.joined(separator: ",")
    }

    private func checkOrder(_ nest: LoopNest) {
        switch nest {
        case .value: break
        case .loop(_, let body): for inner in body { checkOrder(inner) }
        case .impossible(let members):
            let names = members.compactMap { id in graph.states.first { $0.value == id }?.name }
            let what = names.isEmpty ? members.prefix(4).map(\.description) : names.map { "'\($0)'" }
            faults.append("the steps of the recurrence of \(what.joined(separator: ", ")) have no order")
        }
    }

    // MARK: What points into the graph

    private func checkRoots() {
        var roots: [(String, ValueID)] = (graph.outputs + graph.losses).map { ("'\($0.name)'", $0.value) }
        for state in graph.states {
            roots.append(("the state '\(state.name)'", state.value))
            if let initial = state.initial { roots.append(("the start of '\(state.name)'", initial)) }
        }
        for fold in graph.folds { for id in fold.elements + fold.states { roots.append(("the fold of '\(fold.monoid)'", id)) } }
        for own in graph.ownGradients { for id in own.arguments + [own.value] { roots.append(("the gradient of '\(own.function)'", id)) } }
        for (what, id) in roots { expect(holds(id), "\(what) is \(id), which is not in the graph") }
    }

    private func checkStates() {
        expectUnique(graph.states.map(\.name), "states")
        for state in graph.states {
            guard let initial = state.initial else { continue }
            let (value, start) = (graph[state.value], graph[initial])
            expect(!start.variance.isStream, "the start of the state '\(state.name)' varies over time")
            expect(
                start.element == value.element && start.shape.sizes == value.shape.sizes,
                "the state '\(state.name)' is \(value.type), its start \(start.type)")
        }
    }

    private func checkResults() {
        expectUnique((graph.outputs + graph.losses).map(\.name), "results")
        for loss in graph.losses {
            let value = graph[loss.value]
            expect(
                value.element == .real && value.shape.isEmpty && !value.variance.isStream,
                "the loss '\(loss.name)' is no real number given once")
        }
    }

    private func checkRequirements() {
        for requirement in graph.requirements {
            // A complex state has become two.
            let names = [requirement.state, requirement.state + ".re"]
            expect(
                graph.states.contains { names.contains($0.name) }, "there is no state '\(requirement.state)' as a promise has it")
        }
    }

    private func check(_ own: StreamGraph.OwnGradient) {
        let what = "the gradient of '\(own.function)'"
        faults += own.rule.violations().map { "\(what): \($0)" }
        guard faults.isEmpty else { return }
        if case .unary(.stop, _) = graph[own.value].operation {} else { faults.append("\(what): \(own.value) is no stop") }
        expect(own.rule.axes.isEmpty && own.rule.values.allSatisfy { $0.variance.isStatic }, "\(what): the rule varies over nothing")
        for output in own.rule.outputs {
            guard let place = Int(output.name), own.arguments.indices.contains(place) else {
                faults.append("\(what): there is no argument \(output.name)")
                continue
            }
            let (share, argument) = (own.rule[output.value], graph[own.arguments[place]])
            expect(
                share.element == .real && argument.element == .real && share.shape.sizes == argument.shape.sizes,
                "\(what): argument \(place) is \(argument.type), its share \(share.type)")
        }
    }

    private func check(_ fold: StreamGraph.Fold) {
        let what = "the fold of '\(fold.monoid)'"
        faults += fold.combine.violations().map { "\(what): \($0)" }
        expectUnique(fold.fields, "fields of \(what)")
        let count = fold.fields.count
        let counts = [fold.elements.count, fold.states.count, fold.identity.count, fold.combine.outputs.count]
        guard counts.allSatisfy({ $0 == count }) else {
            return faults.append("\(what) has \(count) fields, but elements, states, identity and results are \(counts)")
        }
        // Its results are looked up below.
        guard faults.isEmpty else { return }
        expect(fold.combine.axes.isEmpty, "\(what): the operator runs over no axis")
        expect(
            fold.combine.values.allSatisfy { $0.variance.isStatic }, "\(what): the operator varies over nothing")
        for (k, field) in fold.fields.enumerated() {
            let result = fold.combine[fold.combine.outputs[k].value]
            for id in [fold.elements[k], fold.states[k]] {
                expect(
                    graph[id].element == result.element && graph[id].shape.sizes == result.shape.sizes,
                    "\(what): '\(field)' is \(result.type), \(id) is \(graph[id].type)")
            }
            expect(fold.identity[k].element == result.element, "\(what): the identity of '\(field)' is no \(result.element.rawValue)")
        }
        for value in fold.combine.values {
            guard case .input(let name, _) = value.operation else { continue }
            let field = fold.fields.firstIndex { name == "a.\($0)" || name == "b.\($0)" }
            let type = field.map { fold.combine[fold.combine.outputs[$0].value] }
            expect(
                type?.element == value.element && type?.shape.sizes == value.shape.sizes,
                "\(what): '\(name)' is not one of its fields")
        }
    }
}
