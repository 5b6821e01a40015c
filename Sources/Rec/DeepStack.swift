import Foundation
import RecRuntime

/// Runs `body` on a stack on which the deepest program that is accepted can be walked: a chain of names is as deep as it is
/// long. Where there is no such stack, as under a limit of memory, it runs on the present one.
package func onDeepStack<T, E: Error>(_ body: () throws(E) -> T) throws(E) -> T {
    // Whoever is on a deep stack already stays there.
    if StackSpace.remaining >= 1 << 26 { return try body() }
    let result: Result<T, E> = withoutActuallyEscaping(body) { body in
        let job = Job { () -> Result<T, E> in
            do throws(E) { return .success(try body()) } catch { return .failure(error) }
        }
        for size in [1 << 31, 1 << 29, 1 << 27] {
            if let result = job.runOnThread(stackSize: size) { return result }
        }
        return job.body()
    }
    return try result.get()
}

/// Sendable because the thread that made it waits until the one that runs it has ended.
private final class Job<T>: @unchecked Sendable {
    let body: () -> T
    private var result: T?

    init(_ body: @escaping () -> T) { self.body = body }

    /// Nil where there is no thread to be had.
    func runOnThread(stackSize: Int) -> T? {
        var attributes = pthread_attr_t()
        guard pthread_attr_init(&attributes) == 0 else { return nil }
        defer { pthread_attr_destroy(&attributes) }
        guard pthread_attr_setstacksize(&attributes, stackSize) == 0 else { return nil }
        var thread = pthread_t()
        let run: () -> Void = { self.result = self.body() }
        let context = Unmanaged.passRetained(Closure(run))
        let status = pthread_create(&thread, &attributes, { context in
            guard let context else { return nil }
            Unmanaged<Closure>.fromOpaque(context).takeRetainedValue().run()
            return nil
        }, context.toOpaque())
        guard status == 0 else {
            context.release()
            return nil
        }
        pthread_join(thread, nil)
        return result
    }
}

private final class Closure {
    let run: () -> Void
    init(_ run: @escaping () -> Void) { self.run = run }
}
