import Foundation
import Rec
import RecSource

/// A whole run: steps, validation, checkpoints and the log.
public struct TrainingRun {
    /// The step to stop after.
    public var steps: Int
    /// A row, a validation and a checkpoint every so many steps, and at the end.
    public var every: Int
    /// Data whose loss is computed for each row; nil for none.
    public var validation: TrainingData?
    /// The folder of the checkpoint.
    public var checkpoints: String?
    /// The CSV file.
    public var log: String?
    /// Stops once the loss of a row, the validation's where there is one, is this or less.
    public var goal: Double?

    /// A run; what is not given is left out.
    public init(
        steps: Int, every: Int = 100, validation: TrainingData? = nil, checkpoints: String? = nil, log: String? = nil, goal: Double? = nil
    ) {
        self.steps = steps
        self.every = max(1, every)
        self.validation = validation
        self.checkpoints = checkpoints
        self.log = log
        self.goal = goal
    }

    /// Trains up to the last step; `report` sees every row.
    ///
    /// - Throws: what a step throws, and where the log or a checkpoint cannot be written.
    public func run(_ trainer: Trainer, report: (TrainingLog.Row) -> Void = { _ in }) throws(DiagnosticList) {
        if let log { try startLog(log, at: trainer.step) }
        var losses: [Double] = []
        var counted = 0
        var start = ContinuousClock.now
        while trainer.step < steps {
            let result = try trainer.advance()
            losses.append(result.loss)
            counted += result.stepCount
            guard trainer.step % max(1, every) == 0 || trainer.step == steps else { continue }
            let time = start.duration(to: .now).components
            let seconds = Double(time.seconds) + Double(time.attoseconds) * 1e-18
            let row = TrainingLog.Row(
                step: trainer.step, loss: losses.reduce(0, +) / Double(losses.count),
                validation: try validation.map { data throws(DiagnosticList) in try trainer.loss(on: data) }, rate: result.rate,
                gradientNorm: result.gradientNorm, speed: Double(counted) / seconds)
            // The row first: a run that goes on drops rows behind its checkpoint, but never sees the steps before it again.
            if let log { try TrainingLog.append(row, to: log) }
            if let checkpoints { try trainer.checkpoint.write(to: checkpoints) }
            report(row)
            if let goal, row.validation ?? row.loss <= goal { return }
            losses = []
            counted = 0
            start = .now
        }
    }

    /// An empty log, or what stands in it up to the step from which the run goes on.
    private func startLog(_ path: String, at step: Int) throws(DiagnosticList) {
        var rows: [TrainingLog.Row] = []
        if step > 0, FileManager.default.fileExists(atPath: path) { rows = try TrainingLog(path: path).rows.filter { $0.step <= step } }
        try TrainingLog(rows: rows).write(to: path)
    }
}
