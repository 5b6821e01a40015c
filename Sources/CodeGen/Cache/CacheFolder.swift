import Foundation

/// Where a user's caches lie.
package enum CacheFolder {
    /// `$XDG_CACHE_HOME/recc` or `~/.cache/recc`.
    package static func path(_ environment: [String: String] = ProcessInfo.processInfo.environment) -> String {
        if let folder = environment["XDG_CACHE_HOME"], folder.hasPrefix("/") { return "\(folder)/recc" }
        return "\(environment["HOME"] ?? NSTemporaryDirectory())/.cache/recc"
    }
}
