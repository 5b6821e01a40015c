import Synchronization

/// Tells whether workers that share the rows of every step get the processors for it.
///
/// A step of some microseconds that needs all workers stands still whenever one of them has lost its processor to another
/// program, for milliseconds. Where that happens in one run after another (`ProcessorLosses`), and they take longer on average
/// than by one thread, the next runs are left to one thread: one run, then two, up to `mostRuns`, with a trial in between. A
/// single disturbed run among good ones changes nothing. Results do not depend on it.
final class Contention: Sendable {
    /// Runs that are compared with each other.
    struct Key: Hashable {
        var segment: Int
        var batch: Int
        var workers: Int
    }

    private struct History {
        /// Seconds of a step by one thread, the least that was seen.
        var alone: Double?
        /// Seconds of a step by all workers, on average over the last runs.
        var shared: Double?
        /// Runs by all workers, the last ones, that were disturbed.
        var disturbed = 0
        /// Runs that are still left to one thread.
        var remaining = 0
        /// And how many will be when workers are in each other's way again.
        var next = 1
    }

    private static let mostRuns = 16
    /// How much a run says about those to come, and how far beyond the average it can be believed.
    private static let weight = 0.3
    private static let mostGrowth = 4.0
    private let histories = Mutex<[Key: History]>([:])
    private let left = Mutex(0)

    /// Runs that were left to one thread so far.
    var runsLeftToOneThread: Int { left.withLock { $0 } }

    /// Whether the next run should be left to one thread; to be asked once for each run.
    func avoidsSharing(_ key: Key) -> Bool {
        histories.withLock { histories in
            guard var history = histories[key], history.remaining > 0 else { return false }
            history.remaining -= 1
            histories[key] = history
            left.withLock { $0 += 1 }
            return true
        }
    }

    /// One thread took so many seconds for a step.
    func noteAlone(_ key: Key, secondsPerStep seconds: Double) {
        histories.withLock { histories in
            var history = histories[key] ?? History()
            history.alone = min(history.alone ?? .infinity, seconds)
            histories[key] = history
        }
    }

    /// Workers together took so many seconds for a step; perhaps they had lost their processors to other programs.
    func noteShared(_ key: Key, secondsPerStep seconds: Double, isDisturbed: Bool) {
        histories.withLock { histories in
            var history = histories[key] ?? History()
            let isGood = !isDisturbed || history.alone.map { seconds <= $0 } ?? false
            let before = history.shared ?? seconds
            // After a good run others are expected to be good.
            history.shared =
                isGood ? min(before, seconds) : (1 - Self.weight) * before + Self.weight * min(seconds, Self.mostGrowth * before)
            history.disturbed = isGood ? 0 : history.disturbed + 1
            if isGood {
                history.next = 1
            } else if history.alone == nil, history.disturbed < 2 {
                // What one thread takes is not worth a run yet.
            } else if history.shared ?? 0 > history.alone ?? 0 {
                history.remaining = history.next
                history.next = min(2 * history.next, Self.mostRuns)
            }
            histories[key] = history
        }
    }
}
