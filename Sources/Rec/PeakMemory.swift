#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// Memory of this process, as the system counts it.
package enum PeakMemory {
    /// The most bytes that were resident at any time so far; nil where the system does not say.
    package static var residentBytes: Int? {
        var usage = rusage()
        #if canImport(Darwin)
            guard getrusage(RUSAGE_SELF, &usage) == 0 else { return nil }
            return usage.ru_maxrss
        #else
            guard getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return nil }
            // Linux counts in units of 1024 bytes.
            return usage.ru_maxrss * 1024
        #endif
    }
}
