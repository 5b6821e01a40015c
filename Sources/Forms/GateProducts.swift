import RecStream

/// Products of the gates of a chunk between two of its steps, without a division and without a logarithm.
///
/// Gates may be 0, negative and above 1. With `G` the gates, a step `i` sees what was written at `j < i` times
/// `G[i-1] ⋯ G[j+1]` in the states that it reads. `G` is a matrix where several states make one recurrence.
struct GateProducts {
    /// With `[step, …]` in each entry.
    let gates: GateMatrix
    let step: Int

    /// The gates before each step: what the states at the chunk's begin are multiplied by in those that the step reads.
    func before(_ b: inout LabelledBuilder) -> GateMatrix { runs(gates, &b) }

    /// The gates behind each step, to the chunk's end.
    func behind(_ b: inout LabelledBuilder) -> GateMatrix { runs(gates.transposed, isReversed: true, &b).transposed }

    private func runs(_ gates: GateMatrix, isReversed: Bool = false, _ b: inout LabelledBuilder) -> GateMatrix {
        let one = GateMatrix.diagonal(gates.count, Gate(factor: nil))
        guard !(0..<gates.count).allSatisfy(gates.keeps) else { return one }
        let end = b.indicator(step, at: isReversed ? b.dim(step).size - 1 : 0)
        let factor = gates.map { b.shifted($0, along: step, isReversed: isReversed) }
        return b.running(factor, .diagonal(gates.count, Gate(factor: end)), along: step, isReversed: isReversed)
    }

    /// All gates of the chunk.
    func whole(_ b: inout LabelledBuilder) -> GateMatrix {
        let last = b.dim(step).size - 1
        let before = before(&b).map { b.element($0, step, at: last) }
        let own = gates.map { b.element($0, step, at: last) }
        return b.product(own, before)
    }

    /// The gates between two steps, `[step, other, …]`: 0 where `other` is not before `step`, and 1 where it is next to it.
    func between(_ other: Int, _ b: inout LabelledBuilder) -> GateMatrix {
        let (i, j) = (b.places(step), b.places(other))
        guard !(0..<gates.count).allSatisfy(gates.keeps) else {
            let isBefore = b.binary(.greater, i, j)
            return .diagonal(gates.count, Gate(factor: b.unary(.toReal, isBefore)))
        }
        let next = b.binary(.add, j, b.number(1))
        let isNext = b.binary(.equal, i, next)
        let start = b.unary(.toReal, isNext)
        let factor = gates.map { b.shifted($0, along: step) }
        return b.running(factor, .diagonal(gates.count, Gate(factor: start)), along: step)
    }
}
