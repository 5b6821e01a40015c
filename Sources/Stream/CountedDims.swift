/// Places along a dim, and neighbours.
extension GraphBuilder {
    /// The element `distance` places before along a dim, and 0 for the first ones; behind where `isReversed`.
    package mutating func shifted(_ a: ValueID, axis: Int, by distance: Int = 1, isReversed: Bool) -> ValueID {
        let dim = self[a].shape[axis]
        guard dim.size > distance else { return constant(.real(0), self[a].shape) }
        let rest = slice(a, axis: axis, start: isReversed ? distance : 0, count: dim.size - distance)
        return pad(rest, axis: axis, before: isReversed ? 0 : distance, after: isReversed ? distance : 0, named: dim.name)
    }

    /// 0, 1, 2, … as reals.
    package mutating func counted(_ dim: Dim) -> ValueID {
        let ones = constant(.real(1), [dim])
        return binary(.subtract, runningAffine(ones, ones, axis: 0), ones)
    }
}
