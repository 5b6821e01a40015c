extension StreamGraph {
    /// The same graph in which a weighted sum over the steps of a window, and a plain one, are sums of products at single steps:
    /// `sum[W](w * x[t-3:t+1])` is `w[0] * x[t-3] + … + w[3] * x`. So is a convolution over time in which no channel meets another.
    ///
    /// A window is a concatenation of single elements along an axis of which some are values at other steps. It needs no memory then,
    /// and the steps of a recurrence that looks back through one are those of its delays. A sum that also runs over other axes of the
    /// window stays a contraction: that is a product of matrices.
    ///
    /// A state that shifts, `keys = concat(keys[t-1][1:W], new)`, is a window of what goes in: sums over it do not wait for its recurrence.
    package func unrollingWindows() -> StreamGraph {
        var unrolling = WindowUnrolling(self)
        return unrolling.run()
    }
}

private struct WindowUnrolling {
    private let graph: StreamGraph
    private var result: StreamGraph
    /// The steps of states that shift.
    private var registers: [ValueID: (axis: Int, steps: [ValueID])] = [:]
    /// Weights with the axis of the steps in front.
    private var fronted: [Factor: ValueID] = [:]

    private struct Factor: Hashable {
        var value: ValueID
        var axis: Int
    }

    /// Wider sums take long to compile.
    private static let mostSteps = 256

    init(_ graph: StreamGraph) {
        self.graph = graph
        result = graph
    }

    mutating func run() -> StreamGraph {
        for state in graph.states { addRegister(state.value) }
        let count = result.values.count
        for id in graph.ids {
            switch graph[id].operation {
            case .contract(let contraction):
                unroll(contraction, id)
            case .reduce(.sum, let operand, let axes):
                if let window = window(operand) {
                    guard axes == [window.axis] else { continue }
                    sum(window.steps.map { element($0, in: graph[id].shape) }, into: id)
                } else {
                    let kept = graph[operand].shape.indices.filter { !axes.contains($0) }
                    if let contraction = graph.contraction(of: operand, leaving: kept) { unroll(contraction, id) }
                }
            case .input, .parameter, .constant, .unary, .binary, .select, .reduce, .broadcast, .rename, .reshape, .slice, .concat,
                .pad, .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                continue
            }
        }
        return result.values.count == count ? graph : result.ordered()
    }

    /// The steps of a window along an axis, each of extent 1; nil where a value is none, or too wide.
    private func window(_ id: ValueID) -> (axis: Int, steps: [ValueID])? {
        var id = id
        while case .rename(let operand) = graph[id].operation { id = operand }
        if let register = registers[id] { return register }
        guard case .concat(let parts, let axis) = graph[id].operation, parts.count <= Self.mostSteps,
            parts.allSatisfy({ graph[$0].shape[axis].size == 1 }), parts.contains(where: isDelayed)
        else { return nil }
        return (axis, parts)
    }

    private func isDelayed(_ id: ValueID) -> Bool {
        switch graph[id].operation {
        case .reshape(let operand), .rename(let operand): isDelayed(operand)
        case .delay: true
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .slice, .concat,
            .pad, .window, .gather, .scatter, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            false
        }
    }

    // MARK: Shift registers

    /// Finds the steps of a state that holds its last values one behind the other and begins with 0, newest first or oldest first:
    /// each is an earlier value of what goes in. What a state was given to begin with would show in all of them.
    private mutating func addRegister(_ id: ValueID) {
        guard graph.dataAxes.count == 1, registers[id] == nil, case .concat(let parts, let axis) = graph[id].operation, parts.count == 2,
            let kept = parts.firstIndex(where: { start(ofShifted: $0, id, axis) != nil })
        else { return }
        let (new, count) = (parts[1 - kept], graph[id].shape[axis].size)
        // What stands at the end goes to the front, and what goes in is one element.
        guard start(ofShifted: parts[kept], id, axis) == 1 - kept, graph[new].shape[axis].size == 1, graph[new].variance.isStream,
            count <= Self.mostSteps
        else { return }
        let steps = (0..<count).map { k in earlier(new, by: kept == 0 ? count - 1 - k : k) }
        registers[id] = (axis, steps)
    }

    /// Where a part begins that is cut out of a state one step back; nil for anything else.
    private func start(ofShifted part: ValueID, _ state: ValueID, _ axis: Int) -> Int? {
        guard case .slice(let past, axis, let start, 1) = graph[part].operation,
            case .delay(state, [-1], let initial) = graph[past].operation, initial.map(isZero) ?? true
        else { return nil }
        return start
    }

    private func isZero(_ id: ValueID) -> Bool {
        switch graph[id].operation {
        case .constant(.real(let number)): number == 0 && number.sign == .plus
        case .constant(.int(let number)): number == 0
        case .broadcast(let operand, _), .rename(let operand), .reshape(let operand): isZero(operand)
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .slice, .concat, .pad, .window, .gather,
            .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            false
        }
    }

    /// A value so many steps back.
    private mutating func earlier(_ id: ValueID, by steps: Int) -> ValueID {
        guard steps > 0 else { return id }
        var value = graph[id]
        value.name = nil
        // What is delayed is what has a name, rather than another shape of it.
        if case .reshape(let operand) = value.operation {
            value.operation = .reshape(earlier(operand, by: steps))
            return result.add(value)
        }
        value.operation = .delay(id, offsets: [-steps], initial: nil)
        return result.add(value)
    }

    // MARK: Sums of products

    private mutating func unroll(_ contraction: Contraction, _ id: ValueID) {
        var (left, right) = (contraction.left, contraction.right)
        var (leftLabels, rightLabels) = (contraction.leftLabels, contraction.rightLabels)
        if window(right) == nil { (left, leftLabels, right, rightLabels) = (right, rightLabels, left, leftLabels) }
        guard let window = window(right) else { return }
        let summed = rightLabels[window.axis]
        // Nothing else is summed, and nothing is multiplied out.
        guard !contraction.resultLabels.contains(summed), let axis = leftLabels.firstIndex(of: summed),
            Set(rightLabels).subtracting([summed]) == Set(contraction.resultLabels), Set(leftLabels).isSubset(of: rightLabels)
        else { return }
        var (a, b) = (leftLabels, rightLabels)
        a.remove(at: axis)
        b.remove(at: window.axis)
        var template = graph[id]
        template.name = nil
        func shape(_ labels: [Int]) -> Shape {
            labels.compactMap { label in contraction.resultLabels.firstIndex(of: label).map { template.shape[$0] } }
        }
        let weights = elements(of: left, along: axis, in: shape(a))
        let terms = zip(weights, window.steps).map { weight, step -> ValueID in
            let weight = spread(weight, a, like: template, contraction.resultLabels)
            let row = spread(element(step, in: shape(b)), b, like: template, contraction.resultLabels)
            template.operation = .binary(.multiply, weight, row)
            template.variance = result[weight].variance.union(result[row].variance)
            return result.add(template)
        }
        sum(terms, into: id)
    }

    /// A value with these labels in the shape of a result that has them all.
    private mutating func spread(_ id: ValueID, _ labels: [Int], like template: Value, _ resultLabels: [Int]) -> ValueID {
        guard labels != resultLabels else { return id }
        var value = template
        value.operation = .broadcast(id, from: resultLabels.map { labels.firstIndex(of: $0) })
        value.variance = result[id].variance
        return result.add(value)
    }

    /// Adds values up in order. `id` becomes the sum.
    private mutating func sum(_ terms: [ValueID], into id: ValueID) {
        guard var total = terms.first else { return }
        var template = graph[id]
        template.name = nil
        for (k, term) in terms.enumerated().dropFirst() {
            if k == terms.count - 1 {
                result[id].operation = .binary(.add, total, term)
            } else {
                template.operation = .binary(.add, total, term)
                template.variance = result[total].variance.union(result[term].variance)
                total = result.add(template)
            }
        }
        if terms.count == 1 { result[id].operation = .rename(total) }
    }

    // MARK: Elements along an axis

    /// A value whose extent along an axis is 1 without that axis.
    private mutating func element(_ id: ValueID, in shape: Shape) -> ValueID {
        if case .reshape(let operand) = result[id].operation, result[operand].shape == shape { return operand }
        var value = result[id]
        value.name = nil
        value.operation = .reshape(id)
        value.shape = shape
        return result.add(value)
    }

    /// The elements of a factor along an axis. Those of weights lie behind each other in memory.
    private mutating func elements(of id: ValueID, along axis: Int, in shape: Shape) -> [ValueID] {
        var (id, axis) = (id, axis)
        if let window = window(id), window.axis == axis { return window.steps.map { element($0, in: shape) } }
        var isTurned = axis > 0
        if case .broadcast = graph[id].operation { isTurned = true }
        if isTurned, graph[id].variance.isStatic { (id, axis) = (fronted(id, axis), 0) }
        return (0..<result[id].shape[axis].size).map { k in
            let slice = slice(id, axis: axis, at: k)
            var value = result[slice]
            value.operation = .reshape(slice)
            value.shape = shape
            return result.add(value)
        }
    }

    private mutating func slice(_ id: ValueID, axis: Int, at place: Int) -> ValueID {
        var value = result[id]
        value.name = nil
        value.operation = .slice(id, axis: axis, start: place, stride: 1)
        value.shape[axis] = Dim("1", 1)
        return result.add(value)
    }

    /// The same elements with an axis in front of the others.
    private mutating func fronted(_ id: ValueID, _ axis: Int) -> ValueID {
        let key = Factor(value: id, axis: axis)
        if let known = fronted[key] { return known }
        var value = graph[id]
        value.name = nil
        let dim = value.shape.remove(at: axis)
        let rest = value.shape
        let parts = (0..<dim.size).map { k -> ValueID in
            value.operation = .reshape(slice(id, axis: axis, at: k))
            value.shape = [Dim("1", 1)] + rest
            return result.add(value)
        }
        value.operation = .concat(parts, axis: 0)
        value.shape = [dim] + rest
        let whole = result.add(value)
        fronted[key] = whole
        return whole
    }
}
