extension StreamGraph {
    /// The same graph without complex values: each has become its real and its imaginary part.
    ///
    /// Complex inputs, parameters and outputs become real ones with a last axis `re,im` of size 2; a complex state `h`
    /// becomes the states `h.re` and `h.im`.
    public func splittingComplex() -> StreamGraph {
        guard values.contains(where: { $0.element == .complex }) else { return self }
        var split = ComplexSplit(self)
        return split.run()
    }
}

/// The work of taking complex values apart.
private struct ComplexSplit {
    /// What has become of a value.
    private enum Parts {
        case one(ValueID)
        case two(ValueID, ValueID)
    }

    private let graph: StreamGraph
    private var result: StreamGraph
    private var parts: [ValueID: Parts] = [:]
    private var delays: [(new: ValueID, operand: ValueID, isImaginary: Bool)] = []
    private static let pair = Dim("re,im", 2)

    init(_ graph: StreamGraph) {
        self.graph = graph
        result = graph
        result.values = []
    }

    mutating func run() -> StreamGraph {
        for id in graph.ids { parts[id] = split(id) }
        for delay in delays {
            guard case .delay(_, let offsets, let initial) = result[delay.new].operation else { continue }
            let operand = delay.isImaginary ? imaginary(delay.operand) : real(delay.operand)
            result[delay.new].operation = .delay(operand, offsets: offsets, initial: initial)
        }
        result.outputs = graph.outputs.map { StreamGraph.Output(name: $0.name, value: joined($0.value), span: $0.span) }
        result.losses = graph.losses.map { StreamGraph.Output(name: $0.name, value: real($0.value), span: $0.span) }
        result.states = graph.states.flatMap { state -> [StreamGraph.State] in
            guard case .two(let re, let im)? = parts[state.value] else {
                return [
                    StreamGraph.State(
                        name: state.name, value: real(state.value), initial: state.initial.map { real($0) }, span: state.span)
                ]
            }
            return [
                StreamGraph.State(name: state.name + ".re", value: re, initial: state.initial.map { real($0) }, span: state.span),
                StreamGraph.State(name: state.name + ".im", value: im, initial: state.initial.map { imaginary($0) }, span: state.span),
            ]
        }
        for k in result.folds.indices {
            result.folds[k].elements = graph.folds[k].elements.map { real($0) }
            result.folds[k].states = graph.folds[k].states.map { real($0) }
        }
        return result.ordered()
    }

    private func real(_ id: ValueID) -> ValueID {
        switch parts[id] {
        case .one(let value), .two(let value, _): value
        case nil: preconditionFailure("operands come first")
        }
    }

    private func imaginary(_ id: ValueID) -> ValueID {
        switch parts[id] {
        case .one(let value), .two(_, let value): value
        case nil: preconditionFailure("operands come first")
        }
    }

    /// A real value like `id`, with the name of a part.
    private mutating func add(_ operation: Operation, like id: ValueID, _ part: String = "", shape: Shape? = nil) -> ValueID {
        var value = graph[id]
        value.operation = operation
        value.element = .real
        value.shape = shape ?? value.shape
        value.name = value.name.map { $0 + part }
        return result.add(value)
    }

    private mutating func binary(_ function: BinaryOperator, _ a: ValueID, _ b: ValueID, like id: ValueID) -> ValueID {
        add(.binary(function, a, b), like: id)
    }

    private mutating func unary(_ function: UnaryOperator, _ a: ValueID, like id: ValueID) -> ValueID {
        add(.unary(function, a), like: id)
    }

    /// Both parts as one value with a last axis.
    private mutating func joined(_ id: ValueID) -> ValueID {
        guard case .two(let re, let im)? = parts[id] else { return real(id) }
        let single = graph[id].shape + [Dim("1", 1)]
        let halves = [re, im].map { add(.reshape($0), like: id, ".part", shape: single) }
        return add(.concat(halves, axis: graph[id].shape.count), like: id, shape: graph[id].shape + [Self.pair])
    }

    /// The parts of a value that is read in as pairs.
    private mutating func leaf(_ operation: Operation, _ id: ValueID) -> Parts {
        let shape = graph[id].shape
        let whole = add(operation, like: id, shape: shape + [Self.pair])
        let halves = (0..<2).map { k -> ValueID in
            let slice = add(.slice(whole, axis: shape.count, start: k, stride: 1), like: id, shape: shape + [Dim("1", 1)])
            return add(.reshape(slice), like: id)
        }
        return .two(halves[0], halves[1])
    }

    private mutating func split(_ id: ValueID) -> Parts {
        let value = graph[id]
        let operation = value.operation
        guard value.element == .complex else { return realResult(id) }
        switch operation {
        case .input, .parameter:
            return leaf(operation, id)
        case .constant(let scalar):
            var numbers = (0.0, 0.0)
            if case .complex(let re, let im) = scalar { numbers = (re, im) }
            if case .real(let re) = scalar { numbers = (re, 0) }
            return .two(add(.constant(.real(numbers.0)), like: id), add(.constant(.real(numbers.1)), like: id))
        case .unary(let function, let a):
            return unaryParts(function, a, id)
        case .binary(let function, let a, let b):
            return binaryParts(function, a, b, id)
        case .contract(var contraction):
            let (a, b) = (contraction.left, contraction.right)
            func product(_ left: ValueID, _ right: ValueID) -> ValueID {
                contraction.left = left
                contraction.right = right
                return add(.contract(contraction), like: id)
            }
            let (rr, ii) = (product(real(a), real(b)), product(imaginary(a), imaginary(b)))
            let (ri, ir) = (product(real(a), imaginary(b)), product(imaginary(a), real(b)))
            return .two(binary(.subtract, rr, ii, like: id), binary(.add, ri, ir, like: id))
        case .delay(let operand, let offsets, let initial):
            let re = add(.delay(ValueID(0), offsets: offsets, initial: initial.map { real($0) }), like: id, ".re")
            let im = add(.delay(ValueID(0), offsets: offsets, initial: initial.map { imaginary($0) }), like: id, ".im")
            delays.append((re, operand, false))
            delays.append((im, operand, true))
            return .two(re, im)
        case .select(let condition, let a, let b):
            return .two(
                add(.select(real(condition), then: real(a), otherwise: real(b)), like: id, ".re"),
                add(.select(real(condition), then: imaginary(a), otherwise: imaginary(b)), like: id, ".im"))
        case .gather(let table, let index):
            return .two(
                add(.gather(table: real(table), index: real(index)), like: id, ".re"),
                add(.gather(table: imaginary(table), index: real(index)), like: id, ".im"))
        case .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window, .overTime:
            return .two(
                add(operation.mapOperands { real($0) }, like: id, ".re"),
                add(operation.mapOperands { imaginary($0) }, like: id, ".im"))
        }
    }

    /// A value that is not complex itself, though its operands may be.
    private mutating func realResult(_ id: ValueID) -> Parts {
        var value = graph[id]
        func isComplex(_ operand: ValueID) -> Bool { graph[operand].element == .complex }
        switch value.operation {
        case .unary(let function, let a) where isComplex(a):
            if function == .re { return .one(add(.rename(real(a)), like: id)) }
            if function == .im { return .one(add(.rename(imaginary(a)), like: id)) }
            // Typing leaves only the absolute value.
            return .one(magnitude(a, id))
        case .binary(let function, let a, let b) where isComplex(a):
            // Only equality is defined.
            let parts = [(real(a), real(b)), (imaginary(a), imaginary(b))].map { left, right -> ValueID in
                value.operation = .binary(function, left, right)
                return result.add(value)
            }
            value.operation = .binary(function == .equal ? .and : .or, parts[0], parts[1])
            return .one(result.add(value))
        case .delay(let operand, let offsets, let initial):
            value.operation = .delay(ValueID(0), offsets: offsets, initial: initial.map { real($0) })
            let new = result.add(value)
            delays.append((new, operand, false))
            return .one(new)
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape,
            .slice, .concat, .pad, .window, .gather, .overTime:
            value.operation = value.operation.mapOperands { real($0) }
            return .one(result.add(value))
        }
    }

    /// `|z|`, scaled by the larger part so that no square overflows.
    private mutating func magnitude(_ a: ValueID, _ id: ValueID) -> ValueID {
        let (x, y) = (unary(.abs, real(a), like: id), unary(.abs, imaginary(a), like: id))
        let (large, small) = (binary(.max, x, y, like: id), binary(.min, x, y, like: id))
        func spread(_ number: Double) -> ValueID {
            var scalar = graph[id]
            scalar.shape = []
            scalar.variance = .none
            scalar.name = nil
            scalar.operation = .constant(.real(number))
            let constant = result.add(scalar)
            return graph[id].shape.isEmpty ? constant : add(.broadcast(constant, from: graph[id].shape.map { _ in nil }), like: id)
        }
        let (zero, one) = (spread(0), spread(1))
        var test = graph[id]
        test.element = .bool
        test.operation = .binary(.equal, large, zero)
        let isZero = result.add(test)
        let divisor = add(.select(isZero, then: one, otherwise: large), like: id)
        let ratio = binary(.divide, small, divisor, like: id)
        let square = binary(.add, binary(.multiply, ratio, ratio, like: id), one, like: id)
        return binary(.multiply, large, unary(.sqrt, square, like: id), like: id)
    }

    private mutating func unaryParts(_ function: UnaryOperator, _ a: ValueID, _ id: ValueID) -> Parts {
        switch function {
        case .cis:
            return .two(unary(.cos, real(a), like: id), unary(.sin, real(a), like: id))
        case .toComplex:
            let zero = unary(.stop, real(a), like: id)
            return .two(real(a), binary(.subtract, zero, zero, like: id))
        case .exp:
            let scale = unary(.exp, real(a), like: id)
            return .two(
                binary(.multiply, scale, unary(.cos, imaginary(a), like: id), like: id),
                binary(.multiply, scale, unary(.sin, imaginary(a), like: id), like: id))
        case .conj:
            return .two(real(a), unary(.negate, imaginary(a), like: id))
        case .negate, .stop:
            return .two(unary(function, real(a), like: id), unary(function, imaginary(a), like: id))
        case .abs, .sign, .floor, .not, .log, .log1p, .expm1, .sqrt, .rsqrt, .sin, .cos, .tanh, .sigmoid, .logsigmoid,
            .relu, .gelu, .silu, .softplus, .step, .re, .im, .toReal, .toInt:
            preconditionFailure("typing allows no \(function) with a complex result")
        }
    }

    private mutating func binaryParts(_ function: BinaryOperator, _ a: ValueID, _ b: ValueID, _ id: ValueID) -> Parts {
        switch function {
        case .complex:
            return .two(real(a), real(b))
        case .add, .subtract:
            return .two(
                binary(function, real(a), real(b), like: id), binary(function, imaginary(a), imaginary(b), like: id))
        case .multiply:
            return .two(
                binary(
                    .subtract, binary(.multiply, real(a), real(b), like: id),
                    binary(.multiply, imaginary(a), imaginary(b), like: id), like: id),
                binary(
                    .add, binary(.multiply, real(a), imaginary(b), like: id),
                    binary(.multiply, imaginary(a), real(b), like: id), like: id))
        case .divide:
            let square = binary(
                .add, binary(.multiply, real(b), real(b), like: id),
                binary(.multiply, imaginary(b), imaginary(b), like: id), like: id)
            let re = binary(
                .add, binary(.multiply, real(a), real(b), like: id),
                binary(.multiply, imaginary(a), imaginary(b), like: id), like: id)
            let im = binary(
                .subtract, binary(.multiply, imaginary(a), real(b), like: id),
                binary(.multiply, real(a), imaginary(b), like: id), like: id)
            return .two(binary(.divide, re, square, like: id), binary(.divide, im, square, like: id))
        case .power, .min, .max, .logaddexp, .less, .lessOrEqual, .equal, .notEqual, .greaterOrEqual, .greater, .and, .or:
            preconditionFailure("typing allows no \(function) with a complex result")
        }
    }
}
