import RecStream

/// A value that does not depend on the state, taken apart into sums of products of values with fewer dims.
struct OuterProducts {
    let graph: StreamGraph

    init(_ graph: StreamGraph) { self.graph = graph }

    struct Factor {
        var id: ValueID
        var labels: [Int]
        var isInverse = false
        var isNegative = false
    }

    /// More terms than this are no gain over the value as it stands.
    private static let mostTerms = 16

    /// The terms of the sum, each with its factors.
    func terms(of id: ValueID, _ labels: [Int]) -> [[Factor]] {
        let found = split(id, labels, isNegative: false)
        return found.count <= Self.mostTerms ? found : [[Factor(id: id, labels: labels)]]
    }

    private func split(_ id: ValueID, _ labels: [Int], isNegative: Bool) -> [[Factor]] {
        switch graph[id].operation {
        case .binary(.add, let a, let b): return split(a, labels, isNegative: isNegative) + split(b, labels, isNegative: isNegative)
        case .binary(.subtract, let a, let b):
            return split(a, labels, isNegative: isNegative) + split(b, labels, isNegative: !isNegative)
        case .unary(.negate, let a): return split(a, labels, isNegative: !isNegative)
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat,
            .pad, .window, .gather, .scatter, .delay, .overTime, .overBatch, .chunks, .steps, .runningAffine, .solve:
            var factors = factors(of: id, labels)
            if isNegative { factors[0].isNegative.toggle() }
            return [factors]
        }
    }

    /// One or more.
    private func factors(of id: ValueID, _ labels: [Int]) -> [Factor] {
        switch graph[id].operation {
        case .binary(.multiply, let a, let b): return factors(of: a, labels) + factors(of: b, labels)
        case .binary(.divide, let a, let b):
            return factors(of: a, labels) + inverse(b, labels)
        case .unary(.negate, let a):
            var inner = factors(of: a, labels)
            inner[0].isNegative.toggle()
            return inner
        case .broadcast(let a, let from):
            var inner = [Int](repeating: 0, count: graph[a].shape.count)
            for (axis, source) in from.enumerated() { if let source { inner[source] = labels[axis] } }
            return factors(of: a, inner)
        case .rename(let a) where graph[a].variance == graph[id].variance: return factors(of: a, labels)
        case .contract(let c) where Set(c.leftLabels + c.rightLabels).isSubset(of: c.resultLabels):
            func own(_ operand: [Int]) -> [Int] { operand.compactMap { label in c.resultLabels.firstIndex(of: label).map { labels[$0] } } }
            return factors(of: c.left, own(c.leftLabels)) + factors(of: c.right, own(c.rightLabels))
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .rename, .reshape, .slice, .concat, .pad, .window,
            .gather, .scatter, .delay, .overTime, .overBatch, .chunks, .steps, .runningAffine, .solve:
            return [Factor(id: id, labels: labels)]
        }
    }

    /// Divisors are divided by as they are, without the broadcasts around them.
    private func inverse(_ id: ValueID, _ labels: [Int]) -> [Factor] {
        var (id, labels) = (id, labels)
        while case .broadcast(let a, let from) = graph[id].operation {
            var inner = [Int](repeating: 0, count: graph[a].shape.count)
            for (axis, source) in from.enumerated() { if let source { inner[source] = labels[axis] } }
            (id, labels) = (a, inner)
        }
        return [Factor(id: id, labels: labels, isInverse: true)]
    }
}
