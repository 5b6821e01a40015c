import RecSource
import RecStream

/// Element-wise operands are lined up by the names of their axes.
extension ModelTyper {
    /// Both values in one shape: the one whose axes include the other's.
    func aligned(
        _ a: ValueID, _ b: ValueID, _ spans: (SourceSpan, SourceSpan), _ span: SourceSpan, of function: BinaryOperator? = nil
    ) throws -> (ValueID, ValueID) {
        let (x, y) = (model[a].shape, model[b].shape)
        let product = function == .multiply ? contraction(x, y, spans) : nil
        if x == y { return (a, b) }
        if y.isEmpty { return (a, try broadcast(b, to: x, spans.1)) }
        if x.isEmpty { return (try broadcast(a, to: y, spans.0), b) }
        for (shape, value) in [(x, a), (y, b)] {
            if let name = repeatedName(shape) {
                throw report(
                    .ambiguousDim, "'\(name)' stands twice in \(describe(value)), so it cannot be lined up with another shape",
                    at: span, caption: shapes(a, b, spans), help: product ?? "give one of its axes another name: x as [\(name), …]")
            }
        }
        let isLarger = Set(y.map(\.name)).isSubset(of: x.map(\.name))
        let isSmaller = Set(x.map(\.name)).isSubset(of: y.map(\.name))
        guard isLarger || isSmaller else {
            throw report(
                .shapeMismatch, "'\(shortened(span))' lines up axes by name, and neither side has all of the other's",
                at: span, caption: shapes(a, b, spans), help: product ?? alignmentHelp(x, y, spans))
        }
        let target = isLarger ? x : y
        let other = isLarger ? y : x
        for dim in other {
            guard let same = target.first(where: { $0.name == dim.name }), same.size != dim.size else { continue }
            throw report(
                .shapeMismatch, "'\(dim.name)' has size \(dim.size) on one side and \(same.size) on the other", at: span,
                caption: shapes(a, b, spans))
        }
        return isLarger ? (a, try broadcast(b, to: x, spans.1)) : (try broadcast(a, to: y, spans.0), b)
    }

    private func alignmentHelp(_ x: TypedShape, _ y: TypedShape, _ spans: (SourceSpan, SourceSpan)) -> String? {
        let onlyX = x.filter { dim in !y.contains { $0.name == dim.name } }
        let onlyY = y.filter { dim in !x.contains { $0.name == dim.name } }
        if x.count == y.count, onlyX.count == 1, onlyY.count == 1, onlyX[0].size == onlyY[0].size {
            return "the sizes agree: rename one with 'as [\(x.map(\.name).joined(separator: ", "))]'"
        }
        if let odd = (x + y).first(where: { !$0.name.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" } }) {
            return "the size \(odd.name) is that of no other axis"
        }
        if x.count == 1, y.count == 1 {
            return "for all pairs write outer(\(sources.text(of: spans.0)), \(sources.text(of: spans.1)))"
        }
        return nil
    }

    /// How the product of a matrix and a vector, or of two matrices, is written, where '@' would contract these.
    private func contraction(_ x: TypedShape, _ y: TypedShape, _ spans: (SourceSpan, SourceSpan)) -> String? {
        let (left, right) = (sources.text(of: spans.0), sources.text(of: spans.1))
        if areMatrixAndVector(x, y) { return "the product of a matrix and a vector is written \(left) @ \(right)" }
        guard x.count == 2, y.count == 2 else { return nil }
        let what = "the product of two matrices is written"
        if x[1].size == y[0].size { return "\(what) \(left) @ \(right)" }
        if y[1].size == x[0].size { return "\(what) \(right) @ \(left)" }
        if x[1].size == y[1].size { return "\(what) \(left) @ \(Self.transposed(right))" }
        return x[0].size == y[0].size ? "\(what) \(Self.transposed(left)) @ \(right)" : nil
    }

    /// Whether '@' would contract these.
    private func areMatrixAndVector(_ x: TypedShape, _ y: TypedShape) -> Bool {
        if x.count == 2, y.count == 1 { return x[1].size == y[0].size }
        return x.count == 1 && y.count == 2 && x[0].size == y[0].size
    }

    /// Where a value is made of a matrix and a vector that are multiplied element by element.
    private func elementwiseProduct(in value: ValueID) -> SourceSpan? {
        var stack = [value]
        var visited = 0
        while let next = stack.popLast(), visited < 100 {
            visited += 1
            guard case .primitive(let operation) = model[next].operation else { continue }
            switch operation {
            case .binary(.multiply, let a, let b):
                if areMatrixAndVector(model[beforeBroadcast(a)].shape, model[beforeBroadcast(b)].shape) { return model[next].span }
                stack += [a, b]
            case .unary, .binary, .select, .broadcast: stack += operation.operands
            case .input, .parameter, .constant, .contract, .reduce, .rename, .reshape, .slice, .concat, .pad, .window, .gather, .scatter,
                .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                continue
            }
        }
        return nil
    }

    private func beforeBroadcast(_ value: ValueID) -> ValueID {
        if case .primitive(.broadcast(let inner, _)) = model[value].operation { return inner }
        return value
    }

    func shapes(_ a: ValueID, _ b: ValueID, _ spans: (SourceSpan, SourceSpan)) -> String {
        "\(shortened(spans.0)): \(describe(a)), \(shortened(spans.1)): \(describe(b))"
    }

    func shortened(_ span: SourceSpan) -> String {
        let text = sources.text(of: span).replacing("\n", with: " ")
        return text.count <= 30 ? text : text.prefix(14) + " … " + text.suffix(13)
    }

    func repeatedName(_ shape: TypedShape) -> String? {
        var seen: Set<String> = []
        return shape.first { !seen.insert($0.name).inserted }?.name
    }

    /// The value in a shape that has all its axes.
    func broadcast(_ value: ValueID, to shape: TypedShape, _ span: SourceSpan) throws -> ValueID {
        let old = model[value].shape
        if old == shape { return value }
        let from = shape.map { dim in old.firstIndex { $0.name == dim.name } }
        guard from.count(where: { $0 != nil }) == old.count, repeatedName(old) == nil else {
            throw report(
                .shapeMismatch, "\(describe(value)) does not fit \(describe(shape, .real))", at: span, caption: describe(value))
        }
        return add(
            .primitive(.broadcast(value, from: from)), model[value].element, shape, model[value].variance, span)
    }

    /// The value in a declared type: promoted, and spread over axes it lacks.
    func fit(_ value: ValueID, to type: TypeInfo, what: String, at span: SourceSpan) throws -> ValueID {
        let value = try converted(value, to: type.element, span)
        let shape = model[value].shape
        if shape == type.shape { return value }
        let names = Set(type.shape.map(\.name))
        let fits = shape.allSatisfy { dim in type.shape.contains { $0 == dim } } && repeatedName(shape) == nil
            && names.count == type.shape.count
        guard fits || shape.isEmpty else {
            throw report(
                .shapeMismatch, "\(what) has the shape \(describe(value)), declared is \(describe(type.shape, type.element))",
                at: span, caption: describe(value),
                help: elementwiseProduct(in: value).map { "'\(shortened($0))' multiplies element by element; a matrix and a vector are multiplied with '@'" })
        }
        return try broadcast(value, to: type.shape, span)
    }
}
