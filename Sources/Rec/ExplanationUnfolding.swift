import RecScheduling
import RecSource
import RecStream

extension Explanation {
    /// An axis that is a dim of the steps of others.
    package struct Unfolded: Sendable {
        package var axis: String
        package var count: Int
        /// The axes that each part runs along, one part behind the other.
        package var parts: [String]
    }

    /// Steps that need each other and that are explained.
    private static let mostExplained = 32

    /// Explains the parts of a model in which steps go on from all of another axis; false for other models.
    mutating func explainUnfolding(of model: Model, _ request: GradientRequest?, else choice: PlanChoice) throws -> Bool {
        guard let axis = model.unfoldedAxis else { return false }
        // Where the steps of the axis need each other there is a value for each: a few say what happens.
        let most = model.graph.countUnfolding(axis, count: 2, keepingStreams: true) > model.graph.values.count ? Self.mostExplained : .max
        let count = min(work.extents[axis], most)
        work.extents[axis] = count
        let divided = try DividedModel(model.unfolded(count: count, request), times: nil)
        var found = Unfolded(axis: model.graph.axes[axis].name, count: count, parts: [])
        (recurrences, products, segmentCount, seconds) = ([], [], 0, 0)
        for case .steps(let part) in divided.leaves {
            let own = divided.graph.partition.work(of: part, in: work)
            let explained = try Explanation(model, PlanChoice(part: part, forcing: [:], machine: choice.machine, times: nil), own)
            found.parts.append(part.axes.map(\.name).joined(separator: ", "))
            recurrences += explained.recurrences.map { recurrence in
                var recurrence = recurrence
                recurrence.forms.removeAll { $0.name != recurrence.chosen }
                return recurrence
            }
            products += explained.products
            segmentCount += explained.segmentCount
            seconds += explained.seconds
        }
        for (traversal, own) in divided.graph.pairs(in: work) {
            pairs.append(Pairs(traversal, own, on: choice.machine))
            seconds += traversal.estimatedSeconds(own, on: choice.machine)
        }
        unfolded = found
        return true
    }
}
