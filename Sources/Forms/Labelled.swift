import RecStream

/// A value, and what each of its dims stands for: a dim of the state, a step of a chunk, and so on.
struct Labelled: Hashable {
    var id: ValueID
    var labels: [Int]

    /// The same value with other labels.
    func relabelled(_ map: [Int: Int]) -> Labelled { Labelled(id: id, labels: labels.map { map[$0] ?? $0 }) }
}

/// Builds a graph of labelled values: operands are lined up by their labels.
struct LabelledBuilder {
    var builder: GraphBuilder
    private var dims: [Int: Dim] = [:]

    init(_ builder: GraphBuilder) { self.builder = builder }

    // MARK: Labels

    mutating func newLabel(_ dim: Dim) -> Int {
        let label = dims.count
        dims[label] = dim
        return label
    }

    func dim(_ label: Int) -> Dim {
        guard let dim = dims[label] else { preconditionFailure("labels are made by newLabel") }
        return dim
    }

    func shape(_ labels: [Int]) -> Shape { labels.map(dim) }

    // MARK: Operations

    /// The value with these dims in this order; all of its own are among them.
    mutating func lined(_ a: Labelled, to labels: [Int]) -> ValueID {
        let shape = shape(labels)
        if a.labels != labels {
            return builder.broadcast(a.id, to: shape, from: labels.map { a.labels.firstIndex(of: $0) })
        }
        return builder[a.id].shape == shape ? a.id : builder.rename(a.id, to: shape)
    }

    mutating func number(_ number: Double) -> Labelled { Labelled(id: builder.constant(number), labels: []) }

    mutating func binary(_ function: BinaryOperator, _ a: Labelled, _ b: Labelled) -> Labelled {
        let labels = a.labels + b.labels.filter { !a.labels.contains($0) }
        let (left, right) = (lined(a, to: labels), lined(b, to: labels))
        return Labelled(id: builder.binary(function, left, right), labels: labels)
    }

    mutating func unary(_ function: UnaryOperator, _ a: Labelled) -> Labelled {
        Labelled(id: builder.unary(function, a.id), labels: a.labels)
    }

    /// The product, where nil is 1.
    mutating func product(_ a: Labelled?, _ b: Labelled?) -> Labelled? {
        guard let a else { return b }
        guard let b else { return a }
        return binary(.multiply, a, b)
    }

    /// The sum, where nil is 0.
    mutating func sum(_ a: Labelled?, _ b: Labelled?) -> Labelled? {
        guard let a else { return b }
        guard let b else { return a }
        return binary(.add, a, b)
    }

    mutating func select(_ condition: Labelled, _ a: Labelled, _ b: Labelled) -> Labelled {
        let others = (a.labels + b.labels).filter { !condition.labels.contains($0) }
        let labels = others.reduce(into: condition.labels) { if !$0.contains($1) { $0.append($1) } }
        let operands = [condition, a, b].map { lined($0, to: labels) }
        return Labelled(id: builder.select(operands[0], operands[1], operands[2]), labels: labels)
    }

    /// The product of two values, summed over the labels that `labels` does not have. Labels of neither operand are left out.
    mutating func contract(_ a: Labelled, _ b: Labelled, to labels: [Int]) -> Labelled {
        let kept = labels.filter { a.labels.contains($0) || b.labels.contains($0) }
        let contraction = Contraction(
            left: a.id, right: b.id, leftLabels: a.labels, rightLabels: b.labels, resultLabels: kept)
        return Labelled(id: builder.add(.contract(contraction), proposing: ValueType(.real, shape(kept), .none)), labels: kept)
    }

    /// The sum over labels, each of which the value has.
    mutating func sum(_ a: Labelled, over labels: Set<Int>) -> Labelled {
        let axes = a.labels.indices.filter { labels.contains(a.labels[$0]) }
        guard !axes.isEmpty else { return a }
        return Labelled(id: builder.reduce(.sum, a.id, axes: axes), labels: a.labels.filter { !labels.contains($0) })
    }

    /// The value at one place along a label.
    mutating func element(_ a: Labelled, _ label: Int, at place: Int) -> Labelled {
        guard let axis = a.labels.firstIndex(of: label) else { return a }
        let rest = a.labels.filter { $0 != label }
        let piece = builder.slice(a.id, axis: axis, start: place, count: 1)
        return Labelled(id: builder.reshape(piece, to: shape(rest)), labels: rest)
    }

    // MARK: Places

    /// 0, 1, 2, … along a label.
    mutating func places(_ label: Int) -> Labelled { Labelled(id: builder.counted(dim(label)), labels: [label]) }

    /// 1 at one place along a label, 0 elsewhere.
    mutating func indicator(_ label: Int, at place: Int) -> Labelled {
        let (places, here) = (places(label), number(Double(place)))
        let isHere = binary(.equal, places, here)
        return unary(.toReal, isHere)
    }

    /// `y[i] = factor[i] · y[i-1] + term[i]` along a label; the other way round where `isReversed`.
    mutating func running(_ factor: Labelled, _ term: Labelled, along label: Int, isReversed: Bool = false) -> Labelled {
        let labels = factor.labels + term.labels.filter { !factor.labels.contains($0) }
        guard let axis = labels.firstIndex(of: label) else { preconditionFailure("one of the operands has the label") }
        let (a, b) = (lined(factor, to: labels), lined(term, to: labels))
        return Labelled(id: builder.runningAffine(a, b, axis: axis, isReversed: isReversed), labels: labels)
    }

    /// The element `distance` places before along a label, and 0 for the first ones; behind where `isReversed`.
    mutating func shifted(_ a: Labelled, along label: Int, by distance: Int = 1, isReversed: Bool = false) -> Labelled {
        guard let axis = a.labels.firstIndex(of: label) else { preconditionFailure("the value has the label") }
        return Labelled(id: builder.shifted(a.id, axis: axis, by: distance, isReversed: isReversed), labels: a.labels)
    }
}
