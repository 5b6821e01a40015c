import RecSource
import RecTensors

/// Steps that were taken on trial.
struct Drafts {
    var count: Int
    /// The state before them, and the steps taken until then.
    var before: ModelState
    var steps: Int
}

extension StreamSession {
    /// Takes several steps in one run, on trial: products with weights read them once for all steps. `accept` then says how many of the
    /// steps are to count, as in speculative decoding (Leviathan et al. 2023, arXiv:2211.17192).
    ///
    /// - Parameter values: for each input the numbers of all steps in row-major order, of one sequence of the batch behind the other.
    /// - Returns: what each step gives. `state(after:)` has the state after each.
    /// - Throws: where an input is missing, unknown, or does not have as many steps as the others; where there are none, or more than
    ///   `capacity`; where the stream was not made with `stream(state:)`. The stream is then as it was.
    @discardableResult
    public func verify(_ values: [String: [Float]]) throws(DiagnosticList) -> [StepResults] {
        let steps = try write(values, steps: nil)
        try draft(steps)
        return try (0..<steps).map { step throws(DiagnosticList) in try results(of: step) }
    }

    /// Takes steps of what lies in the inputs, as `verify` does.
    ///
    /// - Throws: where there are none, or more than `capacity`; where the stream was not made with `stream(state:)`. The stream is then as it was.
    package func draft(_ steps: Int) throws(DiagnosticList) {
        let (before, taken) = (try state(), stepCount)
        guard steps > 0 else { throw DiagnosticList(.badCall, "there are no drafts to take", help: "from 1 to \(capacity), for which there is room") }
        try advance(steps)
        drafts = Drafts(count: steps, before: before, steps: taken)
    }

    /// Makes the first `count` of the steps of the last `verify` count, and no others: the stream goes on behind them.
    ///
    /// - Throws: where `count` is less than 0 or more than there were steps, or other steps were taken since.
    public func accept(_ count: Int) throws(DiagnosticList) {
        guard let drafts else {
            throw DiagnosticList(.badCall, "there are no drafts to accept", help: "steps are taken on trial first; others after them make them final")
        }
        guard (0...drafts.count).contains(count) else {
            throw DiagnosticList(.badCall, "there were \(drafts.count) drafts, and \(count) cannot be accepted")
        }
        guard count < drafts.count else { return self.drafts = nil }
        try resume(from: count == 0 ? drafts.before : state(after: count), after: drafts.steps + count)
    }
}
