import Rec
import RecSource

/// What a training run does at each step, apart from the model and the data.
public struct TrainingOptions: Hashable, Sendable {
    /// How parameters follow their gradients.
    public var optimizer: Optimizer
    /// The learning rate of each step.
    public var schedule: Schedule
    /// The most that the norm of all gradients together may be; nil for no bound.
    public var clip: Double?
    /// Sequences or windows in a minibatch.
    public var batch: Int
    /// Of initial parameters and minibatches.
    public var seed: UInt64
    /// From 1 to 1024.
    public var threads: Int
    /// Of runs; the optimizer itself works in f64.
    public var precision: Precision
    /// Gradients do not pass between blocks of so many steps; nil for no bound.
    public var truncation: Int?
    /// Forms in which recurrences are to run, by state.
    public var forms: [String: PlanForm]
    /// Bytes that a step may have in memory; nil for what is usual. No number depends on it.
    public var memory: Int?

    /// Options; what is not given is usual.
    public init(
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

    /// - Throws: where a number is impossible.
    func check() throws(DiagnosticList) {
        func refuse(_ message: String) -> DiagnosticList { DiagnosticList(.badCall, message) }
        try CallCheck.threads(threads)
        try CallCheck.memory(memory)
        guard (1...1 << 20).contains(batch) else { throw refuse("a minibatch has from 1 to \(1 << 20) sequences, and not \(batch)") }
        guard truncation ?? 1 >= 1 else { throw refuse("gradients are truncated after 1 step or more, and not after \(truncation ?? 0)") }
        guard clip ?? 1 > 0 else { throw refuse("gradients are clipped to a norm of more than 0, and not to \(clip ?? 0)") }
        guard schedule.rate >= 0, schedule.rate.isFinite, schedule.floor.isFinite else {
            throw refuse("the learning rate is a number of 0 or more, and not \(schedule.rate)")
        }
        guard schedule.warmup >= 0, schedule.steps >= 0 else {
            throw refuse("a schedule has 0 steps or more, and not \(min(schedule.warmup, schedule.steps))")
        }
        let numbers: [Double] =
            switch optimizer {
            case .adamW(let beta1, let beta2, let epsilon, let decay): [beta1, beta2, epsilon, decay]
            case .sgd(let momentum, let decay): [momentum, decay]
            }
        guard numbers.allSatisfy({ $0.isFinite && $0 >= 0 }) else { throw refuse("the numbers of an optimizer are 0 or more: \(optimizer.description)") }
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
