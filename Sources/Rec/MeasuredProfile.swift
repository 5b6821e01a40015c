import Foundation
import RecCodeGen
import RecRuntime
import RecScheduling
import Synchronization

extension MachineProfile {
    /// This machine, measured once: later calls and later runs read what was written down, in the user's cache folder
    /// (`$XDG_CACHE_HOME/recc` or `~/.cache/recc`), but for measurements that look disturbed (`KeptProfile`). Where nothing can be
    /// written it is measured again.
    package static func measured() -> MachineProfile {
        let threads = ProcessInfo.processInfo.activeProcessorCount
        let file = URL(fileURLWithPath: CacheFolder.path()).appendingPathComponent("machine-\(version)-\(HostMachine.current.name)-\(threads).json")
        return KeptProfile.read(file, threads: threads) { try measure(threads: threads) } ?? .typical
    }

    /// Changes whenever what is measured does.
    private static let version = 3

    /// Takes some hundredths of a second.
    private static func measure(threads: Int) throws -> MachineProfile {
        let many = try PeakProbe()
        let one = try PeakProbe(chains: 1)
        let turns = 200_000
        let pool = ThreadPool(count: threads)
        let alone = fastest { many.run(turns: turns) }
        let together = fastest(patiently: 1.1 * alone) { pool.run { _, _ in many.run(turns: turns) } }
        let chain = fastest { one.run(turns: turns) }
        // Short, so that one of the turns is likely to be undisturbed.
        let waits = 200
        let waiting = least(patiently: 5e-7 * Double(waits)) { seconds(of: waits, on: pool) }
        return MachineProfile(
            operation: alone / Double(turns * PeakProbe.manyChains), latency: chain / Double(turns),
            units: max(1, Double(threads) * alone / together), bandwidth: MachineLimits.copyRate(threads: threads),
            barrier: max(1e-8, waiting / Double(waits)), lanes: many.lanes)
    }

    /// Seconds of so many barriers; waking the threads is not counted.
    private static func seconds(of waits: Int, on pool: ThreadPool) -> Double {
        let elapsed = Mutex(Double.infinity)
        pool.run { worker, team in
            team.barrier()
            let time = seconds { for _ in 0..<waits { team.barrier() } }
            if worker == 0 { elapsed.withLock { $0 = time } }
        }
        return elapsed.withLock { $0 }
    }

    private static func seconds(_ body: () -> Void) -> Double {
        let elapsed = ContinuousClock().measure(body)
        return Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18
    }

    private static func fastest(patiently expected: Double = .infinity, _ body: () -> Void) -> Double {
        least(patiently: expected) { seconds(body) }
    }

    /// The least time of some turns.
    ///
    /// - Parameter expected: what a machine that does nothing else should need. Longer times are taken again after a while:
    ///   another program may have had the processor.
    private static func least(patiently expected: Double = .infinity, _ measure: () -> Double) -> Double {
        var best = Double.infinity
        for turn in 0..<40 where turn < 5 || best > expected {
            if turn >= 5 { Thread.sleep(forTimeInterval: 0.002) }
            best = min(best, measure())
        }
        return best
    }
}
