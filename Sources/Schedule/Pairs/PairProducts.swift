import RecStream

/// Products of values of pairs, written so that they are products of matrices.
extension PairFactors {
    /// A product of what is repeated along dims, as one of what it is.
    mutating func unrepeat(_ id: ValueID) {
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
    mutating func unmask(_ id: ValueID) {
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
    mutating func spread(_ condition: ValueID, along places: [Int?], to shape: Shape) -> ValueID? {
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
    mutating func scale(_ id: ValueID) {
        guard case .binary(let function, let product, let scale) = graph[id].operation, function == .divide || function == .multiply else { return }
        var (inner, factor) = (named(product), named(scale))
        if function == .multiply, !graph[factor].variance.isStatic { swap(&inner, &factor) }
        guard graph[factor].variance.isStatic, case .broadcast(let number, let from) = graph[factor].operation, from.allSatisfy({ $0 == nil })
        else { return scaleScalar(id, function, inner, factor) }
        push(id, function, inner, number)
    }

    mutating func scaleScalar(_ id: ValueID, _ function: BinaryOperator, _ inner: ValueID, _ factor: ValueID) {
        guard graph[factor].shape.isEmpty, graph[factor].variance.isStatic else { return }
        push(id, function, inner, factor)
    }

    mutating func push(_ id: ValueID, _ function: BinaryOperator, _ product: ValueID, _ number: ValueID) {
        // By 0 or by infinity it would not be the same.
        guard graph[number].shape.isEmpty, isSafe(number) else { return }
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

    // MARK: Masks

    /// Whether a value is 0 already where a condition does not hold.
    func isMasked(_ id: ValueID, by condition: ValueID) -> Bool {
        switch graph[named(id)].operation {
        case .select(let own, let a, let zero): number(zero) == 0 && isSame(own, condition) || number(zero) == 0 && isMasked(a, by: condition)
        case .binary(.multiply, let a, let b): isMasked(a, by: condition) || isMasked(b, by: condition)
        case .binary(.divide, let a, let b): isSafe(b) && isMasked(a, by: condition)
        case .unary(.negate, let a): isMasked(a, by: condition)
        // e^−∞ is 0.
        case .unary(.exp, let a): isAbsent(a, without: condition)
        case .input, .parameter, .constant, .unary, .binary, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window,
            .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            false
        }
    }

    /// Whether a value is −∞ where a condition does not hold.
    func isAbsent(_ id: ValueID, without condition: ValueID) -> Bool {
        switch graph[named(id)].operation {
        case .select(let own, _, let other): number(other) == -.infinity && isSame(own, condition)
        case .binary(.subtract, let a, _), .binary(.add, let a, _): isAbsent(a, without: condition)
        case .input, .parameter, .constant, .unary, .binary, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window,
            .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            false
        }
    }

    /// Whether two conditions are the same, up to dims along which they do not vary.
    func isSame(_ a: ValueID, _ b: ValueID) -> Bool {
        func core(_ id: ValueID) -> ValueID {
            var id = named(id)
            while case .broadcast(let inner, let from) = graph[id].operation, graph[inner].shape.isEmpty, from.allSatisfy({ $0 == nil }) { id = named(inner) }
            return id
        }
        return a == b || core(a) == core(b) || graph[a].operation == graph[b].operation && graph[a].shape == graph[b].shape
    }
}
