import Foundation
import RecSource

/// Reads the text of a program, whatever is given for one.
package enum ProgramText {
    /// No program is as large.
    private static let largest = 16 << 20

    /// The text of a file; pipes are read, too.
    package static func read(_ path: String) throws(Diagnostic) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw problem(path, reason(errno)) }
        defer { close(descriptor) }
        return try read(descriptor, named: path)
    }

    /// What an open file holds from here on.
    package static func read(_ descriptor: Int32, named name: String) throws(Diagnostic) -> String {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = chunk.withUnsafeMutableBytes { Foundation.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw problem(name, reason(errno)) }
            if count == 0 { break }
            bytes += chunk[..<count]
            guard bytes.count <= largest else { throw problem(name, "the file is too large for a program") }
        }
        // Some editors put a mark of the encoding in front.
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes.removeFirst(3) }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw problem(name, "line \(lineOfFirstFault(bytes)) is not UTF-8", help: "save the file in UTF-8")
        }
        return text
    }

    private static func lineOfFirstFault(_ bytes: [UInt8]) -> Int {
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        return 1 + (lines.firstIndex { String(validating: $0, as: UTF8.self) == nil } ?? 0)
    }

    private static func problem(_ path: String, _ reason: String, help: String? = nil) -> Diagnostic {
        Diagnostic(.fileProblem, "\(path.isEmpty ? "''" : path): \(reason)", at: nil, help: help)
    }

    private static func reason(_ error: Int32) -> String {
        switch error {
        case ENOENT: "there is no such file"
        case EISDIR: "this is a folder"
        case EACCES: "the file may not be read"
        default: String(cString: strerror(error))
        }
    }
}
