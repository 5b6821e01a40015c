import Foundation
import Rec
import Testing

/// Where the repository lies.
enum Place {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static func path(_ relative: String) -> String { root.appendingPathComponent(relative).path }

    /// A folder of its own that is removed after `body`.
    static func withFolder<T>(_ body: (URL) throws -> T) throws -> T {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("library-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try body(folder)
    }
}

/// `y` is what `x` adds up to.
let sum = "model Sum {\n  input x: real\n  state s: real\n  s = s[t-1] + x\n  output y = s\n}\n"

/// Holds that a call throws a list whose first problem is of this kind, and whose text says something of it.
func expectProblem(
    _ id: String, _ part: String = "", _ location: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) {
    do {
        try body()
        Issue.record("nothing was thrown, '\(id)' expected", sourceLocation: location)
    } catch let list as DiagnosticList {
        #expect(list.problems.first?.id == id, "\(list)", sourceLocation: location)
        #expect(part.isEmpty || list.description.contains(part), "\(list)", sourceLocation: location)
    } catch { Issue.record("\(error) is no list of problems", sourceLocation: location) }
}
