import Dispatch
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A few threads that do a piece of work together, and meet at barriers within it.
package final class ThreadPool: Sendable {
    package let count: Int
    private let shared: Shared

    /// What the workers see; they keep it alive, not the pool, so that the pool can end them.
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

    /// Sweeps of fewer scalar operations are run by the calling thread alone: waking others would take longer.
    package let leastWork: Double

    package static let usualLeastWork = 1e5

    var size: PoolSize { PoolSize(count: count, leastWork: leastWork) }

    /// A pool of `count` workers, the calling thread among them.
    package init(count: Int, leastWork: Double = ThreadPool.usualLeastWork) {
        self.leastWork = leastWork
        let shared = Shared(count: max(1, count))
        self.shared = shared
        // Where the system gives fewer threads, the pool is smaller.
        var started = 1
        while started < max(1, count) {
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

    /// Runs `work` on every worker, the caller being worker 0; returns when all have finished.
    package func run(_ work: @Sendable (Int) -> Void) {
        guard count > 1 else { return work(0) }
        withoutActuallyEscaping(work) { escaping in
            shared.work.withLock { $0 = escaping }
            for worker in 1..<count { shared.starts[worker].signal() }
            escaping(0)
            for _ in 1..<count { shared.finished.wait() }
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

/// A detached thread with room for deep vector code.
private struct WorkerThread {
    private static let stackBytes = 4 << 20

    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
    private let body: Body

    init(_ run: @escaping @Sendable () -> Void) { body = Body(run) }

    /// False where the system has no thread to give.
    func start() -> Bool {
        var thread = pthread_t()
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        // Kernels pack blocks on the stack; some systems give a thread little of it.
        pthread_attr_setstacksize(&attributes, Self.stackBytes)
        let context = Unmanaged.passRetained(body).toOpaque()
        let status = pthread_create(&thread, &attributes, { context in
            // The reference was retained for this thread alone, which takes it over here.
            guard let context else { return nil }
            Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
            return nil
        }, context)
        if status != 0 { Unmanaged<Body>.fromOpaque(context).release() }
        pthread_attr_destroy(&attributes)
        return status == 0
    }
}
