import Synchronization

/// Tells whether workers that share the rows of every step get the processors for it.
///
/// A step of some microseconds that needs all workers stands still whenever one of them has lost its processor to another
/// program, for milliseconds. Where workers had to give theirs away while they waited, and the sweep took longer than by one
/// thread, the next runs leave it to one thread: one run, then two, four, up to `mostRuns`, with a trial in between. Results
/// do not depend on it.
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
        /// Runs that are still left to one thread.
        var remaining = 0
        /// And how many will be when workers are in each other's way again.
        var next = 1
    }

    private static let mostRuns = 64
    private let histories = Mutex<[Key: History]>([:])

    /// Whether the next run should be left to one thread; to be asked once for each run.
    func avoidsSharing(_ key: Key) -> Bool {
        histories.withLock { histories in
            guard var history = histories[key], history.remaining > 0 else { return false }
            history.remaining -= 1
            histories[key] = history
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

    /// Workers together took so many seconds for a step, and gave their processors away so often.
    func noteShared(_ key: Key, secondsPerStep seconds: Double, rests: Int) {
        histories.withLock { histories in
            var history = histories[key] ?? History()
            if rests == 0 || seconds <= history.alone ?? 0 {
                history.next = 1
            } else {
                history.remaining = history.next
                history.next = min(2 * history.next, Self.mostRuns)
            }
            histories[key] = history
        }
    }
}
