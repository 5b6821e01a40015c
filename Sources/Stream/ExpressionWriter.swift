/// Writes values of a graph as users would: from their operations, down to values that have a name.
///
/// The text is what the value is, not what the source says at its place: a call of a function may be many values, and the
/// values of a gradient have the places of those they are gradients of.
package struct ExpressionWriter {
    private let graph: StreamGraph

    /// Expressions are nested no deeper than this.
    private static let mostDepth = 7

    /// Whether the tests that slopes carry are left out: `s` for `if abs(s) < inf then s else 0`.
    private let slopesAlone: Bool

    package init(_ graph: StreamGraph, slopesAlone: Bool = false) {
        self.graph = graph
        self.slopesAlone = slopesAlone
    }

    /// The value in at most `longest` characters; `…` stands for what would be too long.
    package func text(_ id: ValueID, longest: Int) -> String { expression(id, longest: longest).text }

    package func expression(_ id: ValueID, longest: Int) -> ExpressionText {
        for depth in (1...Self.mostDepth).reversed() {
            let result = write(id, depth)
            if result.text.count <= longest { return result }
        }
        return .omitted
    }

    /// - Parameter depth: how many operations may be inside each other.
    package func write(_ id: ValueID, _ depth: Int) -> ExpressionText {
        let value = graph[id]
        if let name = value.name { return ExpressionText(name) }
        switch value.operation {
        case .input(let name, _): return ExpressionText(name)
        case .parameter(let parameter): return ExpressionText(parameter.path)
        case .constant(let scalar): return constant(scalar)
        case .rename(let a): return renamed(a, as: value, depth)
        case .broadcast(let a, let from): return broadcast(a, from, depth)
        case .reshape(let a):
            // An index that is dropped.
            if graph[a].shape.sizes.filter({ $0 != 1 }) == value.shape.sizes.filter({ $0 != 1 }) { return write(a, depth) }
            guard depth > 0 else { return .omitted }
            return .call("reshape", [write(a, depth - 1), ExpressionText("[\(value.shape.map(\.name).joined(separator: ", "))]")])
        case .unary(.toReal, let a), .unary(.toComplex, let a): return write(a, depth)
        // A step of what has a name is as short as the name.
        case .delay(let a, let offsets, _) where graph[a].hasWord: return state(a).delayed(by: offsets, along: graph.axes, of: graph[a].variance)
        case .select(let test, let slope, let otherwise) where slopesAlone && graph.isGuarded(slope, by: test, otherwise):
            return write(slope, depth)
        case .unary, .binary, .select, .contract, .reduce, .slice, .concat, .pad, .window, .gather, .scatter, .delay, .overTime,
            .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            return depth > 0 ? compute(id, depth - 1) : .omitted
        }
    }

    /// What is delayed: a state as its declaration calls it.
    private func state(_ id: ValueID) -> ExpressionText { graph.stateName(of: id).map { ExpressionText($0) } ?? write(id, 0) }

    /// What is computed from operands, each nested by `depth`.
    private func compute(_ id: ValueID, _ depth: Int) -> ExpressionText {
        let value = graph[id]
        func part(_ id: ValueID) -> ExpressionText { write(id, depth) }
        switch value.operation {
        case .input, .parameter, .constant, .rename, .broadcast, .reshape: return write(id, depth)
        case .unary(let function, let a): return .unary(function, part(a))
        case .binary(let function, let a, let b): return .binary(function, part(a), part(b))
        case .select(let test, let yes, let no): return .select(part(test), part(yes), part(no))
        case .contract(let contraction): return contract(contraction, part(contraction.left), part(contraction.right))
        case .reduce(let kind, let a, let axes):
            let shape = graph[a].shape
            return .reduction(kind, axes.count == shape.count ? [] : axes.map { shape[$0].name }, part(a))
        case .slice(let a, let axis, let start, let stride):
            let count = value.shape[axis].size
            if stride == 1, let whole = joined(start..<start + count, of: a, axis: axis, depth + 1) { return whole }
            return part(a).sliced(graph[a].shape.indices.map { $0 == axis ? (start, count, stride) : nil })
        case .concat(let parts, let axis): return .call(axis == 0 ? "concat" : "concat[\(value.shape[axis].name)]", parts.map(part))
        case .pad(let a, let axis, let before, let after, let mode):
            let sizes = [before, after].map { ExpressionText("\($0)") } + (mode == .zero ? [] : [ExpressionText(mode.rawValue)])
            return .call("pad[\(graph[a].shape[axis].name)]", [part(a)] + sizes)
        case .window(let a, let axis, _): return .call("windows[\(graph[a].shape[axis].name)]", [part(a)])
        case .gather(let table, let index): return ExpressionText("\(part(table).within(.whole))[\(part(index).text)]")
        case .scatter(let rows, let index, _): return .call("scatter", [part(rows), part(index)])
        case .delay(let a, let offsets, _): return part(a).delayed(by: offsets, along: graph.axes, of: graph[a].variance)
        case .overTime(let kind, let a, let axis): return .call("\(kind.rawValue)[\(graph.axes[axis].name)]", [part(a)])
        case .overBatch(let a): return .call("sum[batch]", [part(a)])
        case .along(let a, let axis): return ExpressionText("\(part(a).within(.whole))[\(graph.axes[axis].name)]")
        case .distance(let axis):
            let name = graph.axes[axis].again.map { graph.axes[$0].name } ?? "t"
            return .binary(.subtract, ExpressionText(name), ExpressionText(graph.axes[axis].name))
        case .chunks(let a, let axis, _): return .call("chunks[\(graph.axes[axis].name)]", [part(a)])
        case .steps(let a, let axis): return .call("steps[\(graph.axes[axis].name)]", [part(a)])
        case .runningAffine(let a, let b, let axis, _): return .call("running[\(value.shape[axis].name)]", [part(a), part(b)])
        case .solve(let a, let b, _): return .call("solve", [part(a), part(b)])
        }
    }

    /// Elements along an axis where they are one of the values joined there, also through a product with it; nil elsewhere.
    private func joined(_ range: Range<Int>, of id: ValueID, axis: Int, _ depth: Int) -> ExpressionText? {
        guard graph[id].name == nil, depth > 0 else { return nil }
        switch graph[id].operation {
        case .concat(let parts, axis):
            var start = 0
            for part in parts {
                let end = start + graph[part].shape[axis].size
                if start..<end == range { return write(part, depth) }
                start = end
            }
            return nil
        case .broadcast(let a, let from):
            guard let source = from[axis], let inner = joined(range, of: a, axis: source, depth) else { return nil }
            return from == [1, 0] ? transposed(inner) : inner
        case .rename(let a): return joined(range, of: a, axis: axis, depth)
        case .contract(let c):
            let label = c.resultLabels[axis]
            if let axis = c.leftLabels.firstIndex(of: label), !c.rightLabels.contains(label), let left = joined(range, of: c.left, axis: axis, depth - 1) {
                return contract(c, left, write(c.right, depth - 1))
            }
            guard let axis = c.rightLabels.firstIndex(of: label), !c.leftLabels.contains(label),
                let right = joined(range, of: c.right, axis: axis, depth - 1)
            else { return nil }
            return contract(c, write(c.left, depth - 1), right)
        case .input, .parameter, .constant, .unary, .binary, .select, .reduce, .reshape, .slice, .concat, .pad, .window, .gather,
            .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            return nil
        }
    }

    private func constant(_ scalar: Scalar) -> ExpressionText {
        switch scalar {
        case .real(let value): .number(value)
        case .int(let value): value < 0 ? ExpressionText("\(value)", .sign) : ExpressionText("\(value)")
        case .bool(let value): ExpressionText("\(value)")
        case .complex(let re, let im): .call("complex", [.number(re), .number(im)])
        }
    }

    private func renamed(_ a: ValueID, as value: Value, _ depth: Int) -> ExpressionText {
        let names = value.shape.map(\.name)
        // A rename may also change what a value varies over alone.
        return names == graph[a].shape.map(\.name) ? write(a, depth) : write(a, depth).renamed(names)
    }

    /// Operands are lined up by name, so that new axes need no word; those of a matrix may be exchanged.
    private func broadcast(_ a: ValueID, _ from: [Int?], _ depth: Int) -> ExpressionText {
        let inner = write(a, depth)
        return from == [1, 0] ? transposed(inner) : inner
    }

    private func transposed(_ matrix: ExpressionText) -> ExpressionText { ExpressionText("\(matrix.within(.whole)).T") }

    private func contract(_ c: Contraction, _ left: ExpressionText, _ right: ExpressionText) -> ExpressionText {
        let result = Set(c.resultLabels)
        let summed = Set(c.leftLabels).union(c.rightLabels).subtracting(result)
        if summed.isEmpty, Set(c.leftLabels).isDisjoint(with: c.rightLabels) { return .call("outer", [left, right]) }
        let sides = [(left, c.leftLabels, right, c.rightLabels), (right, c.rightLabels, left, c.leftLabels)]
        for (a, aLabels, b, bLabels) in sides {
            guard summed.count == 1, let label = summed.first else { continue }
            if let x = ending(with: label, a, aLabels), let y = beginning(with: label, b, bLabels), x.rest + y.rest == c.resultLabels {
                return .infix(x.text, "@", y.text, .contraction)
            }
        }
        let product = ExpressionText.infix(left, "*", right, .product)
        guard !summed.isEmpty else { return product }
        var names: [String] = []
        for (labels, id) in [(c.leftLabels, c.left), (c.rightLabels, c.right)] {
            for (label, dim) in zip(labels, graph[id].shape) where summed.contains(label) && !names.contains(dim.name) { names.append(dim.name) }
        }
        return .reduction(.sum, result.isEmpty ? [] : names, product)
    }

    /// An operand so that the axis with this label is its last.
    private func ending(with label: Int, _ text: ExpressionText, _ labels: [Int]) -> (text: ExpressionText, rest: [Int])? {
        if labels.last == label { return (text, Array(labels.dropLast())) }
        return labels.count == 2 && labels.first == label ? (transposed(text), [labels[1]]) : nil
    }

    private func beginning(with label: Int, _ text: ExpressionText, _ labels: [Int]) -> (text: ExpressionText, rest: [Int])? {
        if labels.first == label { return (text, Array(labels.dropFirst())) }
        return labels.count == 2 && labels.last == label ? (transposed(text), [labels[0]]) : nil
    }
}

extension Value {
    /// Whether it is written as a word, however little room there is.
    fileprivate var hasWord: Bool {
        if name != nil { return true }
        switch operation {
        case .input, .parameter: return true
        case .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window, .gather,
            .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            return false
        }
    }
}

extension StreamGraph {
    /// The state that a value is, by the name of its declaration.
    package func stateName(of id: ValueID) -> String? { states.first { $0.value == id }?.name }

    /// Whether a test only asks if a slope, or what it is a function of, is a finite number, with 0 where it is not.
    fileprivate func isGuarded(_ slope: ValueID, by test: ValueID, _ otherwise: ValueID) -> Bool {
        guard isConstant(otherwise, 0), case .binary(let function, let a, let b) = self[beforeViews(test)].operation else { return false }
        let slope = beforeViews(slope)
        if function == .less, isConstant(b, .infinity) {
            if case .unary(.abs, let size) = self[beforeViews(a)].operation { return beforeViews(size) == slope }
            return beforeViews(a) == slope
        }
        guard function == .equal, a == b else { return false }
        if case .unary(_, let argument) = self[slope].operation { return beforeViews(argument) == beforeViews(a) }
        return false
    }

    private func isConstant(_ id: ValueID, _ number: Double) -> Bool { self[beforeViews(id)].operation == .constant(.real(number)) }

    /// What a value shows in another shape.
    private func beforeViews(_ id: ValueID) -> ValueID {
        switch self[id].operation {
        case .broadcast(let a, _), .rename(let a): return self[id].name == nil ? beforeViews(a) : id
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .reshape, .slice, .concat, .pad, .window, .gather,
            .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            return id
        }
    }
}
