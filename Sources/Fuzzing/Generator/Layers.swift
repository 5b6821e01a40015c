import RecStream

/// Layers and folds.
extension ProgramGenerator {
    /// A model of its own, used once, twice or as a chain; what it gives is a new name.
    mutating func addLayer(isInstant: Bool) {
        guard !timeAxes.contains(where: { $0.length != nil }) else { return }
        let type = GeneratedType(.real, randomShape())
        let isChain = !isInstant && dice.chance(40)
        let output = isChain || dice.chance(60) ? type : GeneratedType(.real, randomShape())
        let model = fresh("Cell")
        var style = style
        style.isLayer = true
        style.isInstant = isInstant
        style.mostLevels = 1
        style.depth = 2
        var inner = ProgramGenerator(dice: dice, style: style, dims: dims, axes: timeAxes)
        inner.writeLayer(from: type, to: output, named: model)
        dice = inner.dice
        helpers += inner.helpers
        let layer = fresh("layer")
        let arguments = style.isSymbolic ? "(\(dims.map(\.name).joined(separator: ", ")))" : dice.pick(["", "()"])
        let copies = isChain ? "repeat(\(dice.number(in: 1...3)), \(model)\(arguments))" : model + arguments
        declarations.append("layer \(layer) = \(!isInstant && dice.chance(25) ? "reverse(\(copies))" : copies)")
        if isInstant { return instantLayers.append((layer, type, output)) }
        for _ in 0..<(isChain ? 1 : dice.number(in: 1...2)) {
            let argument = expression(type, depth: 2)
            // A layer takes streams over all axes.
            guard argument.axes == Set(timeAxes.indices) else { continue }
            let name = fresh("v")
            equations.append("\(name) = \(dice.chance(50) ? "\(layer)(\(argument.text))" : "\(argument.text) |> \(layer)")")
            atoms.append(Atom(name: name, type: output, axes: Set(timeAxes.indices), level: level))
        }
    }

    /// The body of a layer: one input, one output, parameters of its own.
    private mutating func writeLayer(from input: GeneratedType, to output: GeneratedType, named model: String) {
        declarations.append("input u: \(input.text)")
        atoms.append(Atom(name: "u", type: input, axes: Set(timeAxes.indices), level: 0))
        if !style.isInstant {
            beginLevel()
            addStates()
            level += 1
            levelLimit = level
            direction = timeAxes.map { _ in -1 }
        }
        let term = expression(output, depth: 2)
        // Every layer's output is a stream.
        let stream = term.axes == Set(timeAxes.indices) ? term.text : streamed(term.text, input)
        results.append("output y = \(stream)")
        helpers.append(text(named: model))
    }

    private func streamed(_ text: String, _ input: GeneratedType) -> String {
        "\(text) + \(input.shape.isEmpty ? "u" : "sum(u)")"
    }

    /// A running fold over an operator that is declared as associative.
    mutating func addFold() {
        guard timeAxes.count == 1 else { return }
        let shape = randomShape(1)
        let monoid = fresh("Fold")
        let value = known(.real)
        let name = fresh("r")
        func field(_ field: String, _ type: GeneratedType) {
            let alias = fresh("v")
            equations.append("\(alias) = \(name).\(field)")
            atoms.append(Atom(name: alias, type: type, axes: [0], level: level))
        }
        switch dice.below(3) {
        case 0:
            helpers.append("monoid \(monoid)(m) {\n  identity (-inf)\n  combine (a, b) {\n    m = max(a.m, b.m)\n  }\n}\n")
            guard streams(value) else { return }
            equations.append("\(name) = fold \(monoid)(\(value))")
            field("m", .real)
        case 1:
            guard !style.isSymbolic, let axis = shape.first, self.axis(ofSize: axis.size) == axis else { return }
            let vector = known(GeneratedType(.real, shape))
            guard streams(value), streams(vector) else { return }
            helpers.append("monoid \(monoid)(a, b: [\(axis.size)]) {\n  identity (1, 0)\n  combine (p, q) {\n    a = p.a * q.a\n    b = q.a * p.b + q.b\n  }\n}\n")
            let scalar = fresh("w")
            equations.append("\(scalar) = \(vector)")
            equations.append("\(name) = fold \(monoid)(sigmoid(\(value)), \(scalar))")
            field("a", .real)
        default:
            guard streams(value) else { return }
            helpers.append("monoid \(monoid)(m, s) {\n  identity (-inf, 0)\n  combine (a, b) {\n    m = max(a.m, b.m)\n    s = a.s + b.s\n  }\n}\n")
            equations.append("\(name) = fold \(monoid)(\(value), \(value))")
            field("s", .real)
            field("m", .real)
        }
    }

    /// Whether a text holds a stream, as far as can be seen.
    private func streams(_ text: String) -> Bool {
        atoms.contains { $0.axes == Set(timeAxes.indices) && text.contains($0.name) } && !text.contains("[t](")
    }
}
