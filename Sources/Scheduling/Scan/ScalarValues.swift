import RecAnalysis
import RecStream

/// Turns known scalars back into values of the graph: tensors over the index variables that they vary with.
struct ScalarValues {
    /// An axis of the result: the index that runs along it.
    struct Axis: Equatable {
        var index: Affine
        var dim: Dim
    }

    private(set) var graph: StreamGraph
    var scalars: Scalars
    private let standing: [Scalars.ID: [Scalars.Element]]
    private struct Key: Hashable {
        var scalar: Scalars.ID
        var indices: [Affine]
        var element: ElementType
    }
    private var built: [Key: ValueID] = [:]

    /// - Parameter standing: by scalar, the values of the graph that it is an element of.
    init(_ graph: StreamGraph, _ scalars: Scalars, standing: [Scalars.ID: [Scalars.Element]]) {
        self.graph = graph
        self.scalars = scalars
        self.standing = standing
    }

    /// The scalar at every index along `axes`.
    mutating func value(
        _ id: Scalars.ID, over axes: [Axis], as element: ElementType
    ) throws(PlanRefusal) -> ValueID {
        let key = Key(scalar: id, indices: axes.map(\.index), element: element)
        if let value = built[key] { return value }
        let value = try build(id, axes, element)
        built[key] = value
        return value
    }

    /// More take longer than the steps.
    private static let mostTerms = 1 << 20

    private mutating func build(_ id: Scalars.ID, _ axes: [Axis], _ element: ElementType) throws(PlanRefusal) -> ValueID {
        if case .number(let number) = scalars.nodes[id] {
            try checkExact(number, element)
            return constant(number, axes, element)
        }
        // What the program has computed as it is needed here.
        for candidate in standing[id, default: []] where graph[candidate.value].element == element {
            if let whole = spread(candidate.value, candidate.index, axes) { return whole }
        }
        switch scalars.nodes[id] {
        case .number(let number): return constant(number, axes, element)
        case .known(let value, let index): return try converted(placed(value, index, axes, extents: scalars.extents), to: element)
        case .index(let index): return try converted(position(index, axes), to: element)
        case .polynomial(let monomials): return try sum(monomials, axes, element)
        case .unary(let function, let a):
            if function == .not { return unary(.not, try value(a, over: axes, as: .bool), .bool) }
            // The size and the sign of an int are ints; reals do not hold every one.
            let inner: ElementType = (function == .abs || function == .sign) && (element == .int || isInteger(a)) ? .int : .real
            return try converted(unary(function, try value(a, over: axes, as: inner), inner), to: element)
        case .binary(let function, let a, let b):
            let inner: ElementType =
                function == .and || function == .or ? .bool : element == .int || isInteger(a) && isInteger(b) ? .int : .real
            let left = try value(a, over: axes, as: inner)
            let right = try value(b, over: axes, as: inner)
            return try converted(binary(function, left, right), to: element)
        case .select(let test, let yes, let no):
            let condition = try value(test, over: axes, as: .bool)
            let a = try value(yes, over: axes, as: element)
            let b = try value(no, over: axes, as: element)
            return chosen(condition, a, b)
        case .reduce(let kind, let body, let variables):
            let bound = variables.map { Axis(index: .variable($0), dim: Dim("\($0)", scalars.extents[$0])) }
            // Sums within sums have all of their terms at once.
            let terms = (axes + bound).reduce(1) { min($0, Self.mostTerms) * $1.dim.size }
            guard terms <= Self.mostTerms else { throw PlanRefusal("the factors of its maps would have more than \(Self.mostTerms) terms a step") }
            let inner = try value(body, over: axes + bound, as: element)
            return reduce(kind, inner, axes: Array(axes.count..<axes.count + bound.count))
        case .state(let slot, _): throw PlanRefusal("its factors depend on the state", at: graph[slot.value].span)
        case .opaque(let value, _): throw PlanRefusal("its step is too long to be written out", at: graph[value].span)
        }
    }

    /// Whether a scalar counts: then comparing it as a real could round it.
    private func isInteger(_ id: Scalars.ID) -> Bool {
        switch scalars.nodes[id] {
        case .number(let number): number == number.rounded() && abs(number) < 1e9
        case .known(let value, _): graph[value].element == .int
        case .index: true
        case .state, .polynomial, .unary, .binary, .select, .reduce, .opaque: false
        }
    }

    func isNumber(_ id: Scalars.ID, _ number: Double) -> Bool { scalars.isNumber(id, number) }

    // MARK: Operations

    mutating func add(_ operation: Operation, _ shape: Shape, _ element: ElementType, of operands: [ValueID]) -> ValueID {
        let variance = operands.reduce(Variance.none) { $0.union(graph[$1].variance) }
        return graph.add(Value(operation, element: element, shape: shape, variance: variance))
    }

    mutating func unary(_ function: UnaryOperator, _ a: ValueID, _ element: ElementType) -> ValueID {
        add(.unary(function, a), graph[a].shape, element, of: [a])
    }

    mutating func binary(_ function: BinaryOperator, _ a: ValueID, _ b: ValueID) -> ValueID {
        let element: ElementType
        switch function {
        case .less, .lessOrEqual, .equal, .notEqual, .greaterOrEqual, .greater, .and, .or: element = .bool
        case .add, .subtract, .multiply, .divide, .power, .min, .max, .logaddexp, .atan2, .mod, .complex, .random: element = graph[a].element
        case .uniform, .uniformNext: element = .real
        }
        return add(.binary(function, a, b), graph[a].shape, element, of: [a, b])
    }

    mutating func chosen(_ test: ValueID, _ yes: ValueID, _ no: ValueID) -> ValueID {
        add(.select(test, then: yes, otherwise: no), graph[yes].shape, graph[yes].element, of: [test, yes, no])
    }

    /// `value` where `test` holds, and a number elsewhere.
    mutating func chosen(_ test: ValueID, _ value: ValueID, _ number: Double) -> ValueID {
        chosen(test, value, constant(number, graph[value].shape.map { Axis(index: Affine(), dim: $0) }, graph[value].element))
    }

    mutating func reduce(_ kind: ReduceKind, _ a: ValueID, axes: [Int]) -> ValueID {
        guard !axes.isEmpty else { return a }
        let shape = graph[a].shape.enumerated().filter { !axes.contains($0.offset) }.map(\.element)
        return add(.reduce(kind, a, axes: axes), shape, graph[a].element, of: [a])
    }

    /// A value spread over further axes: `from` gives for each axis of the result the operand's.
    mutating func broadcast(_ a: ValueID, to shape: Shape, from: [Int?]) -> ValueID {
        if shape == graph[a].shape, from == shape.indices.map({ Optional($0) }) { return a }
        return add(.broadcast(a, from: from), shape, graph[a].element, of: [a])
    }

    mutating func delay(_ a: ValueID, _ offsets: [Int]) -> ValueID {
        let value = graph[a]
        return graph.add(
            Value(.delay(a, offsets: offsets, initial: nil), element: value.element, shape: value.shape, variance: value.variance))
    }

    mutating func setOperation(_ operation: Operation, of id: ValueID) { graph[id].operation = operation }

    mutating func addValue(_ value: Value) -> ValueID { graph.add(value) }

    /// Analysis computes in reals, which do not hold every int.
    private func checkExact(_ number: Double, _ element: ElementType) throws(PlanRefusal) {
        guard element != .int || abs(number) < 0x1p53 || number.isInfinite else { throw PlanRefusal("its factors are ints beyond 2^53") }
    }

    mutating func constant(_ number: Double, _ axes: [Axis], _ element: ElementType) -> ValueID {
        let scalar: Scalar
        switch element {
        case .real, .complex: scalar = .real(number)
        case .int: scalar = .int(Int(nearest: number))
        case .bool: scalar = .bool(number != 0)
        }
        let one = add(.constant(scalar), [], element, of: [])
        return broadcast(one, to: axes.map(\.dim), from: axes.map { _ in nil })
    }

    private mutating func converted(_ id: ValueID, to element: ElementType) throws(PlanRefusal) -> ValueID {
        switch (graph[id].element, element) {
        case (let have, let want) where have == want: return id
        case (.int, .real), (.bool, .real): return unary(.toReal, id, .real)
        case (.bool, .int), (.real, .int): return unary(.toInt, id, .int)
        case (.real, .bool), (.int, .bool), (.complex, _), (_, .complex), (_, _):
            throw PlanRefusal("its factors mix kinds of numbers")
        }
    }

    /// An element of a value of the graph at every index along `axes`.
    ///
    /// - Parameter extents: of each variable.
    mutating func placed(_ value: ValueID, _ index: [Affine], _ axes: [Axis], extents: [Int]) throws(PlanRefusal) -> ValueID {
        if let whole = spread(value, index, axes) { return whole }
        return try viewed(value, at: index, over: axes, extents: extents)
    }

    /// The same where each axis of the value is one of `axes`, and nil where it is not.
    private mutating func spread(_ value: ValueID, _ index: [Affine], _ axes: [Axis]) -> ValueID? {
        var from = [Int?](repeating: nil, count: axes.count)
        for (position, affine) in index.enumerated() {
            guard let axis = axes.firstIndex(where: { $0.index == affine && $0.dim.size == graph[value].shape[position].size }),
                from[axis] == nil
            else { return nil }
            from[axis] = position
        }
        return broadcast(value, to: axes.map(\.dim), from: from)
    }

    private mutating func sum(
        _ monomials: [Scalars.Monomial], _ axes: [Axis], _ element: ElementType
    ) throws(PlanRefusal) -> ValueID {
        var total: ValueID?
        // What is added comes first, so that few signs are turned.
        for monomial in monomials.filter({ $0.coefficient > 0 }) + monomials.filter({ $0.coefficient < 0 }) {
            let isSubtracted = monomial.coefficient < 0 && total != nil
            let term = try product(monomial, axes, element, coefficient: isSubtracted ? -monomial.coefficient : monomial.coefficient)
            total = total.map { binary(isSubtracted ? .subtract : .add, $0, term) } ?? term
        }
        return total ?? constant(0, axes, element)
    }

    private mutating func product(
        _ monomial: Scalars.Monomial, _ axes: [Axis], _ element: ElementType, coefficient: Double
    ) throws(PlanRefusal) -> ValueID {
        try checkExact(coefficient, element)
        var above: ValueID?
        var below: ValueID?
        for factor in monomial.factors {
            let base = try value(factor.scalar, over: axes, as: element)
            for _ in 0..<abs(factor.power) {
                if factor.power > 0 {
                    above = above.map { binary(.multiply, $0, base) } ?? base
                } else {
                    below = below.map { binary(.multiply, $0, base) } ?? base
                }
            }
        }
        if coefficient == -1, let negated = above { above = unary(.negate, negated, element) }
        if abs(coefficient) != 1 || above == nil {
            let number = constant(coefficient, axes, element)
            above = above.map { binary(.multiply, number, $0) } ?? number
        }
        guard let above else { return constant(coefficient, axes, element) }
        return below.map { binary(.divide, above, $0) } ?? above
    }
}
