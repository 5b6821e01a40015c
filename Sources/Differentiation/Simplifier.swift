import RecSource
import RecStream

/// Adds values to a graph as algebra would write them: constants are computed, factors of 1 and terms of 0 are left out, equal terms are
/// added up, and views of views are one.
///
/// Reverse mode is generous: the slope of a square comes out as `1 * x + 1 * x`. A derivative that a program goes on with should be what
/// one would have written by hand, so that it is read, analysed and computed like that. A term of 0 is one that the derivative does not
/// have, so 0 times an infinity is 0.
struct Simplifier {
    let span: SourceSpan?

    // MARK: Numbers

    /// A constant of a shape.
    func number(_ number: Double, _ shape: Shape, _ graph: inout StreamGraph) -> ValueID {
        let scalar = graph.add(Value(.constant(.real(number)), element: .real, shape: [], variance: .none, span: span))
        guard !shape.isEmpty else { return scalar }
        return plain(.broadcast(scalar, from: shape.map { _ in nil }), ValueType(.real, shape, .none), &graph)
    }

    private func plain(_ operation: Operation, _ type: ValueType, _ graph: inout StreamGraph) -> ValueID {
        let variance = operation.operands.reduce(Variance.none) { $0.union(graph[$1].variance) }
        return graph.add(Value(operation, element: type.element, shape: type.shape, variance: variance, span: span))
    }

    /// A value as a number times another one.
    private func scaled(_ id: ValueID, _ graph: StreamGraph) -> (factor: Double, rest: ValueID) {
        switch graph[id].operation {
        case .unary(.negate, let a):
            let inner = scaled(a, graph)
            return (-inner.factor, inner.rest)
        case .binary(.multiply, let a, let b):
            for (known, other) in [(a, b), (b, a)] {
                guard let number = graph.finiteConstant(known) else { continue }
                let inner = scaled(other, graph)
                let factor = number * inner.factor
                // Neither overflow nor underflow may change what the product is.
                guard factor.isNormal else { continue }
                return (factor, inner.rest)
            }
            return (1, id)
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat,
            .pad, .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            return (1, id)
        }
    }

    private func product(_ factor: Double, _ rest: ValueID, _ graph: inout StreamGraph) -> ValueID {
        let type = graph[rest].type
        if factor == 1 { return rest }
        if factor == -1 { return plain(.unary(.negate, rest), type, &graph) }
        return plain(.binary(.multiply, rest, number(factor, type.shape, &graph)), type, &graph)
    }

    // MARK: Operations

    /// Adds a value of this type, or what it comes to.
    func add(_ operation: Operation, _ type: ValueType, _ graph: inout StreamGraph) -> ValueID {
        guard type.element == .real else { return plain(operation, type, &graph) }
        switch operation {
        case .unary(.negate, let a): return negated(a, &graph)
        case .binary(let function, let a, let b): return binary(function, a, b, type, &graph)
        case .select(_, let a, let b) where a == b || equalNumbers(a, b, graph): return a
        case .contract(let c): return contracted(c, type, &graph)
        case .reduce(.sum, let a, let axes): return summed(a, axes, type, &graph)
        case .broadcast(let a, let from): return broadcast(a, from, type, &graph)
        case .rename(let a) where graph[a].shape == type.shape: return a
        case .reshape(let a) where graph[a].shape == type.shape: return a
        case .rename(let a), .reshape(let a), .slice(let a, _, _, _):
            return graph.finiteConstant(a).map { number($0, type.shape, &graph) } ?? plain(operation, type, &graph)
        case .pad(let a, _, _, _, _) where graph.finiteConstant(a) == 0: return number(0, type.shape, &graph)
        case .input, .parameter, .constant, .unary, .select, .reduce, .concat, .pad, .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance,
            .chunks, .steps, .runningAffine, .solve:
            return plain(operation, type, &graph)
        }
    }

    private func equalNumbers(_ a: ValueID, _ b: ValueID, _ graph: StreamGraph) -> Bool {
        guard let x = graph.finiteConstant(a), let y = graph.finiteConstant(b) else { return false }
        return x == y
    }

    private func negated(_ a: ValueID, _ graph: inout StreamGraph) -> ValueID {
        if let known = graph.finiteConstant(a) { return number(-known, graph[a].shape, &graph) }
        let (factor, rest) = scaled(a, graph)
        return product(-factor, rest, &graph)
    }

    private func binary(_ function: BinaryOperator, _ a: ValueID, _ b: ValueID, _ type: ValueType, _ graph: inout StreamGraph) -> ValueID {
        let (x, y) = (graph.finiteConstant(a), graph.finiteConstant(b))
        switch function {
        case .multiply:
            if let x, let y { return number(x * y, type.shape, &graph) }
            if x == 0 || y == 0 { return number(0, type.shape, &graph) }
            let (left, right) = (scaled(a, graph), scaled(b, graph))
            if let x { return timesNumber(x, b, right, &graph) }
            if let y { return timesNumber(y, a, left, &graph) }
            let factor = left.factor * right.factor
            guard factor != 1, factor.isNormal else { break }
            let rest = plain(.binary(.multiply, left.rest, right.rest), type, &graph)
            return product(factor, rest, &graph)
        case .add, .subtract:
            let sign: Double = function == .add ? 1 : -1
            if let x, let y { return number(x + sign * y, type.shape, &graph) }
            if y == 0 { return a }
            if x == 0 { return function == .add ? b : negated(b, &graph) }
            let (left, right) = (scaled(a, graph), scaled(b, graph))
            let factor = left.factor + sign * right.factor
            if left.rest == right.rest, factor.isNormal { return product(factor, left.rest, &graph) }
            if right.factor == -1 {
                return plain(.binary(function == .add ? .subtract : .add, a, right.rest), type, &graph)
            }
        case .divide:
            if let x, let y, (x / y).isFinite { return number(x / y, type.shape, &graph) }
            if y == 1 { return a }
        case .power, .min, .max, .logaddexp, .atan2, .mod, .less, .lessOrEqual, .equal, .notEqual, .greaterOrEqual, .greater, .and, .or, .random, .uniform, .uniformNext,
            .complex:
            break
        }
        return plain(.binary(function, a, b), type, &graph)
    }

    private func timesNumber(
        _ number: Double, _ id: ValueID, _ scaled: (factor: Double, rest: ValueID), _ graph: inout StreamGraph
    ) -> ValueID {
        let factor = number * scaled.factor
        return factor.isNormal ? product(factor, scaled.rest, &graph) : product(number, id, &graph)
    }

    /// A sum of products; with a constant for one of the factors it is a sum of the other.
    private func contracted(_ c: Contraction, _ type: ValueType, _ graph: inout StreamGraph) -> ValueID {
        let sides = [(c.left, c.leftLabels, c.right, c.rightLabels), (c.right, c.rightLabels, c.left, c.leftLabels)]
        for (known, labels, other, otherLabels) in sides {
            guard let factor = graph.finiteConstant(known) else { continue }
            let alone = labels.indices.filter { !otherLabels.contains(labels[$0]) && !c.resultLabels.contains(labels[$0]) }
            let count = alone.reduce(1) { $0 * graph[known].shape[$1].size }
            let summed = otherLabels.indices.filter { !c.resultLabels.contains(otherLabels[$0]) }
            let left = otherLabels.filter(c.resultLabels.contains)
            let rest = summed.isEmpty ? other : self.summed(other, summed, ValueType(.real, left.map { label in graph[other].shape[otherLabels.firstIndex(of: label) ?? 0] }, .none), &graph)
            let wide = broadcast(rest, c.resultLabels.map { left.firstIndex(of: $0) }, type, &graph)
            if factor == 0 { return number(0, type.shape, &graph) }
            return binary(.multiply, wide, number(factor * Double(count), type.shape, &graph), type, &graph)
        }
        return plain(.contract(c), type, &graph)
    }

    /// A sum over axes. Along axes that were only spread it is a multiple; of products it is one contraction.
    private func summed(_ a: ValueID, _ axes: [Int], _ type: ValueType, _ graph: inout StreamGraph) -> ValueID {
        let shape = graph[a].shape
        func count(_ axes: [Int]) -> Double { Double(axes.reduce(1) { $0 * shape[$1].size }) }
        if let known = graph.finiteConstant(a) { return number(known * count(axes), type.shape, &graph) }
        let (factor, rest) = scaled(a, graph)
        if factor != 1 { return product(factor, summed(rest, axes, type, &graph), &graph) }
        let kept = shape.indices.filter { !axes.contains($0) }
        switch graph[a].operation {
        case .broadcast(let inner, let from):
            let spread = axes.filter { from[$0] == nil }
            guard !spread.isEmpty else { break }
            let gone = axes.compactMap { from[$0] }.sorted()
            let left = graph[inner].shape.indices.filter { !gone.contains($0) }
            let innerType = ValueType(.real, left.map { graph[inner].shape[$0] }, .none)
            let rest = gone.isEmpty ? inner : summed(inner, gone, innerType, &graph)
            let wide = broadcast(rest, kept.map { axis in from[axis].flatMap { left.firstIndex(of: $0) } }, type, &graph)
            return product(count(spread), wide, &graph)
        case .contract(var c):
            let labels = Set(c.leftLabels + c.rightLabels)
            guard labels.isSubset(of: c.resultLabels) else { break }
            c.resultLabels = kept.map { c.resultLabels[$0] }
            return plain(.contract(c), type, &graph)
        case .input, .parameter, .constant, .unary, .binary, .select, .reduce, .rename, .reshape, .slice, .concat, .pad, .window, .gather,
            .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            break
        }
        return plain(.reduce(.sum, a, axes: axes), type, &graph)
    }

    private func broadcast(_ a: ValueID, _ from: [Int?], _ type: ValueType, _ graph: inout StreamGraph) -> ValueID {
        if let known = graph.finiteConstant(a) { return number(known, type.shape, &graph) }
        if case .broadcast(let inner, let before) = graph[a].operation {
            return broadcast(inner, from.map { $0.flatMap { before[$0] } }, type, &graph)
        }
        if from == Array(graph[a].shape.indices) {
            return graph[a].shape == type.shape ? a : plain(.rename(a), type, &graph)
        }
        return plain(.broadcast(a, from: from), type, &graph)
    }
}
