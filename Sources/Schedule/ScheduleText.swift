import RecStream

extension Schedule {
    /// The schedule as text: buffers, then what stands before, in and behind the loop over chunks.
    package var text: String {
        var lines = ["schedule \"\(name)\""]
        for (index, buffer) in buffers.enumerated() {
            let strides = buffer.parallelStrides.contains { $0 != 0 } ? " parallel \(buffer.parallelStrides)" : ""
            lines.append("  @\(index) \(Self.text(buffer.role)) \"\(buffer.name)\" \(buffer.count)\(strides)")
        }
        var loops = parallel.map { "\($0.name): \($0.size)" }
        if let blocks {
            let bounds = [blocks.before.map { "from \($0) before" }, blocks.behind.map { "to \($0) behind" }].compactMap { $0 }
            loops.append("blocks of \(blocks.count)\(bounds.isEmpty ? "" : " with chunks \(bounds.joined(separator: " "))")")
        }
        lines.append("  parallel \((["batch"] + loops).joined(separator: ", ")) {")
        lines += before.flatMap { Self.lines($0, "    ") }
        lines.append("    chunks of \(count)\(isReversed ? " from the end" : "")\(isDescending ? ", last first" : "") {")
        lines += body.flatMap { Self.lines($0, "      ") }
        lines.append("    }")
        if let inner {
            let bounds = [inner.least.map { "from \($0) later" }, inner.most.map { "to \($0) later" }].compactMap { $0 }
            lines.append("    chunks within the block's bounds\(bounds.isEmpty ? "" : ", \(bounds.joined(separator: " "))") {")
            lines += inner.body.flatMap { Self.lines($0, "      ") }
            lines.append("    }")
        }
        lines += behind.flatMap { Self.lines($0, "    ") }
        lines.append("  }")
        return lines.joined(separator: "\n") + "\n"
    }

    private static func text(_ role: Buffer.Role) -> String {
        switch role {
        case .stream(let isResult): isResult ? "stream out" : "stream in"
        case .block(let isResult): isResult ? "block out" : "block in"
        case .sum: "sum out"
        case .once(let isResult): isResult ? "once out" : "once in"
        case .shared: "shared in"
        case .kept: "kept"
        case .carried: "carried"
        case .scratch: "scratch"
        }
    }

    private static func text(_ index: Index) -> String {
        var text = index.variable.map { $0 < 0 ? "p\(-1 - $0)" : "i\($0)" } ?? ""
        if index.scale != 1, !text.isEmpty { text = "\(index.scale)·\(text)" }
        if text.isEmpty { text = "\(index.offset)" } else if index.offset != 0 { text += index.offset > 0 ? "+\(index.offset)" : "−\(-index.offset)" }
        if let bounds = index.bounds { text = "clamp(\(text), \(bounds.lowerBound), \(bounds.upperBound))" }
        return text
    }

    private static func text(_ view: View) -> String {
        var parts: [String] = []
        if view.slot != .none { parts.append(view.slot.rawValue) }
        if let step = view.step { parts.append("step \(text(step))") }
        parts += view.terms.map { $0.stride == 1 ? text($0.index) : "\($0.stride)·(\(text($0.index)))" }
        return "@\(view.buffer.index)[\(parts.joined(separator: ", "))]"
    }

    private static func lines(_ leaf: Leaf, _ indent: String) -> [String] {
        func loops(_ loops: [Matmul.Loop]) -> String {
            "(\(loops.map { "\($0.extent): \($0.left), \($0.right), \($0.result)" }.joined(separator: "; ")))"
        }
        switch leaf {
        case .nest(let nest):
            var head = "nest \(nest.extents)"
            if let reduction = nest.reduction { head += " \(reduction.kind.rawValue) over the last \(reduction.loops)" }
            if let loop = nest.stepLoop { head += " steps i\(loop)" }
            if nest.isChecked { head += " finite" }
            if nest.condition != .always { head += " \(nest.condition.rawValue)" }
            return ["\(indent)\(head)"] + nodes(nest.nodes, indent) + ["\(indent)  \(text(nest.target)) = n\(nest.result)"]
        case .running(let running):
            let head = "running \(running.extents) along i\(running.loop)\(running.isReversed ? " reversed" : "")"
            return ["\(indent)\(head)"] + nodes(running.nodes, indent)
                + ["\(indent)  \(text(running.target)) = n\(running.factor) · before + n\(running.term)"]
        case .matmul(let product):
            let sides = "@\(product.left.index)\(slot(product.leftSlot)) · @\(product.right.index)\(slot(product.rightSlot))"
            return [
                "\(indent)matmul \(text(product.result)) = \(sides)",
                "\(indent)  blocks \(loops(product.blocks)) rows \(loops(product.rows)) columns \(loops(product.columns)) sums \(loops(product.sums))",
            ] + (product.added.map { added in
                let factor = added.factor.map { " · @\($0.buffer.index)\(slot($0.slot))[\($0.stride)·row]" } ?? ""
                return ["\(indent)  + @\(added.buffer.index)\(slot(added.slot))\(factor)"]
            } ?? []) + product.triangles.map { "\(indent)  only \($0.larger.rawValue) ≥ \($0.smaller.rawValue) + \($0.distance)" }
        case .solve(let system):
            return [
                "\(indent)solve @\(system.result.index) from @\(system.matrix.index), @\(system.right.index)\(system.isTransposed ? " transposed" : "")",
                "\(indent)  \(system.blocks) × \(system.size) × \(system.width)",
            ]
        }
    }

    private static func slot(_ slot: View.Slot) -> String { slot == .none ? "" : "[\(slot.rawValue)]" }

    private static func nodes(_ nodes: [Node], _ indent: String) -> [String] {
        nodes.enumerated().map { k, node in
            let text: String
            switch node {
            case .constant(let number): text = "\(number)"
            case .load(let view): text = Self.text(view)
            case .unary(let function, let a): text = "\(function.rawValue) n\(a)"
            case .binary(let function, let a, let b): text = "\(function.rawValue) n\(a), n\(b)"
            case .select(let c, let a, let b): text = "select n\(c), n\(a), n\(b)"
            case .isInside(let index, let range): text = "\(Self.text(index)) in \(range.lowerBound)…\(range.upperBound)"
            case .isStep(let index): text = "is step \(Self.text(index))"
            case .isBlockStep(let index): text = "is step of block \(Self.text(index))"
            case .isFirst: text = "is first chunk"
            case .isLast: text = "is last chunk"
            }
            return "\(indent)  n\(k) = \(text)"
        }
    }
}
