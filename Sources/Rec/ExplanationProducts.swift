import RecScheduling
import RecStream

extension Explanation {
    /// A line for each product with weights: its size, where it is computed, and which weights it has taken together.
    static func products(of plan: Plan, _ weights: WeightFormat) -> [String] {
        plan.segments.flatMap { segment in
            segment.stages.flatMap { stage in
                stage.items.compactMap { item -> String? in
                    guard case .product(let product) = item else { return nil }
                    let place: String
                    switch (segment.kind, stage.form) {
                    case (.sweep, .map), (.sweep, .totals): place = "hoisted: one matrix product for a block of steps"
                    case (.sweep, .sequential), (.sweep, .lanes), (.sweep, .registers): place = "in every step"
                    case (.once, _), (.joined, _), (.static, _): place = "once"
                    }
                    let parts = JoinedWeights(product, in: plan.graph)
                    return "\(parts.size(product))\(plan.graph[product.value].name.map { " (\($0))" } ?? ""): \(place)\(parts.note)"
                        + (weights == .full ? "" : ", weights in \(weights.rawValue)")
                }
            }
        }
    }
}

/// The weights that one product has behind each other.
private struct JoinedWeights {
    private var names: [String] = []
    /// Elements of each along the axis on which they lie behind each other; nil where they differ.
    private var extent: Int?
    /// Whether that axis is one of the columns rather than summed over.
    private var isOfColumns = false

    init(_ product: Product, in graph: StreamGraph) {
        guard case .contract(let contraction) = graph[product.value].operation else { return }
        let isLeft = graph[contraction.left].variance.isStatic
        let labels = isLeft ? contraction.leftLabels : contraction.rightLabels
        guard case .concat(let parts, let axis) = graph[isLeft ? contraction.left : contraction.right].operation else { return }
        names = parts.compactMap { Self.name(of: $0, in: graph) }
        guard names.count == parts.count else {
            names = []
            return
        }
        let extents = Set(parts.map { graph[$0].shape[axis].size })
        isOfColumns = contraction.resultLabels.contains(labels[axis])
        extent = extents.count == 1 ? extents.first : nil
    }

    /// The name of a weight, or of what it is another view of.
    private static func name(of id: ValueID, in graph: StreamGraph) -> String? {
        if let name = graph[id].name { return name }
        switch graph[id].operation {
        case .broadcast(let operand, _), .rename(let operand), .reshape(let operand): return name(of: operand, in: graph)
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .slice, .concat, .pad, .window, .gather, .scatter,
            .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            return nil
        }
    }

    /// `64 → 4 × 256`
    func size(_ product: Product) -> String {
        func count(_ all: Int, _ isDivided: Bool) -> String {
            guard let extent, isDivided, !names.isEmpty, all == names.count * extent else { return "\(all)" }
            return "\(names.count) × \(extent)"
        }
        return "\(count(product.sumCount, !isOfColumns)) → \(count(product.columnCount, isOfColumns))"
    }

    var note: String { names.isEmpty ? "" : " (\(names.joined(separator: ", ")) as one)" }
}
