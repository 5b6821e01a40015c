import RecAnalysis
import RecStream

/// The stream graph of a model for Graphviz: named values, what flows between them, and recurrences in boxes.
package struct GraphDrawing {
    private let graph: StreamGraph
    private let recurrences: [RecurrenceFacts]

    package init(_ model: Model) {
        graph = Pipeline.prepare(model.graph)
        recurrences = RecAnalysis.recurrences(of: graph)
    }

    /// Values that are drawn; others are the edges between them.
    private func isDrawn(_ id: ValueID) -> Bool {
        switch graph[id].operation {
        case .input, .parameter: return true
        case .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad,
            .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            return graph[id].name != nil || graph.outputs.contains { $0.value == id } || graph.losses.contains { $0.value == id }
        }
    }

    private struct Edge: Hashable {
        var from: ValueID
        var to: ValueID
    }

    package var dot: String {
        var lines = [
            "digraph \(quoted(graph.name)) {", "  rankdir=LR; fontname=Helvetica; label=\(quoted(graph.name)); labelloc=t;",
            "  node [fontname=Helvetica, fontsize=11, shape=box, style=\"rounded,filled\", fillcolor=white];",
            "  edge [fontname=Helvetica, fontsize=9, color=\"#555555\"];",
        ]
        var boxed: Set<ValueID> = []
        for (k, facts) in recurrences.enumerated() {
            lines.append("  subgraph cluster_\(k) {")
            let states = facts.states.isEmpty ? "" : "\(Explanation.merged(facts.states).joined(separator: ", ")), "
            let title = "\(states)\(facts.course(in: graph))\n\(facts.kind), \(facts.transitionDescription)"
            lines.append("    label=\(quoted(title)); style=\"rounded,filled\"; fillcolor=\"\(color(facts.kind))\"; fontsize=11;")
            for id in facts.members where isDrawn(id) {
                boxed.insert(id)
                lines.append("    \(node(id))")
            }
            lines.append("  }")
        }
        let edges = edges
        let ends = Set(edges.keys.flatMap { [$0.from, $0.to] })
        for id in graph.ids where isDrawn(id) && !boxed.contains(id) && (ends.contains(id) || !isParameter(id)) { lines.append("  \(node(id))") }
        for (edge, steps) in edges.sorted(by: { ($0.key.from, $0.key.to) < ($1.key.from, $1.key.to) }) {
            let other = steps.filter { $0.contains { $0 != 0 } }.sorted { a, b in
                let (near, far) = (a.reduce(0) { $0 + abs($1) }, b.reduce(0) { $0 + abs($1) })
                return near == far ? a.lexicographicallyPrecedes(b) : near < far
            }
            if other.count < steps.count { lines.append("  n\(edge.from.index) -> n\(edge.to.index);") }
            guard !other.isEmpty else { continue }
            let label = other.map(words).joined(separator: "; ")
            lines.append("  n\(edge.from.index) -> n\(edge.to.index) [style=dashed, label=\(quoted(label)), constraint=false];")
        }
        return lines.joined(separator: "\n") + "\n}\n"
    }

    /// The other step that is looked at: `t−1`.
    private func words(_ offsets: [Int]) -> String {
        zip(graph.axes, offsets).filter { $1 != 0 }.map { "\($0.name)\($1 < 0 ? "−" : "+")\(abs($1))" }.joined(separator: ", ")
    }

    /// So many delays behind each other are followed to the value that they are of.
    private static let mostDelays = 4

    /// What each drawn value depends on, through values that are not drawn, and at which steps: offsets along each axis.
    private var edges: [Edge: Set<[Int]>] {
        struct Visit: Hashable {
            var value: ValueID
            var offsets: [Int]
        }
        let here = [Int](repeating: 0, count: graph.axes.count)
        var result: [Edge: Set<[Int]>] = [:]
        for id in graph.ids where isDrawn(id) {
            var seen: Set<Visit> = []
            var stack: [(visit: Visit, delays: Int)] = []
            func push(operandsOf id: ValueID, _ offsets: [Int], _ delays: Int) {
                guard case .delay(let operand, let more, let initial) = graph[id].operation else {
                    stack += graph[id].operation.operands.map { (Visit(value: $0, offsets: offsets), delays) }
                    return
                }
                if let initial { stack.append((Visit(value: initial, offsets: here), delays)) }
                guard delays < Self.mostDelays else { return }
                stack.append((Visit(value: operand, offsets: zip(offsets, more).map { $0 + $1 }), delays + 1))
            }
            push(operandsOf: id, here, 0)
            while let (visit, delays) = stack.popLast() {
                if isDrawn(visit.value) {
                    let offsets = graph[visit.value].variance.isStream ? visit.offsets : here
                    result[Edge(from: visit.value, to: id), default: []].insert(offsets)
                } else if seen.insert(visit).inserted {
                    push(operandsOf: visit.value, visit.offsets, delays)
                }
            }
        }
        return result
    }

    private func isParameter(_ id: ValueID) -> Bool {
        if case .parameter = graph[id].operation { true } else { false }
    }

    private func node(_ id: ValueID) -> String {
        let value = graph[id]
        let sizes = value.shape.isEmpty ? "" : " [\(value.shape.map { $0.name == "\($0.size)" ? $0.name : "\($0.name) = \($0.size)" }.joined(separator: ", "))]"
        let output = graph.outputs.first { $0.value == id }?.name ?? graph.losses.first { $0.value == id }?.name
        let label = (value.name ?? output ?? "") + sizes
        var shape = ""
        switch value.operation {
        case .input: shape = ", shape=cds, fillcolor=\"#eef3fa\""
        case .parameter: shape = ", shape=note, fillcolor=\"#f6f6f6\", fontcolor=\"#666666\""
        case .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad,
            .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            if output != nil { shape = ", penwidth=2" }
        }
        return "n\(id.index) [label=\(quoted(label))\(shape)];"
    }

    private func color(_ kind: RecurrenceKind) -> String {
        switch kind {
        case .affine: "#dcefdc"
        case .semiring: "#dce9f5"
        case .fractionalLinear, .affineInLogarithm: "#e8e0f3"
        case .associative: "#e2f2f0"
        case .nonlinear: "#f8e3d6"
        }
    }

    private func quoted(_ text: String) -> String {
        "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n") + "\""
    }
}
