import RecAnalysis
import RecStream

/// Builds the expression of a nest by pulling: each value is evaluated at an index, down to what lies in memory.
struct NestBuilder {
    let graph: StreamGraph
    let homes: Homes
    /// Values that this nest computes, rather than reads.
    let own: Set<ValueID>
    /// In a lane loop, the values carried from step to step and the number of each carry.
    var carries: [ValueID: Int] = [:]
    private(set) var nest: Nest
    /// What the nest reads of values in memory, for deciding which nests can be joined.
    private(set) var reads: [Read] = []

    struct Read: Equatable {
        var value: ValueID
        /// At the nest's own index and step: what is read is what was just computed there.
        var isHere: Bool
        var isDelayed: Bool
    }

    /// False where a value of the nest's own is used at another element than the one computed: then the elements of a
    /// step depend on each other.
    private(set) var isLaneWise = true

    private struct Key: Hashable {
        var value: ValueID
        var index: [Affine]
    }
    private var known: [Key: Nest.NodeID] = [:]
    private var interned: [Nest.Node: Nest.NodeID] = [:]

    init(graph: StreamGraph, homes: Homes, own: Set<ValueID>, domain: [Int]) {
        self.graph = graph
        self.homes = homes
        self.own = own
        nest = Nest(domain: domain)
    }

    mutating func add(_ operation: NodeOperation, _ element: ElementType, isRounded: Bool = false) -> Nest.NodeID {
        let node = Nest.Node(operation: operation, element: element, isRounded: isRounded)
        if let existing = interned[node] { return existing }
        nest.nodes.append(node)
        interned[node] = nest.nodes.count - 1
        return nest.nodes.count - 1
    }

    mutating func store(
        _ node: Nest.NodeID, to buffer: BufferID, at position: Affine, mode: Nest.Store.Mode = .assign, scatter: Nest.Store.Scatter? = nil
    ) {
        nest.stores.append(Nest.Store(node: node, buffer: buffer, position: position, mode: mode, scatter: scatter))
    }

    mutating func note(_ value: ValueID) { nest.values.append(value) }

    /// Lets a node stand for `value`, which is found in another way.
    mutating func give(_ value: ValueID, _ operation: NodeOperation, at index: [Affine]) -> Nest.NodeID {
        let node = add(operation, graph[value].element)
        known[Key(value: value, index: index)] = node
        return node
    }

    /// The node of `value` at `index`, one affine index for each of its axes.
    ///
    /// - Throws: where it needs a loop of its own.
    mutating func evaluate(_ value: ValueID, at index: [Affine], asStored: Bool = true) throws(PlanRefusal) -> Nest.NodeID {
        let key = Key(value: value, index: index)
        if let node = known[key] { return node }
        let node: Nest.NodeID
        if asStored, !own.contains(value), let home = homes.current[value] {
            reads.append(Read(value: value, isHere: isIdentity(index, of: value), isDelayed: false))
            node = add(.load(access(home, index)), graph[value].element)
        } else {
            if asStored, own.contains(value), index != nest.domain.indices.map(Affine.variable) { isLaneWise = false }
            node = try compute(value, at: index)
        }
        known[key] = node
        return node
    }

    /// The memory behind a chain of views of `value`, read at `index`; nil where there is computation in between.
    func view(_ value: ValueID, at index: [Affine]) -> Access? {
        if let home = homes.current[value] { return access(home, index) }
        switch graph[value].operation {
        case .rename(let a), .broadcast(let a, _), .slice(let a, _, _, _), .window(let a, _, _):
            return view(a, at: graph.operandIndex(ofView: value, at: index))
        case .reshape(let a):
            guard let home = homes.current[a] else {
                return Regrouping(from: graph[a].shape, to: graph[value].shape).flatMap { view(a, at: $0.index(index)) }
            }
            return Access(
                buffer: home.buffer, position: .linear(index, strides: graph[value].shape.strides),
                offsets: [Int](repeating: 0, count: graph.axes.count))
        case .delay(let a, let offsets, let initial):
            return homes.delayed[value].map { access($0, index, offsets: offsets, fallback: fallback(for: $0, initial, of: a)) }
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .concat, .pad, .gather, .scatter,
            .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            return nil
        }
    }

    /// What a delayed read gives outside the sequence: a ring over one axis is filled with it beforehand.
    private func fallback(for home: Home, _ initial: ValueID?, of a: ValueID) -> BufferID? {
        if case .ring = homes.buffers[home.buffer.index].kind, graph.axes.count == 1 { return nil }
        return initial.flatMap { homes.current[$0]?.buffer } ?? homes.zero(graph[a].element)
    }

    private func isIdentity(_ index: [Affine], of value: ValueID) -> Bool {
        // Compared by position in memory, since the loops may run through the axes in another order.
        guard let home = homes.current[value] else { return false }
        let position = Affine.linear(index, strides: home.strides)
        let rowMajor = Affine.linear(
            nest.domain.indices.map(Affine.variable), strides: nest.domain.map { Dim("", $0) }.strides)
        return position == rowMajor && graph[value].shape.elementCount == nest.domain.reduce(1, *)
    }

    /// Notes that a value in memory is read at other elements than the one computed.
    private mutating func noteElsewhere(_ value: ValueID) {
        reads.append(Read(value: value, isHere: false, isDelayed: false))
        if own.contains(value) { isLaneWise = false }
    }

    private func access(_ home: Home, _ index: [Affine], offsets: [Int]? = nil, fallback: BufferID? = nil) -> Access {
        Access(
            buffer: home.buffer, position: .linear(index, strides: home.strides),
            offsets: offsets ?? [Int](repeating: 0, count: graph.axes.count), fallback: fallback)
    }

    private mutating func compute(_ value: ValueID, at index: [Affine]) throws(PlanRefusal) -> Nest.NodeID {
        let element = graph[value].element
        switch graph[value].operation {
        case .constant(let scalar):
            return add(.constant(scalar), element)
        case .unary(let function, let a):
            return try add(.unary(function, evaluate(a, at: index)), element)
        case .binary(let function, let a, let b):
            let left = try evaluate(a, at: index)
            return try add(.binary(function, left, evaluate(b, at: index)), element, isRounded: homes.isRounded[value.index])
        case .select(let condition, let a, let b):
            let test = try evaluate(condition, at: index)
            let yes = try evaluate(a, at: index)
            return try add(.select(test, yes, evaluate(b, at: index)), element)
        case .rename(let a), .broadcast(let a, _), .slice(let a, _, _, _), .window(let a, _, _):
            return try evaluate(a, at: graph.operandIndex(ofView: value, at: index))
        case .reshape(let a):
            if homes.current[a] == nil, let operand = Regrouping(from: graph[a].shape, to: graph[value].shape) {
                return try evaluate(a, at: operand.index(index))
            }
            return try reshaped(a, position: .linear(index, strides: graph[value].shape.strides))
        case .gather(let table, let at):
            return try gathered(table, at, index, element)
        case .scatter(let updates, let at, let count):
            return try scattered(updates, at, count, index, element)
        case .delay(let a, let offsets, let initial):
            return try delayed(value, a, offsets, initial, index)
        case .contract(let contraction):
            return try contracted(contraction, at: index)
        case .reduce(let kind, let a, let axes):
            return try reduced(kind, a, axes, at: index)
        case .input, .parameter, .concat, .pad, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            // In memory: inputs and parameters have homes, the others are computed by items of their own.
            throw PlanRefusal("it has a value that is put together in a loop of its own", at: graph[value].span)
        }
    }

    /// `a` read in row-major order at a linear position.
    private mutating func reshaped(_ a: ValueID, position: Affine) throws(PlanRefusal) -> Nest.NodeID {
        if let home = homes.current[a] {
            noteElsewhere(a)
            return add(
                .load(Access(buffer: home.buffer, position: position, offsets: [Int](repeating: 0, count: graph.axes.count))),
                graph[a].element)
        }
        // Only a constant has no home here, and it has one element.
        return try evaluate(a, at: graph[a].shape.map { _ in Affine() })
    }

    private mutating func gathered(
        _ table: ValueID, _ at: ValueID, _ index: [Affine], _ element: ElementType
    ) throws(PlanRefusal) -> Nest.NodeID {
        let rank = graph[at].shape.count
        let row = try evaluate(at, at: Array(index.prefix(rank)))
        guard let home = homes.current[table] else { return try evaluate(table, at: [Affine()] + index.dropFirst(rank)) }
        noteElsewhere(table)
        return add(
            .gather(
                access(home, [Affine()] + index.dropFirst(rank)), index: row, stride: home.strides[0],
                count: graph[table].shape[0].size),
            element)
    }

    /// Each row looks at all places: what a place gives to another row counts as zero.
    private mutating func scattered(
        _ updates: ValueID, _ at: ValueID, _ count: Int, _ index: [Affine], _ element: ElementType
    ) throws(PlanRefusal) -> Nest.NodeID {
        let variables = graph[at].shape.map { fresh($0.size) }
        let places = variables.map(Affine.variable)
        let given = try evaluate(at, at: places)
        let least = add(.binary(.max, given, add(.constant(.int(0)), .int)), .int)
        let row = add(.binary(.min, least, add(.constant(.int(count - 1)), .int)), .int)
        let isHere = add(.binary(.equal, row, add(.position(index[0]), .int)), .bool)
        let update = try evaluate(updates, at: places + index.dropFirst())
        let share = add(.select(isHere, update, add(.constant(element == .int ? .int(0) : .real(0)), element)), element)
        return variables.isEmpty ? share : add(.reduce(.sum, share, variables: variables), element)
    }

    private mutating func delayed(
        _ delay: ValueID, _ a: ValueID, _ offsets: [Int], _ initial: ValueID?, _ index: [Affine]
    ) throws(PlanRefusal) -> Nest.NodeID {
        let element = graph[a].element
        if let carry = carries[a] {
            if index != nest.domain.indices.map(Affine.variable) { isLaneWise = false }
            return add(.carried(carry: carry, distance: offsets.map(abs).max() ?? 1), element)
        }
        guard let home = homes.delayed[delay] else {
            throw PlanRefusal("what it reads at another step is not in memory", at: graph[delay].span)
        }
        reads.append(Read(value: a, isHere: false, isDelayed: true))
        return add(.load(access(home, index, offsets: offsets, fallback: fallback(for: home, initial, of: a))), element)
    }

    private mutating func fresh(_ extent: Int) -> Int {
        nest.extents.append(extent)
        return nest.extents.count - 1
    }

    private mutating func contracted(_ contraction: Contraction, at index: [Affine]) throws(PlanRefusal) -> Nest.NodeID {
        var byLabel: [Int: Affine] = [:]
        for (label, affine) in zip(contraction.resultLabels, index) { byLabel[label] = affine }
        var variables: [Int] = []
        for (labels, operand) in [(contraction.leftLabels, contraction.left), (contraction.rightLabels, contraction.right)] {
            for (axis, label) in labels.enumerated() where byLabel[label] == nil {
                let variable = fresh(graph[operand].shape[axis].size)
                byLabel[label] = .variable(variable)
                variables.append(variable)
            }
        }
        let left = try evaluate(contraction.left, at: contraction.leftLabels.map { byLabel[$0] ?? Affine() })
        let right = try evaluate(contraction.right, at: contraction.rightLabels.map { byLabel[$0] ?? Affine() })
        let element = nest.nodes[left].element
        let product = add(.binary(.multiply, left, right), element)
        return variables.isEmpty ? product : add(.reduce(.sum, product, variables: variables), element)
    }

    private mutating func reduced(
        _ kind: ReduceKind, _ a: ValueID, _ axes: [Int], at index: [Affine]
    ) throws(PlanRefusal) -> Nest.NodeID {
        var rest = index[...]
        var variables: [Int] = []
        var inner: [Affine] = []
        for (axis, dim) in graph[a].shape.enumerated() {
            if axes.contains(axis) {
                let variable = fresh(dim.size)
                variables.append(variable)
                inner.append(.variable(variable))
            } else {
                inner.append(rest.popFirst() ?? Affine())
            }
        }
        let body = try evaluate(a, at: inner)
        let element = graph[a].element
        switch kind {
        case .sum, .product, .min, .max:
            return add(.reduce(kind, body, variables: variables), element)
        case .argmax:
            return add(.reduce(kind, body, variables: variables), .int)
        case .logsumexp:
            // log Σ exp(x − m) + m; an infinite m is left out of the exponent, where it would give NaN.
            let largest = add(.reduce(.max, body, variables: variables), .real)
            let infinite = add(
                .binary(.equal, add(.unary(.abs, largest), .real), add(.constant(.real(.infinity)), .real)), .bool)
            let shift = add(.select(infinite, add(.constant(.real(0)), .real), largest), .real)
            let again = variables.map { fresh(nest.extents[$0]) }
            let moved = inner.map { affine in
                Affine(
                    offset: affine.offset,
                    terms: affine.terms.map { term in
                        guard let k = variables.firstIndex(of: term.variable) else { return term }
                        return Affine.Term(variable: again[k], coefficient: term.coefficient)
                    })
            }
            let difference = try add(.binary(.subtract, evaluate(a, at: moved), shift), .real)
            let total = add(.reduce(.sum, add(.unary(.exp, difference), .real), variables: again), .real)
            return add(.binary(.add, add(.unary(.log, total), .real), shift), .real)
        }
    }
}
