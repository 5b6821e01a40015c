import Foundation
import RecCodeGen
import RecRuntime
import RecScheduling

extension MachineProfile {
    /// This machine, measured once: later calls and later runs read what was written down, in the user's cache folder
    /// (`$XDG_CACHE_HOME/recc` or `~/.cache/recc`). Where nothing can be written it is measured again.
    public static func measured() -> MachineProfile {
        guard let target = try? HostTarget() else { return .typical }
        let threads = ProcessInfo.processInfo.activeProcessorCount
        let file = URL(fileURLWithPath: CacheFolder.path()).appendingPathComponent("machine-\(version)-\(target.cpu)-\(threads).json")
        if let data = try? Data(contentsOf: file), let known = try? JSONDecoder().decode(MachineProfile.self, from: data), known.isSound {
            return known
        }
        guard let profile = try? measure(threads: threads) else { return .typical }
        try? FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        if let data = try? JSONEncoder().encode(profile) { try? data.write(to: file, options: .atomic) }
        return profile
    }

    /// Changes whenever what is measured does.
    private static let version = 2

    /// A file may hold anything.
    private var isSound: Bool {
        [operation, latency, bandwidth, barrier, units].allSatisfy { $0.isFinite && $0 > 0 } && (1...1024).contains(lanes)
    }

    /// Takes some hundredths of a second.
    private static func measure(threads: Int) throws -> MachineProfile {
        let many = try PeakProbe()
        let one = try PeakProbe(chains: 1)
        let turns = 200_000
        let pool = ThreadPool(count: threads)
        let alone = fastest { many.run(turns: turns) }
        let together = fastest(patiently: 1.1 * alone) { pool.run { _ in many.run(turns: turns) } }
        let chain = fastest { one.run(turns: turns) }
        let waits = 2000
        let waiting = fastest(patiently: 1e-6 * Double(waits)) { pool.run { _ in for _ in 0..<waits { pool.barrier() } } }
        return MachineProfile(
            operation: alone / Double(turns * PeakProbe.manyChains), latency: chain / Double(turns),
            units: max(1, Double(threads) * alone / together), bandwidth: MachineLimits.copyRate(threads: threads),
            barrier: max(1e-8, waiting / Double(waits)), lanes: many.lanes)
    }

    /// - Parameter expected: seconds that another program which takes a processor now may keep it from. Longer times are taken
    ///   again after a while.
    private static func fastest(patiently expected: Double = .infinity, _ body: () -> Void) -> Double {
        var best = Double.infinity
        for turn in 0..<30 where turn < 5 || best > expected {
            if turn >= 5 { Thread.sleep(forTimeInterval: 0.002) }
            let elapsed = ContinuousClock().measure(body)
            best = min(best, Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18)
        }
        return best
    }
}
