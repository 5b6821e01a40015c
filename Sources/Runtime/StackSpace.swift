import CHost
import Dispatch
import Foundation

/// How much stack a call has: tasks and threads of other libraries have as little as half a megabyte.
package enum StackSpace {
    /// What the main thread has, unless a user says otherwise.
    private static let ofMainThread = 8 << 20

    /// Bytes of stack below the present call, roughly.
    package static var remaining: Int {
        Thread.isMainThread ? ofMainThread : recc_stack_remaining()
    }

    /// What a run takes: kernels pack blocks on the stack.
    private static let ofRun = 2 << 20

    /// Runs `body` where there is room for a run: here, or on a thread of its own.
    package static func run<T>(_ body: () throws -> T) throws -> T {
        if remaining >= ofRun { return try body() }
        return try withoutActuallyEscaping(body) { body in
            let job = Job(body)
            guard WorkerThread({ job.run() }).start() else { return try body() }
            job.wait()
            return try job.result()
        }
    }

    /// Sendable because the thread that made it waits until the one that runs it has ended.
    private final class Job<T>: @unchecked Sendable {
        private var body: (() throws -> T)?
        private var outcome: Result<T, any Error>?
        private let finished = DispatchSemaphore(value: 0)

        init(_ body: @escaping () throws -> T) { self.body = body }

        func run() {
            if let body { outcome = Result { try body() } }
            body = nil
            finished.signal()
        }

        func wait() { finished.wait() }

        func result() throws -> T {
            guard let outcome else { throw CancellationError() }
            return try outcome.get()
        }
    }
}
