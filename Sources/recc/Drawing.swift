import Foundation
import Rec

/// Has Graphviz lay out a drawing.
enum Drawing {
    /// The ending of a path that is one of another format than SVG; nil where a drawing may be written there.
    static func otherEnding(of path: String) -> String? {
        let ending = URL(fileURLWithPath: path).pathExtension
        return ending.isEmpty || ending.lowercased() == "svg" ? nil : ending
    }

    static func write(_ dot: String, to path: String) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["dot", "-Tsvg", "-o", path]
        let input = Pipe()
        process.standardInput = input
        process.standardError = FileHandle.nullDevice
        do { try process.run() } catch { throw missing(path) }
        input.fileHandleForWriting.write(Data(dot.utf8))
        try? input.fileHandleForWriting.close()
        process.waitUntilExit()
        if process.terminationStatus == 127 { throw missing(path) }
        guard process.terminationStatus == 0 else {
            throw Diagnostic(.fileProblem, "\(path): the drawing cannot be written", at: nil, help: "is the folder there, and may it be written to?")
        }
    }

    private static func missing(_ path: String) -> Diagnostic {
        Diagnostic(.fileProblem, "\(path): there is no 'dot' to lay out the drawing", at: nil, help: "apt-get install graphviz")
    }
}
