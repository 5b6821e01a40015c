import RecStream

/// Expressions of a type that is asked for.
extension ProgramGenerator {
    mutating func expression(_ type: GeneratedType, depth: Int) -> Term {
        if depth <= 0 { return leaf(type) }
        let term: Term
        switch type.element {
        case .real: term = realExpression(type, depth)
        case .int: term = intExpression(type, depth)
        case .bool: term = boolExpression(type, depth)
        case .complex: term = complexExpression(type, depth)
        }
        guard isNaming, depth > 1, dice.chance(15) else { return term }
        let name = fresh("v")
        equations.append("\(name) = \(term.text)")
        atoms.append(Atom(name: name, type: type, axes: term.axes, level: level))
        return Term(text: name, axes: term.axes)
    }

    /// Some of the axes of a shape, in order.
    mutating func part(of type: GeneratedType) -> GeneratedType {
        guard dice.chance(35) else { return type }
        return GeneratedType(type.element, type.shape.filter { _ in dice.chance(50) })
    }

    mutating func pair(_ a: Term, _ b: Term, _ text: (String, String) -> String) -> Term {
        let (x, y) = dice.chance(50) ? (a, b) : (b, a)
        return Term(text: text(x.text, y.text), axes: a.axes.union(b.axes))
    }

    /// A value of the type and one that lines up with it.
    mutating func operands(_ type: GeneratedType, _ depth: Int) -> (Term, Term) {
        (expression(type, depth: depth - 1), expression(part(of: type), depth: depth - 1))
    }

    private mutating func realExpression(_ type: GeneratedType, _ depth: Int) -> Term {
        if attends, dice.chance(12), let term = attended(type, depth) { return term }
        switch dice.below(100) {
        case 0..<14: return leaf(type)
        case 14..<26:
            let a = expression(type, depth: depth - 1)
            return Term(text: "\(unaryFunction())(\(a.text))", axes: a.axes)
        case 26..<38:
            let (a, b) = operands(type, depth)
            let sign = dice.pick(["+", "-", "*"])
            return pair(a, b) { "(\($0) \(sign) \($1))" }
        case 38..<44:
            let (a, b) = operands(type, depth)
            return pair(a, b) { "(\($0) * tanh(\($1)))" }
        case 44..<47: return quotient(type, depth)
        case 47..<51: return choice(type, depth)
        case 51..<55:
            let (a, b) = operands(type, depth)
            let function = dice.pick(["max", "max", "min", "min", "logaddexp", "logaddexp", "atan2", "mod"])
            return pair(a, b) { "\(function)(\($0), \($1))" }
        case 55..<57:
            let a = expression(type, depth: depth - 1)
            return Term(text: dice.pick(["clamp(\(a.text), -1, 1)", "(-\(a.text))", "(\(a.text))^2", "stop(\(a.text))", "clamp(\(a.text), 0, 2)"]), axes: a.axes)
        case 57..<59:
            let a = expression(type.of(dice.pick([.int, .bool])), depth: depth - 1)
            return Term(text: "real(\(a.text))", axes: a.axes)
        case 59..<62:
            let a = expression(type.of(.complex), depth: depth - 1)
            return Term(text: "\(dice.pick(["re", "im", "abs"]))(\(a.text))", axes: a.axes)
        case 62..<64 where !functions.isEmpty:
            let (a, b) = operands(type, depth)
            return Term(text: "\(dice.pick(functions))(\(a.text), \(b.text))", axes: a.axes.union(b.axes))
        case 64..<70: return overTime(type, depth)
        case 70..<72: return instantCall(type, depth)
        case 72..<75: return stepDerivative(type, depth) ?? leaf(type)
        default: return shaped(type, depth) ?? leaf(type)
        }
    }

    mutating func unaryFunction() -> String {
        dice.weighted([
            (4, "tanh"), (4, "sigmoid"), (2, "relu"), (1, "silu"), (1, "gelu"), (1, "softplus"), (1, "abs"), (1, "sin"), (1, "cos"), (1, "exp"),
            (1, "log1p"), (1, "expm1"), (1, "logsigmoid"), (1, "sign"), (1, "step"), (1, "floor"), (1, "sqrt"), (1, "rsqrt"), (1, "log"),
            (1, "log2"), (1, "erf"), (1, "elu"), (1, "leaky_relu"), (1, "tan"),
        ])
    }

    private mutating func quotient(_ type: GeneratedType, _ depth: Int) -> Term {
        let a = expression(part(of: type), depth: depth - 1)
        let b = expression(type, depth: depth - 1)
        let text = dice.chance(80) ? "(\(a.text) / (1 + abs(\(b.text))))" : "(\(a.text) / \(b.text))"
        return Term(text: text, axes: a.axes.union(b.axes))
    }

    mutating func choice(_ type: GeneratedType, _ depth: Int) -> Term {
        let condition = expression(part(of: type.of(.bool)), depth: depth - 1)
        let (a, b) = operands(type, depth)
        var term = pair(a, b) { "(if \(condition.text) then \($0) else \($1))" }
        term.axes.formUnion(condition.axes)
        return term
    }

    /// A reduction over a whole axis of time, of what no present recurrence computes.
    private mutating func overTime(_ type: GeneratedType, _ depth: Int) -> Term {
        guard !style.isInstant, !isWithinStep else { return leaf(type) }
        let (limit, once) = (levelLimit, needsOnce)
        levelLimit = min(limit, level - 1)
        needsOnce = false
        let naming = isNaming
        isNaming = false
        var term = expression(type, depth: depth - 1)
        isNaming = naming
        levelLimit = limit
        needsOnce = once
        var axes = once ? term.axes.sorted() : term.axes.sorted().filter { _ in dice.chance(70) }
        // Steps take different numbers of rounds: those are reduced first, and what comes out differs from step to step.
        if rounds != nil, term.axes.contains(1) { axes = once || axes.contains(0) ? [1, 0] : axes }
        for axis in axes {
            let kinds = type.element == .real || type.element == .int ? ["sum", "mean", "max", "min", "first", "last", "sum", "mean", "var"] : ["first", "last"]
            let kind = type.element == .int ? dice.pick(["sum", "max", "min", "first", "last"]) : dice.pick(kinds)
            term = Term(text: "\(kind)[\(timeAxes[axis].name)](\(term.text))", axes: term.axes.subtracting([axis]))
            if rounds != nil, axis == 1 { term.axes.insert(0) }
        }
        return term
    }

    /// The derivative of a number of the step by a value of the type.
    private mutating func stepDerivative(_ type: GeneratedType, _ depth: Int) -> Term? {
        let known = atoms.filter { $0.type == type && $0.level <= levelLimit && (!needsOnce || $0.axes.isEmpty) }
        guard !known.isEmpty, !isWithinStep else { return nil }
        let place = use(dice.pick(known))
        let naming = isNaming
        isWithinStep = true
        // A name could be made of the place over all of time.
        isNaming = false
        let (a, b) = (expression(type, depth: depth - 1), expression(part(of: type), depth: depth - 1))
        isWithinStep = false
        isNaming = naming
        let inner = dice.pick([
            "\(place.text) * \(a.text)", "tanh(\(place.text) * \(a.text)) + \(b.text)", "(\(place.text) - \(a.text))^2", "\(place.text) * \(place.text) * sigmoid(\(a.text) - \(place.text))",
            "(\(a.text)) * \(b.text)",
        ])
        let number = type.shape.isEmpty ? "(\(inner) + 0.0)" : "sum(\(inner))"
        return Term(text: "grad(\(number), by: \(place.text))", axes: place.axes.union(a.axes).union(b.axes))
    }

    private mutating func instantCall(_ type: GeneratedType, _ depth: Int) -> Term {
        guard let layer = instantLayers.first(where: { $0.output == type }), !needsOnce else { return leaf(type) }
        let argument = expression(layer.input, depth: depth - 1)
        guard argument.axes == Set(timeAxes.indices) else { return argument.axes.isEmpty && layer.input == type ? argument : leaf(type) }
        return Term(text: "\(layer.name)(\(argument.text))", axes: argument.axes)
    }

    private mutating func intExpression(_ type: GeneratedType, _ depth: Int) -> Term {
        if attends, dice.chance(12), let term = attended(type, depth) { return term }
        switch dice.below(10) {
        case 0, 1:
            let (a, b) = operands(type, depth)
            let sign = dice.pick(["+", "-", "*"])
            return pair(a, b) { "(\($0) \(sign) \($1))" }
        case 2:
            let a = expression(type.of(.real), depth: depth - 1)
            return Term(text: "int(\(a.text))", axes: a.axes)
        case 3:
            let a = expression(type.of(.bool), depth: depth - 1)
            return Term(text: "int(\(a.text))", axes: a.axes)
        case 4:
            guard let axis = newAxis(for: type) else { return leaf(type) }
            let a = expression(type.of(dice.pick([.real, .real, .int])).with(axis, at: dice.number(in: 0...type.shape.count)), depth: depth - 1)
            return Term(text: "\(dice.pick(["argmax", "argmax", "argmin"]))[\(axis.name)](\(a.text))", axes: a.axes)
        case 5: return choice(type, depth)
        case 6:
            let (a, b) = operands(type, depth)
            let function = dice.pick(["max", "min", "mod"])
            return pair(a, b) { "\(function)(\($0), \($1))" }
        case 7: return overTime(type, depth)
        default: return leaf(type)
        }
    }

    private mutating func boolExpression(_ type: GeneratedType, _ depth: Int) -> Term {
        switch dice.below(8) {
        case 0, 1, 2:
            let (a, b) = operands(type.of(.real), depth)
            let sign = dice.pick(["<", "<=", ">", ">=", "==", "!="])
            return pair(a, b) { "(\($0) \(sign) \($1))" }
        case 3:
            let (a, b) = operands(type.of(.int), depth)
            let sign = dice.pick(["<", "<=", "==", "!="])
            return pair(a, b) { "(\($0) \(sign) \($1))" }
        case 4, 5:
            let (a, b) = operands(type, depth)
            let word = dice.pick(["and", "or"])
            return pair(a, b) { "(\($0) \(word) \($1))" }
        case 6:
            let isNot = dice.chance(70)
            let a = expression(isNot ? type : type.of(.real), depth: depth - 1)
            return Term(text: isNot ? "(not \(a.text))" : "isnan(\(a.text))", axes: a.axes)
        default: return leaf(type)
        }
    }

    private mutating func complexExpression(_ type: GeneratedType, _ depth: Int) -> Term {
        switch dice.below(10) {
        case 0:
            let (a, b) = operands(type.of(.real), depth)
            return Term(text: "complex(\(a.text), \(b.text))", axes: a.axes.union(b.axes))
        case 1:
            let a = expression(type.of(.real), depth: depth - 1)
            return Term(text: "cis(\(a.text))", axes: a.axes)
        case 2, 3, 4:
            let (a, b) = operands(type, depth)
            let sign = dice.pick(["+", "-", "*", "*", "/"])
            return pair(a, b) { "(\($0) \(sign) \($1))" }
        case 5:
            let a = expression(type, depth: depth - 1)
            let b = expression(part(of: type.of(.real)), depth: depth - 1)
            return pair(a, b) { "(\($0) * \($1))" }
        case 6:
            let a = expression(type, depth: depth - 1)
            return Term(text: "\(dice.pick(["conj", "conj", "exp"]))(\(a.text))", axes: a.axes)
        case 7: return choice(type, depth)
        case 8:
            guard let axis = newAxis(for: type) else { return leaf(type) }
            let a = expression(type.with(axis, at: dice.number(in: 0...type.shape.count)), depth: depth - 1)
            return Term(text: "sum[\(axis.name)](\(a.text))", axes: a.axes)
        case 9: return windowed(type, depth) ?? leaf(type)
        default: return leaf(type)
        }
    }
}
