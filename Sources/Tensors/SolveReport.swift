/// What a recurrence took whose steps of different times ran at once: in windows of time, or by Newton's method.
public struct SolveReport: Equatable, Sendable {
    /// How it ran.
    public enum Method: String, Sendable {
        /// In windows of time that all run at once, from states that are guessed, checked and corrected.
        case shooting
        /// All steps at once, by rounds of Newton's method.
        case newton
    }

    /// How it ran.
    public package(set) var method: Method
    /// Windows of a sequence; 0 where the sequences were too short for windows, and for Newton's method.
    public package(set) var windows = 0
    /// Steps of a window.
    package var length = 0
    /// Steps in front of a window from which its first state is guessed.
    package var warmUp = 0
    /// How often the windows were swept, all of them at once, or the rounds of Newton's method; of several sequences the most.
    public package(set) var sweeps = 0
    /// Sweeps beside these that gave derivatives, by which the beginnings of windows were corrected; of several sequences the most.
    public package(set) var sweepsWithDerivatives = 0
    /// What ran one step after another, as it had not met its equations: windows, or sequences where it was Newton's method.
    public package(set) var inOrder = 0

    package init(_ method: Method) { self.method = method }

    /// Whether something went another way than it was to.
    package var isLeft: Bool { inOrder > 0 || method == .shooting && windows == 0 }

    /// `32 windows of 2048 steps, 1 sweep`; `5 rounds of Newton's method`.
    public var text: String {
        func counted(_ count: Int, _ what: String) -> String { "\(count) \(what)\(count == 1 ? "" : "s")" }
        switch method {
        case .shooting:
            guard windows > 0 else { return "too short for windows: one step after another" }
            return "\(windows) windows of \(counted(length, "step")), " + (sweepsWithDerivatives == 0 ? "" : "\(counted(sweepsWithDerivatives, "sweep")) with derivatives, ")
                + counted(sweeps, "sweep")
                + (inOrder == 0 ? "" : ", \(counted(inOrder, "window")) one after another")
        case .newton:
            return "\(counted(sweeps, "round")) of Newton's method" + (inOrder == 0 ? "" : ", \(counted(inOrder, "sequence")) one step after another")
        }
    }
}
