import Foundation
import Rec
import RecSource

/// Text files of ours.
enum TextFile {
    /// Writes a file whole or not at all. What is no file, such as a terminal, is written to and not replaced.
    static func write(_ text: String, to path: String, what: String) throws(DiagnosticList) {
        let attributes = try? FileManager.default.attributesOfItem(atPath: URL(fileURLWithPath: path).resolvingSymlinksInPath().path)
        let kind = attributes?[.type] as? FileAttributeType
        let options: Data.WritingOptions = kind == nil || kind == .typeRegular ? .atomic : []
        do { try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: options) } catch {
            throw DiagnosticList(.fileProblem, "\(path): \(what) cannot be written", help: "is the folder there, and may it be written to?")
        }
    }
}
