import RecStream

/// Windows and convolutions over time, of names that vary over it.
extension ProgramGenerator {
    /// Nil where no name is there that could be looked at so.
    mutating func windowed(_ type: GeneratedType, _ depth: Int) -> Term? {
        guard !style.isInstant, !needsOnce else { return nil }
        let fitting = atoms.filter { $0.type == type && $0.level <= levelLimit && !$0.axes.isEmpty }
        guard !fitting.isEmpty else { return nil }
        let atom = dice.pick(fitting)
        let isFree = atom.level < level
        if isFree, dice.chance(40) { return convolved(type, atom) }
        let axis = dice.pick(atom.axes.sorted())
        let count = dice.weighted([(1, 1), (3, 2), (4, 3), (2, 4), (1, 9)])
        guard count * type.elementCount <= style.mostElements else { return nil }
        let first: Int
        if isFree { first = dice.number(in: -count - 1...2) } else {
            // All of it lies behind, or before, the present step.
            let distance = dice.weighted([(4, 1), (1, 2)])
            first = direction[axis] < 0 ? 1 - distance - count : distance
        }
        func step(_ offset: Int) -> String { timeAxes[axis].name + (offset == 0 ? "" : offset < 0 ? "\(offset)" : "+\(offset)") }
        let window = "\(atom.name)[\(step(first)):\(step(first + count))]"
        if dice.chance(15) { return Term(text: "(\(window))[\(dice.below(count))]", axes: atom.axes) }
        let steps = widthAxis(count)
        guard !type.names.contains(steps.name) else { return nil }
        if type.element == .complex { return Term(text: "sum[\(steps.name)](\(window))", axes: atom.axes) }
        switch dice.below(4) {
        case 0: return Term(text: "\(dice.pick(["sum", "max", "mean", "logsumexp"]))[\(steps.name)](\(window))", axes: atom.axes)
        case 1:
            let weights = declared(GeneratedType(.real, dice.chance(50) ? [steps] : [steps] + type.shape), asParameter: true)
            return Term(text: "sum[\(steps.name)](\(weights.text) * \(window))", axes: atom.axes)
        case 2:
            let weights = expression(GeneratedType(.real, [steps]), depth: depth - 1)
            return Term(text: "sum[\(steps.name)](\(window) * tanh(\(weights.text)))", axes: atom.axes.union(weights.axes))
        default: return Term(text: "sum[\(steps.name)](\(window) * softmax[\(steps.name)](\(window)))", axes: atom.axes)
        }
    }

    /// The axis of so many steps.
    private func widthAxis(_ count: Int) -> GeneratedAxis {
        style.isSymbolic ? GeneratedAxis(name: "\(count)", text: "\(count)", size: count) : axis(ofSize: count)
    }

    private mutating func convolved(_ type: GeneratedType, _ atom: Atom) -> Term? {
        guard atom.isDefined else { return nil }
        let axis = dice.pick(atom.axes.sorted())
        let width = widthAxis(dice.weighted([(1, 1), (3, 2), (4, 4), (1, 9)]))
        guard !type.names.contains(width.name), width.size * type.elementCount <= style.mostElements else { return nil }
        var shape = type.shape + [width]
        if type.shape.count == 1, dice.chance(40) { shape = [type.shape[0], type.shape[0], width] } else if dice.chance(20) { shape = [width] }
        let filter = declared(GeneratedType(type.element, shape), asParameter: true)
        let options = dice.weighted([(5, ""), (2, ", dilation: 2"), (1, ", ahead: 1"), (1, ", dilation: 3, ahead: 2")])
        return Term(text: "conv[\(timeAxes[axis].name)](\(atom.name), \(filter.text)\(options))", axes: atom.axes)
    }
}
