import Rec

/// What a training run does at each step, apart from the model and the data.
package struct TrainingOptions: Hashable, Sendable {
    package var optimizer: Optimizer
    package var schedule: Schedule
    /// The most that the norm of all gradients together may be; nil for no bound.
    package var clip: Double?
    /// Sequences or windows in a minibatch.
    package var batch: Int
    /// Of initial parameters and minibatches.
    package var seed: UInt64
    package var threads: Int
    package var precision: Precision
    /// Gradients do not pass between blocks of so many steps; nil for no bound.
    package var truncation: Int?
    /// Forms in which recurrences are to run, by state.
    package var forms: [String: PlanForm]
    /// Bytes that a step may have in memory; nil for what is usual. No number depends on it.
    package var memory: Int?

    package init(
        optimizer: Optimizer = .adamW(), schedule: Schedule = Schedule(rate: 1e-3), clip: Double? = nil, batch: Int = 16,
        seed: UInt64 = 1, threads: Int = 1, precision: Precision = .f32, truncation: Int? = nil, forms: [String: PlanForm] = [:],
        memory: Int? = nil
    ) {
        self.optimizer = optimizer
        self.schedule = schedule
        self.clip = clip
        self.batch = batch
        self.seed = seed
        self.threads = threads
        self.precision = precision
        self.truncation = truncation
        self.forms = forms
        self.memory = memory
    }

    /// What the numbers of a run follow from. Threads are not among it: they may add in another order, no more.
    var signature: [String: String] {
        [
            "optimizer": optimizer.description, "schedule": schedule.description, "clip": clip.map { "\($0)" } ?? "none",
            "batch": "\(batch)", "seed": "\(seed)", "precision": precision.rawValue,
            "truncation": truncation.map { "\($0)" } ?? "none",
        ]
    }
}

/// The length of all gradients taken as one vector, for clipping (Pascanu, Mikolov and Bengio 2013, algorithm 1).
enum GradientNorm {
    static func of(_ gradients: [[Double]]) -> Double {
        gradients.reduce(0) { sum, gradient in gradient.reduce(sum) { $0 + $1 * $1 } }.squareRoot()
    }

    /// What gradients are multiplied by so that their norm is `most` at most.
    static func scale(norm: Double, most: Double?) -> Double {
        guard let most, norm > most else { return 1 }
        return most / norm
    }
}
