
/// An order in which the steps of a recurrence may be taken: axes from the outermost loop to the innermost, each
/// forwards or backwards.
package struct LoopOrder: Hashable, Encodable, Sendable {
    package struct Loop: Hashable, Encodable, Sendable {
        package var axis: Int
        package var isReversed: Bool
        package init(axis: Int, isReversed: Bool) {
            self.axis = axis
            self.isReversed = isReversed
        }
    }

    package var loops: [Loop]
    package init(loops: [Loop]) { self.loops = loops }

    /// Every axis in order, forwards.
    package static func forward(axes: [Int]) -> LoopOrder {
        LoopOrder(loops: axes.map { Loop(axis: $0, isReversed: false) })
    }

    /// Whether a delay by these offsets reads a step taken before the present one.
    package func reachesBack(_ offsets: [Int]) -> Bool {
        for loop in loops where offsets[loop.axis] != 0 {
            return (offsets[loop.axis] < 0) != loop.isReversed
        }
        return false
    }

    /// The first order, preferring forwards loops and the given nesting, in which every delay reaches back; nil where
    /// there is none.
    package static func admitting(_ delays: [[Int]], axes: [Int]) -> LoopOrder? {
        for nesting in axes.permutations() {
            for directions in 0..<(1 << axes.count) {
                let order = LoopOrder(
                    loops: nesting.enumerated().map { position, axis in
                        Loop(axis: axis, isReversed: directions & (1 << (axes.count - 1 - position)) != 0)
                    })
                if delays.allSatisfy(order.reachesBack) { return order }
            }
        }
        return nil
    }
}

extension Array {
    /// All orders of the elements, the given one first. Meant for the handful of axes of a model.
    fileprivate func permutations() -> [[Element]] {
        guard let first else { return [[]] }
        if count == 1 { return [[first]] }
        return indices.flatMap { pick -> [[Element]] in
            var rest = self
            let chosen = rest.remove(at: pick)
            return rest.permutations().map { [chosen] + $0 }
        }
    }
}
