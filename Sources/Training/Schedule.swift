import Foundation

/// The learning rate of each step.
public struct Schedule: Hashable, Sendable {
    /// What becomes of the rate after the warm-up.
    public enum Decay: String, CaseIterable, Sendable {
        /// The rate stays.
        case constant
        /// Half a cosine from the full rate to `floor` (Loshchilov and Hutter 2017, arXiv:1608.03983).
        case cosine
        /// A straight line from the full rate to `floor`.
        case linear
    }

    /// The largest rate.
    public var rate: Double
    /// What becomes of the rate after the warm-up.
    public var decay: Decay
    /// Over so many steps the rate rises in a straight line to the full one.
    public var warmup: Int
    /// How many steps there are to be: behind the last a decay has come to its end.
    public var steps: Int
    /// What a decay ends at, as a share of the full rate.
    public var floor: Double

    /// A schedule; `warmup`, `steps` and `rate` are 0 or more, which a `Trainer` checks.
    public init(rate: Double, decay: Decay = .constant, warmup: Int = 0, steps: Int = 0, floor: Double = 0) {
        self.rate = rate
        self.decay = decay
        self.warmup = warmup
        self.steps = steps
        self.floor = floor
    }

    /// The rate of a step; the first is 1.
    public func rate(at step: Int) -> Double {
        if step <= warmup { return rate * max(0, Double(step)) / Double(warmup) }
        // Full at the first step after the warm-up; the floor would be reached by the step behind the last, so that none is wasted.
        let share = steps > warmup ? min(1, (Double(step) - Double(warmup) - 1) / (Double(steps) - Double(warmup))) : 0
        switch decay {
        case .constant: return rate
        case .cosine: return rate * (floor + (1 - floor) * 0.5 * (1 + cos(.pi * share)))
        case .linear: return rate * (floor + (1 - floor) * (1 - share))
        }
    }

    /// For checkpoints. How many steps there are to be matters where the rate follows from it.
    var description: String {
        "\(decay.rawValue) \(rate) warm-up \(warmup)" + (decay == .constant ? "" : " steps \(steps) floor \(floor)")
    }
}
