import RecStream

extension StreamGraph {
    /// The graph with its sums over pairs of steps made cheap, for numbers that are finite:
    ///
    /// - what guards against infinities is left out;
    /// - a factor that is the same for all terms of a sum stands behind it: `Σ_s p[s] / l` is `(Σ_s p[s]) / l`;
    /// - what chooses between a product and 0 chooses between a factor and 0, and one that is a value of pairs for that reason alone is none;
    /// - products of what is repeated along dims are products of what it is;
    /// - a number by which a product is divided or multiplied goes into a factor that has fewer elements;
    /// - a sum of products with a sum over a dim is taken from a sum that is there: `Σ_s e[s] · (g · v[s])` is `g · Σ_s e[s] v[s]`, as in
    ///   Dao, "FlashAttention-2" (ICLR 2024), section 3.1.2, where it is the dot product of the output and its gradient.
    ///
    /// Where a number is not finite a result may become one that is not, and should be.
    package func gatheringPairFactors() -> StreamGraph {
        guard axes.contains(where: { $0.again != nil }) else { return self }
        var work = PairFactors(self)
        return work.run()
    }
}

private struct PairFactors {
    private var builder: GraphBuilder
    private let count: Int
    private let pairs: Set<ValueID>

    init(_ graph: StreamGraph) {
        builder = GraphBuilder(continuing: graph)
        count = graph.values.count
        pairs = Set(graph.ids.filter(graph.isPair))
    }

    /// What a value is the product of: a core, and factors of the value's shape that do not vary over an axis.
    private struct Split {
        var core: ValueID
        var factors: [Factor] = []
    }

    private struct Factor {
        var value: ValueID
        var isDivisor = false
    }

    private var graph: StreamGraph { builder.graph }

    mutating func run() -> StreamGraph {
        for id in graph.ids { unguard(id) }
        for id in graph.ids.prefix(count) where pairs.contains(id) {
            builder.span = graph[id].span
            unrepeat(id)
            unmask(id)
            scale(id)
        }
        for id in graph.ids.prefix(count) {
            guard case .overTime(let kind, let y, let axis) = graph[id].operation, pairs.contains(y), kind == .sum || kind == .mean else { continue }
            builder.span = graph[id].span
            if kind == .mean {
                let ones = builder.rename(builder.constant(1), over: Variance(batch: true, axes: 1 << UInt8(axis)))
                let length = filled(builder.overTime(.sum, ones, axis: axis), graph[id].shape)
                builder.replace(id, by: .binary(.divide, builder.overTime(.sum, y, axis: axis), length))
            } else {
                gather(id, y, axis)
            }
        }
        for id in graph.ids.prefix(count) { take(id) }
        return graph.ordered().sharingCommonValues()
    }

    private mutating func filled(_ scalar: ValueID, _ shape: Shape) -> ValueID {
        shape.isEmpty ? scalar : builder.broadcast(scalar, to: shape, from: shape.map { _ in nil })
    }

    private func number(_ id: ValueID) -> Double? { ChunkShapes(graph: graph, count: 1).number(id) }

    // MARK: Guards

    /// `x` where it is finite, else 0.
    private mutating func unguard(_ id: ValueID) {
        guard case .select(let condition, let x, let other) = graph[id].operation, number(other) == 0,
            case .binary(.less, let tested, let bound) = graph[condition].operation, number(bound) == .infinity
        else { return }
        var inner = tested
        if case .unary(.abs, let a) = graph[inner].operation { inner = a }
        if inner == x { builder.replace(id, by: .rename(x)) }
    }

    // MARK: Products

    /// A product of what is repeated along dims, as one of what it is.
    private mutating func unrepeat(_ id: ValueID) {
        guard case .binary(.multiply, let a, let b) = graph[id].operation, graph[id].element == .real else { return }
        func core(_ id: ValueID) -> (ValueID, [Int]) {
            let inner = named(id)
            guard case .broadcast(let a, let from) = graph[inner].operation, from.contains(where: { $0 == nil }) else { return (inner, Array(graph[inner].shape.indices)) }
            return (a, graph[a].shape.indices.map { from.firstIndex(of: $0) ?? 0 })
        }
        let (left, right) = (core(a), core(b))
        let all = Array(graph[id].shape.indices)
        guard left.1 != all || right.1 != all, Set(left.1 + right.1) == Set(all) else { return }
        builder.replace(
            id, by: .contract(Contraction(left: left.0, right: right.0, leftLabels: left.1, rightLabels: right.1, resultLabels: all)))
    }

    /// A factor that is one of pairs only because a condition is, without the condition, which the product has then.
    private mutating func unmask(_ id: ValueID) {
        switch graph[id].operation {
        case .contract(let c):
            for isLeft in [true, false] {
                let (factor, labels) = isLeft ? (c.left, c.leftLabels) : (c.right, c.rightLabels)
                guard case .select(let condition, let a, let zero) = graph[named(factor)].operation, number(zero) == 0, !pairs.contains(a) else { continue }
                // The condition along the dims of the result; dims that are summed have all the same.
                let places = c.resultLabels.map { labels.firstIndex(of: $0) }
                guard let own = spread(condition, along: places, to: graph[id].shape) else { continue }
                var inner = c
                if isLeft { inner.left = a } else { inner.right = a }
                let product = builder.add(.contract(inner), proposing: ValueType(.real, graph[id].shape, .none))
                builder.replace(id, by: .select(own, then: product, otherwise: zeros(graph[id].shape)))
                return
            }
        case .binary(.multiply, let a, let b):
            for (masked, other) in [(a, b), (b, a)] {
                guard case .select(let condition, let inner, let zero) = graph[named(masked)].operation, number(zero) == 0, isMasked(other, by: condition)
                else { continue }
                builder.replace(id, by: .binary(.multiply, inner, other))
                return
            }
        case .input, .parameter, .constant, .unary, .binary, .select, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window, .gather,
            .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            return
        }
    }

    /// A condition with the dims that stand at some of its places; nil where it differs along others.
    private mutating func spread(_ condition: ValueID, along places: [Int?], to shape: Shape) -> ValueID? {
        let own = named(condition)
        guard case .broadcast(let a, let from) = graph[own].operation else {
            guard Set(places.compactMap { $0 }).count == graph[own].shape.count else { return nil }
            return shape.isEmpty ? own : builder.broadcast(own, to: shape, from: places)
        }
        let inner = places.map { place in place.flatMap { from[$0] } }
        guard Set(inner.compactMap { $0 }).count == graph[a].shape.count else { return nil }
        return shape.isEmpty ? a : builder.broadcast(a, to: shape, from: inner)
    }

    /// `(a · b) / c` as `(a / c) · b`, where `c` is one number for all steps and `a` belongs to one of the two.
    private mutating func scale(_ id: ValueID) {
        guard case .binary(let function, let product, let scale) = graph[id].operation, function == .divide || function == .multiply else { return }
        var (inner, factor) = (named(product), named(scale))
        if function == .multiply, !graph[factor].variance.isStatic { swap(&inner, &factor) }
        guard graph[factor].variance.isStatic, case .broadcast(let number, let from) = graph[factor].operation, from.allSatisfy({ $0 == nil })
        else { return scaleScalar(id, function, inner, factor) }
        push(id, function, inner, number)
    }

    private mutating func scaleScalar(_ id: ValueID, _ function: BinaryOperator, _ inner: ValueID, _ factor: ValueID) {
        guard graph[factor].shape.isEmpty, graph[factor].variance.isStatic else { return }
        push(id, function, inner, factor)
    }

    private mutating func push(_ id: ValueID, _ function: BinaryOperator, _ product: ValueID, _ number: ValueID) {
        guard graph[number].shape.isEmpty else { return }
        var own: Contraction
        switch graph[product].operation {
        case .contract(let c): own = c
        case .reduce(.sum, let term, let axes):
            // A sum of a product is recognized as such only later.
            guard case .binary(.multiply, let a, let b) = graph[named(term)].operation else { return }
            let all = Array(graph[term].shape.indices)
            own = Contraction(left: a, right: b, leftLabels: all, rightLabels: all, resultLabels: all.filter { !axes.contains($0) })
        case .input, .parameter, .constant, .unary, .binary, .select, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window, .gather,
            .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            return
        }
        guard let isLeft = [true, false].first(where: { !pairs.contains($0 ? own.left : own.right) }) else { return }
        let factor = isLeft ? own.left : own.right
        guard graph[factor].variance.isStream else { return }
        let scaled = builder.binary(function, factor, filled(number, graph[factor].shape))
        if isLeft { own.left = scaled } else { own.right = scaled }
        builder.replace(id, by: .contract(own))
    }

    // MARK: Factors behind a sum

    private mutating func gather(_ id: ValueID, _ y: ValueID, _ axis: Int) {
        let split = split(y, axis)
        guard split.core != y || !split.factors.isEmpty else { return }
        var result = builder.overTime(.sum, split.core, axis: axis)
        guard let last = split.factors.last else { return builder.replace(id, by: .rename(result)) }
        for factor in split.factors.dropLast() { result = builder.binary(factor.isDivisor ? .divide : .multiply, result, factor.value) }
        builder.replace(id, by: .binary(last.isDivisor ? .divide : .multiply, result, last.value))
    }

    private func varies(_ id: ValueID, _ axis: Int) -> Bool { graph[id].variance.varies(over: axis) }

    /// What a value is through other names.
    private func named(_ id: ValueID) -> ValueID {
        var id = id
        while case .rename(let a) = graph[id].operation, graph[a].shape == graph[id].shape, graph[a].variance == graph[id].variance { id = a }
        return id
    }

    private mutating func split(_ id: ValueID, _ axis: Int) -> Split {
        let shape = graph[id].shape
        let plain = Split(core: id)
        func moved(_ factors: [Factor], _ from: [Int?], _ builder: inout GraphBuilder) -> [Factor] {
            factors.map { Factor(value: builder.broadcast($0.value, to: shape, from: from), isDivisor: $0.isDivisor) }
        }
        guard pairs.contains(id) || graph[id].variance.varies(over: axis) else { return plain }
        switch graph[id].operation {
        case .binary(.multiply, let a, let b):
            if !varies(b, axis) {
                var inner = split(a, axis)
                inner.factors.append(Factor(value: b))
                return inner
            }
            if !varies(a, axis) {
                var inner = split(b, axis)
                inner.factors.append(Factor(value: a))
                return inner
            }
            let (left, right) = (split(a, axis), split(b, axis))
            guard left.core != a || right.core != b else { return plain }
            return Split(core: builder.binary(.multiply, left.core, right.core), factors: left.factors + right.factors)
        case .binary(.divide, let a, let b) where !varies(b, axis):
            var inner = split(a, axis)
            inner.factors.append(Factor(value: b, isDivisor: true))
            return inner
        case .unary(.negate, let a):
            var inner = split(a, axis)
            inner.factors.append(Factor(value: builder.constant(.real(-1), shape)))
            return inner
        case .rename(let a):
            let inner = split(a, axis)
            guard inner.core != a || graph[a].shape == shape else { return plain }
            let identity: [Int?] = Array(shape.indices)
            let core = graph[inner.core].shape == shape ? inner.core : builder.rename(inner.core, to: shape)
            return Split(core: core, factors: graph[a].shape == shape ? inner.factors : moved(inner.factors, identity, &builder))
        case .broadcast(let a, let from):
            let inner = split(a, axis)
            guard inner.core != a else { return plain }
            return Split(core: builder.broadcast(inner.core, to: shape, from: from), factors: moved(inner.factors, from, &builder))
        case .select(let condition, let a, let zero) where number(zero) == 0:
            if let pushed = pushed(condition, into: a, zero) { return split(pushed, axis) }
            let inner = split(a, axis)
            guard inner.core != a else { return plain }
            return Split(core: builder.select(condition, inner.core, zero), factors: inner.factors)
        case .contract(let c):
            var (own, factors) = (c, [Factor]())
            for isLeft in [true, false] {
                let (operand, labels) = isLeft ? (c.left, c.leftLabels) : (c.right, c.rightLabels)
                // A factor along a dim that is summed stays within the sum.
                guard labels.allSatisfy(c.resultLabels.contains) else { continue }
                let inner = split(operand, axis)
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
    private mutating func pushed(_ condition: ValueID, into id: ValueID, _ zero: ValueID) -> ValueID? {
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

    private mutating func zeros(_ shape: Shape) -> ValueID { builder.constant(.real(0), shape) }

    /// A condition that is the same along all dims but these, with these alone.
    private mutating func narrowed(_ condition: ValueID, to axes: [Int], _ shape: Shape) -> ValueID? {
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

    /// Whether a value is 0 already where a condition does not hold.
    private func isMasked(_ id: ValueID, by condition: ValueID) -> Bool {
        switch graph[named(id)].operation {
        case .select(let own, let a, let zero): number(zero) == 0 && isSame(own, condition) || number(zero) == 0 && isMasked(a, by: condition)
        case .binary(.multiply, let a, let b): isMasked(a, by: condition) || isMasked(b, by: condition)
        case .binary(.divide, let a, _), .unary(.negate, let a): isMasked(a, by: condition)
        // e^−∞ is 0.
        case .unary(.exp, let a): isAbsent(a, without: condition)
        case .input, .parameter, .constant, .unary, .binary, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window,
            .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            false
        }
    }

    /// Whether a value is −∞ where a condition does not hold.
    private func isAbsent(_ id: ValueID, without condition: ValueID) -> Bool {
        switch graph[named(id)].operation {
        case .select(let own, _, let other): number(other) == -.infinity && isSame(own, condition)
        case .binary(.subtract, let a, _), .binary(.add, let a, _): isAbsent(a, without: condition)
        case .input, .parameter, .constant, .unary, .binary, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window,
            .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            false
        }
    }

    /// Whether two conditions are the same, up to dims along which they do not vary.
    private func isSame(_ a: ValueID, _ b: ValueID) -> Bool {
        func core(_ id: ValueID) -> ValueID {
            var id = named(id)
            while case .broadcast(let inner, let from) = graph[id].operation, graph[inner].shape.isEmpty, from.allSatisfy({ $0 == nil }) { id = named(inner) }
            return id
        }
        return a == b || core(a) == core(b) || graph[a].operation == graph[b].operation && graph[a].shape == graph[b].shape
    }

    // MARK: Sums that are there

    /// A sum `Σ u · (Σ_σ A · B)` as `Σ_σ A · (Σ u · B)` where the inner sum is computed anyway and `A` stays the same along the axis.
    private mutating func take(_ id: ValueID) {
        // Behind the sum may stand factors.
        var target = id
        while case .binary(let function, let a, _) = graph[target].operation, function == .multiply || function == .divide, target.index >= 0 {
            guard a.index >= count else { break }
            target = a
        }
        guard case .overTime(.sum, let y, let axis) = graph[target].operation, case .binary(.multiply, let a, let b) = graph[named(y)].operation else { return }
        for (w, u) in [(a, b), (b, a)] {
            guard case .contract(let c) = graph[named(w)].operation else { continue }
            for isLeft in [true, false] {
                let (fixed, fixedLabels) = isLeft ? (c.left, c.leftLabels) : (c.right, c.rightLabels)
                let (other, otherLabels) = isLeft ? (c.right, c.rightLabels) : (c.left, c.leftLabels)
                guard !varies(fixed, axis), varies(other, axis),
                    let (sum, labels) = sum(of: named(u), c.resultLabels, times: named(other), otherLabels, over: axis)
                else { continue }
                builder.replace(
                    target,
                    by: .contract(
                        Contraction(left: fixed, right: sum, leftLabels: fixedLabels, rightLabels: labels, resultLabels: c.resultLabels)))
                return
            }
        }
    }

    /// A sum of products of two values that is in the graph, and the labels of its dims.
    private func sum(of u: ValueID, _ uLabels: [Int], times other: ValueID, _ otherLabels: [Int], over axis: Int) -> (ValueID, [Int])? {
        for id in graph.ids {
            guard case .overTime(.sum, let product, axis) = graph[id].operation, case .contract(let c) = graph[named(product)].operation else { continue }
            for (first, firstLabels, second, secondLabels) in [
                (c.left, c.leftLabels, c.right, c.rightLabels), (c.right, c.rightLabels, c.left, c.leftLabels),
            ] where named(first) == u && named(second) == other {
                // Labels of that product in those of this one.
                var names: [Int: Int] = [:]
                var isConsistent = true
                for (theirs, ours) in zip(firstLabels + secondLabels, uLabels + otherLabels) {
                    if let known = names[theirs], known != ours { isConsistent = false }
                    names[theirs] = ours
                }
                guard isConsistent, Set(names.values).count == names.count,
                    Set(c.resultLabels.compactMap { names[$0] }) == Set(uLabels + otherLabels)
                else { continue }
                return (id, c.resultLabels.map { names[$0] ?? 0 })
            }
        }
        return nil
    }
}
