import CHost
import Foundation

/// Memory for machine code, which is written first, and never may be written and executed at once.
final class CodeMemory {
    enum Protection: CaseIterable {
        case executable, readOnly, writable

        fileprivate var flags: Int32 {
            switch self {
            case .executable: PROT_READ | PROT_EXEC
            case .readOnly: PROT_READ
            case .writable: PROT_READ | PROT_WRITE
            }
        }
    }

    let start: UnsafeMutableRawPointer
    let byteCount: Int

    static let pageBytes = sysconf(Int32(_SC_PAGESIZE))

    /// Zeros that may be written.
    ///
    /// - Parameter byteCount: above zero.
    init(byteCount: Int) throws(LoadingError) {
        guard let start = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), start != MAP_FAILED else {
            throw LoadingError("no memory: \(String(cString: strerror(errno)))")
        }
        self.start = start
        self.byteCount = byteCount
    }

    deinit { munmap(start, byteCount) }

    /// Says what may be done with a range of whole pages from now on.
    func protect(_ range: Range<Int>, as protection: Protection) throws(LoadingError) {
        guard !range.isEmpty else { return }
        let first = start + range.lowerBound
        if protection == .executable { recc_code_was_written(first, UInt(range.count)) }
        guard mprotect(first, range.count, protection.flags) == 0 else {
            throw LoadingError("memory cannot be protected: \(String(cString: strerror(errno)))")
        }
    }
}
