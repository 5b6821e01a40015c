import RecStream

extension StreamGraph {
    /// The graph with its sums over pairs of steps made cheap:
    ///
    /// - a factor that is the same for all terms of a sum stands behind it: `Σ_s p[s] / l` is `(Σ_s p[s]) / l`;
    /// - what chooses between a product and 0 chooses between a factor and 0, and one that is a value of pairs for that reason alone is none;
    /// - products of what is repeated along dims are products of what it is;
    /// - a number by which a product is divided or multiplied goes into a factor that has fewer elements;
    /// - a sum of products with a sum over a dim is taken from a sum that is there: `Σ_s e[s] · (g · v[s])` is `g · Σ_s e[s] v[s]`, as in
    ///   Dao, "FlashAttention-2" (ICLR 2024), section 3.1.2, where it is the dot product of the output and its gradient.
    ///
    /// Where numbers are not finite, a sum may become NaN that is none: that shows in the sum, which is looked at. What nobody would see is left as
    /// it is: values whose NaN a comparison or an extremum hides, and factors that a condition keeps from a sum and that may be 0 or infinite.
    package func gatheringPairFactors() -> StreamGraph {
        guard axes.contains(where: { $0.again != nil }) else { return self }
        var work = PairFactors(self)
        return work.run()
    }
}

extension StreamGraph {
    /// The graph in which means over pairs of steps are sums, divided by how many steps a sequence has.
    func writingMeansOfPairsAsSums() -> StreamGraph {
        var builder = GraphBuilder(continuing: self)
        for id in ids {
            guard case .overTime(.mean, let term, let axis) = self[id].operation, isPair(term) else { continue }
            builder.span = self[id].span
            let shape = self[id].shape
            let ones = builder.rename(builder.constant(1), over: Variance(batch: true, axes: 1 << UInt8(axis)))
            let count = builder.overTime(.sum, ones, axis: axis)
            let counts = shape.isEmpty ? count : builder.broadcast(count, to: shape, from: shape.map { _ in nil })
            builder.replace(id, by: .binary(.divide, builder.overTime(.sum, term, axis: axis), counts))
        }
        return builder.graph.ordered()
    }
}

struct PairFactors {
    var builder: GraphBuilder
    let count: Int
    let pairs: Set<ValueID>

    init(_ graph: StreamGraph) {
        builder = GraphBuilder(continuing: graph)
        count = graph.values.count
        pairs = Set(graph.ids.filter(graph.isPair))
    }

    /// What a value is the product of: a core, and factors of the value's shape that do not vary over an axis.
    struct Split {
        var core: ValueID
        var factors: [Factor] = []
    }

    struct Factor {
        var value: ValueID
        var isDivisor = false
    }

    var graph: StreamGraph { builder.graph }

    mutating func run() -> StreamGraph {
        let shown = graph.pairsShownBySums
        for id in graph.ids.prefix(count) where pairs.contains(id) {
            builder.span = graph[id].span
            unrepeat(id)
            if shown.contains(id) { unmask(id) }
            scale(id)
        }
        for id in graph.ids.prefix(count) {
            guard case .overTime(.sum, let y, let axis) = graph[id].operation, pairs.contains(y) else { continue }
            builder.span = graph[id].span
            gather(id, y, axis)
        }
        for id in graph.ids.prefix(count) { take(id) }
        return graph.ordered().sharingCommonValues()
    }

    mutating func filled(_ scalar: ValueID, _ shape: Shape) -> ValueID {
        shape.isEmpty ? scalar : builder.broadcast(scalar, to: shape, from: shape.map { _ in nil })
    }

    func number(_ id: ValueID) -> Double? { ChunkShapes(graph: graph, count: 1).number(id) }

    // MARK: Factors behind a sum

    /// Whether a value is known to be neither 0 nor infinite nor NaN, or shows in a sum that is looked at.
    func isSafe(_ id: ValueID) -> Bool {
        if let number = number(id) { return number != 0 && number.isFinite }
        switch graph[named(id)].operation {
        case .broadcast(let a, _), .rename(let a), .unary(.negate, let a), .unary(.stop, let a): return isSafe(a)
        case .unary(.sqrt, let a), .unary(.rsqrt, let a): return number(a).map { $0 > 0 && $0.isFinite } ?? false
        case .binary(.multiply, let a, let b), .binary(.divide, let a, let b): return isSafe(a) && isSafe(b)
        case .select(let condition, let a, let b):
            // `if l == 0 then 1 else l`, of a sum over pairs.
            guard case .binary(.equal, let x, let zero) = graph[named(condition)].operation, number(zero) == 0, named(x) == named(b), isSafe(a),
                case .overTime(.sum, let term, _) = graph[named(b)].operation
            else { return false }
            return pairs.contains(term)
        case .input, .parameter, .constant, .unary, .binary, .contract, .reduce, .reshape, .slice, .concat, .pad, .window, .gather, .scatter, .delay,
            .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            return false
        }
    }

    mutating func gather(_ id: ValueID, _ y: ValueID, _ axis: Int) {
        let split = split(y, axis)
        guard split.core != y || !split.factors.isEmpty else { return }
        var result = builder.overTime(.sum, split.core, axis: axis)
        guard let last = split.factors.last else { return builder.replace(id, by: .rename(result)) }
        for factor in split.factors.dropLast() { result = builder.binary(factor.isDivisor ? .divide : .multiply, result, factor.value) }
        builder.replace(id, by: .binary(last.isDivisor ? .divide : .multiply, result, last.value))
    }

    func varies(_ id: ValueID, _ axis: Int) -> Bool { graph[id].variance.varies(over: axis) }

    /// What a value is through other names.
    func named(_ id: ValueID) -> ValueID {
        var id = id
        while case .rename(let a) = graph[id].operation, graph[a].shape == graph[id].shape, graph[a].variance == graph[id].variance { id = a }
        return id
    }

    /// - Parameter isChosen: whether a condition keeps some terms from the sum: factors that are not safe stay where the condition is.
    mutating func split(_ id: ValueID, _ axis: Int, isChosen: Bool = false) -> Split {
        let shape = graph[id].shape
        let plain = Split(core: id)
        func moved(_ factors: [Factor], _ from: [Int?], _ builder: inout GraphBuilder) -> [Factor] {
            factors.map { Factor(value: builder.broadcast($0.value, to: shape, from: from), isDivisor: $0.isDivisor) }
        }
        guard pairs.contains(id) || graph[id].variance.varies(over: axis) else { return plain }
        switch graph[id].operation {
        case .binary(.multiply, let a, let b):
            if !varies(b, axis), !isChosen || isSafe(b) {
                var inner = split(a, axis, isChosen: isChosen)
                inner.factors.append(Factor(value: b))
                return inner
            }
            if !varies(a, axis), !isChosen || isSafe(a) {
                var inner = split(b, axis, isChosen: isChosen)
                inner.factors.append(Factor(value: a))
                return inner
            }
            let (left, right) = (split(a, axis, isChosen: isChosen), split(b, axis, isChosen: isChosen))
            guard left.core != a || right.core != b else { return plain }
            return Split(core: builder.binary(.multiply, left.core, right.core), factors: left.factors + right.factors)
        case .binary(.divide, let a, let b) where !varies(b, axis) && (!isChosen || isSafe(b)):
            var inner = split(a, axis, isChosen: isChosen)
            inner.factors.append(Factor(value: b, isDivisor: true))
            return inner
        case .unary(.negate, let a):
            var inner = split(a, axis, isChosen: isChosen)
            inner.factors.append(Factor(value: builder.constant(.real(-1), shape)))
            return inner
        case .rename(let a):
            let inner = split(a, axis, isChosen: isChosen)
            guard inner.core != a || graph[a].shape == shape else { return plain }
            let identity: [Int?] = Array(shape.indices)
            let core = graph[inner.core].shape == shape ? inner.core : builder.rename(inner.core, to: shape)
            return Split(core: core, factors: graph[a].shape == shape ? inner.factors : moved(inner.factors, identity, &builder))
        case .broadcast(let a, let from):
            let inner = split(a, axis, isChosen: isChosen)
            guard inner.core != a else { return plain }
            return Split(core: builder.broadcast(inner.core, to: shape, from: from), factors: moved(inner.factors, from, &builder))
        case .select(let condition, let a, let zero) where number(zero) == 0:
            if let pushed = pushed(condition, into: a, zero) { return split(pushed, axis, isChosen: true) }
            let inner = split(a, axis, isChosen: true)
            guard inner.core != a else { return plain }
            return Split(core: builder.select(condition, inner.core, zero), factors: inner.factors)
        case .contract(let c):
            var (own, factors) = (c, [Factor]())
            for isLeft in [true, false] {
                let (operand, labels) = isLeft ? (c.left, c.leftLabels) : (c.right, c.rightLabels)
                // A factor along a dim that is summed stays within the sum.
                guard labels.allSatisfy(c.resultLabels.contains) else { continue }
                let inner = split(operand, axis, isChosen: isChosen)
                guard inner.core != operand else { continue }
                if isLeft { own.left = inner.core } else { own.right = inner.core }
                factors += moved(inner.factors, c.resultLabels.map { labels.firstIndex(of: $0) }, &builder)
            }
            guard own != c else { return plain }
            return Split(core: builder.add(.contract(own), proposing: ValueType(.real, shape, .none)), factors: factors)
        case .input, .parameter, .constant, .unary, .binary, .select, .reduce, .reshape, .slice, .concat, .pad, .window, .gather, .scatter, .delay,
            .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            return plain
        }
    }

    /// A choice between a product and 0 as a product with a choice in it; nil where it is none, or would be of no use.
    mutating func pushed(_ condition: ValueID, into id: ValueID, _ zero: ValueID) -> ValueID? {
        guard case .contract(let c) = graph[named(id)].operation else { return nil }
        // The condition as it is without the dims that the factor lacks.
        for isLeft in [true, false] {
            let (factor, labels) = isLeft ? (c.left, c.leftLabels) : (c.right, c.rightLabels)
            guard pairs.contains(factor), labels.allSatisfy(c.resultLabels.contains),
                let own = narrowed(condition, to: labels.map { c.resultLabels.firstIndex(of: $0) ?? 0 }, graph[factor].shape)
            else { continue }
            var changed = c
            let masked = isMasked(factor, by: own) ? factor : builder.select(own, factor, zeros(graph[factor].shape))
            if isLeft { changed.left = masked } else { changed.right = masked }
            return builder.add(.contract(changed), proposing: ValueType(.real, graph[id].shape, .none))
        }
        return nil
    }

    mutating func zeros(_ shape: Shape) -> ValueID { builder.constant(.real(0), shape) }

    /// A condition that is the same along all dims but these, with these alone.
    mutating func narrowed(_ condition: ValueID, to axes: [Int], _ shape: Shape) -> ValueID? {
        guard case .broadcast(let a, let from) = graph[named(condition)].operation else {
            return axes == Array(graph[condition].shape.indices) && graph[condition].shape == shape ? condition : nil
        }
        // Each dim of what is broadcast is one of those that stay.
        var inner: [Int?] = axes.map { from[$0] }
        guard Set(inner.compactMap { $0 }).count == graph[a].shape.count else { return nil }
        if shape.isEmpty { return a }
        if inner == Array(graph[a].shape.indices), graph[a].shape == shape { return a }
        inner = axes.map { from[$0] }
        return builder.broadcast(a, to: shape, from: inner)
    }
}
