import RecStream

/// Real expressions that change shapes: products, reductions, slices, joins, reshapes, tables.
extension ProgramGenerator {
    /// An axis that a type does not have, and that fits into the bounds.
    mutating func newAxis(for type: GeneratedType) -> GeneratedAxis? {
        let free = dims.filter { !type.names.contains($0.name) && $0.size * type.elementCount <= style.mostElements }
        return free.isEmpty ? nil : dice.pick(free)
    }

    /// The axis that has a size which came out of arithmetic: the first dim of that size, else the number.
    func axis(ofSize size: Int) -> GeneratedAxis {
        dims.first { $0.size == size } ?? GeneratedAxis(name: "\(size)", text: "\(size)", size: size)
    }

    /// An expression that has come to the given axes, with the names that are wanted.
    private func named(_ text: String, from: [GeneratedAxis], to: [GeneratedAxis]) -> String {
        from.map(\.name) == to.map(\.name) ? text : "(\(text) as [\(to.map(\.text).joined(separator: ", "))])"
    }

    private func isUnambiguous(_ shape: [GeneratedAxis]) -> Bool { Set(shape.map(\.name)).count == shape.count }

    /// Nil where the form that was drawn does not go with the type.
    mutating func shaped(_ type: GeneratedType, _ depth: Int) -> Term? {
        switch dice.below(14) {
        case 0, 1: return product(type, depth)
        case 2: return reduction(type, depth)
        case 3: return normalised(type, depth)
        case 4: return outer(type, depth)
        case 5: return picked(type, depth)
        case 6: return joined(type, depth)
        case 7: return sliced(type, depth)
        case 8: return split(type, depth)
        case 9: return reshaped(type, depth)
        case 10: return padded(type, depth)
        case 11: return windowed(type, depth)
        case 12: return dice.chance(50) ? renamed(type, depth) : transposed(type, depth)
        default: return dice.chance(60) ? crossEntropy(type, depth) : convolution(type, depth)
        }
    }

    /// `W @ x`, `x @ W`, `a @ b`
    private mutating func product(_ type: GeneratedType, _ depth: Int) -> Term? {
        guard !type.shape.isEmpty, type.shape.count <= 2, let inner = newAxis(for: GeneratedType(.real)) else { return nil }
        func weight(_ type: GeneratedType, _ generator: inout ProgramGenerator) -> Term {
            if generator.dice.chance(60), !generator.style.isLayer || true { return generator.declared(type, asParameter: true) }
            return generator.expression(type, depth: depth - 1)
        }
        guard !type.names.contains(inner.name) else { return nil }
        let isLeft = dice.chance(50)
        let outer = type.shape
        let left: Term
        let right: Term
        if outer.count == 1, isLeft {
            left = weight(GeneratedType(.real, [outer[0], inner]), &self)
            right = expression(GeneratedType(.real, [inner]), depth: depth - 1)
        } else if outer.count == 1 {
            left = expression(GeneratedType(.real, [inner]), depth: depth - 1)
            right = weight(GeneratedType(.real, [inner, outer[0]]), &self)
        } else {
            left = isLeft ? weight(GeneratedType(.real, [outer[0], inner]), &self) : expression(GeneratedType(.real, [outer[0], inner]), depth: depth - 1)
            right = isLeft ? expression(GeneratedType(.real, [inner, outer[1]]), depth: depth - 1) : weight(GeneratedType(.real, [inner, outer[1]]), &self)
        }
        return Term(text: "(\(left.text) @ \(right.text))", axes: left.axes.union(right.axes))
    }

    private mutating func reduction(_ type: GeneratedType, _ depth: Int) -> Term? {
        guard let axis = newAxis(for: type) else { return nil }
        let place = dice.number(in: 0...type.shape.count)
        let function = dice.pick(["sum", "sum", "mean", "max", "min", "prod", "logsumexp", "norm", "var"])
        if dice.chance(15), function != "norm" {
            // Of a list, element by element.
            let parts = (0..<dice.number(in: 2...3)).map { _ in expression(type, depth: depth - 1) }
            return Term(text: "\(function)([\(parts.map(\.text).joined(separator: ", "))])", axes: parts.reduce([]) { $0.union($1.axes) })
        }
        if function == "sum", dice.chance(50) {
            // A sum of products, which becomes a contraction.
            let a = expression(type.with(axis, at: place), depth: depth - 1)
            let b = expression(part(of: type.with(axis, at: place)), depth: depth - 1)
            return Term(text: "sum[\(axis.name)](\(a.text) * \(b.text))", axes: a.axes.union(b.axes))
        }
        let a = expression(type.with(axis, at: place), depth: depth - 1)
        return Term(text: "\(function)[\(axis.name)](\(a.text))", axes: a.axes)
    }

    private mutating func normalised(_ type: GeneratedType, _ depth: Int) -> Term? {
        guard let axis = type.shape.last else { return nil }
        let a = expression(type, depth: depth - 1)
        let function = dice.pick(["softmax", "softmax", "rmsnorm", "layernorm"])
        return Term(text: "\(function)[\(axis.name)](\(a.text))", axes: a.axes)
    }

    private mutating func outer(_ type: GeneratedType, _ depth: Int) -> Term? {
        guard type.shape.count >= 2 else { return nil }
        let cut = dice.number(in: 1...type.shape.count - 1)
        let a = expression(GeneratedType(.real, Array(type.shape[..<cut])), depth: depth - 1)
        let b = expression(GeneratedType(.real, Array(type.shape[cut...])), depth: depth - 1)
        return Term(text: "outer(\(a.text), \(b.text))", axes: a.axes.union(b.axes))
    }

    /// `x[2]`, `E[token]`
    private mutating func picked(_ type: GeneratedType, _ depth: Int) -> Term? {
        guard let axis = newAxis(for: type) else { return nil }
        if dice.chance(40) {
            let a = expression(type.with(axis, at: 0), depth: depth - 1)
            return Term(text: "(\(a.text))[\(dice.below(axis.size))]", axes: a.axes)
        }
        // Indices have the leading axes of the result.
        let leading = dice.chance(60) || type.shape.isEmpty ? 0 : 1
        let indices = GeneratedType(.int, Array(type.shape.prefix(leading)))
        var index = expression(indices, depth: depth - 1)
        // A number would be a position, which must lie within the axis.
        if !index.text.contains(where: \.isLetter) { index = declared(indices) }
        let table = GeneratedType(.real, [axis] + type.shape.dropFirst(leading))
        let a = dice.chance(50) ? declared(table, asParameter: true) : expression(table, depth: depth - 1)
        return Term(text: "(\(a.text))[\(index.text)]", axes: a.axes.union(index.axes))
    }

    /// The first elements of one value before, or behind, those of another.
    private mutating func joined(_ type: GeneratedType, _ depth: Int) -> Term? {
        guard let first = type.shape.first, first.size > 1 else { return nil }
        let a = expression(type, depth: depth - 1)
        let b = dice.chance(50) ? a : expression(type, depth: depth - 1)
        let cut = dice.number(in: 1...first.size - 1)
        if style.isSymbolic {
            return Term(text: "concat((\(a.text))[\(cut):], (\(b.text))[0:\(cut)])", axes: a.axes.union(b.axes))
        }
        let made = [axis(ofSize: first.size)] + type.shape.dropFirst()
        guard isUnambiguous(made) else { return nil }
        let text =
            type.shape.count == 1 && cut == 1 && dice.chance(40)
            ? "concat((\(a.text))[\(dice.below(first.size))], (\(b.text))[0:\(first.size - 1)])"
            : "concat((\(a.text))[0:\(cut)], (\(b.text))[\(cut):\(first.size)])"
        return Term(text: named(text, from: made, to: type.shape), axes: a.axes.union(b.axes))
    }

    private mutating func sliced(_ type: GeneratedType, _ depth: Int) -> Term? {
        guard !style.isSymbolic, !type.shape.isEmpty else { return nil }
        let place = dice.below(type.shape.count)
        let size = type.shape[place].size
        let wide = axis(ofSize: size + dice.number(in: 1...max(2, size)))
        let whole = type.replacing(place, by: wide)
        guard isUnambiguous(whole.shape), whole.elementCount <= style.mostElements else { return nil }
        let start = dice.number(in: 0...wide.size - size)
        let a = expression(whole, depth: depth - 1)
        let range = "\(start):\(start + size == wide.size && dice.chance(50) ? "" : "\(start + size)")"
        let made = type.replacing(place, by: axis(ofSize: size)).shape
        guard isUnambiguous(made) else { return nil }
        let text = "(\(a.text))[\((type.shape.indices.prefix(place).map { _ in ":" } + [range]).joined(separator: ", "))]"
        return Term(text: named(text, from: made, to: type.shape), axes: a.axes)
    }

    /// One of the parts of a value that is as long as all of them together.
    private mutating func split(_ type: GeneratedType, _ depth: Int) -> Term? {
        guard let first = type.shape.first, isNaming else { return nil }
        let parts = dice.number(in: 2...3)
        guard type.elementCount * parts <= style.mostElements else { return nil }
        let wide =
            style.isSymbolic
            ? GeneratedAxis(name: "\(parts) * \(first.name)", text: "\(parts) * \(first.text)", size: parts * first.size) : axis(ofSize: parts * first.size)
        let whole = type.replacing(0, by: wide)
        guard isUnambiguous(whole.shape) else { return nil }
        let made = style.isSymbolic ? type.shape : [axis(ofSize: first.size)] + type.shape.dropFirst()
        guard isUnambiguous(made) else { return nil }
        let a = style.isSymbolic ? declared(whole) : expression(whole, depth: depth - 1)
        let names = (0..<parts).map { _ in fresh("g") }
        equations.append("\(names.joined(separator: ", ")) = split(\(a.text), \(parts))")
        let own = GeneratedType(.real, made)
        for name in names { atoms.append(Atom(name: name, type: own, axes: a.axes, level: level)) }
        return Term(text: named(dice.pick(names), from: made, to: type.shape), axes: a.axes)
    }

    private mutating func reshaped(_ type: GeneratedType, _ depth: Int) -> Term? {
        guard !type.shape.isEmpty else { return nil }
        let list = "[\(type.shape.map(\.text).joined(separator: ", "))]"
        if type.shape.count > 1, dice.chance(50) {
            let turned = GeneratedType(.real, Array(type.shape.reversed()))
            let a = expression(turned, depth: depth - 1)
            return Term(text: "reshape(\(a.text), \(list))", axes: a.axes)
        }
        guard !style.isSymbolic else { return nil }
        let count = type.elementCount
        var shape = [axis(ofSize: count)]
        if dice.chance(50), let divisor = (2...max(2, count)).first(where: { count % $0 == 0 && $0 < count }) {
            shape = [axis(ofSize: divisor), axis(ofSize: count / divisor)]
        }
        guard isUnambiguous(shape) else { return nil }
        let a = expression(GeneratedType(.real, shape), depth: depth - 1)
        return Term(text: "reshape(\(a.text), \(list))", axes: a.axes)
    }

    private mutating func padded(_ type: GeneratedType, _ depth: Int) -> Term? {
        guard !style.isSymbolic, let first = type.shape.first, first.size > 1 else { return nil }
        let added = dice.number(in: 1...min(2, first.size - 1))
        let inner = axis(ofSize: first.size - added)
        let small = type.replacing(0, by: inner)
        let made = [axis(ofSize: first.size)] + type.shape.dropFirst()
        guard isUnambiguous(small.shape), isUnambiguous(made) else { return nil }
        let before = dice.number(in: 0...added)
        let mode = inner.size > added ? dice.pick(["", ", reflect", ", edge"]) : dice.pick(["", ", edge"])
        let a = expression(small, depth: depth - 1)
        return Term(text: named("pad[\(inner.name)](\(a.text), \(before), \(added - before)\(mode))", from: made, to: type.shape), axes: a.axes)
    }

    private mutating func renamed(_ type: GeneratedType, _ depth: Int) -> Term? {
        guard !style.isSymbolic, let place = type.shape.indices.first(where: { place in dims.contains { $0.size == type.shape[place].size && !type.names.contains($0.name) } }),
            let other = dims.first(where: { $0.size == type.shape[place].size && !type.names.contains($0.name) })
        else { return nil }
        let a = expression(type.replacing(place, by: other), depth: depth - 1)
        return Term(text: "(\(a.text) as [\(type.shape.map(\.text).joined(separator: ", "))])", axes: a.axes)
    }

    private mutating func transposed(_ type: GeneratedType, _ depth: Int) -> Term? {
        guard type.shape.count == 2 else { return nil }
        let a = expression(GeneratedType(.real, [type.shape[1], type.shape[0]]), depth: depth - 1)
        return Term(text: "(\(a.text)).T", axes: a.axes)
    }

    private mutating func crossEntropy(_ type: GeneratedType, _ depth: Int) -> Term? {
        guard let axis = newAxis(for: type) else { return nil }
        let logits = expression(type.with(axis, at: type.shape.count), depth: depth - 1)
        let target = expression(type.of(.int), depth: 0)
        return Term(text: "crossentropy(\(logits.text), \(target.text))", axes: logits.axes.union(target.axes))
    }

    private mutating func convolution(_ type: GeneratedType, _ depth: Int) -> Term? {
        guard !style.isSymbolic, type.shape.count == 2, let channels = newAxis(for: GeneratedType(.real, [type.shape[1]])) else { return nil }
        let width = dice.number(in: 1...3)
        let long = axis(ofSize: type.shape[1].size + width - 1)
        let made = [type.shape[0], axis(ofSize: type.shape[1].size)]
        let kernel = [type.shape[0], channels, axis(ofSize: width)]
        guard isUnambiguous([channels, long]), isUnambiguous(made), isUnambiguous(kernel) else { return nil }
        let a = expression(GeneratedType(.real, [channels, long]), depth: depth - 1)
        let weight = declared(GeneratedType(.real, kernel), asParameter: true)
        return Term(text: named("conv[\(long.name)](\(a.text), \(weight.text))", from: made, to: type.shape), axes: a.axes.union(weight.axes))
    }
}
