import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Threads for runs. Any number of threads may use a pool at the same time, and work may use it again within itself: each piece
/// of work has a team of its own while it lasts.
package final class ThreadPool: Sendable {
    /// Workers of a team, the calling thread among them.
    package let count: Int
    private let idle: Mutex<[ThreadTeam]>

    /// More threads than these are not started for one piece of work.
    package static let mostThreads = 1024
    /// Teams that wait for work.
    private static let mostIdle = 4

    /// Sweeps of fewer scalar operations are run by the calling thread alone: waking others would take longer.
    package let leastWork: Double

    package static let usualLeastWork = 1e5

    var size: PoolSize { PoolSize(count: count, leastWork: leastWork) }

    /// A pool of teams of `count` workers, from 1 to `mostThreads`; where the system gives fewer threads, of fewer.
    package init(count: Int, leastWork: Double = ThreadPool.usualLeastWork) {
        self.leastWork = leastWork
        let first = ThreadTeam(upTo: min(max(1, count), Self.mostThreads))
        self.count = first.count
        idle = Mutex([first])
    }

    /// Runs `work` on every worker of a team, the caller being worker 0; returns when all have finished.
    package func run(_ work: @Sendable (_ worker: Int, _ team: ThreadTeam) -> Void) {
        let team = take()
        team.run { worker in work(worker, team) }
        idle.withLock { if $0.count < Self.mostIdle { $0.append(team) } }
    }

    /// A team that nobody else has.
    private func take() -> ThreadTeam {
        while true {
            if let team = idle.withLock({ $0.popLast() }) { return team }
            let fresh = ThreadTeam(upTo: count)
            // All workers are reckoned with: where there are not so many threads, another team must become free.
            if fresh.count == count { return fresh }
            usleep(1000)
        }
    }
}
