import RecStream

/// How far the two steps of a pair may be apart for it to count: `least <= t - s <= most`, nil where there is no bound.
struct PairDomain: Hashable {
    var least: Int?
    var most: Int?

    static let all = PairDomain()

    /// Pairs that are in either.
    func union(_ other: PairDomain) -> PairDomain {
        PairDomain(
            least: least.flatMap { own in other.least.map { min(own, $0) } }, most: most.flatMap { own in other.most.map { max(own, $0) } })
    }

    /// Pairs that are in both.
    func intersection(_ other: PairDomain) -> PairDomain {
        PairDomain(
            least: [least, other.least].compactMap { $0 }.max(), most: [most, other.most].compactMap { $0 }.min())
    }
}

/// For which pairs of steps the values of a graph can count, by the conditions on distances that stand in it.
struct PairDomains {
    let graph: StreamGraph

    private func number(_ id: ValueID) -> Double? { ChunkShapes(graph: graph, count: 1).number(id) }

    /// The pairs for which a value can be other than 0.
    func nonzero(_ id: ValueID) -> PairDomain {
        switch graph[id].operation {
        case .select(let condition, let a, let b):
            if number(b) == 0 { return holding(condition).intersection(nonzero(a)) }
            return nonzero(a).union(nonzero(b))
        case .unary(let function, let a):
            switch function {
            case .exp: return finite(a)
            case .negate, .stop, .abs, .sqrt, .relu, .tanh, .sin: return nonzero(a)
            case .sign, .floor, .not, .log, .log2, .log1p, .expm1, .rsqrt, .cos, .tan, .erf, .sigmoid, .logsigmoid, .gelu, .silu, .softplus, .step, .re, .im,
                .conj, .cis, .toReal, .toInt, .toComplex, .numbered:
                return .all
            }
        case .binary(.multiply, let a, let b): return nonzero(a).intersection(nonzero(b))
        case .binary(.divide, let a, _): return nonzero(a)
        case .binary(.add, let a, let b), .binary(.subtract, let a, let b): return nonzero(a).union(nonzero(b))
        case .contract(let c): return nonzero(c.left).intersection(nonzero(c.right))
        case .rename(let a), .broadcast(let a, _), .reshape(let a): return nonzero(a)
        case .reduce(.sum, let a, _): return nonzero(a)
        case .input, .parameter, .constant, .binary, .reduce, .slice, .concat, .pad, .window, .gather, .scatter, .delay, .overTime, .overBatch,
            .along, .distance, .chunks, .steps, .runningAffine, .solve:
            return .all
        }
    }

    /// The pairs for which a value can be more than −∞, or less than ∞ where `isLeast`.
    func finite(_ id: ValueID, isLeast: Bool = false) -> PairDomain {
        let bound = isLeast ? Double.infinity : -.infinity
        switch graph[id].operation {
        case .select(let condition, let a, let b):
            return number(b) == bound || graph[id].element == .int && number(b) == (isLeast ? Double(Int.max) : Double(Int.min)) ? holding(condition).intersection(finite(a, isLeast: isLeast)) : .all
        case .binary(.subtract, let a, let b) where !graph.isPair(b):
            return finite(a, isLeast: isLeast)
        case .rename(let a), .broadcast(let a, _), .reshape(let a): return finite(a, isLeast: isLeast)
        case .input, .parameter, .constant, .unary, .binary, .contract, .reduce, .slice, .concat, .pad, .window, .gather, .scatter, .delay,
            .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            return .all
        }
    }

    /// The pairs for which a condition can hold.
    private func holding(_ id: ValueID) -> PairDomain {
        switch graph[id].operation {
        case .rename(let a), .broadcast(let a, _): return holding(a)
        case .binary(.and, let a, let b): return holding(a).intersection(holding(b))
        case .binary(.or, let a, let b): return holding(a).union(holding(b))
        case .binary(let function, let a, let b): return compared(function, a, b)
        case .input, .parameter, .constant, .unary, .select, .contract, .reduce, .reshape, .slice, .concat, .pad, .window, .gather, .scatter,
            .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            return .all
        }
    }

    private func compared(_ function: BinaryOperator, _ a: ValueID, _ b: ValueID) -> PairDomain {
        guard let x = PairDistance(a, in: graph), let y = PairDistance(b, in: graph) else { return .all }
        // sign · distance + offset, held against 0.
        let (sign, offset) = (x.sign - y.sign, x.offset - y.offset)
        guard abs(sign) == 1 else { return .all }
        func atMost(_ bound: Int) -> PairDomain {
            sign == 1 ? PairDomain(least: nil, most: bound - offset) : PairDomain(least: offset - bound, most: nil)
        }
        func atLeast(_ bound: Int) -> PairDomain {
            sign == 1 ? PairDomain(least: bound - offset, most: nil) : PairDomain(least: nil, most: offset - bound)
        }
        switch function {
        case .less: return atMost(-1)
        case .lessOrEqual: return atMost(0)
        case .greater: return atLeast(1)
        case .greaterOrEqual: return atLeast(0)
        case .equal: return atMost(0).intersection(atLeast(0))
        case .notEqual, .add, .subtract, .multiply, .divide, .power, .min, .max, .logaddexp, .atan2, .mod, .and, .or, .complex, .random, .uniform,
            .uniformNext:
            return .all
        }
    }
}

/// An int of pairs that is `sign · (t - s) + offset`.
struct PairDistance {
    var sign: Int
    var offset: Int

    init(sign: Int, offset: Int) { (self.sign, self.offset) = (sign, offset) }

    /// Nil where a value is nothing like that, or its numbers are too large to be told from their neighbours as reals.
    init?(_ id: ValueID, in graph: StreamGraph) {
        switch graph[id].operation {
        case .constant(.int(let number)) where abs(number) < 1 << 22: (sign, offset) = (0, number)
        case .distance: (sign, offset) = (1, 0)
        case .rename(let a), .broadcast(let a, _):
            guard let inner = PairDistance(a, in: graph) else { return nil }
            self = inner
        case .unary(.negate, let a):
            guard let inner = PairDistance(a, in: graph) else { return nil }
            (sign, offset) = (-inner.sign, -inner.offset)
        case .binary(.subtract, let a, let b):
            if let step = PairDistance(difference: a, b, in: graph) {
                self = step
                return
            }
            guard let x = PairDistance(a, in: graph), let y = PairDistance(b, in: graph) else { return nil }
            (sign, offset) = (x.sign - y.sign, x.offset - y.offset)
        case .binary(.add, let a, let b):
            guard let x = PairDistance(a, in: graph), let y = PairDistance(b, in: graph) else { return nil }
            (sign, offset) = (x.sign + y.sign, x.offset + y.offset)
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .reshape, .slice, .concat, .pad, .window, .gather,
            .scatter, .delay, .overTime, .overBatch, .along, .chunks, .steps, .runningAffine, .solve:
            return nil
        }
        guard abs(sign) <= 1, abs(offset) < 1 << 22 else { return nil }
    }

    /// Of the number of a step and that of another one: `t - s`.
    private init?(difference a: ValueID, _ b: ValueID, in graph: StreamGraph) {
        func named(_ id: ValueID) -> ValueID {
            var id = id
            while case .rename(let inner) = graph[id].operation { id = inner }
            return id
        }
        func counter(_ id: ValueID) -> Bool { if case .unary(.numbered, _) = graph[id].operation { true } else { false } }
        let (x, y) = (named(a), named(b))
        if case .along(let source, let axis) = graph[y].operation, named(source) == x, counter(x) {
            (sign, offset) = (graph.axes[axis].again == nil ? -1 : 1, 0)
        } else if case .along(let source, let axis) = graph[x].operation, named(source) == y, counter(y) {
            (sign, offset) = (graph.axes[axis].again == nil ? 1 : -1, 0)
        } else {
            return nil
        }
    }
}
