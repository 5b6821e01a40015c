import RecSource
import RecStream
import RecSyntax

/// The steps that a reduction goes through: those of an axis of the model, or of a second index.
struct ReducedSteps {
    /// Where what varies over them does so.
    var axis: Int
    /// For which of them; nil for all.
    var mask: ValueID?
    /// Where the source says so.
    var span: SourceSpan
}

/// Reductions over other steps: `sum[s <= t](softmax[s](q * k[s]) * v[s])`.
extension ModelTyper {
    /// What can go through other steps.
    private static let functions = ["sum", "mean", "var", "max", "min", "logsumexp", "argmax", "argmin", "softmax"]

    /// A reduction that binds an index of its own.
    ///
    /// - Parameter place: which of the brackets says what steps it goes through.
    func reduction(_ call: Builtins.Call, binding place: Int) throws -> ValueID {
        guard let brackets = call.brackets, case .steps(let range) = brackets[place].kind, let body = call.positional.first else { throw Abandoned() }
        let span = brackets[place].span
        try requireSteps(call)
        if case .axis(let axis) = range.bounds { return try reduction(call, along: axis, where: range.condition, span) }
        if let second = brackets[(place + 1)...].first(where: \.isSteps) {
            throw report(.secondIndex, "a reduction goes through steps by one index", at: second.span, help: "put one reduction into the other's equation")
        }
        if case .array(let items) = body.kind { return try listReduction(call, items, body.span) }
        let index = try index(boundBy: range, span)
        model.secondIndices[index.axis] = model.secondIndices[index.axis] ?? index.name
        secondIndices.append(index)
        defer { secondIndices.removeLast() }
        let condition = Result { try range.condition.map { try self.condition($0) } }
        if let condition = try? condition.get() {
            let mask = try secondIndices[secondIndices.count - 1].mask.map {
                try elementwise(.and, $0, condition, (span, range.condition?.span ?? span), span)
            }
            secondIndices[secondIndices.count - 1].mask = mask ?? condition
        }
        let value = Result { try self.value(of: body) }
        _ = try condition.get()
        if call.name.text == "softmax" {
            let (name, text) = (index.name, sources.text(of: span))
            throw report(
                .escapingIndex, "'softmax' gives a number for each '\(name)', and outside of this reduction there is no '\(name)'", at: call.span,
                help: "use the weights where they are made: sum[\(text)](softmax[\(name)](…) * x[\(name)])")
        }
        return try reductionOverSteps(try value.get(), call, stepsOfInnermostIndex())
    }

    /// A reduction over those steps of an axis of the model for which a condition holds: `sum[s where m](x)`.
    private func reduction(_ call: Builtins.Call, along name: Identifier, where condition: Expression?, _ span: SourceSpan) throws -> ValueID {
        guard let axis = model.axes.firstIndex(where: { $0.name == name.text }), let body = call.positional.first else {
            throw report(
                .unknownName, "there is no axis '\(name.text)' here", at: name.span,
                help: "an index of its own goes through the steps of an axis: \(name.text) in \(model.axes.first?.name ?? "t") where …")
        }
        guard !reducedSteps.contains(where: { $0.axis == axis }) else {
            throw report(.secondIndex, "a reduction around this one goes over '\(name.text)' already", at: span, help: "give the inner reduction an equation of its own")
        }
        let mask = try condition.map { try self.condition($0) }
        reducedSteps.append(ReducedSteps(axis: axis, mask: mask, span: span))
        defer { reducedSteps.removeLast() }
        return try reductionOverSteps(try value(of: body), call, reducedSteps[reducedSteps.count - 1])
    }

    /// The steps that a reduction over an axis goes through: within `sum[s where m](…)` those of the condition.
    func steps(along axis: Int, _ span: SourceSpan) -> ReducedSteps {
        reducedSteps.last { $0.axis == axis } ?? ReducedSteps(axis: axis, mask: nil, span: span)
    }

    /// Whether a reduction over an axis is more than the sum, mean, largest or smallest of all its steps.
    func isOverSomeSteps(_ name: String, _ axis: Int) -> Bool {
        Self.functions.contains(name) && (TimeReduceKind(rawValue: name) == nil && name != "var" || reducedSteps.contains { $0.axis == axis })
    }

    private func stepsOfInnermostIndex() throws -> ReducedSteps {
        guard let index = secondIndices.last else { throw Abandoned() }
        return ReducedSteps(axis: secondAxis(of: index.axis), mask: index.mask, span: index.span)
    }

    private func condition(_ expression: Expression) throws -> ValueID {
        let value = try value(of: expression)
        try require(value, is: [.bool], "a condition behind 'where'", expression.span)
        return value
    }

    private func requireSteps(_ call: Builtins.Call) throws {
        guard !Self.functions.contains(call.name.text) else { return }
        throw report(
            .unsupported, "'\(call.name.text)' does not go through other steps", at: call.name.span,
            help: "through other steps go \(Self.functions.joined(separator: ", "))")
    }

    /// Whether a reduction goes through the steps of the index that is bound around it: `softmax[s](x)`.
    func isOverSecondIndex(_ call: Builtins.Call) throws -> Bool {
        for bracket in call.brackets ?? [] {
            guard case .name(let name) = bracket.kind, let index = secondIndex(name) else { continue }
            try requireSteps(call)
            try requireInnermost(index, at: bracket.span)
            return true
        }
        return false
    }

    /// A reduction through the steps of the innermost index.
    func reductionOverSecondIndex(_ given: ValueID, _ call: Builtins.Call) throws -> ValueID {
        try reductionOverSteps(given, call, stepsOfInnermostIndex())
    }

    /// A reduction through some steps, and over the dims that are named beside them.
    func reductionOverSteps(_ given: ValueID, _ call: Builtins.Call, _ steps: ReducedSteps) throws -> ValueID {
        let (name, span) = (call.name.text, call.positional[0].span)
        let dims = (call.brackets ?? []).filter { bracket in
            if case .name(let name) = bracket.kind { secondIndex(name) == nil && timeAxis(bracket) == nil } else { !bracket.isSteps }
        }
        let isMasked = steps.mask.map { model[$0].variance.varies(over: steps.axis) } ?? false
        guard steps.axis >= model.axes.count || isMasked || model[given].variance.varies(over: steps.axis) else {
            throw report(.notAStream, "this does not vary over '\(model.axes[steps.axis].name)'", at: span, help: "use it as it is")
        }
        if steps.axis < model.axes.count { try requireSameRounds(given, over: steps.axis, name, call.span) }
        try require(given, is: [.real, .int], "'\(name)' over steps", span)
        var value = given
        if let first = dims.first {
            guard !["softmax", "argmax", "argmin", "var"].contains(name) else {
                throw report(
                    .unsupported, "'\(name)' goes over steps or over dims", at: first.span, help: "take one after the other")
            }
            value = try reduceInStep(name, value, dims, call, span)
        }
        if !["sum", "max", "min", "argmax", "argmin"].contains(name) { value = try converted(value, to: .real, span) }
        switch name {
        case "sum": return over(.sum, try kept(value, else: zero(value), steps, call.span), steps, call.span)
        case "max": return over(.max, try kept(value, else: least(value), steps, call.span), steps, call.span)
        case "min": return over(.min, try kept(value, else: largest(value), steps, call.span), steps, call.span)
        case "mean": return try meanOverSteps(value, steps, call.span)
        case "var":
            let center = try meanOverSteps(value, steps, call.span)
            let (x, mean) = try aligned(value, center, (span, call.span), call.span)
            let deviation = apply(.subtract, x, mean, call.span)
            return try meanOverSteps(apply(.multiply, deviation, deviation, call.span), steps, call.span)
        case "logsumexp": return try exponentials(value, steps, call.span).logarithm
        case "argmax", "argmin": return try place(name == "argmin" ? try reversed(value, call.span) : value, steps, call.span)
        default: return try exponentials(value, steps, call.span).weights
        }
    }

    // MARK: Parts

    private func over(_ kind: TimeReduceKind, _ value: ValueID, _ steps: ReducedSteps, _ span: SourceSpan) -> ValueID {
        // How many steps there are may depend on the sequence.
        add(
            .primitive(.overTime(kind, value, axis: steps.axis)), model[value].element, model[value].shape,
            variance(ofReduced: value, over: steps.axis).union(.once), span)
    }

    /// The value at the steps that the reduction goes through, and a number at the others.
    private func kept(_ value: ValueID, else number: Scalar, _ steps: ReducedSteps, _ span: SourceSpan) throws -> ValueID {
        guard let mask = steps.mask else { return value }
        let (condition, x) = try aligned(mask, value, (steps.span, span), span)
        return chosen(condition, x, try filled(number, like: x, span), span)
    }

    private func chosen(_ condition: ValueID, _ a: ValueID, _ b: ValueID, _ span: SourceSpan) -> ValueID {
        let variance = [condition, a, b].reduce(Variance.none) { $0.union(model[$1].variance) }
        return add(.primitive(.select(condition, then: a, otherwise: b)), model[a].element, model[a].shape, variance, span)
    }

    private func filled(_ number: Scalar, like value: ValueID, _ span: SourceSpan) throws -> ValueID {
        try broadcast(add(.primitive(.constant(number)), number.element, [], .none, span), to: model[value].shape, span)
    }

    private func zero(_ value: ValueID) -> Scalar { model[value].element == .int ? .int(0) : .real(0) }
    private func least(_ value: ValueID) -> Scalar { model[value].element == .int ? .int(.min) : .real(-.infinity) }
    private func largest(_ value: ValueID) -> Scalar { model[value].element == .int ? .int(.max) : .real(.infinity) }

    /// Where there are no steps, 0.
    private func meanOverSteps(_ value: ValueID, _ steps: ReducedSteps, _ span: SourceSpan) throws -> ValueID {
        guard let mask = steps.mask else { return over(.mean, value, steps, span) }
        let total = over(.sum, try kept(value, else: .real(0), steps, span), steps, span)
        let one = try filled(.real(1), like: mask, span)
        let count = over(.sum, chosen(mask, one, try filled(.real(0), like: mask, span), span), steps, span)
        let isEmpty = apply(.equal, count, try filled(.real(0), like: count, span), span)
        let divisor = chosen(isEmpty, try filled(.real(1), like: count, span), count, span)
        return apply(.divide, total, try broadcast(divisor, to: model[total].shape, span), span)
    }

    /// Softmax over the steps, and the logarithm of the sum of exponentials. Shifted by the largest, which has no slope; where there are no
    /// steps the weights are 0, and the logarithm −∞.
    private func exponentials(_ value: ValueID, _ steps: ReducedSteps, _ span: SourceSpan) throws -> (weights: ValueID, logarithm: ValueID) {
        let x = try kept(value, else: .real(-.infinity), steps, span)
        let most = over(.max, x, steps, span)
        let isEmpty = apply(.equal, most, try filled(.real(-.infinity), like: most, span), span)
        let shift = unary(.stop, chosen(isEmpty, try filled(.real(0), like: most, span), most, span), span)
        let powers = unary(.exp, apply(.subtract, x, shift, span), span)
        let total = over(.sum, powers, steps, span)
        let isZero = apply(.equal, total, try filled(.real(0), like: total, span), span)
        let divisor = chosen(isZero, try filled(.real(1), like: total, span), total, span)
        let isInfinite = apply(.equal, unary(.abs, most, span), try filled(.real(.infinity), like: most, span), span)
        let logarithm = apply(.add, shift, unary(.log, divisor, span), span)
        return (apply(.divide, powers, divisor, span), chosen(isInfinite, unary(.stop, most, span), logarithm, span))
    }

    /// The number of the step with the first NaN, or else the first largest element; 0 where there are no steps.
    private func place(_ value: ValueID, _ steps: ReducedSteps, _ span: SourceSpan) throws -> ValueID {
        let x = try kept(value, else: least(value), steps, span)
        let most = over(.max, x, steps, span)
        var isHit = apply(.equal, x, most, span)
        if model[x].element == .real { isHit = apply(.or, isHit, apply(.notEqual, x, x, span), span) }
        if let mask = steps.mask { isHit = apply(.and, isHit, try broadcast(mask, to: model[x].shape, span), span) }
        let none = try filled(.real(.infinity), like: x, span)
        let number = steps.axis < model.axes.count ? step(along: steps.axis, span) : try step(of: secondIndices.count - 1, span)
        let numbers = unary(.toReal, number, span, to: .real)
        let first = over(.min, chosen(isHit, try broadcast(numbers, to: model[x].shape, span), none, span), steps, span)
        let isEmpty = apply(.equal, first, try filled(.real(.infinity), like: first, span), span)
        return unary(.toInt, chosen(isEmpty, try filled(.real(0), like: first, span), first, span), span, to: .int)
    }
}
