#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// How much memory there is.
package enum PhysicalMemory {
    /// Bytes that this machine has; more than anybody asks for where the system does not say.
    package static var bytes: Int {
        let (pages, size) = (sysconf(Int32(_SC_PHYS_PAGES)), sysconf(Int32(_SC_PAGESIZE)))
        return pages > 0 && size > 0 ? pages.multipliedReportingOverflow(by: size).partialValue : .max
    }
}
