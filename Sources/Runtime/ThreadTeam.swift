import Dispatch
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A few threads that do one piece of work at a time together, and meet at barriers within it.
package final class ThreadTeam: Sendable {
    /// The calling thread among them.
    package let count: Int
    private let shared: Shared

    /// What the workers see; they keep it alive, not the team, so that the team can end them.
    private final class Shared: Sendable {
        let work = Mutex<(@Sendable (Int) -> Void)?>(nil)
        let isOver = Atomic<Bool>(false)
        let starts: [DispatchSemaphore]
        let finished = DispatchSemaphore(value: 0)
        let arrived = Atomic<Int>(0)
        let round = Atomic<Int>(0)

        init(count: Int) {
            starts = (0..<count).map { _ in DispatchSemaphore(value: 0) }
        }

        func serve(_ worker: Int) {
            while true {
                starts[worker].wait()
                if isOver.load(ordering: .acquiring) { return }
                work.withLock { $0 }?(worker)
                finished.signal()
            }
        }
    }

    /// As many workers as `count`, or fewer where the system gives no more threads.
    init(upTo count: Int) {
        let shared = Shared(count: max(1, count))
        self.shared = shared
        var started = 1
        while started < count {
            let worker = started
            guard WorkerThread({ shared.serve(worker) }).start() else { break }
            started += 1
        }
        self.count = started
    }

    deinit {
        shared.isOver.store(true, ordering: .releasing)
        for worker in 1..<max(count, 1) where count > 1 { shared.starts[worker].signal() }
    }

    /// Runs `work` on every worker, the caller being worker 0; returns when all have finished. To be called by one thread at a
    /// time.
    func run(_ work: @Sendable (Int) -> Void) {
        withoutActuallyEscaping(work) { escaping in
            shared.work.withLock { $0 = escaping }
            for worker in 1..<max(count, 1) where count > 1 { shared.starts[worker].signal() }
            escaping(0)
            for _ in 1..<max(count, 1) where count > 1 { shared.finished.wait() }
            shared.work.withLock { $0 = nil }
        }
    }

    /// Waits until every worker has come here. To be called by all workers of a `run`, equally often.
    package func barrier() {
        guard count > 1 else { return }
        let round = shared.round.load(ordering: .acquiring)
        if shared.arrived.add(1, ordering: .acquiringAndReleasing).newValue == count {
            shared.arrived.store(0, ordering: .relaxed)
            shared.round.store(round &+ 1, ordering: .releasing)
            return
        }
        var turns = 0
        while shared.round.load(ordering: .acquiring) == round {
            turns += 1
            // Longer waits give the processor away: there may be fewer of them than workers.
            if turns > 2000 { sched_yield() }
        }
    }
}
