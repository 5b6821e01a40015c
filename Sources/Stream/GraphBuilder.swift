import RecSource

/// Builds a graph value by value; types follow from the operands.
///
/// Operations that cannot stand in a graph are mistakes of the caller and trap, with what the verifier would say.
package struct GraphBuilder {
    package private(set) var graph: StreamGraph
    /// The place in the source of what is added.
    package var span: SourceSpan?

    /// A graph over `t`, or over other axes.
    package init(_ name: String = "G", axes: [StreamAxis] = [StreamAxis(name: "t")]) {
        graph = StreamGraph(name: name, axes: axes)
    }

    /// Continues a graph.
    package init(continuing graph: StreamGraph) { self.graph = graph }

    package subscript(_ id: ValueID) -> Value { graph[id] }

    /// Adds a value whose type follows from its operands and `proposed`, as `StreamGraph.inferredType` says.
    package mutating func add(_ operation: Operation, proposing proposed: ValueType, name: String? = nil) -> ValueID {
        do {
            var value = Value(operation, try graph.inferredType(of: operation, proposing: proposed), name: name)
            value.span = span
            return graph.add(value)
        } catch { preconditionFailure("\(operation): \(error)") }
    }

    /// Adds a value whose type follows from its operands alone.
    package mutating func add(_ operation: Operation, name: String? = nil) -> ValueID {
        add(operation, proposing: ValueType(.real, [], .none), name: name)
    }

    /// Names a value as the user does.
    package mutating func name(_ id: ValueID, _ name: String) { graph[id].name = name }

    package mutating func unname(_ id: ValueID) { graph[id].name = nil }

    // MARK: Leaves

    /// A stream over all axes, or over those with these positions.
    package mutating func input(
        _ name: String, _ shape: Shape = [], _ element: ElementType = .real, over axes: [Int]? = nil
    ) -> ValueID {
        var variance = Variance.all(of: graph)
        if let axes { variance = Variance(batch: true, axes: axes.reduce(0) { $0 | 1 << UInt8($1) }) }
        return add(.input(name: name, fallback: nil), proposing: ValueType(element, shape, variance), name: name)
    }

    /// An input given once per sequence; `fallback` where the data lack it.
    package mutating func once(
        _ name: String, _ shape: Shape = [], _ element: ElementType = .real, fallback: Double? = nil
    ) -> ValueID {
        add(.input(name: name, fallback: fallback), proposing: ValueType(element, shape, .once), name: name)
    }

    /// An input that varies over nothing, as the operator of a fold has them.
    package mutating func operand(_ name: String, _ shape: Shape = []) -> ValueID {
        add(.input(name: name, fallback: nil), proposing: ValueType(.real, shape, .none), name: name)
    }

    package mutating func parameter(
        _ path: String, _ shape: Shape = [], _ element: ElementType = .real, isTrained: Bool = true,
        initializer: Initializer = .zeros
    ) -> ValueID {
        let info = ParameterInfo(path: path, isTrained: isTrained, initializer: initializer)
        return add(.parameter(info), proposing: ValueType(element, shape, .none), name: path)
    }

    package mutating func constant(_ scalar: Scalar) -> ValueID { add(.constant(scalar)) }
    package mutating func constant(_ number: Double) -> ValueID { add(.constant(.real(number))) }

    /// A constant of a shape.
    package mutating func constant(_ scalar: Scalar, _ shape: Shape) -> ValueID {
        let number = constant(scalar)
        return shape.isEmpty ? number : broadcast(number, to: shape, from: shape.map { _ in nil })
    }

    // MARK: Element-wise

    package mutating func unary(_ function: UnaryOperator, _ a: ValueID) -> ValueID { add(.unary(function, a)) }

    package mutating func binary(_ function: BinaryOperator, _ a: ValueID, _ b: ValueID) -> ValueID {
        add(.binary(function, a, b))
    }

    package mutating func select(_ condition: ValueID, _ a: ValueID, _ b: ValueID) -> ValueID {
        add(.select(condition, then: a, otherwise: b))
    }

    // MARK: Axes

    /// Labels as in `contract(W, [0, 1], x, [1], to: [0])`, which is `W @ x`. A result axis has the name that it has in the
    /// first operand with its label.
    package mutating func contract(
        _ left: ValueID, _ leftLabels: [Int], _ right: ValueID, _ rightLabels: [Int], to resultLabels: [Int]
    ) -> ValueID {
        let dims = zip(leftLabels + rightLabels, graph[left].shape + graph[right].shape)
        let shape = resultLabels.compactMap { label in dims.first { $0.0 == label }?.1 }
        let contraction = Contraction(
            left: left, right: right, leftLabels: leftLabels, rightLabels: rightLabels, resultLabels: resultLabels)
        return add(.contract(contraction), proposing: ValueType(.real, shape, .none))
    }

    /// `W @ x`: the last axis of the left with the first of the right.
    package mutating func product(_ left: ValueID, _ right: ValueID) -> ValueID {
        let (a, b) = (graph[left].shape.count, graph[right].shape.count)
        let (leftLabels, rightLabels) = (Array(0..<a), Array(a - 1..<a - 1 + b))
        return contract(left, leftLabels, right, rightLabels, to: (leftLabels + rightLabels).filter { $0 != a - 1 })
    }

    package mutating func reduce(_ kind: ReduceKind, _ a: ValueID, axes: [Int]) -> ValueID { add(.reduce(kind, a, axes: axes)) }

    package mutating func broadcast(_ a: ValueID, to shape: Shape, from: [Int?]) -> ValueID {
        add(.broadcast(a, from: from), proposing: ValueType(.real, shape, .none))
    }

    /// Lines a value up with a shape that has its axes by name, as the language does.
    package mutating func spread(_ a: ValueID, to shape: Shape) -> ValueID {
        let own = graph[a].shape
        return own == shape ? a : broadcast(a, to: shape, from: shape.map { dim in own.firstIndex { $0.name == dim.name } })
    }

    /// The same value under other names; also over more than it varies over.
    package mutating func rename(_ a: ValueID, to shape: Shape? = nil, over variance: Variance = .none) -> ValueID {
        add(.rename(a), proposing: ValueType(.real, shape ?? graph[a].shape, variance))
    }

    package mutating func reshape(_ a: ValueID, to shape: Shape) -> ValueID {
        add(.reshape(a), proposing: ValueType(.real, shape, .none))
    }

    // MARK: Pieces

    package mutating func slice(
        _ a: ValueID, axis: Int, start: Int, count: Int, stride: Int = 1, named name: String? = nil
    ) -> ValueID {
        var shape = graph[a].shape
        shape[axis] = Dim(name ?? "\(count)", count)
        return add(.slice(a, axis: axis, start: start, stride: stride), proposing: ValueType(.real, shape, .none))
    }

    package mutating func concat(_ parts: [ValueID], axis: Int, named name: String? = nil) -> ValueID {
        let size = parts.reduce(0) { $0 + graph[$1].shape[axis].size }
        var shape = graph[parts[0]].shape
        shape[axis] = Dim(name ?? "\(size)", size)
        return add(.concat(parts, axis: axis), proposing: ValueType(.real, shape, .none))
    }

    package mutating func pad(
        _ a: ValueID, axis: Int, before: Int, after: Int, mode: PadMode = .zero, named name: String? = nil
    ) -> ValueID {
        var shape = graph[a].shape
        let size = before + shape[axis].size + after
        shape[axis] = Dim(name ?? "\(size)", size)
        return add(
            .pad(a, axis: axis, before: before, after: after, mode: mode), proposing: ValueType(.real, shape, .none))
    }

    /// As many windows of `width` as there are.
    package mutating func window(_ a: ValueID, axis: Int, width: Int, stride: Int = 1) -> ValueID {
        var shape = graph[a].shape
        let count = (shape[axis].size - width) / stride + 1
        shape.replaceSubrange(axis...axis, with: [Dim("\(count)", count), Dim("\(width)", width)])
        return add(.window(a, axis: axis, stride: stride), proposing: ValueType(.real, shape, .none))
    }

    package mutating func gather(_ table: ValueID, _ index: ValueID) -> ValueID {
        let shape = graph[index].shape + graph[table].shape.dropFirst()
        return add(.gather(table: table, index: index), proposing: ValueType(.real, shape, .none))
    }

    /// The transpose of `gather`: `count` rows, to which those of `updates` are added; the new axis is called `name`.
    package mutating func scatter(_ updates: ValueID, _ index: ValueID, count: Int, named name: String? = nil) -> ValueID {
        let shape = [Dim(name ?? "\(count)", count)] + graph[updates].shape.dropFirst(graph[index].shape.count)
        return add(.scatter(updates, index: index, count: count), proposing: ValueType(.real, shape, .none))
    }

    // MARK: Time

    package mutating func delay(_ a: ValueID, _ offsets: Int..., from initial: ValueID? = nil) -> ValueID {
        add(.delay(a, offsets: offsets, initial: initial))
    }

    /// The delay of a value that is still to come, which `close` names. It varies over all axes.
    package mutating func delay(
        ofLater type: ElementType = .real, _ shape: Shape = [], _ offsets: [Int] = [-1], from initial: ValueID? = nil
    ) -> ValueID {
        delay(ofLater: ValueType(type, shape, .all(of: graph)), offsets, from: initial)
    }

    /// The same for a value that varies over what `type` says.
    package mutating func delay(ofLater type: ValueType, _ offsets: [Int], from initial: ValueID? = nil) -> ValueID {
        let own = ValueID(graph.values.count)
        var value = Value(.delay(own, offsets: offsets, initial: initial), type)
        value.span = span
        return graph.add(value)
    }

    /// A value whose operation is still to come, by `replace`.
    package mutating func declare(_ type: ValueType, name: String? = nil) -> ValueID {
        var value = Value(.constant(type.element.zero), type, name: name)
        value.span = span
        return graph.add(value)
    }

    /// Computes a value otherwise, also from what comes later; the graph must then be `ordered()`.
    package mutating func replace(_ id: ValueID, by operation: Operation) { graph[id].operation = operation }

    /// Says what a delay of a later value looks at.
    package mutating func close(_ delay: ValueID, with value: ValueID) {
        guard case .delay(_, let offsets, let initial) = graph[delay].operation else {
            preconditionFailure("\(delay) is no delay")
        }
        graph[delay].operation = .delay(value, offsets: offsets, initial: initial)
    }

    package mutating func overTime(_ kind: TimeReduceKind, _ a: ValueID, axis: Int = 0) -> ValueID {
        add(.overTime(kind, a, axis: axis))
    }

    /// The sum over all sequences of a value given once per sequence.
    package mutating func overBatch(_ a: ValueID) -> ValueID { add(.overBatch(a)) }

    /// What varies over one of two indices over an axis, along the other one.
    package mutating func along(_ a: ValueID, axis: Int) -> ValueID { add(.along(a, axis: axis)) }

    /// How many steps the present one is behind that of a second index: `t - s`.
    package mutating func distance(axis: Int) -> ValueID { add(.distance(axis: axis)) }

    // MARK: Chunks

    /// Steps as the first dim of chunks; `axis` counts the chunks.
    package mutating func chunks(_ a: ValueID, axis: Int, fill: Double = 0, named name: String? = nil) -> ValueID {
        let dims = name.map { [Dim($0, 1)] } ?? []
        return add(.chunks(a, axis: axis, fill: fill), proposing: ValueType(.real, dims, .none))
    }

    package mutating func steps(_ a: ValueID, axis: Int) -> ValueID { add(.steps(a, axis: axis)) }

    /// `y[i] = factor[i] · y[i-1] + term[i]` along a dim.
    package mutating func runningAffine(_ factor: ValueID, _ term: ValueID, axis: Int, isReversed: Bool = false) -> ValueID {
        add(.runningAffine(factor, term, axis: axis, isReversed: isReversed))
    }

    /// The `X` with `X - strictLower(matrix) · X = right`.
    package mutating func solve(_ matrix: ValueID, _ right: ValueID, isTransposed: Bool = false) -> ValueID {
        add(.solve(matrix, right, isTransposed: isTransposed))
    }

    // MARK: Results

    package mutating func state(_ name: String, _ value: ValueID, from initial: ValueID? = nil) {
        if graph[value].name == nil { graph[value].name = name }
        graph.states.append(StreamGraph.State(name: name, value: value, initial: initial))
    }

    package mutating func output(_ name: String, _ value: ValueID) {
        graph.outputs.append(StreamGraph.Output(name: name, value: value))
    }

    package mutating func loss(_ name: String, _ value: ValueID) {
        graph.losses.append(StreamGraph.Output(name: name, value: value))
    }

    /// Gives a value a gradient of its own.
    package mutating func own(_ gradient: StreamGraph.OwnGradient) { graph.ownGradients.append(gradient) }

    package mutating func add(output: StreamGraph.Output) { graph.outputs.append(output) }
    package mutating func add(loss: StreamGraph.Output) { graph.losses.append(loss) }
    package mutating func add(state: StreamGraph.State) { graph.states.append(state) }
    package mutating func add(fold: StreamGraph.Fold) { graph.folds.append(fold) }
    package mutating func add(requirement: StreamGraph.Requirement) { graph.requirements.append(requirement) }

    package mutating func require(_ property: StreamGraph.Requirement.Property, of state: String) {
        graph.requirements.append(StreamGraph.Requirement(property: property, state: state))
    }
}
