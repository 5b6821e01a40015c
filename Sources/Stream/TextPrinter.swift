import RecSource

extension StreamGraph {
    /// The graph as text, one value a line; `StreamGraph(text:)` reads it back.
    package var text: String { text { _ in nil } }

    /// The same with a comment behind each value that has a place in the source, such as `12:5`.
    package func text(place: (SourceSpan) -> String?) -> String {
        var lines = ["graph \(quoted(name)) over \(axes.map(describe).joined(separator: ", ")) {"]
        for id in ids {
            let comment = self[id].span.flatMap(place).map { "  # \($0.replacing("\n", with: " "))" } ?? ""
            lines.append("  " + line(id) + comment)
        }
        for state in states {
            lines.append("  state \(quoted(state.name)) \(state.value)\(state.initial.map { " from \($0)" } ?? "")")
        }
        for output in outputs { lines.append("  output \(quoted(output.name)) \(output.value)") }
        for loss in losses { lines.append("  loss \(quoted(loss.name)) \(loss.value)") }
        for requirement in requirements {
            let property =
                switch requirement.property {
                case .affine: "affine"
                case .diagonal: "diagonal"
                case .plan(let choices): "plan(\(choices.map(word).joined(separator: ", ")))"
                }
            lines.append("  require \(property) \(quoted(requirement.state))")
        }
        for fold in folds {
            let fields = fold.fields.map(quoted).joined(separator: ", ")
            let identity = fold.identity.map(scalar).joined(separator: ", ")
            lines.append("  fold \(quoted(fold.monoid)) [\(fields)] elements \(list(fold.elements)) states \(list(fold.states)) identity [\(identity)] combine")
            lines += fold.combine.text(place: place).split(separator: "\n").map { "    \($0)" }
        }
        for own in ownGradients {
            lines.append("  gradient \(quoted(own.function)) of \(own.value) by \(list(own.arguments)) rule")
            lines += own.rule.text(place: place).split(separator: "\n").map { "    \($0)" }
        }
        lines.append("}")
        return lines.joined(separator: "\n") + "\n"
    }

    private func quoted(_ text: String) -> String {
        var result = "\""
        for character in text.unicodeScalars {
            switch character {
            case "\\", "\"": result += "\\\(character)"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            default: result.unicodeScalars.append(character)
            }
        }
        return result + "\""
    }

    /// A name as it is where it looks like one, else in quotes.
    private func word(_ name: String) -> String {
        let isPlain = name.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x5F }
        return isPlain && !name.isEmpty ? name : quoted(name)
    }

    private func list(_ ids: [ValueID]) -> String { "[\(ids.map(\.description).joined(separator: ", "))]" }

    /// `t`, `k: 4`, `"t/64" = t by 64`
    private func describe(_ axis: StreamAxis) -> String {
        let cut = axis.chunks.map { " = \(word(axes[$0.axis].name)) by \($0.count)\($0.isReversed ? " reversed" : "")\($0.isWhole ? " whole" : "")" }
        let again = axis.again.map { " = \(word(axes[$0].name)) again" }
        return word(axis.name) + (axis.length.map { ": \($0)" } ?? "") + (cut ?? again ?? "")
    }

    /// `%7 "h" = add %5, %6 : real[H: 64] batch, t`
    private func line(_ id: ValueID) -> String {
        let value = self[id]
        let dims = value.shape.isEmpty ? "" : "[\(value.shape.map { "\(quoted($0.name)): \($0.size)" }.joined(separator: ", "))]"
        var varying = value.variance.batch ? ["batch"] : []
        for (k, axis) in axes.enumerated() where value.variance.varies(over: k) { varying.append(word(axis.name)) }
        let name = value.name.map { " \(quoted($0))" } ?? ""
        let over = varying.isEmpty ? "" : " \(varying.joined(separator: ", "))"
        return "\(id)\(name) = \(describe(value.operation)) : \(value.element.rawValue)\(dims)\(over)"
    }

    private func scalar(_ scalar: Scalar) -> String {
        switch scalar {
        case .real(let value): "\(value)"
        case .int(let value): "int \(value)"
        case .bool(let value): "\(value)"
        case .complex(let re, let im): "complex \(re) \(im)"
        }
    }

    private func describe(_ operation: Operation) -> String {
        func numbers(_ values: [Int]) -> String { "[\(values.map(String.init).joined(separator: ", "))]" }
        switch operation {
        case .input(let name, let fallback):
            return "input \(quoted(name))" + (fallback.map { " default \($0)" } ?? "")
        case .parameter(let info):
            let from = info.tensorName.map { " from \(quoted($0))" } ?? ""
            let fills = info.fillsItself ? " unless given" : ""
            return "\(info.isTrained ? "param" : "const") \(quoted(info.path)) \(describe(info.initializer))\(from)\(fills)"
        case .constant(let value): return "constant \(scalar(value))"
        case .unary(let function, let a): return "\(function.rawValue) \(a)"
        case .binary(let function, let a, let b): return "\(function.rawValue) \(a), \(b)"
        case .select(let c, let a, let b): return "select \(c), \(a), \(b)"
        case .contract(let c):
            return "contract \(c.left) \(numbers(c.leftLabels)), \(c.right) \(numbers(c.rightLabels)) -> \(numbers(c.resultLabels))"
        case .reduce(let kind, let a, let axes): return "reduce.\(kind.rawValue) \(a) \(numbers(axes))"
        case .broadcast(let a, let from):
            return "broadcast \(a) [\(from.map { $0.map(String.init) ?? "_" }.joined(separator: ", "))]"
        case .rename(let a): return "rename \(a)"
        case .reshape(let a): return "reshape \(a)"
        case .slice(let a, let axis, let start, let stride): return "slice \(a) axis \(axis) from \(start) by \(stride)"
        case .concat(let parts, let axis): return "concat \(list(parts)) axis \(axis)"
        case .pad(let a, let axis, let before, let after, let mode):
            return "pad.\(mode.rawValue) \(a) axis \(axis) \(before), \(after)"
        case .window(let a, let axis, let stride): return "window \(a) axis \(axis) by \(stride)"
        case .gather(let table, let index): return "gather \(table), \(index)"
        case .scatter(let updates, let index, let count): return "scatter \(updates), \(index) to \(count)"
        case .delay(let a, let offsets, let initial):
            return "delay \(a) \(numbers(offsets))" + (initial.map { " from \($0)" } ?? "")
        case .overTime(let kind, let a, let axis): return "time.\(kind.rawValue) \(a) axis \(axis)"
        case .overBatch(let a): return "batch.sum \(a)"
        case .along(let a, let axis): return "along \(a) axis \(axis)"
        case .distance(let axis): return "distance axis \(axis)"
        case .chunks(let a, let axis, let fill): return "chunks \(a) axis \(axis) else \(fill)"
        case .steps(let a, let axis): return "steps \(a) axis \(axis)"
        case .runningAffine(let a, let b, let axis, let isReversed):
            return "running.affine \(a), \(b) axis \(axis)\(isReversed ? " reversed" : "")"
        case .solve(let a, let b, let isTransposed): return "solve \(a), \(b)\(isTransposed ? " transposed" : "")"
        }
    }

    private func describe(_ initializer: Initializer) -> String {
        switch initializer {
        case .zeros: "zeros"
        case .ones: "ones"
        case .constant(let value): "constant(\(value))"
        case .uniform(let a, let b): "uniform(\(a), \(b))"
        case .normal(let deviation): "normal(\(deviation))"
        case .glorot: "glorot"
        case .orthogonal: "orthogonal"
        case .linspace(let a, let b): "linspace(\(a), \(b))"
        case .hippo: "hippo"
        }
    }
}
