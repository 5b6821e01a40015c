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
            .window, .gather, .scatter, .delay, .overTime, .overBatch, .chunks, .steps, .runningAffine, .solve:
            return graph[id].name != nil || graph.outputs.contains { $0.value == id } || graph.losses.contains { $0.value == id }
        }
    }

    private struct Edge: Hashable {
        var from: ValueID
        var to: ValueID
        var isDelayed: Bool
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
            lines.append("    label=\(quoted("\(facts.kind), \(facts.transitionDescription)")); style=\"rounded,filled\"; fillcolor=\"\(color(facts.kind))\"; fontsize=11;")
            for id in facts.members where isDrawn(id) {
                boxed.insert(id)
                lines.append("    \(node(id))")
            }
            lines.append("  }")
        }
        let edges = edges
        let ends = Set(edges.flatMap { [$0.from, $0.to] })
        for id in graph.ids where isDrawn(id) && !boxed.contains(id) && (ends.contains(id) || !isParameter(id)) { lines.append("  \(node(id))") }
        for edge in edges.sorted(by: { ($0.from, $0.to, $0.isDelayed ? 1 : 0) < ($1.from, $1.to, $1.isDelayed ? 1 : 0) }) {
            lines.append("  n\(edge.from.index) -> n\(edge.to.index)\(edge.isDelayed ? " [style=dashed, label=\"other steps\", constraint=false]" : "");")
        }
        return lines.joined(separator: "\n") + "\n}\n"
    }

    /// What each drawn value depends on, through values that are not drawn.
    private var edges: Set<Edge> {
        var result: Set<Edge> = []
        for id in graph.ids where isDrawn(id) {
            var seen: Set<ValueID> = []
            var stack = graph[id].operation.operands.map { ($0, isDelay(id)) }
            while let (operand, isDelayed) = stack.popLast() {
                if isDrawn(operand) {
                    result.insert(Edge(from: operand, to: id, isDelayed: isDelayed))
                } else if seen.insert(operand).inserted {
                    stack += graph[operand].operation.operands.map { ($0, isDelayed || isDelay(operand)) }
                }
            }
        }
        return result
    }

    private func isDelay(_ id: ValueID) -> Bool {
        if case .delay = graph[id].operation { true } else { false }
    }

    private func isParameter(_ id: ValueID) -> Bool {
        if case .parameter = graph[id].operation { true } else { false }
    }

    private func node(_ id: ValueID) -> String {
        let value = graph[id]
        let sizes = value.shape.isEmpty ? "" : " [\(value.shape.map(\.name).joined(separator: ", "))]"
        let output = graph.outputs.first { $0.value == id }?.name ?? graph.losses.first { $0.value == id }?.name
        let label = (value.name ?? output ?? "") + sizes
        var shape = ""
        switch value.operation {
        case .input: shape = ", shape=cds, fillcolor=\"#eef3fa\""
        case .parameter: shape = ", shape=note, fillcolor=\"#f6f6f6\", fontcolor=\"#666666\""
        case .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad,
            .window, .gather, .scatter, .delay, .overTime, .overBatch, .chunks, .steps, .runningAffine, .solve:
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
        "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }
}
