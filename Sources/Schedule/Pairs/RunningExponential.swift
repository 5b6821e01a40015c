import RecStream

/// A sum over pairs whose terms are multiples of `exp(x - f(m))`, where `m` is the largest `x`: it can be computed along with `m`, and made
/// smaller whenever a larger `x` turns up.
///
/// Milakov and Gimelshein, "Online normalizer calculation for softmax" (2018), section 3; Rabe and Staats, "Self-attention does not need
/// O(n²) memory" (2021).
struct RunningExponential {
    /// The largest `x`.
    var most: ValueID
    /// `f(m)`, of the shape of `m`.
    var shift: ValueID
    /// For each dim of `m` that of the sum.
    var dims: [Int]

    /// - Parameter levels: of each value what it must wait for.
    init?(of sum: ValueID, in graph: StreamGraph) {
        guard case .overTime(.sum, let term, let axis) = graph[sum].operation, let found = Self.find(term, axis, graph) else { return nil }
        self = found
    }

    private static func find(_ id: ValueID, _ axis: Int, _ graph: StreamGraph) -> RunningExponential? {
        func inner(_ id: ValueID, _ dims: (Int) -> Int?) -> RunningExponential? {
            guard var found = find(id, axis, graph) else { return nil }
            var moved: [Int] = []
            for dim in found.dims {
                guard let own = dims(dim) else { return nil }
                moved.append(own)
            }
            found.dims = moved
            return found
        }
        /// Of two factors the one that is a multiple, where the other one does not depend on the largest.
        func either(_ a: ValueID, _ b: ValueID, _ dims: (Int, Bool) -> Int?) -> RunningExponential? {
            for (own, other, isFirst) in [(a, b, true), (b, a, false)] {
                guard let found = inner(own, { dims($0, isFirst) }), !graph.depends(other, on: found.most) else { continue }
                return found
            }
            return nil
        }
        switch graph[id].operation {
        case .unary(.exp, let a):
            var difference = a
            while case .rename(let inner) = graph[difference].operation { difference = inner }
            guard case .binary(.subtract, let x, let shift) = graph[difference].operation,
                let most = graph.largest(behind: shift), case .overTime(.max, let y, axis) = graph[most].operation, graph.isPair(y), graph.unnamed(y) == graph.unnamed(x),
                graph[shift].shape.sizes == graph[most].shape.sizes
            else { return nil }
            return RunningExponential(most: most, shift: shift, dims: Array(graph[most].shape.indices))
        case .unary(.negate, let a), .rename(let a): return inner(a) { $0 }
        case .binary(.multiply, let a, let b): return either(a, b) { dim, _ in dim }
        case .binary(.divide, let a, let b): return inner(a) { $0 }.flatMap { graph.depends(b, on: $0.most) ? nil : $0 }
        case .select(let condition, let a, let zero):
            guard ChunkShapes(graph: graph, count: 1).number(zero) == 0 else { return nil }
            return inner(a) { $0 }.flatMap { graph.depends(condition, on: $0.most) ? nil : $0 }
        case .broadcast(let a, let from): return inner(a) { from.firstIndex(of: $0) }
        case .contract(let c):
            return either(c.left, c.right) { dim, isLeft in c.resultLabels.firstIndex(of: isLeft ? c.leftLabels[dim] : c.rightLabels[dim]) }
        case .input, .parameter, .constant, .unary, .binary, .reduce, .reshape, .slice, .concat, .pad, .window, .gather, .scatter, .delay, .overTime,
            .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            return nil
        }
    }

    private init(most: ValueID, shift: ValueID, dims: [Int]) {
        (self.most, self.shift, self.dims) = (most, shift, dims)
    }
}

extension StreamGraph {
    func unnamed(_ id: ValueID) -> ValueID {
        var id = id
        while case .rename(let a) = self[id].operation, self[a].variance == self[id].variance { id = a }
        return id
    }

    /// Whether a value follows from another one.
    func depends(_ id: ValueID, on other: ValueID) -> Bool {
        var seen: Set<ValueID> = []
        var rest = [id]
        while let next = rest.popLast() {
            if next == other { return true }
            guard next > other, seen.insert(next).inserted else { continue }
            rest += self[next].operation.instantOperands
        }
        return false
    }

    /// The reduction that a value follows from element by element, and from nothing else but numbers of the source.
    fileprivate func largest(behind id: ValueID) -> ValueID? {
        var found: ValueID?
        var rest = [id]
        while let next = rest.popLast() {
            if ChunkShapes(graph: self, count: 1).number(next) != nil { continue }
            switch self[next].operation {
            case .overTime(.max, _, _):
                guard found == nil || found == next else { return nil }
                found = next
            case .unary, .binary, .select, .rename: rest += self[next].operation.operands
            case .input, .parameter, .constant, .contract, .reduce, .broadcast, .reshape, .slice, .concat, .pad, .window, .gather, .scatter, .delay,
                .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                return nil
            }
        }
        return found
    }
}
