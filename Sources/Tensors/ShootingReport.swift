/// What a recurrence took that ran in windows of time.
package struct ShootingReport: Equatable, Sendable {
    /// Windows of a sequence; 0 where the sequences were too short for windows.
    package var windows = 0
    package var length = 0
    /// Steps in front of a window from which its first state is guessed.
    package var warmUp = 0
    /// How often the windows were swept, all of them at once; of sequences of different length the most.
    package var sweeps = 0
    /// Windows whose states had not met those of their neighbours, and which ran one after another.
    package var inOrder = 0

    package init() {}

    /// `32 windows of 2048 steps, 1 sweep`.
    package var text: String {
        guard windows > 0 else { return "too short for windows: one step after another" }
        return "\(windows) windows of \(length) steps, \(sweeps) sweep\(sweeps == 1 ? "" : "s")"
            + (inOrder == 0 ? "" : ", \(inOrder) windows one after another")
    }
}
