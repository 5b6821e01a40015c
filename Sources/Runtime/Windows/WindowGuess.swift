import RecSource
import RecTensors

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

extension ShootingRun {
    /// Where windows are guessed to end.
    struct Guess {
        var ends: WindowStates
        /// Sequences whose states are remembered for longer than windows, so that it is no use.
        var left: Set<Int> = []
        /// Those of them whose states are not remembered for as long as the whole sequence.
        var correctable: Set<Int> = []
    }

    /// The steps in front of each window are run from the state in which sequences begin, and again from where that has led: how much
    /// nearer to each other the two come says how many steps a state remembers.
    func guess(_ sweep: Sweeps) throws(DiagnosticList) -> Guess {
        let steps = layout.length - warmUp..<layout.length
        let first = try sweep(steps, from: nil, atStart: false)
        let second = try sweep(steps, from: first, atStart: false)
        // What rounding alone keeps apart has been forgotten.
        let forgotten = (0..<layout.batch * layout.windows).map { second.isWithin(Self.units, of: first, at: $0) }
        guard forgotten.contains(false) else { return Guess(ends: second) }
        let third = try sweep(steps, from: second, atStart: false)
        let isWide = third.lines.contains { $0.type == .f64 }
        let needed = isWide ? 0x1p-52 : 0x1p-23
        /// Of each window after how many steps nothing is left of what was before.
        let memories = forgotten.indices.map { window in
            if forgotten[window] || third.isWithin(Self.units, of: second, at: window) { return 0.0 }
            // Both by the same measure: states may still grow from where they begin.
            let nearer = third.distance(to: second, at: window, by: [first]) / second.distance(to: first, at: window, by: [third])
            return nearer == 0 ? 0 : nearer < 1 ? Double(warmUp) * log(needed) / log(nearer) : .infinity
        }
        // What has been forgotten goes on from where it is without the others in its batch.
        var guess = Guess(ends: third.replacing(forgotten.indices.filter { forgotten[$0] }, from: second))
        for sequence in 0..<layout.batch {
            /// Whether most windows remember more than so many steps.
            func remembers(_ steps: Int) -> Bool { 2 * windows(of: sequence).count { !(memories[$0] <= Double(steps)) } > layout.windows }
            guard remembers(layout.length) else { continue }
            guess.left.insert(sequence)
            if !remembers(layout.steps) { guess.correctable.insert(sequence) }
        }
        return guess
    }
}
