import RecStream

/// A generated expression: its text, and the axes of time over which it varies.
struct Term {
    var text: String
    var axes: Set<Int> = []
}

/// What expressions begin with: names, delayed names, numbers, and declarations of what is missing.
extension ProgramGenerator {
    mutating func leaf(_ type: GeneratedType) -> Term {
        let fitting = atoms.filter { $0.type == type && $0.level <= levelLimit && (!needsOnce || $0.axes.isEmpty) }
        if type.shape.isEmpty, dice.chance(12) { return number(type.element) }
        if type.shape.isEmpty, !needsOnce, !style.isInstant, !isWithinStep, dice.chance(4), let time = time(type.element) { return time }
        if !needsOnce, !isWithinStep, dice.chance(2), let drawn = drawn(type) { return drawn }
        // Now and then something new, so that not everything depends on everything.
        guard !fitting.isEmpty, dice.chance(80) else { return declared(type) }
        return use(dice.pick(fitting))
    }

    private mutating func number(_ element: ElementType) -> Term {
        switch element {
        case .real: Term(text: dice.pick(["0.5", "1", "2", "0.25", "-0.5", "0", "1.5", "3", "-1", "0.0", "(-0.0)"]))
        case .int: Term(text: "\(dice.below(4))")
        case .bool: Term(text: dice.pick(["true", "false"]))
        case .complex: Term(text: "complex(\(dice.pick(["0.5", "0", "1"])), \(dice.pick(["0.5", "-1"])))")
        }
    }

    /// The number of the step, or whether it is the first or the last.
    private mutating func time(_ element: ElementType) -> Term? {
        let axis = dice.below(timeAxes.count)
        let name = timeAxes[axis].name
        switch element {
        case .int: return Term(text: name, axes: [axis])
        case .bool:
            let text = dice.weighted([(3, "\(name).first"), (2, "(mod(\(name), 3) == 1)"), (1, "\(name).last")])
            return Term(text: text, axes: rounds != nil && text.hasSuffix(".last") ? Set(timeAxes.indices) : [axis])
        case .real, .complex: return nil
        }
    }

    /// Something that is left to chance.
    private mutating func drawn(_ type: GeneratedType) -> Term? {
        let dims = type.shape.isEmpty ? "" : "[\(type.shape.map(\.text).joined(separator: ", "))]"
        switch type.element {
        case .real: return Term(text: dice.pick(["noise\(dims)()", "uniform\(dims)()"]), axes: Set(timeAxes.indices))
        case .bool: return Term(text: "bernoulli\(dims)(0.4)", axes: Set(timeAxes.indices))
        case .int, .complex: return nil
        }
    }

    /// A name, perhaps at another step.
    mutating func use(_ atom: Atom) -> Term {
        if atom.axes.isEmpty { return Term(text: atom.name) }
        // Delays are rarer than names, but for states that are not known yet.
        if atom.isDefined, style.isInstant || !dice.chance(18) { return Term(text: atom.name, axes: atom.axes) }
        return Term(text: atom.name + delay(of: atom), axes: atom.axes)
    }

    /// `[t-1]`, `[i-1, j]`
    private mutating func delay(of atom: Atom) -> String {
        let isFree = atom.level < level
        func text(_ offsets: [Int]) -> String {
            let parts = offsets.enumerated().filter { atom.axes.contains($0.offset) }.map { axis, offset in
                timeAxes[axis].name + (offset == 0 ? "" : offset < 0 ? "\(offset)" : "+\(offset)")
            }
            return "[\(parts.joined(separator: ", "))]"
        }
        let far = dice.weighted([(12, 1), (3, 2), (1, 3), (1, 7)])
        var offsets = timeAxes.map { _ in 0 }
        if atom.axes.count == 1, let axis = atom.axes.first {
            offsets[axis] = far * (isFree ? dice.pick([-1, -1, 1]) : direction[axis])
            return text(offsets)
        }
        let near = min(far, 2)
        let ways = isFree ? timeAxes.map { _ in dice.pick([-1, 1]) } : direction
        switch dice.below(5) {
        case 0, 1: offsets[0] = near * ways[0]
        case 2: offsets[1] = near * ways[1]
        case 3: offsets = [ways[0], ways[1]]
        default: offsets = [ways[0], -ways[1]]
        }
        return text(offsets)
    }

    /// An input or parameter made for the purpose.
    mutating func declared(_ type: GeneratedType, asParameter: Bool? = nil) -> Term {
        let kind = asParameter == true || style.isLayer ? 2 : needsOnce ? dice.pick([1, 2]) : dice.weighted([(6, 0), (1, 1), (3, 2)])
        switch kind {
        case 0:
            let name = fresh("x")
            let axis = rounds?.below(6) ?? (timeAxes.count > 1 ? dice.below(7) : nil)
            declarations.append("input \(name): \(type.text)\(axis.map { $0 < 2 ? " over \(timeAxes[$0].name)" : "" } ?? "")")
            // An input of a model over two axes varies over both where nothing else is said.
            return add(name, type, axis.map { $0 < 2 ? [$0] : [0, 1] } ?? Set(timeAxes.indices))
        case 1:
            let name = fresh("c")
            declarations.append("input \(name): \(type.text) once\(type.element == .real && dice.chance(30) ? " = 0.5" : "")")
            return add(name, type, [])
        default:
            guard type.element == .real || type.element == .complex else {
                return type.shape.isEmpty ? number(type.element) : spreadNumber(type)
            }
            let name = fresh("p")
            let isTrained = dice.chance(85)
            let initial = type.element == .real ? dice.pick(["", "", " = uniform(-1, 1)", " = normal(0.5)", " = constant(0.3)", " = ones"]) : ""
            declarations.append("\(isTrained ? "param" : "const") \(name): \(type.text)\(initial)")
            return add(name, type, [])
        }
    }

    /// An int or bool of a shape that varies over nothing.
    private mutating func spreadNumber(_ type: GeneratedType) -> Term {
        let flat = leaf(type.of(.real))
        return type.element == .int ? Term(text: "int(\(flat.text))", axes: flat.axes) : Term(text: "(\(flat.text) > 0.2)", axes: flat.axes)
    }

    private mutating func add(_ name: String, _ type: GeneratedType, _ axes: Set<Int>) -> Term {
        atoms.append(Atom(name: name, type: type, axes: axes, level: 0))
        return Term(text: name, axes: axes)
    }
}
