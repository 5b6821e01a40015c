import RecStream

/// Matrices that outer products write and that are read by sums alone, as linear attention has them: what can be written chunk by
/// chunk.
extension ProgramGenerator {
    mutating func addFastWeights() {
        let shape = randomShape(dice.weighted([(3, 2), (2, 3)]))
        guard shape.count > 1 else { return addFreeStates() }
        let (heads, key, value) = (Array(shape.dropLast(2)), shape[shape.count - 2], shape[shape.count - 1])
        let element: ElementType = dice.chance(15) ? .complex : .real
        let (keys, values) = (GeneratedType(element, heads + [key]), GeneratedType(element, heads + [value]))
        let axis = dice.below(timeAxes.count)
        let sum = "sum[\(key.name)]"
        // What is known comes first: the state is no operand of it.
        let size = element == .real ? "(1 + norm[\(key.name)](\(known(keys))))" : "2"
        let (k, v) = (equation("k", "(\(known(keys))) / \(size)"), equation("v", known(values)))
        let (query, beta) = (known(keys), gate(GeneratedType(.real, dice.chance(50) ? heads : [])))
        let decays = self.decays(shape)
        let s = declareState(GeneratedType(element, shape))
        let before = s + step(axis)
        let kept = decays.reduce(before) { "\($1) * (\($0))" }
        // Two states that depend on each other: a step with momentum, and one that turns.
        var read = [s]
        switch dice.below(8) {
        case 6:
            let w = declareState(GeneratedType(element, shape))
            close(s, "\(kept) + \(beta) * outer(\(k), \(v) - \(sum)(\(k) * \(w + step(axis))))")
            close(w, "\(gate(GeneratedType(.real, heads))) * \(w + step(axis)) + \(s)")
            read.append(w)
        case 7:
            let w = declareState(GeneratedType(element, shape))
            close(s, "\(kept) - \(beta) * \(w + step(axis)) + outer(\(k), \(v))")
            close(w, "\(beta) * \(before) + 0.5 * \(w + step(axis))")
            read.append(w)
        case 0, 1: close(s, "\(kept) + outer(\(k), \(v))")
        case 2 where element == .real && dice.chance(50):
            close(s, "\(kept) - \(beta) * grad(0.5 * sum((\(sum)(\(k) * \(before)) - \(v))^2), by: \(before))")
        case 2: close(s, "\(before) + \(beta) * outer(\(k), \(v) - \(sum)(\(k) * \(before)))")
        case 3:
            let r = equation("r", kept)
            close(s, "\(r) + \(beta) * outer(\(k), \(v) - \(sum)(\(k) * \(r)))")
        case 4: close(s, "\(kept) - 0.5 * outer(\(beta) * \(k), \(sum)(\(k) * \(before))) + outer(\(query), \(v))")
        default: close(s, "if \(known(GeneratedType(.bool))) then \(kept) + outer(\(k), \(v)) else \(before)")
        }
        // Were the matrix looked at otherwise, it would have to be there at every step.
        atoms.removeAll { read.contains($0.name) }
        for _ in 0..<dice.number(in: 1...2) {
            let state = dice.pick(read)
            let read = dice.chance(25) ? state + step(axis) : state
            let text = heads.isEmpty && dice.chance(30) ? "(\(known(keys))) @ \(read)" : dice.chance(10) ? "\(sum)(\(read))" : "\(sum)((\(known(keys))) * \(read))"
            // By this name it may become an output, as states do.
            let name = equation("s", text)
            atoms.append(Atom(name: name, type: values, axes: Set(timeAxes.indices), level: level))
        }
    }

    private mutating func equation(_ prefix: String, _ text: String) -> String {
        let name = fresh(prefix)
        equations.append("\(name) = \(text)")
        return name
    }

    /// `sigmoid(x)`, by some of the axes of the state; one, two or none.
    private mutating func decays(_ shape: [GeneratedAxis]) -> [String] {
        func one(_ part: [GeneratedAxis]) -> String {
            let type = GeneratedType(.real, part)
            return dice.pick(["sigmoid(\(known(type)))", "tanh(\(known(type)))", "relu(\(known(type)))", "0.9"])
        }
        let heads = Array(shape.dropLast(2))
        switch dice.below(6) {
        case 0: return []
        case 1: return [one([])]
        case 2: return [one(Array(shape.dropLast()))]
        case 3: return [one(heads + shape.suffix(1))]
        case 4: return [one(Array(shape.dropLast())), one(shape.suffix(1))]
        default: return [one(heads)]
        }
    }
}
