import Foundation

/// A folder for the files of one test, which is removed along with the last one who holds it.
public final class TemporaryFolder: Sendable {
    public let url: URL

    public init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("recc-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    /// Where a file of the folder lies, whether it is there or not.
    public func path(_ name: String) -> String { url.appendingPathComponent(name).path }
}
