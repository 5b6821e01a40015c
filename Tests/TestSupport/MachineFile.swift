import Foundation

/// What recc has measured of this machine. A command whose cache is a folder of its own would measure it anew, which takes a second beside
/// other tests, and again with the next command where other tests disturb it.
public enum MachineFile {
    /// Copies what tests in this process have measured, and left in the user's cache, into a cache folder that has nothing of it.
    public static func bring(into cache: String) {
        let environment = ProcessInfo.processInfo.environment
        let own = URL(fileURLWithPath: environment["XDG_CACHE_HOME"] ?? "\(environment["HOME"] ?? "/nowhere")/.cache").appendingPathComponent("recc")
        let target = URL(fileURLWithPath: cache).appendingPathComponent("recc")
        for name in (try? FileManager.default.contentsOfDirectory(atPath: own.path)) ?? [] where name.hasPrefix("machine-") {
            try? FileManager.default.createDirectory(at: target, withIntermediateDirectories: true)
            try? FileManager.default.copyItem(at: own.appendingPathComponent(name), to: target.appendingPathComponent(name))
        }
    }
}
