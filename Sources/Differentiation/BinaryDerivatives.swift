import RecStream

/// Partial derivatives of functions of two numbers.
enum Partial {
    case none
    case one
    case minusOne
    /// Where the condition holds 1, elsewhere 0.
    case choice(ValueID)
    /// Where the condition holds 0, elsewhere 1.
    case otherwise(ValueID)
    case slope(ValueID)
}

extension ReverseMode {
    mutating func binaryShares(_ function: BinaryOperator, _ a: ValueID, _ b: ValueID, _ id: ValueID, _ adjoint: ValueID) {
        // A square, say, is one operand twice: each side gives its own share.
        for (operand, isFirst) in [(a, true), (b, false)] where activity.isActive(operand) {
            var partial = builder.partial(function, a, b, id, ofFirst: isFirst, poles: poles)
            if case .slope(let slope) = partial { partial = .slope(masked(slope, liveness[id])) }
            give(builder.scaled(adjoint, by: partial), to: operand, from: id)
        }
    }
}

extension GraphBuilder {
    /// The derivative of `y = function(a, b)` with respect to `a`, or to `b`. Of two equal operands `max` and `min` follow the
    /// first.
    mutating func partial(_ function: BinaryOperator, _ a: ValueID, _ b: ValueID, _ y: ValueID, ofFirst: Bool, poles: Poles) -> Partial {
        func number(_ value: Double) -> ValueID { constant(.real(value), self[y].shape) }
        switch function {
        case .add: return .one
        case .subtract: return ofFirst ? .one : .minusOne
        case .multiply:
            let other = ofFirst ? b : a
            return .slope(poles[other] ? bounded(other) : other)
        case .divide:
            let inverse = binary(.divide, number(1), b)
            if ofFirst { return .slope(graph.isNonzeroConstant(b) ? inverse : bounded(inverse)) }
            return .slope(bounded(unary(.negate, binary(.multiply, y, inverse))))
        case .power:
            if ofFirst { return .slope(bounded(binary(.multiply, b, binary(.power, a, binary(.subtract, b, number(1)))))) }
            return .slope(bounded(binary(.multiply, y, unary(.log, a))))
        case .max: return ofFirst ? .choice(binary(.greaterOrEqual, a, b)) : .otherwise(binary(.greaterOrEqual, a, b))
        case .min: return ofFirst ? .choice(binary(.lessOrEqual, a, b)) : .otherwise(binary(.lessOrEqual, a, b))
        case .logaddexp:
            if let slope = chainedSlope(a, b, y, ofFirst: ofFirst) { return .slope(slope) }
            // Of two operands −∞ neither has a slope: their difference is NaN.
            let difference = ofFirst ? binary(.subtract, a, b) : binary(.subtract, b, a)
            return .slope(select(binary(.equal, difference, difference), unary(.sigmoid, difference), number(0)))
        case .atan2: return .slope(angleSlope(a, b, ofFirst: ofFirst))
        // a − b · ⌊a / b⌋, whose steps have no slope.
        case .mod: return ofFirst ? .one : .slope(bounded(unary(.negate, unary(.floor, binary(.divide, a, b)))))
        case .less, .lessOrEqual, .equal, .notEqual, .greaterOrEqual, .greater, .and, .or, .complex, .random, .uniform, .uniformNext: return .none
        }
    }

    /// `b / (a² + b²)`, or `−a / (a² + b²)`: the smaller is taken as a part of the larger, so that no square overflows.
    private mutating func angleSlope(_ a: ValueID, _ b: ValueID, ofFirst: Bool) -> ValueID {
        let isSteep = binary(.greater, unary(.abs, a), unary(.abs, b))
        let (large, small) = (select(isSteep, a, b), select(isSteep, b, a))
        let ratio = binary(.divide, small, large)
        let one = constant(.real(1), self[a].shape)
        let ofSmall = binary(.divide, one, binary(.add, large, binary(.multiply, small, ratio)))
        let ofLarge = binary(.multiply, ratio, ofSmall)
        if ofFirst { return bounded(select(isSteep, ofLarge, ofSmall)) }
        return bounded(unary(.negate, select(isSteep, ofSmall, ofLarge)))
    }

    /// The slope of `logaddexp` where an operand is one itself: its part of the sum of all terms, exp(x − y) each.
    ///
    /// Where the terms share an offset, a partial sum is rounded to that; the terms are not. Nil where both operands are terms.
    private mutating func chainedSlope(_ a: ValueID, _ b: ValueID, _ y: ValueID, ofFirst: Bool) -> ValueID? {
        let (left, right) = (addedTerms(of: a), addedTerms(of: b))
        guard left.count + right.count > 2 else { return nil }
        let shift = unary(.stop, y)
        let weights = (left + right).map { term in unary(.exp, binary(.subtract, term, shift)) }
        guard let own = sum(Array(ofFirst ? weights[..<left.count] : weights[left.count...])), let all = sum(weights) else { return nil }
        return bounded(binary(.divide, own, all))
    }

    /// The terms that nested `logaddexp` join, as far as they are few.
    private func addedTerms(of id: ValueID) -> [ValueID] {
        var terms = [id]
        while terms.count < Self.mostTerms {
            let joined = terms.firstIndex { term in
                if case .binary(.logaddexp, _, _) = self[term].operation { true } else { false }
            }
            guard let joined, case .binary(_, let a, let b) = self[terms[joined]].operation else { break }
            terms.replaceSubrange(joined...joined, with: [a, b])
        }
        return terms
    }

    private static let mostTerms = 8

    mutating func scaled(_ adjoint: ValueID, by partial: Partial) -> ValueID {
        let shape = self[adjoint].shape
        switch partial {
        case .none: return zeros(shape)
        case .one: return adjoint
        case .minusOne: return unary(.negate, adjoint)
        case .choice(let condition): return select(condition, adjoint, zeros(shape))
        case .otherwise(let condition): return select(condition, zeros(shape), adjoint)
        case .slope(let slope): return binary(.multiply, adjoint, slope)
        }
    }
}
