import RecAnalysis
import RecStream

/// Turns the roots of one stage into items: products, and nests joined where they run over the same elements.
struct StageBuilder {
    let graph: StreamGraph
    let homes: Homes
    let staging: Staging

    private var items: [Draft] = []
    /// The item that computes each root.
    private var itemOf: [ValueID: Int] = [:]
    /// What each nest reads of values in memory, by item, where loops are joined only if they have something in common.
    private var readOf: [Int: Set<ValueID>] = [:]
    /// Whether the stage runs over steps: then fewer loops are faster, whatever they compute.
    private let isOfSteps: Bool

    private enum Draft {
        case product(Product)
        /// A part of a root that is put together from several.
        case part(Nest)
        case roots([ValueID], domain: [Int], reduces: Bool, variables: Int)
    }

    /// More than this many variables or roots make a nest no faster, and its masks of variables have 64 bits.
    private static let mostVariables = 48
    private static let mostRoots = 24

    private init(graph: StreamGraph, homes: Homes, staging: Staging, isOfSteps: Bool) {
        self.isOfSteps = isOfSteps
        self.graph = graph
        self.homes = homes
        self.staging = staging
    }

    /// The stage that computes `roots`, which stand in the order of the graph.
    ///
    /// - Throws: the reason where some value cannot be computed so.
    static func build(
        _ roots: [ValueID], isSequential: Bool, isOfSteps: Bool = true, graph: StreamGraph, homes: Homes, staging: Staging
    ) throws(PlanRefusal) -> Stage {
        if isSequential, let lanes = LaneLoop.stage(roots, graph: graph, homes: homes, staging: staging) { return lanes }
        var builder = StageBuilder(graph: graph, homes: homes, staging: staging, isOfSteps: isOfSteps)
        let (first, others) = builder.productsFirst(roots)
        for root in first + others { try builder.add(root) }
        return Stage(form: isSequential ? .sequential : .map, items: try builder.finish())
    }

    /// Products that wait for nothing in this stage come before everything else: then the loops behind them can be joined, and
    /// workers that share a step need not wait for each other in between.
    private func productsFirst(_ roots: [ValueID]) -> (first: [ValueID], others: [ValueID]) {
        let own = Set(roots)
        var known: [ValueID: Bool] = [:]
        func isReady(_ id: ValueID) -> Bool {
            if own.contains(id) { return false }
            // What has a place and is none of these was computed before.
            if homes.current[id] != nil { return true }
            if let known = known[id] { return known }
            let result = graph[id].operation.instantOperands.allSatisfy(isReady)
            known[id] = result
            return result
        }
        var result: (first: [ValueID], others: [ValueID]) = ([], [])
        for root in roots {
            if let shape = staging.products[root], isReady(shape.input) { result.first.append(root) } else { result.others.append(root) }
        }
        return result
    }

    private mutating func add(_ root: ValueID) throws(PlanRefusal) {
        if let shape = staging.products[root] {
            append(.product(try product(root, shape)), computing: root)
            for copy in try copies(of: root) { append(.part(copy), computing: root) }
            return
        }
        switch graph[root].operation {
        case .concat(let parts, let axis):
            var start = 0
            var waiting: [(value: ValueID, start: Int)] = []
            for part in parts {
                if let first = waiting.first, graph[first.value].shape.sizes != graph[part].shape.sizes || waiting.count == Self.mostRoots {
                    try appendPlaced(waiting, in: root, axis: axis)
                    waiting = []
                }
                waiting.append((part, start))
                start += graph[part].shape[axis].size
            }
            if !waiting.isEmpty { try appendPlaced(waiting, in: root, axis: axis) }
        case .pad(let operand, let axis, let before, let after, let mode):
            append(.part(try placed([(operand, before)], in: root, axis: axis)), computing: root)
            let edges = [
                (start: 0, count: before, isFront: true),
                (start: before + graph[operand].shape[axis].size, count: after, isFront: false),
            ]
            for edge in edges where edge.count > 0 {
                append(
                    .part(
                        try padding(
                            operand, in: root, axis: axis, start: edge.start, count: edge.count, mode: mode, isFront: edge.isFront)),
                    computing: root)
            }
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape,
            .slice, .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            try join(root)
        }
    }

    private mutating func append(_ item: Draft, computing root: ValueID) {
        items.append(item)
        itemOf[root] = items.count - 1
    }

    /// Adds a root to the first nest over the same elements that comes after all it needs, or to a new one.
    private mutating func join(_ root: ValueID) throws(PlanRefusal) {
        let scattered = staging.scattered[root]
        let domain = scattered.map { updates(of: $0).sizes } ?? Self.domain(of: root, graph: graph, homes: homes)
        var probe = NestBuilder(graph: graph, homes: homes, own: [root], domain: domain)
        try emit(root, into: &probe)
        let reduces = probe.nest.extents.count > domain.count
        let variables = probe.nest.extents.count - domain.count
        var earliest = 0
        for read in probe.reads where !read.isDelayed {
            guard let item = itemOf[read.value] else { continue }
            earliest = max(earliest, read.isHere && runs(item, over: domain, reduces: reduces) ? item : item + 1)
        }
        for k in items.indices where k >= earliest {
            guard case .roots(let joined, domain, reduces, let used) = items[k], joined.count < Self.mostRoots,
                used + variables < Self.mostVariables, isOfSteps || hasInCommon(k, with: probe)
            else { continue }
            readOf[k, default: []].formUnion(probe.reads.map(\.value))
            items[k] = .roots(joined + [root], domain: domain, reduces: reduces, variables: used + variables)
            itemOf[root] = k
            return
        }
        append(.roots([root], domain: domain, reduces: reduces, variables: variables), computing: root)
        readOf[items.count - 1] = Set(probe.reads.map(\.value))
    }

    /// Whether a nest computes something that this one reads, or both read the same.
    private func hasInCommon(_ item: Int, with probe: NestBuilder) -> Bool {
        probe.reads.contains { itemOf[$0.value] == item || readOf[item]?.contains($0.value) ?? false }
    }

    private func runs(_ item: Int, over domain: [Int], reduces: Bool) -> Bool {
        if case .roots(_, domain, reduces, _) = items[item] { return true }
        return false
    }

    private func finish() throws(PlanRefusal) -> [Item] {
        try items.map { draft throws(PlanRefusal) in
            switch draft {
            case .product(let product): return .product(product)
            case .part(let nest): return .nest(nest.collapsed())
            case .roots(let roots, let domain, _, _):
                var builder = NestBuilder(graph: graph, homes: homes, own: Set(roots), domain: domain)
                for root in roots { try emit(root, into: &builder) }
                return .nest(builder.nest.collapsed())
            }
        }
    }

    private func emit(_ root: ValueID, into builder: inout NestBuilder) throws(PlanRefusal) {
        if let scattered = staging.scattered[root] {
            try scatter(scattered, to: root, into: &builder)
        } else {
            try Self.emit(root, into: &builder)
        }
    }

    /// The shape of what a scatter moves.
    private func updates(of scatter: ValueID) -> Shape {
        guard case .scatter(let updates, _, _) = graph[scatter].operation else { return graph[scatter].shape }
        return graph[updates].shape
    }

    /// Adds what is scattered to the places of a sum over time that it goes to.
    private func scatter(_ scatter: ValueID, to root: ValueID, into builder: inout NestBuilder) throws(PlanRefusal) {
        guard case .scatter(let updates, let at, let count) = graph[scatter].operation else { return }
        let index = graph[updates].shape.indices.map(Affine.variable)
        let rank = graph[at].shape.count
        let row = try builder.evaluate(at, at: Array(index.prefix(rank)))
        let update = try builder.evaluate(updates, at: index)
        builder.note(root)
        for home in homes.written[root] ?? [] {
            builder.store(
                update, to: home.buffer, at: .linear(Array(index.dropFirst(rank)), strides: Array(home.strides.dropFirst())),
                mode: .accumulate(.sum, axis: 0), scatter: Nest.Store.Scatter(index: row, stride: home.strides[0], count: count))
        }
    }

    /// The loops that compute a root, in the order of its memory.
    static func domain(of root: ValueID, graph: StreamGraph, homes: Homes) -> [Int] {
        loopOrder(of: root, graph: graph, homes: homes).map { shape(of: root, graph)[$0].size }
    }

    private static func shape(of root: ValueID, _ graph: StreamGraph) -> Shape { graph[root].shape }

    private static func loopOrder(of root: ValueID, graph: StreamGraph, homes: Homes) -> [Int] {
        let strides = homes.current[root]?.strides ?? graph[root].shape.strides
        return strides.indices.sorted { (strides[$0], $1) > (strides[$1], $0) }
    }

    /// Evaluates a root at the nest's own index and stores it wherever it lives.
    static func emit(
        _ root: ValueID, into builder: inout NestBuilder, skipping skipped: (Buffer) -> Bool = { _ in false }
    ) throws(PlanRefusal) {
        let order = loopOrder(of: root, graph: builder.graph, homes: builder.homes)
        var index = [Affine](repeating: Affine(), count: order.count)
        for (loop, axis) in order.enumerated() { index[axis] = .variable(loop) }
        var mode = Nest.Store.Mode.assign
        let node: Nest.NodeID
        if case .overTime(let kind, let operand, let axis) = builder.graph[root].operation {
            node = try builder.evaluate(operand, at: index)
            mode = .accumulate(kind, axis: axis)
        } else if case .overBatch(let operand) = builder.graph[root].operation {
            // Its one row is the same for all sequences, which come one after another.
            node = try builder.evaluate(operand, at: index)
            mode = .accumulate(.sum, axis: 0)
        } else {
            node = try builder.evaluate(root, at: index)
        }
        builder.note(root)
        for home in builder.homes.written[root] ?? [] where !skipped(builder.homes.buffers[home.buffer.index]) {
            builder.store(node, to: home.buffer, at: .linear(index, strides: home.strides), mode: mode)
        }
    }

    /// Parts of the same shape as one nest, which computes what they share once, unless too many reductions meet in it.
    private mutating func appendPlaced(_ parts: [(value: ValueID, start: Int)], in root: ValueID, axis: Int) throws(PlanRefusal) {
        let joined = try placed(parts, in: root, axis: axis)
        if parts.count == 1 || joined.extents.count < Self.mostVariables {
            append(.part(joined), computing: root)
        } else {
            for part in parts { append(.part(try placed([part], in: root, axis: axis)), computing: root) }
        }
    }

    /// Values of one shape written into `root`, each from its `start` along `axis`.
    private func placed(_ parts: [(value: ValueID, start: Int)], in root: ValueID, axis: Int) throws(PlanRefusal) -> Nest {
        let shape = graph[parts[0].value].shape
        var builder = NestBuilder(graph: graph, homes: homes, own: [], domain: shape.sizes)
        let index = shape.indices.map(Affine.variable)
        builder.note(root)
        for part in parts {
            let node = try builder.evaluate(part.value, at: index)
            var target = index
            target[axis] = index[axis] + part.start
            for home in homes.written[root] ?? [] { builder.store(node, to: home.buffer, at: .linear(target, strides: home.strides)) }
        }
        return builder.nest
    }

    private func padding(
        _ operand: ValueID, in root: ValueID, axis: Int, start: Int, count: Int, mode: PadMode, isFront: Bool
    ) throws(PlanRefusal) -> Nest {
        var domain = graph[operand].shape.sizes
        domain[axis] = count
        var builder = NestBuilder(graph: graph, homes: homes, own: [], domain: domain)
        let index = domain.indices.map(Affine.variable)
        let size = graph[operand].shape[axis].size
        var source = index
        let node: Nest.NodeID
        switch mode {
        case .zero:
            node = builder.add(.constant(.real(0)), .real)
        case .edge:
            source[axis] = Affine(offset: isFront ? 0 : size - 1)
            node = try builder.evaluate(operand, at: source)
        case .reflect:
            // Front: result k is element before − k. Back: result k is element size − 2 − k.
            source[axis] = index[axis] * -1 + (isFront ? count : size - 2)
            node = try builder.evaluate(operand, at: source)
        }
        var target = index
        target[axis] = index[axis] + start
        builder.note(root)
        for home in homes.written[root] ?? [] { builder.store(node, to: home.buffer, at: .linear(target, strides: home.strides)) }
        return builder.nest
    }

    /// A product writes one home; the others are copied from it.
    private func copies(of root: ValueID) throws(PlanRefusal) -> [Nest] {
        let others = (homes.written[root] ?? []).filter { $0 != homes.current[root] }
        guard !others.isEmpty else { return [] }
        var builder = NestBuilder(graph: graph, homes: homes, own: [], domain: graph[root].shape.sizes)
        let index = graph[root].shape.indices.map(Affine.variable)
        let node = try builder.evaluate(root, at: index)
        builder.note(root)
        for home in others { builder.store(node, to: home.buffer, at: .linear(index, strides: home.strides)) }
        return [builder.nest]
    }

    private func product(_ root: ValueID, _ shape: ProductShape) throws(PlanRefusal) -> Product {
        let builder = NestBuilder(graph: graph, homes: homes, own: [], domain: [])
        func variable(_ label: Int) -> Affine { .variable(label) }
        guard let input = builder.view(shape.input, at: shape.inputLabels.map(variable)),
            let weight = builder.view(shape.weight, at: shape.weightLabels.map(variable)),
            let output = homes.current[root], case .contract(let contraction) = graph[root].operation
        else { throw PlanRefusal("what this product reads or writes is not in memory", at: graph[root].span) }
        var outputStride: [Int: Int] = [:]
        for (axis, label) in contraction.resultLabels.enumerated() { outputStride[label] = output.strides[axis] }
        func dimension(_ label: Int) -> Product.Dimension {
            let extent: Int
            if let axis = shape.inputLabels.firstIndex(of: label) {
                extent = graph[shape.input].shape[axis].size
            } else {
                extent = shape.weightLabels.firstIndex(of: label).map { graph[shape.weight].shape[$0].size } ?? 1
            }
            return Product.Dimension(
                extent: extent, inputStride: input.position.coefficient(of: label),
                weightStride: weight.position.coefficient(of: label), outputStride: outputStride[label] ?? 0)
        }
        var access = input
        access.position = Affine(offset: input.position.offset)
        return Product(
            value: root, input: access, output: output.buffer, weight: weight.buffer,
            weightOffset: weight.position.offset,
            batches: shape.batches.map(dimension), rows: shape.rows.map(dimension), sums: shape.sums.map(dimension),
            columns: shape.columns.map(dimension))
    }
}
