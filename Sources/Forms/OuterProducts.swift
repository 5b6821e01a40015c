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

    /// More terms, or factors of one, than this are no gain over the value as it stands.
    private static let mostTerms = 16
    private static let mostFactors = 32

    /// The terms of the sum, each with its factors.
    func terms(of id: ValueID, _ labels: [Int]) -> [[Factor]] {
        var found: [[Factor]] = []
        guard split(id, labels, isNegative: false, &found) else { return [[Factor(id: id, labels: labels)]] }
        return found
    }

    /// False where there are too many terms: a value may be a part of others on as many ways as two to their depth.
    private func split(_ id: ValueID, _ labels: [Int], isNegative: Bool, _ found: inout [[Factor]]) -> Bool {
        guard found.count < Self.mostTerms else { return false }
        switch graph[id].operation {
        case .binary(.add, let a, let b):
            return split(a, labels, isNegative: isNegative, &found) && split(b, labels, isNegative: isNegative, &found)
        case .binary(.subtract, let a, let b):
            return split(a, labels, isNegative: isNegative, &found) && split(b, labels, isNegative: !isNegative, &found)
        case .unary(.negate, let a): return split(a, labels, isNegative: !isNegative, &found)
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat,
            .pad, .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            var factors: [Factor] = []
            if !collect(id, labels, &factors) { factors = [Factor(id: id, labels: labels)] }
            if isNegative { factors[0].isNegative.toggle() }
            found.append(factors)
            return true
        }
    }

    /// The factors of a value; false where there are too many.
    private func collect(_ id: ValueID, _ labels: [Int], _ found: inout [Factor]) -> Bool {
        guard found.count < Self.mostFactors else { return false }
        switch graph[id].operation {
        case .binary(.multiply, let a, let b): return collect(a, labels, &found) && collect(b, labels, &found)
        case .binary(.divide, let a, let b):
            guard collect(a, labels, &found) else { return false }
            found.append(inverse(b, labels))
            return true
        case .unary(.negate, let a):
            let first = found.count
            guard collect(a, labels, &found) else { return false }
            found[first].isNegative.toggle()
            return true
        case .broadcast(let a, let from):
            var inner = [Int](repeating: 0, count: graph[a].shape.count)
            for (axis, source) in from.enumerated() { if let source { inner[source] = labels[axis] } }
            return collect(a, inner, &found)
        case .rename(let a) where graph[a].variance == graph[id].variance: return collect(a, labels, &found)
        case .contract(let c) where Set(c.leftLabels + c.rightLabels).isSubset(of: c.resultLabels):
            func own(_ operand: [Int]) -> [Int] { operand.compactMap { label in c.resultLabels.firstIndex(of: label).map { labels[$0] } } }
            return collect(c.left, own(c.leftLabels), &found) && collect(c.right, own(c.rightLabels), &found)
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .rename, .reshape, .slice, .concat, .pad, .window,
            .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            found.append(Factor(id: id, labels: labels))
            return true
        }
    }

    /// Divisors are divided by as they are, without the broadcasts around them.
    private func inverse(_ id: ValueID, _ labels: [Int]) -> Factor {
        var (id, labels) = (id, labels)
        while case .broadcast(let a, let from) = graph[id].operation {
            var inner = [Int](repeating: 0, count: graph[a].shape.count)
            for (axis, source) in from.enumerated() { if let source { inner[source] = labels[axis] } }
            (id, labels) = (a, inner)
        }
        return Factor(id: id, labels: labels, isInverse: true)
    }
}
