import RecStream

/// Products of the gates of a chunk between two of its steps, without a division and without a logarithm.
///
/// Gates may be 0, negative and above 1. With `g` the gates, a step `i` sees what was written at `j < i` times
/// `g[j+1] ⋯ g[i-1]` in the state that it reads.
struct GateProducts {
    /// `[step, …]`; nil where nothing decays.
    let gate: Labelled?
    let step: Int

    /// The gates before each step: what the state at the chunk's begin is multiplied by in the state that the step reads.
    func before(_ b: inout LabelledBuilder) -> Labelled? {
        guard let gate else { return nil }
        let start = b.indicator(step, at: 0)
        let earlier = b.shifted(gate, along: step)
        return b.running(earlier, start, along: step)
    }

    /// The gates behind each step, to the chunk's end.
    func behind(_ b: inout LabelledBuilder) -> Labelled? {
        guard let gate else { return nil }
        let end = b.indicator(step, at: b.dim(step).size - 1)
        let later = b.shifted(gate, along: step, isReversed: true)
        return b.running(later, end, along: step, isReversed: true)
    }

    /// All gates of the chunk.
    func whole(_ b: inout LabelledBuilder) -> Labelled? {
        guard let gate, let before = before(&b) else { return nil }
        let last = b.dim(step).size - 1
        let (earlier, own) = (b.element(before, step, at: last), b.element(gate, step, at: last))
        return b.binary(.multiply, earlier, own)
    }

    /// The gates between two steps, `[step, other, …]`: 0 where `other` is not before `step`, and 1 where it is next to it.
    func between(_ other: Int, _ b: inout LabelledBuilder) -> Labelled {
        guard let gate else {
            let (i, j) = (b.places(step), b.places(other))
            let isBefore = b.binary(.greater, i, j)
            return b.unary(.toReal, isBefore)
        }
        let (i, j, one) = (b.places(step), b.places(other), b.number(1))
        let next = b.binary(.add, j, one)
        let isNext = b.binary(.equal, i, next)
        let start = b.unary(.toReal, isNext)
        let earlier = b.shifted(gate, along: step)
        return b.running(earlier, start, along: step)
    }
}
