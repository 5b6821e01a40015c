import RecStream

/// Which steps a window takes, seen from the present one: the first is `first` steps away along `axis`, each further one `spacing`
/// steps behind the one before. Along the other axes all are at `offsets`.
package struct StepWindow: Equatable, Sendable {
    package var axis: Int
    package var first: DimExpression
    package var spacing: DimExpression
    package var offsets: [Int]
    /// What is read outside the sequence; nil for 0.
    package var initial: ValueID?
    /// Whether one of the steps may lie at this one along the axis.
    private var mayCross = true

    /// Each step is a delay of its own, and takes code of its own.
    package static let mostSteps = 1024
    /// Each step of a delay is kept.
    package static let longestReach = 1 << 20

    /// Nil where numbers grow out of range.
    ///
    /// - Parameter count: the number of steps.
    init?(axis: Int, first: DimExpression, spacing: DimExpression = DimExpression(1), count: DimExpression, offsets: [Int]) {
        self.axis = axis
        self.first = first
        self.spacing = spacing
        self.offsets = offsets
        guard let last = last(of: count), let distance = DimExpression.difference(first, DimExpression(1)) else { return nil }
        mayCross = !last.isAlwaysNegative && !distance.isNeverNegative
    }

    private func last(of count: DimExpression) -> DimExpression? {
        DimExpression.difference(count, DimExpression(1)).flatMap { DimExpression.product($0, spacing) }
            .flatMap { DimExpression.sum(first, $0) }
    }

    /// Whether the present step may be among them.
    package var mayBeHere: Bool { mayCross && !offsets.indices.contains { $0 != axis && offsets[$0] != 0 } }

    /// Whether all of the steps lie elsewhere along an axis.
    func isElsewhere(along other: Int) -> Bool { other == axis ? !mayCross : offsets[other] != 0 }

    /// Where the first and the last of the steps are, as far as they are not here: one step away where dims say how far.
    func outermost(of count: DimExpression) -> [[Int]] {
        [first, last(of: count)].compactMap { end -> [Int]? in
            guard let end else { return nil }
            var result = offsets
            result[axis] = end.constant ?? (end.isAlwaysNegative ? -1 : end.isNeverNegative ? 1 : 0)
            return result.contains { $0 != 0 } ? result : nil
        }
    }
}
