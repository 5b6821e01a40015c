import RecSource
import RecStream
import RecSyntax

/// Functions that draw by chance.
extension ModelTyper {
    /// Adds a draw of one number for each element of a shape.
    private func draw(_ shape: TypedShape, isNormal: Bool, like value: ValueID? = nil, _ call: Builtins.Call) throws -> ValueID {
        guard !model.axes.isEmpty else {
            throw report(
                .unsupported, "an operator leaves nothing to chance", at: call.span,
                help: "draw in a model, and give the operator what was drawn")
        }
        // What goes with a stream is drawn where that is.
        let axes = value.flatMap { model[$0].variance.isStream ? model[$0].variance : nil }
        return add(.draw(isNormal: isNormal), .real, shape, drawsOnce ? .once : axes ?? headAxes, call.span)
    }

    /// `noise[H]()`, `uniform[K, V]()`; without brackets one number.
    func draw(_ call: Builtins.Call) throws -> ValueID {
        let name = call.name.text
        if let first = call.positional.first {
            let shape = (try? quietly { try value(of: first) }).map { model[$0].shape.map(\.name).joined(separator: ", ") } ?? ""
            throw report(
                .wrongArgument, "'\(name)' takes its shape in brackets, and no arguments", at: first.span,
                help: "write \(name)\(shape.isEmpty ? "[H]" : "[\(shape)]")()" + (name == "uniform" ? ", which lies between 0 and 1: a + (b - a) * uniform()" : ", whose deviation is 1: multiply it"))
        }
        _ = try arguments(call, 0...0, brackets: true)
        var shape: TypedShape = []
        for bracket in call.brackets ?? [] {
            if let axis = timeAxis(bracket) {
                throw report(
                    .wrongArgument, "the brackets of '\(name)' hold the dims of one step", at: bracket.span,
                    help: "every step draws anew: leave '\(model.axes[axis].name)' out")
            }
            shape.append(try typedDim(bracket))
        }
        return try draw(shape, isNormal: name == "noise", call)
    }

    /// Whether something happens that has a probability: a bool for each element.
    func bernoulli(_ call: Builtins.Call) throws -> ValueID {
        let arguments = try arguments(call, 1...1, brackets: true)
        var chance = try value(of: arguments[0])
        try require(chance, is: [.real, .int], "'bernoulli'", arguments[0].span)
        try requireOneIndex(chance, "chance", call.span)
        chance = try converted(chance, to: .real, arguments[0].span)
        try checkProbability(chance, upTo: 1, "a probability", arguments[0].span)
        if let brackets = call.brackets { chance = try broadcast(chance, to: try brackets.map { try typedDim($0) }, arguments[0].span) }
        return apply(.less, try draw(model[chance].shape, isNormal: false, like: chance, call), chance, call.span)
    }

    /// An index by logarithms of weights along the last axis, or a named one: the largest of the logarithms, each with noise of a Gumbel
    /// distribution added (Maddison, Tarlow and Minka, "A* sampling", NIPS 2014, section 2).
    func categorical(_ call: Builtins.Call) throws -> ValueID {
        let arguments = try arguments(call, 1...1, brackets: true)
        var logits = try value(of: arguments[0])
        try require(logits, is: [.real, .int], "'categorical'", arguments[0].span)
        try requireOneIndex(logits, "chance", call.span)
        logits = try converted(logits, to: .real, arguments[0].span)
        guard let last = model[logits].shape.indices.last else {
            throw report(.shapeMismatch, "'categorical' chooses along an axis, this is a scalar", at: arguments[0].span)
        }
        let axes = try call.brackets.map { try stepAxes($0, of: logits) } ?? [last]
        guard axes.count == 1 else { throw report(.ambiguousDim, "'categorical' chooses along one axis", at: call.span) }
        let uniform = try draw(model[logits].shape, isNormal: false, like: logits, call)
        let gumbel = unary(.log, unary(.negate, unary(.log, uniform, call.span), call.span), call.span)
        return reduce(.argmax, apply(.subtract, logits, gumbel, call.span), axes, call.span)
    }

    /// Where the model is trained each element is 0 with a probability, and the others are divided by what is left of it, so that the mean
    /// stays (Srivastava et al., JMLR 15, 2014); elsewhere nothing happens.
    func dropout(_ call: Builtins.Call) throws -> ValueID {
        let arguments = try arguments(call, 2...2)
        var value = try value(of: arguments[0])
        try require(value, is: [.real, .int], "'dropout'", arguments[0].span)
        try requireOneIndex(value, "chance", call.span)
        value = try converted(value, to: .real, arguments[0].span)
        var rate = try self.value(of: arguments[1])
        try require(rate, is: [.real, .int], "the rate of 'dropout'", arguments[1].span)
        rate = try converted(rate, to: .real, arguments[1].span)
        try checkProbability(rate, upTo: 0x1.fffffp-1, "a rate of dropout", arguments[1].span)
        guard model[rate].shape.isEmpty else {
            throw report(.shapeMismatch, "the rate of 'dropout' is one number", at: arguments[1].span, caption: describe(rate))
        }
        let shape = model[value].shape
        let isDropped = apply(.less, try draw(shape, isNormal: false, like: value, call), try broadcast(rate, to: shape, call.span), call.span)
        let left = apply(.subtract, constant(1, call.span), rate, call.span)
        let scaled = apply(.divide, value, try broadcast(left, to: shape, call.span), call.span)
        let none = try broadcast(constant(0, call.span), to: shape, call.span)
        let variance = model[isDropped].variance.union(model[scaled].variance)
        let result = add(.primitive(.select(isDropped, then: none, otherwise: scaled)), .real, shape, variance, call.span)
        return add(.training(result, otherwise: value), .real, shape, variance, call.span)
    }

    /// Reports a number that is no probability.
    private func checkProbability(_ value: ValueID, upTo most: Double, _ what: String, _ span: SourceSpan) throws {
        guard case .primitive(.constant(.real(let number))) = model[value].operation, !(0...most).contains(number) else { return }
        throw report(
            .wrongArgument, "\(what) lies between 0 and 1\(most < 1 ? " and is less than 1" : ""), and is not \(number)", at: span,
            help: most < 1 ? "it is the share of the elements that become 0" : "a probability of any number is sigmoid(x)")
    }
}
