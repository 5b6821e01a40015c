import RecStream

extension Plan {
    /// The plan as text: segments, stages and their loops.
    package var text: String {
        var lines: [String] = ["plan \(graph.name)"]
        for segment in segments where !segment.stages.isEmpty {
            lines.append("  \(describe(segment.kind))")
            for stage in segment.stages {
                lines.append("    \(describe(stage.form))\(stage.rows == nil ? "" : ", rows shared by workers")")
                for (k, item) in stage.items.enumerated() {
                    if let rows = stage.rows, rows.barriers.contains(k) { lines.append("      barrier") }
                    let part = stage.rows.map { ", \(describe($0.parts[k]))" } ?? ""
                    lines += describe(item).map { "      \($0)\(part)" }
                }
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func describe(_ kind: Segment.Kind) -> String {
        switch kind {
        case .static: "static: once for a set of parameters"
        case .once: "once: for each sequence"
        case .joined: "joined: once, from sums over the batch"
        case .sweep(let axes, let order):
            "sweep over "
                + order.loops.map { "\(graph.axes[$0.axis].name)\($0.isReversed ? " backward" : "")" }.joined(separator: ", then ")
                + (axes.isEmpty ? " nothing" : "")
        }
    }

    private func describe(_ form: Stage.Form) -> String {
        switch form {
        case .map: "map: all steps of a block"
        case .totals: "totals: outer products summed over the steps of a block"
        case .sequential: "sequential: step by step"
        case .lanes(let carries):
            "lanes: each vector of elements through all steps, \(carries.count) carried"
        case .registers(let scan):
            "registers: several steps to a vector, \(scan.flat.rowCount) elements each, \(scan.maps.count) recurrences"
        }
    }

    private func describe(_ part: RowSharing.Part) -> String {
        switch part {
        case .loop(_, let stride, let period), .batches(let stride, let period): "shares of \(period)\(stride == 1 ? "" : " by \(stride)")"
        case .columns(let period): "shares of \(period)"
        case .repeated: "by every worker"
        case .alone: "by one worker"
        }
    }

    private func name(_ id: ValueID) -> String { graph[id].name ?? "\(id)" }

    private func describe(_ item: Item) -> [String] {
        switch item {
        case .total(let total):
            let places = total.groups.reduce(1) { $0 * $1.extent }
            return ["total \(name(total.value)): \(total.rows) × \(total.columns)" + (places > 1 ? " for each of \(places)" : "")]
        case .product(let product):
            return [
                "product \(name(product.value)): \(product.sumCount) → \(product.columnCount)"
                    + (product.batchCount > 1 ? " for each of \(product.batchCount)" : "")
                    + (product.rows.isEmpty ? "" : ", \(product.rows.map { String($0.extent) }.joined(separator: "×")) rows a step")
                    + ", from \(describe(product.input.buffer)) to \(describe(product.output))"
            ]
        case .nest(let nest):
            let domain = nest.domain.isEmpty ? "scalar" : nest.domain.map(String.init).joined(separator: "×")
            let values = nest.values.map(name).joined(separator: ", ")
            let targets = nest.stores.map { describe($0.buffer) }.joined(separator: ", ")
            return ["loop \(domain): \(values), \(nest.nodes.count) operations, to \(targets)"]
        }
    }

    private func describe(_ id: BufferID) -> String {
        let buffer = self[id]
        switch buffer.kind {
        case .input(let name): return "input \(name)"
        case .parameter(let path): return "param \(path)"
        case .output: return "output \(buffer.name)"
        case .static: return "static \(buffer.name)"
        case .once: return "once \(buffer.name)"
        case .accumulator: return "total \(buffer.name)"
        case .full: return "stream \(buffer.name)"
        case .block(let halo): return "block \(buffer.name)" + (halo > 0 ? " (+\(halo))" : "")
        case .step: return "step \(buffer.name)"
        case .ring(let ring): return "ring \(buffer.name) (\(ring.delays.count) delays)"
        case .zero: return "zeros"
        }
    }
}
