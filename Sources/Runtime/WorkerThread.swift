#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A detached thread with room for deep vector code.
struct WorkerThread {
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
