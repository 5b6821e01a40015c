import RecStream

/// Derivatives of functions of one number, in terms of the operand `x` and the result `y`.
extension ReverseMode {
    mutating func unaryShare(_ function: UnaryOperator, _ x: ValueID, _ y: ValueID, _ adjoint: ValueID) -> ValueID {
        switch function {
        case .negate: return builder.unary(.negate, adjoint)
        case .relu: return builder.select(builder.isPositive(x), adjoint, builder.zeros(primal[x].shape))
        case .abs, .exp, .log, .log2, .log1p, .expm1, .sqrt, .rsqrt, .sin, .cos, .tan, .erf, .tanh, .sigmoid, .logsigmoid, .gelu, .silu,
            .softplus:
            guard let slope = builder.slope(of: function, x, y) else { return builder.zeros(primal[x].shape) }
            return builder.binary(.multiply, adjoint, masked(slope, liveness[y]))
        // No derivative passes through these, and complex values have been taken apart.
        case .sign, .floor, .not, .step, .stop, .toReal, .toInt, .re, .im, .conj, .cis, .toComplex, .numbered:
            return builder.zeros(primal[x].shape)
        }
    }
}

extension GraphBuilder {
    /// The derivative of a function at each element, where it has one; 0 where it would be infinite.
    mutating func slope(of function: UnaryOperator, _ x: ValueID, _ y: ValueID) -> ValueID? {
        func number(_ value: Double) -> ValueID { constant(.real(value), self[x].shape) }
        switch function {
        case .abs: return unary(.sign, x)
        case .exp: return select(binary(.less, y, number(.infinity)), y, number(0))
        case .log: return bounded(binary(.divide, number(1), x))
        case .log2: return bounded(binary(.divide, number(1.4426950408889634), x))
        case .log1p: return bounded(binary(.divide, number(1), binary(.add, number(1), x)))
        case .expm1:
            let power = binary(.add, y, number(1))
            return select(binary(.less, power, number(.infinity)), power, number(0))
        case .sqrt: return bounded(binary(.divide, number(0.5), y))
        case .rsqrt: return bounded(binary(.divide, binary(.multiply, number(-0.5), y), x))
        case .sin: return unary(.cos, x)
        case .cos: return unary(.negate, unary(.sin, x))
        case .tan: return binary(.add, number(1), binary(.multiply, y, y))
        case .erf: return binary(.multiply, number(2 / Double.pi.squareRoot()), unary(.exp, unary(.negate, binary(.multiply, x, x))))
        case .tanh: return binary(.subtract, number(1), binary(.multiply, y, y))
        case .sigmoid: return binary(.multiply, y, binary(.subtract, number(1), y))
        case .logsigmoid: return unary(.sigmoid, unary(.negate, x))
        case .softplus: return unary(.sigmoid, x)
        case .silu:
            // s · (1 + x · (1 − s)); an infinite x gives ∞ · 0.
            let s = unary(.sigmoid, x)
            let rest = binary(.multiply, x, binary(.subtract, number(1), s))
            return bounded(binary(.multiply, s, binary(.add, number(1), rest)))
        case .gelu:
            // Φ(x) + x · φ(x), with Φ(x) = gelu(x) / x.
            let isZero = binary(.equal, x, number(0))
            let area = select(isZero, number(0.5), binary(.divide, y, select(isZero, number(1), x)))
            let bell = unary(.exp, binary(.multiply, number(-0.5), binary(.multiply, x, x)))
            let density = binary(.multiply, number(1 / (2 * Double.pi).squareRoot()), bell)
            return bounded(binary(.add, area, binary(.multiply, x, density)))
        case .relu: return unary(.toReal, isPositive(x))
        case .negate: return number(-1)
        case .sign, .floor, .not, .step, .stop, .toReal, .toInt, .re, .im, .conj, .cis, .toComplex, .numbered: return nil
        }
    }

    mutating func isPositive(_ x: ValueID) -> ValueID { binary(.greater, x, zeros(self[x].shape)) }

    /// A partial derivative; 0 where it is infinite or NaN.
    mutating func bounded(_ slope: ValueID) -> ValueID {
        let shape = self[slope].shape
        let isFinite = binary(.less, unary(.abs, slope), constant(.real(.infinity), shape))
        return select(isFinite, slope, zeros(shape))
    }

    /// Takes slopes as they are, also where they are infinite or NaN: what `bounded` has added is left out again.
    ///
    /// - Parameter first: values from here on are those of derivatives.
    mutating func unbound(from first: Int) {
        for id in graph.ids.dropFirst(first) {
            guard case .select(let condition, let slope, let zero) = graph[id].operation, condition.index >= first, isZero(zero),
                case .binary(.less, let size, let bound) = graph[condition].operation, isInfinity(bound)
            else { continue }
            var inner = size
            if case .unary(.abs, let a) = graph[size].operation { inner = a }
            if inner == slope { replace(id, by: .rename(slope)) }
        }
    }

    private func isInfinity(_ id: ValueID) -> Bool {
        switch graph[id].operation {
        case .constant(let scalar): scalar == .real(.infinity)
        case .broadcast(let a, _): isInfinity(a)
        case .input, .parameter, .unary, .binary, .select, .contract, .reduce, .rename, .reshape, .slice, .concat, .pad, .window, .gather, .scatter,
            .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            false
        }
    }
}
