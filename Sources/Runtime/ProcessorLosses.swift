#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// How often threads of this process have lost their processors to other programs since it was made, and the time since then.
struct ProcessorLosses {
    /// An idle machine takes a processor away a few times a second, a busy one some hundred times.
    private static let mostPerSecond = 50.0

    private let start = ContinuousClock.now
    private let countBefore = ProcessorLosses.count

    var seconds: Double {
        let elapsed = (ContinuousClock.now - start).components
        return Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18
    }

    /// Whether other programs were in the way.
    var areMany: Bool { Self.areMany(Self.count - countBefore, in: seconds) }

    static func areMany(_ count: Int, in seconds: Double) -> Bool { count > 0 && Double(count) >= mostPerSecond * seconds }

    /// Of all threads, from the start of the process; 0 where the system does not tell.
    private static var count: Int {
        var usage = rusage()
        #if canImport(Darwin)
            guard getrusage(RUSAGE_SELF, &usage) == 0 else { return 0 }
        #else
            guard getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return 0 }
        #endif
        return Int(usage.ru_nivcsw)
    }
}
