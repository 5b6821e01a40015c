import Foundation
import RecCodeGen
import RecRuntime

/// What this machine can do, measured: multiplications and additions in registers, and copying memory.
package struct MachineLimits: Sendable {
    /// Floating-point operations a second in f32, over all threads.
    package var operationsPerSecond: Double
    /// Bytes read and written a second, over all threads.
    package var bytesPerSecond: Double

    /// Takes about a tenth of a second.
    package init(threads: Int) throws {
        operationsPerSecond = try Self.multiplicationRate(threads: threads)
        bytesPerSecond = Self.copyRate(threads: threads)
    }

    private static func multiplicationRate(threads: Int) throws -> Double {
        let probe = try PeakProbe()
        let pool = ThreadPool(count: threads)
        let turns = 1_000_000
        var best = Double.infinity
        for _ in 0..<5 {
            let elapsed = ContinuousClock().measure { pool.run { _, _ in probe.run(turns: turns) } }
            best = min(best, Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18)
        }
        return Double(threads) * probe.operations(turns: turns) / best
    }

    /// Bytes a second that a copy of what no cache holds reads and writes.
    static func copyRate(threads: Int) -> Double {
        let count = 32 << 20
        let source = UnsafeMutableRawPointer.allocate(byteCount: count * threads, alignment: 4096)
        let target = UnsafeMutableRawPointer.allocate(byteCount: count * threads, alignment: 4096)
        defer {
            source.deallocate()
            target.deallocate()
        }
        memset(source, 1, count * threads)
        memset(target, 1, count * threads)
        let pool = ThreadPool(count: threads)
        let (from, to) = (UInt(bitPattern: source), UInt(bitPattern: target))
        var best = Double.infinity
        for _ in 0..<5 {
            let elapsed = ContinuousClock().measure {
                pool.run { worker, _ in
                    guard let a = UnsafeMutableRawPointer(bitPattern: from), let b = UnsafeMutableRawPointer(bitPattern: to) else { return }
                    memcpy(b + worker * count, a + worker * count, count)
                }
            }
            best = min(best, Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18)
        }
        return 2 * Double(count * threads) / best
    }
}
