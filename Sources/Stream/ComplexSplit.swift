extension StreamGraph {
    /// The same graph without complex values: each has become its real and its imaginary part.
    ///
    /// Complex inputs, parameters and outputs become real ones with a last axis `re,im` of size 2; a complex state `h`
    /// becomes the states `h.re` and `h.im`.
    package func splittingComplex() -> StreamGraph {
        guard values.contains(where: { $0.element == .complex }) else { return self }
        var split = ComplexSplit(self)
        return split.run()
    }

    /// The name of a value as users know it: of a complex one that is in two parts, without which of them it is.
    package static func wholeName(_ name: String) -> String {
        name.hasSuffix(".re") || name.hasSuffix(".im") ? String(name.dropLast(3)) : name
    }
}

/// The work of taking complex values apart.
private struct ComplexSplit {
    private let graph: StreamGraph
    private var result: StreamGraph
    /// What has become of a value: its real part, and its imaginary one where it was complex.
    private var parts: [ValueID: (re: ValueID, im: ValueID?)] = [:]
    /// Delays whose operand is still to be set.
    private var delays: [(new: ValueID, operand: ValueID, isImaginary: Bool)] = []

    init(_ graph: StreamGraph) {
        self.graph = graph
        result = graph
        result.values = []
    }

    mutating func run() -> StreamGraph {
        for id in graph.ids {
            let count = result.values.count
            let split = graph[id].element == .complex ? complexParts(id) : (re: realResult(id), im: nil)
            parts[id] = split
            // The parts have the value's name; what lies between has none.
            name(split.re, graph[id].name.map { split.im == nil ? $0 : $0 + ".re" }, from: count)
            if let im = split.im { name(im, graph[id].name.map { $0 + ".im" }, from: count) }
        }
        for delay in delays {
            guard case .delay(_, let offsets, let initial) = result[delay.new].operation else { continue }
            let operand = delay.isImaginary ? imaginary(delay.operand) : real(delay.operand)
            result[delay.new].operation = .delay(operand, offsets: offsets, initial: initial)
        }
        result.outputs = graph.outputs.map { StreamGraph.Output(name: $0.name, value: joined($0.value), span: $0.span) }
        result.losses = graph.losses.map { StreamGraph.Output(name: $0.name, value: real($0.value), span: $0.span) }
        result.states = graph.states.flatMap(states)
        keepDirections()
        for k in result.folds.indices {
            result.folds[k].elements = graph.folds[k].elements.map { real($0) }
            result.folds[k].states = graph.folds[k].states.map { real($0) }
        }
        result.ownGradients = graph.renumberedOwnGradients { real($0) }
        return result.ordered()
    }

    private func real(_ id: ValueID) -> ValueID {
        guard let part = parts[id] else { preconditionFailure("operands come first") }
        return part.re
    }

    private func imaginary(_ id: ValueID) -> ValueID {
        guard let part = parts[id], let im = part.im else { preconditionFailure("only complex values have an imaginary part") }
        return im
    }

    private mutating func name(_ id: ValueID, _ name: String?, from count: Int) {
        if id.index >= count { result[id].name = name }
    }

    private func states(_ state: StreamGraph.State) -> [StreamGraph.State] {
        func part(_ suffix: String, _ part: (ValueID) -> ValueID) -> StreamGraph.State {
            StreamGraph.State(
                name: state.name + suffix, value: part(state.value), initial: state.initial.map(part), span: state.span)
        }
        return graph[state.value].element == .complex ? [part(".re", real), part(".im", imaginary)] : [part("", real)]
    }

    /// Makes states that were computed from the last step to the first so again where their parts no longer depend on themselves, as
    /// `s = im(complex(s[t+1], x))` does: the direction says which step a state ends with.
    private mutating func keepDirections() {
        let reversed = graph.loopNests.reduce(into: Set<ValueID>()) { $0.formUnion($1.reversedValues) }
        guard graph.dataAxes.count == 1, graph.states.contains(where: { reversed.contains($0.value) }) else { return }
        let kept = result.loopNests.reduce(into: Set<ValueID>()) { $0.formUnion($1.reversedValues) }
        let origins = graph.states.flatMap { state in graph[state.value].element == .complex ? [state.value, state.value] : [state.value] }
        for (k, id) in origins.enumerated() where reversed.contains(id) && !kept.contains(result.states[k].value) {
            result.states[k].value = reversedCopy(of: result.states[k].value, over: graph[id].variance)
        }
    }

    /// The same value as a recurrence that looks one step ahead and takes nothing from there.
    private mutating func reversedCopy(of id: ValueID, over variance: Variance) -> ValueID {
        var value = result[id]
        value.variance = variance
        let offsets = graph.axes.indices.map { graph.axes[$0].chunks == nil ? 1 : 0 }
        let next = result.add(Value(.delay(ValueID(result.values.count), offsets: offsets, initial: nil), value.type))
        let scalar = result.add(Value(.constant(.bool(false)), element: .bool, shape: [], variance: .none))
        let never = value.shape.isEmpty ? scalar
            : result.add(Value(.broadcast(scalar, from: value.shape.map { _ in nil }), element: .bool, shape: value.shape, variance: .none))
        value.operation = .select(never, then: next, otherwise: id)
        let own = result.add(value)
        result[next].operation = .delay(own, offsets: offsets, initial: nil)
        return own
    }

    // MARK: New values

    /// A value of the type that follows, at the place of `id` in the source; `shape` where it is not `id`'s.
    private mutating func add(_ operation: Operation, like id: ValueID, shape: Shape? = nil) -> ValueID {
        let old = graph[id]
        var proposed = ValueType(old.element == .complex ? .real : old.element, shape ?? old.shape, .none)
        switch operation {
        // A rename may widen what its operand varies over: an output of a parameter is given for each sequence.
        case .input, .rename: proposed.variance = old.variance
        case .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .reshape, .slice, .concat, .pad, .window,
            .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            break
        }
        do {
            var value = Value(operation, try result.inferredType(of: operation, proposing: proposed))
            value.span = old.span
            return result.add(value)
        } catch { preconditionFailure("\(operation): \(error)") }
    }

    private mutating func binary(_ function: BinaryOperator, _ a: ValueID, _ b: ValueID, like id: ValueID) -> ValueID {
        add(.binary(function, a, b), like: id)
    }

    private mutating func unary(_ function: UnaryOperator, _ a: ValueID, like id: ValueID) -> ValueID {
        add(.unary(function, a), like: id)
    }

    /// A number in the shape of `id`.
    private mutating func constant(_ number: Double, like id: ValueID) -> ValueID {
        let scalar = add(.constant(.real(number)), like: id)
        let shape = graph[id].shape
        return shape.isEmpty ? scalar : add(.broadcast(scalar, from: shape.map { _ in nil }), like: id)
    }

    /// A delay like `id`, of a part of its operand.
    private mutating func delay(_ operand: ValueID, _ offsets: [Int], _ initial: ValueID?, isImaginary: Bool, like id: ValueID) -> ValueID {
        var value = graph[id]
        if value.element == .complex { value.element = .real }
        // The operand may come later; until all values are there the delay looks at itself.
        let new = ValueID(result.values.count)
        value.operation = .delay(new, offsets: offsets, initial: initial)
        delays.append((new, operand, isImaginary))
        return result.add(value)
    }

    /// Both parts as one value with a last axis.
    private mutating func joined(_ id: ValueID) -> ValueID {
        guard graph[id].element == .complex else { return real(id) }
        let shape = graph[id].shape
        let halves = [real(id), imaginary(id)].map { add(.reshape($0), like: id, shape: shape + [Dim("1", 1)]) }
        let whole = add(.concat(halves, axis: shape.count), like: id, shape: shape + [Dim.complexParts])
        result[whole].name = graph[id].name
        return whole
    }

    /// The parts of a value that is read in as pairs.
    private mutating func leaf(_ id: ValueID) -> (re: ValueID, im: ValueID?) {
        let shape = graph[id].shape
        let whole = add(graph[id].operation, like: id, shape: shape + [Dim.complexParts])
        result[whole].name = graph[id].name
        let halves = (0..<2).map { k -> ValueID in
            let slice = add(.slice(whole, axis: shape.count, start: k, stride: 1), like: id, shape: shape + [Dim("1", 1)])
            return add(.reshape(slice), like: id)
        }
        return (halves[0], halves[1])
    }

    // MARK: Complex results

    private mutating func complexParts(_ id: ValueID) -> (re: ValueID, im: ValueID?) {
        let operation = graph[id].operation
        switch operation {
        case .input, .parameter:
            return leaf(id)
        case .constant(let scalar):
            guard case .complex(let re, let im) = scalar else { preconditionFailure("a complex constant is a pair") }
            return (add(.constant(.real(re)), like: id), add(.constant(.real(im)), like: id))
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
            return (binary(.subtract, rr, ii, like: id), binary(.add, ri, ir, like: id))
        case .delay(let operand, let offsets, let initial):
            return (
                delay(operand, offsets, initial.map { real($0) }, isImaginary: false, like: id),
                delay(operand, offsets, initial.map { imaginary($0) }, isImaginary: true, like: id)
            )
        case .select(let condition, let a, let b):
            return (
                add(.select(real(condition), then: real(a), otherwise: real(b)), like: id),
                add(.select(real(condition), then: imaginary(a), otherwise: imaginary(b)), like: id)
            )
        case .gather(let table, let index):
            return (
                add(.gather(table: real(table), index: real(index)), like: id),
                add(.gather(table: imaginary(table), index: real(index)), like: id)
            )
        case .scatter(let updates, let index, let count):
            return (
                add(.scatter(real(updates), index: real(index), count: count), like: id),
                add(.scatter(imaginary(updates), index: real(index), count: count), like: id)
            )
        case .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            return (add(operation.mapOperands { real($0) }, like: id), add(operation.mapOperands { imaginary($0) }, like: id))
        }
    }

    private mutating func unaryParts(_ function: UnaryOperator, _ a: ValueID, _ id: ValueID) -> (re: ValueID, im: ValueID?) {
        switch function {
        case .cis:
            return (unary(.cos, real(a), like: id), unary(.sin, real(a), like: id))
        case .toComplex:
            return (real(a), constant(0, like: id))
        case .exp:
            let scale = unary(.exp, real(a), like: id)
            return (
                binary(.multiply, scale, unary(.cos, imaginary(a), like: id), like: id),
                binary(.multiply, scale, unary(.sin, imaginary(a), like: id), like: id)
            )
        case .conj:
            return (real(a), unary(.negate, imaginary(a), like: id))
        case .negate, .stop:
            return (unary(function, real(a), like: id), unary(function, imaginary(a), like: id))
        case .abs, .sign, .floor, .not, .log, .log2, .log1p, .expm1, .sqrt, .rsqrt, .sin, .cos, .tan, .erf, .tanh, .sigmoid,
            .logsigmoid, .relu, .gelu, .silu, .softplus, .step, .re, .im, .toReal, .toInt, .numbered:
            preconditionFailure("the verifier allows no \(function) with a complex result")
        }
    }

    private mutating func binaryParts(
        _ function: BinaryOperator, _ a: ValueID, _ b: ValueID, _ id: ValueID
    ) -> (re: ValueID, im: ValueID?) {
        func products(_ w: ValueID, _ x: ValueID, _ sign: BinaryOperator, _ y: ValueID, _ z: ValueID) -> ValueID {
            binary(sign, binary(.multiply, w, x, like: id), binary(.multiply, y, z, like: id), like: id)
        }
        switch function {
        case .complex:
            return (real(a), real(b))
        case .add, .subtract:
            return (
                binary(function, real(a), real(b), like: id), binary(function, imaginary(a), imaginary(b), like: id)
            )
        case .multiply:
            return (
                products(real(a), real(b), .subtract, imaginary(a), imaginary(b)),
                products(real(a), imaginary(b), .add, imaginary(a), real(b))
            )
        case .divide:
            return quotient((real(a), imaginary(a)), (real(b), imaginary(b)), id)
        case .power, .min, .max, .logaddexp, .atan2, .mod, .less, .lessOrEqual, .equal, .notEqual, .greaterOrEqual, .greater, .and,
            .or, .random, .uniform, .uniformNext:
            preconditionFailure("the verifier allows no \(function) with a complex result")
        }
    }

    // MARK: Other results

    /// A value that is not complex itself, though its operands may be. It varies over what it did.
    private mutating func realResult(_ id: ValueID) -> ValueID {
        let value = graph[id]
        let new: ValueID
        switch value.operation {
        case .unary(.re, let a): new = add(.rename(real(a)), like: id)
        case .unary(.im, let a): new = add(.rename(imaginary(a)), like: id)
        case .unary(.abs, let a) where graph[a].element == .complex: new = magnitude(a, id)
        case .binary(let function, let a, let b) where graph[a].element == .complex:
            // Only equality is defined.
            let (re, im) = (binary(function, real(a), real(b), like: id), binary(function, imaginary(a), imaginary(b), like: id))
            new = binary(function == .equal ? .and : .or, re, im, like: id)
        case .delay(let operand, let offsets, let initial):
            return delay(operand, offsets, initial.map { real($0) }, isImaginary: false, like: id)
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape,
            .slice, .concat, .pad, .window, .gather, .scatter, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            var same = value
            same.operation = value.operation.mapOperands { real($0) }
            return result.add(same)
        }
        guard result[new].variance != value.variance else { return new }
        if case .rename = result[new].operation {
            result[new].variance = value.variance
            return new
        }
        let wide = add(.rename(new), like: id)
        result[wide].variance = value.variance
        return wide
    }

    // MARK: Quotients and magnitudes

    private mutating func choose(_ condition: ValueID, _ a: ValueID, _ b: ValueID, like id: ValueID) -> ValueID {
        add(.select(condition, then: a, otherwise: b), like: id)
    }

    private mutating func equals(_ a: ValueID, _ number: Double, like id: ValueID) -> ValueID {
        binary(.equal, a, constant(number, like: id), like: id)
    }

    /// Whether a number lies between two others.
    private mutating func lies(_ a: ValueID, between low: Double, and high: Double, like id: ValueID) -> ValueID {
        binary(
            .and, binary(.greater, a, constant(low, like: id), like: id), binary(.less, a, constant(high, like: id), like: id), like: id)
    }

    /// `z / w`. Numbers of ordinary size go by the definition. Otherwise `w` is divided by its larger part, and `z` is moved away
    /// from the ends of the range, so that nothing overflows or underflows on the way to a finite quotient, or to its slopes.
    ///
    /// What is infinite, zero or NaN counts as in Annex G of the C standard: an infinite number over a finite one is infinite, a
    /// finite one over an infinite one is 0, also where the other part of the infinite one is NaN.
    private mutating func quotient(_ z: (re: ValueID, im: ValueID), _ w: (re: ValueID, im: ValueID), _ id: ValueID) -> (re: ValueID, im: ValueID?) {
        let sizes = [z.re, z.im, w.re, w.im].map { unary(.abs, $0, like: id) }
        let infinite = sizes.map { equals($0, .infinity, like: id) }
        let areInfinite = (
            above: binary(.or, infinite[0], infinite[1], like: id), below: binary(.or, infinite[2], infinite[3], like: id)
        )
        // A scale changes nothing, and has no slope.
        let above = unary(.stop, binary(.max, sizes[0], sizes[1], like: id), like: id)
        let below = unary(.stop, binary(.max, sizes[2], sizes[3], like: id), like: id)
        let one = constant(1, like: id)
        let isOrdinary = binary(
            .and, lies(above, between: 0x1p-20, and: 0x1p20, like: id), lies(below, between: 0x1p-20, and: 0x1p20, like: id), like: id)
        let isPositive = lies(below, between: 0, and: .infinity, like: id)
        let divisor = choose(isOrdinary, one, choose(isPositive, below, one, like: id), like: id)
        // Both ends of the range are found by what over- or underflows, so that this holds in every precision.
        let isLow = equals(binary(.multiply, above, constant(0x1p-50, like: id), like: id), 0, like: id)
        let isHigh = equals(binary(.multiply, above, constant(16, like: id), like: id), .infinity, like: id)
        func lift(_ low: Double, _ high: Double) -> ValueID {
            choose(isHigh, constant(high, like: id), choose(isLow, constant(low, like: id), one, like: id), like: id)
        }
        let (up, down) = (lift(0x1p60, 0.25), lift(0x1p-60, 4))
        func unit(_ part: ValueID, _ isInfinite: ValueID) -> ValueID {
            choose(isInfinite, unary(.sign, part, like: id), constant(0, like: id), like: id)
        }
        func lifted(_ part: ValueID, _ isInfinite: ValueID) -> ValueID {
            choose(areInfinite.above, unit(part, isInfinite), binary(.multiply, part, up, like: id), like: id)
        }
        func divided(_ part: ValueID, _ isInfinite: ValueID) -> ValueID {
            choose(areInfinite.below, unit(part, isInfinite), binary(.divide, part, divisor, like: id), like: id)
        }
        let (a, b) = (lifted(z.re, infinite[0]), lifted(z.im, infinite[1]))
        let (c, d) = (divided(w.re, infinite[2]), divided(w.im, infinite[3]))
        func products(_ w: ValueID, _ x: ValueID, _ sign: BinaryOperator, _ y: ValueID, _ z: ValueID) -> ValueID {
            binary(sign, binary(.multiply, w, x, like: id), binary(.multiply, y, z, like: id), like: id)
        }
        let isZero = equals(below, 0, like: id)
        let square = choose(isZero, w.re, products(c, c, .add, d, d), like: id)
        let infinity = choose(areInfinite.above, constant(.nan, like: id), constant(0, like: id), like: id)
        let factor = choose(
            areInfinite.below, infinity, choose(areInfinite.above, constant(.infinity, like: id), down, like: id), like: id)
        func part(_ plain: ValueID, _ overZero: ValueID) -> ValueID {
            let ratio = binary(.divide, choose(isZero, overZero, plain, like: id), square, like: id)
            return binary(.multiply, binary(.divide, ratio, divisor, like: id), factor, like: id)
        }
        return (part(products(a, c, .add, b, d), z.re), part(products(b, c, .subtract, a, d), z.im))
    }

    /// `|z|`, scaled by the larger part so that no square overflows.
    private mutating func magnitude(_ a: ValueID, _ id: ValueID) -> ValueID {
        let (x, y) = (unary(.abs, real(a), like: id), unary(.abs, imaginary(a), like: id))
        // A choice, rather than max and min: both parts keep their share of the gradient where they are equal.
        let isFirst = add(.binary(.greaterOrEqual, x, y), like: id)
        let (large, small) = (add(.select(isFirst, then: x, otherwise: y), like: id), add(.select(isFirst, then: y, otherwise: x), like: id))
        let one = constant(1, like: id)
        // Nothing to scale by: 0, or ∞.
        let isSpecial = binary(.equal, large, binary(.add, large, large, like: id), like: id)
        let divisor = add(.select(isSpecial, then: one, otherwise: large), like: id)
        let ratio = binary(.divide, small, divisor, like: id)
        let square = binary(.add, binary(.multiply, ratio, ratio, like: id), one, like: id)
        let size = binary(.multiply, large, unary(.sqrt, square, like: id), like: id)
        // Where a part is infinite the other does not count, not even NaN.
        let isInfinite = binary(.or, equals(x, .infinity, like: id), equals(y, .infinity, like: id), like: id)
        return choose(isInfinite, constant(.infinity, like: id), size, like: id)
    }
}
