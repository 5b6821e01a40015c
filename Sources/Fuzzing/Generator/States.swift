import RecStream

/// Groups of states and their equations.
extension ProgramGenerator {
    /// One group: states that may see each other at earlier steps.
    mutating func addStates() {
        switch dice.below(21) {
        case 0..<10: addKnownRecurrence()
        case 10, 11: addPair()
        case 12, 13: addMatrixState()
        case 14, 15: addFastWeights()
        default: addFreeStates()
        }
    }

    /// Declares a state; its equation is still to come.
    mutating func declareState(_ type: GeneratedType, initial: String? = nil) -> String {
        let name = fresh("s")
        let start = initial ?? initialValue(type)
        declarations.append("state \(name): \(type.text)\(start.isEmpty ? "" : " = \(start)")")
        atoms.append(Atom(name: name, type: type, axes: Set(timeAxes.indices), level: level, isDefined: false))
        return name
    }

    mutating func close(_ state: String, _ text: String) {
        equations.append("\(state) = \(text)")
        if let place = atoms.firstIndex(where: { $0.name == state }) { atoms[place].isDefined = true }
    }

    /// Nothing, a number, or anything that is known before the first step.
    private mutating func initialValue(_ type: GeneratedType) -> String {
        switch (dice.below(10), type.element) {
        case (0..<4, _): return ""
        case (4..<6, .real): return dice.pick(["1", "0.5", "-1", "0"])
        case (4..<6, .int): return "2"
        case (4..<6, .bool): return "true"
        case (4..<6, .complex): return "complex(0.5, -1)"
        default:
            let (limit, once, naming) = (levelLimit, needsOnce, isNaming)
            levelLimit = level - 1
            needsOnce = true
            isNaming = false
            let term = expression(type, depth: 2)
            (levelLimit, needsOnce, isNaming) = (limit, once, naming)
            return term.text
        }
    }

    /// `[t-1]`, or along one axis of two.
    func step(_ axis: Int = 0, by distance: Int = 1) -> String {
        let parts = timeAxes.indices.map { k in
            let offset = k == axis ? distance * direction[k] : 0
            return timeAxes[k].name + (offset == 0 ? "" : offset < 0 ? "\(offset)" : "+\(offset)")
        }
        return "[\(parts.joined(separator: ", "))]"
    }

    /// Something that does not depend on the present group, so that what the equation is follows from its form.
    mutating func known(_ type: GeneratedType, depth: Int = 2) -> String {
        let limit = levelLimit
        let naming = isNaming
        levelLimit = level - 1
        // A name of this group could be read by it later on.
        isNaming = false
        let text = expression(type, depth: depth).text
        levelLimit = limit
        isNaming = naming
        return text
    }

    mutating func gate(_ type: GeneratedType) -> String {
        dice.weighted([
            (4, "sigmoid(\(known(part(of: type))))"), (2, "sigmoid(\(known(.real, depth: 1)))"), (2, "tanh(\(known(type)))"), (1, known(.real, depth: 0)),
            (1, dice.pick(["0.9", "0.5", "-0.5", "1"])),
        ])
    }

    /// One state whose equation has one of the forms that are found.
    private mutating func addKnownRecurrence() {
        let axis = timeAxes.count > 1 ? dice.below(timeAxes.count) : 0
        let back = step(axis)
        let type = GeneratedType(.real, randomShape())
        switch dice.below(16) {
        case 0, 1, 2:
            let s = declareState(type)
            let rest = known(type)
            let gate = gate(type)
            close(s, dice.pick(["\(gate) * \(s)\(back) + \(rest)", "\(rest) + \(s)\(back) * \(gate)", "\(s)\(back) + \(gate) * (\(rest) - \(s)\(back))"]))
        case 3:
            let s = declareState(type)
            close(s, "\(s)\(back) + \(known(type))")
        case 4:
            let starts = [initialValue(type), initialValue(type)].map { $0.isEmpty ? "0" : $0 }
            let s = declareState(type, initial: timeAxes.count == 1 && dice.chance(35) ? "[\(starts.joined(separator: ", "))]" : nil)
            let far = step(axis, by: dice.weighted([(6, 2), (2, 3), (1, 5)]))
            close(s, "0.4 * \(gate(type)) * \(s)\(back) - 0.3 * \(s)\(far) + \(known(type))")
        case 5:
            let s = declareState(type)
            let function = dice.pick(["max", "min"])
            close(s, "\(function)(\(s)\(back) \(dice.pick(["-", "+"])) \(gate(type)), \(known(type)))")
        case 6:
            let s = declareState(type)
            close(s, dice.pick(["logaddexp(\(s)\(back) - \(gate(type)), \(known(type)))", "log(exp(\(s)\(back)) + exp(\(known(type))))"]))
        case 7:
            let s = declareState(type)
            close(s, "(\(gate(type)) * \(s)\(back) + 1) / (0.2 * \(s)\(back) + 1.5)")
        case 8: addDense(axis)
        case 9:
            let s = declareState(type.of(.complex))
            close(s, "cis(\(known(part(of: type)))) * \(s)\(back) * \(dice.pick(["0.9", "0.5"])) + \(known(type.of(.complex)))")
        case 10:
            let s = declareState(type.of(.bool))
            close(s, "\(known(type.of(.bool))) or (\(known(type.of(.bool))) and \(s)\(back))")
        case 11:
            let s = declareState(type.of(.int))
            close(s, "if \(known(type.of(.bool))) then \(s)\(back) + 1 else \(dice.pick(["0", "1", known(type.of(.int), depth: 1)]))")
        case 12:
            let s = declareState(type, initial: dice.pick(["-3", "0", "-1"]))
            let x = known(type)
            let top = fresh("m")
            equations.append("\(top) = max(\(s)\(back), \(x))")
            atoms.append(Atom(name: top, type: type, axes: Set(timeAxes.indices), level: level))
            close(s, "\(top) + log(exp(\(s)\(back) - \(top)) + exp(\(x) - \(top)))")
        case 13:
            // A state that is no recurrence.
            let s = declareState(type)
            close(s, known(type))
            if dice.chance(50) {
                let r = declareState(type)
                close(r, "0.5 * \(r)\(back) + \(s)\(dice.chance(50) ? back : "")")
            }
        case 14:
            let s = declareState(type)
            close(s, "if \(known(part(of: type.of(.bool)))) then \(known(type)) else \(dice.pick(["", "0.5 * "]))\(s)\(back)")
        default: addShiftRegister(back)
        }
    }

    /// `h = A @ h[t-1] + u`, linear or not.
    private mutating func addDense(_ axis: Int) {
        guard let wide = dims.filter({ $0.size <= 17 }).randomElement(using: &dice) else { return addFreeStates() }
        let type = GeneratedType(.real, [wide])
        let s = declareState(type)
        let weight = fresh("p")
        declarations.append("param \(weight): [\(wide.text), \(wide.text)] = uniform(-0.4, 0.4)")
        let linear = "\(weight) @ \(s)\(step(axis)) + \(known(type))"
        close(s, dice.pick([linear, "tanh(\(linear))", "sigmoid(\(known(type))) * (\(linear))", "\(s)\(step(axis)) + tanh(\(linear))"]))
    }

    /// The values of the last steps in one vector.
    private mutating func addShiftRegister(_ back: String) {
        guard !style.isSymbolic, let wide = dims.first(where: { $0.size > 1 }) else { return addFreeStates() }
        let s = declareState(GeneratedType(.real, [wide]))
        let made = axis(ofSize: wide.size)
        let text = "concat(\(known(.real)), \(s)\(back)[0:\(wide.size - 1)])"
        close(s, made == wide ? text : "\(text) as [\(wide.text)]")
    }

    /// Two states that turn into each other.
    private mutating func addPair() {
        let axis = dice.below(timeAxes.count)
        let back = step(axis)
        let type = GeneratedType(.real, randomShape())
        let a = declareState(type)
        let b = declareState(type)
        switch dice.below(4) {
        case 0:
            close(a, "0.9 * (cos(\(known(part(of: type)))) * \(a)\(back) - 0.5 * \(b)\(back)) + \(known(type))")
            close(b, "0.9 * (0.3 * \(a)\(back) + \(gate(type)) * \(b)\(back))")
        case 1:
            close(a, "\(gate(type)) * \(a)\(back) + \(known(type))")
            close(b, "(1 - \(gate(type))) * \(b)\(back) + \(a)\(dice.chance(50) ? "" : back)")
        case 2:
            close(a, "max(\(a)\(back), \(known(type)))")
            close(b, "if \(known(type)) > \(a)\(back) then \(known(type)) else \(b)\(back)")
        default:
            close(a, "tanh(\(known(type)) + 0.5 * \(b)\(back))")
            close(b, "sigmoid(\(a)) * \(b)\(back) + \(a)\(back)")
        }
    }

    /// Outer products: fast weights, with or without the delta rule.
    private mutating func addMatrixState() {
        let shape = randomShape(2)
        guard shape.count == 2 else { return addFreeStates() }
        let back = step(dice.below(timeAxes.count))
        let type = GeneratedType(.real, shape)
        let k = known(GeneratedType(.real, [shape[0]]))
        let v = known(GeneratedType(.real, [shape[1]]))
        let s = declareState(type)
        switch dice.below(4) {
        case 0: close(s, "\(gate(type)) * \(s)\(back) + outer(\(k), \(v))")
        case 1:
            let key = fresh("k")
            equations.append("\(key) = \(k) / (1 + norm(\(k)))")
            close(s, "\(s)\(back) + outer(\(key), \(v) - \(key) @ \(s)\(back)) * \(gate(.real))")
        case 2: close(s, "\(s)\(back) - 0.5 * outer(sigmoid(\(k)), tanh(\(k)) @ \(s)\(back)) + outer(\(k), \(v))")
        default:
            let weight = fresh("p")
            declarations.append("param \(weight): [\(shape[0].text), \(shape[1].text), \(shape[1].text)] = uniform(-0.3, 0.3)")
            let other = fresh("J")
            guard !style.isSymbolic else { return close(s, "tanh(\(s)\(back) + outer(\(k), \(v)))") }
            declarations.append("dim \(other) = \(shape[1].size)")
            let product = "sum[\(other)]((\(weight) as [\(shape[0].text), \(shape[1].text), \(other)]) * (\(s)\(back) as [\(shape[0].text), \(other)]))"
            close(s, dice.pick(["tanh(\(product) + outer(\(k), \(v)))", "\(product) + outer(\(k), \(v))"]))
        }
    }

    /// States with any bounded equations in each other.
    mutating func addFreeStates() {
        let types = (0..<dice.number(in: 1...2)).map { _ in GeneratedType(dice.weighted([(8, .real), (1, .int), (1, .bool), (1, .complex)]), randomShape()) }
        let states = types.map { declareState($0) }
        for (s, type) in zip(states, types) {
            let term = expression(type, depth: style.depth)
            switch type.element {
            case .real:
                close(s, dice.pick([
                    "tanh(\(term.text))", "sigmoid(\(term.text)) * \(s)\(step()) + \(known(type))", "0.5 * \(s)\(step()) + tanh(\(term.text))",
                    "clamp(\(term.text), -2, 2)", "(1 - sigmoid(\(term.text))) * \(s)\(step(timeAxes.count - 1)) + 0.1",
                ]))
            case .int: close(s, "min(\(term.text), 9)")
            case .bool: close(s, term.text)
            case .complex: close(s, "0.5 * \(s)\(step()) + cis(abs(\(term.text)))")
            }
        }
    }
}

extension Dice: RandomNumberGenerator {
    mutating func next() -> UInt64 { seed() }
}
