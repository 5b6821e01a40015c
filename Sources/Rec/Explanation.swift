import RecAnalysis
import RecScheduling
import RecSource
import RecStream

/// What each recurrence of a model is, and how it will run.
public struct Explanation: Sendable {
    public struct Recurrence: Sendable {
        public var states: [String]
        public var axis: String
        public var direction: String
        /// `affine` or `nonlinear`.
        public var kind: String
        /// Why it is no more than that; nil for an affine one.
        public var reason: String?
        public var reasonSpan: SourceSpan?
        public var isDiagonal: Bool
        /// Where its equations begin.
        public var span: SourceSpan?
        public var chosen: String
        public var note: String
    }

    public var model: String
    public var dims: [(name: String, size: Int)]
    public var recurrences: [Recurrence] = []
    /// One line for each product with weights: where it is computed.
    public var products: [String] = []
    public var segmentCount: Int

    public init(_ model: Model) throws {
        self.model = model.graph.name
        let plan = try model.plan()
        dims = model.typed.dims.compactMap { name in model.dims[name].map { (name, $0) } }
        segmentCount = plan.segments.filter { segment in
            if case .sweep = segment.kind { return !segment.stages.isEmpty }
            return false
        }.count
        let graph = plan.graph
        for facts in RecAnalysis.recurrences(of: graph) {
            let loop = facts.order.loops[0]
            let form = Self.form(of: facts, in: plan)
            recurrences.append(
                Recurrence(
                    states: Self.merged(facts.states), axis: facts.order.loops.map { graph.axes[$0.axis].name }.joined(separator: ", "),
                    direction: loop.isReversed ? "backward" : "forward", kind: facts.notAffine == nil ? "affine" : "nonlinear",
                    reason: facts.notAffine?.text, reasonSpan: facts.notAffine?.span, isDiagonal: facts.notDiagonal == nil,
                    span: Self.place(of: facts.members, in: graph), chosen: "sequential", note: form))
        }
        for (segment, stage, product) in Self.products(of: plan) {
            let where_: String
            switch (segment.kind, stage.form) {
            case (.sweep, .map): where_ = "hoisted: one matrix product for a block of steps"
            case (.sweep, _): where_ = "in every step"
            case (.once, _), (.static, _): where_ = "once"
            }
            let value = graph[product.value]
            products.append("\(product.sumCount) → \(product.columnCount)\(value.name.map { " (\($0))" } ?? ""): \(where_)")
        }
    }

    /// Parts of a complex state are one state to the user.
    private static func merged(_ names: [String]) -> [String] {
        var result: [String] = []
        for name in names {
            let whole = name.hasSuffix(".re") || name.hasSuffix(".im") ? String(name.dropLast(3)) : name
            if !result.contains(whole) { result.append(whole) }
        }
        return result
    }

    private static func products(of plan: Plan) -> [(Segment, Stage, Product)] {
        plan.segments.flatMap { segment in
            segment.stages.flatMap { stage in
                stage.items.compactMap { item in
                    if case .product(let product) = item { (segment, stage, product) } else { nil }
                }
            }
        }
    }

    private static func form(of facts: RecurrenceFacts, in plan: Plan) -> String {
        let members = Set(facts.members)
        for segment in plan.segments {
            for stage in segment.stages {
                let values = stage.items.flatMap { item -> [ValueID] in
                    switch item {
                    case .nest(let nest): nest.values
                    case .product(let product): [product.value]
                    }
                }
                guard values.contains(where: members.contains) else { continue }
                switch stage.form {
                case .lanes: return "one vector of elements at a time through all steps, state in registers"
                case .sequential, .map: return "one step after another, \(stage.items.count) loops and products a step"
                }
            }
        }
        return "one step after another"
    }

    /// A page for a terminal.
    public func text(_ sources: SourceMap) -> String {
        let sizes = dims.map { "\($0.name) = \($0.size)" }.joined(separator: ", ")
        var lines = ["model \(model)\(sizes.isEmpty ? "" : "  (\(sizes))")"]
        if recurrences.isEmpty { lines.append("  no recurrence: every step by itself (map)") }
        for recurrence in recurrences {
            lines.append("")
            lines.append("  recurrence of \(recurrence.states.isEmpty ? "unnamed values" : recurrence.states.joined(separator: ", ")), \(recurrence.direction) over \(recurrence.axis)\(place(recurrence.span, sources))")
            lines.append("    what it is   \(recurrence.kind)\(recurrence.isDiagonal ? ", diagonal: no element meets another" : ", elements meet")")
            if let reason = recurrence.reason {
                lines.append("    why          \(reason)\(place(recurrence.reasonSpan, sources))")
                if let span = recurrence.reasonSpan {
                    let position = sources.position(of: span.start, in: span.file)
                    lines.append("                 | \(sources.line(position.line, of: span.file).drop { $0 == " " })")
                }
            }
            lines.append("    how it runs  \(recurrence.chosen): \(recurrence.note)")
            lines.append("    not built    scan, chunkwise, shooting, newton: this version has map and sequential")
        }
        if !products.isEmpty {
            lines.append("")
            lines.append("  products with weights")
            lines += products.map { "    \($0)" }
        }
        lines.append("")
        lines.append("  \(segmentCount) pass\(segmentCount == 1 ? "" : "es") over the sequence")
        return lines.joined(separator: "\n") + "\n"
    }

    /// Where the equation of the first state stands; what it calls may stand anywhere.
    private static func place(of members: [ValueID], in graph: StreamGraph) -> SourceSpan? {
        let states = Set(graph.states.map(\.value))
        let named = members.filter(states.contains).compactMap { graph[$0].span }
        return (named.isEmpty ? members.compactMap { graph[$0].span } : named).min { $0.start < $1.start }
    }

    private func place(_ span: SourceSpan?, _ sources: SourceMap) -> String {
        guard let span else { return "" }
        let position = sources.position(of: span.start, in: span.file)
        return "  [\(sources[span.file].path):\(position.line):\(position.column)]"
    }

    /// For tools: one object with an array `recurrences`.
    public func json(_ sources: SourceMap) -> String {
        func quoted(_ text: String) -> String {
            "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
        }
        func list(_ items: [String]) -> String { "[\(items.map(quoted).joined(separator: ", "))]" }
        let entries = recurrences.map { recurrence -> String in
            var fields = [
                "\"states\": \(list(recurrence.states))", "\"axis\": \(quoted(recurrence.axis))",
                "\"direction\": \(quoted(recurrence.direction))", "\"kind\": \(quoted(recurrence.kind))",
                "\"diagonal\": \(recurrence.isDiagonal)",
                "\"plans\": [{\"plan\": \"sequential\", \"legal\": true}]", "\"chosen\": \(quoted(recurrence.chosen))",
            ]
            if let reason = recurrence.reason { fields.append("\"reason\": \(quoted(reason))") }
            if let span = recurrence.reasonSpan ?? recurrence.span {
                let position = sources.position(of: span.start, in: span.file)
                fields.append("\"at\": \(quoted("\(sources[span.file].path):\(position.line):\(position.column)"))")
            }
            return "{\(fields.joined(separator: ", "))}"
        }
        return "{\"model\": \(quoted(model)), \"recurrences\": [\(entries.joined(separator: ", "))], \"products\": \(list(products))}\n"
    }
}
