import Foundation
import Rec
import RecSource

/// Text as tokens: each byte is one, from 0 to 255.
public enum TextTokens {
    /// The files one behind the other, `[t]` in U8.
    ///
    /// - Throws: where a file cannot be read.
    public static func read(_ paths: [String]) throws(DiagnosticList) -> Tensor {
        var bytes: [UInt8] = []
        for path in paths {
            do { bytes += try Data(contentsOf: URL(fileURLWithPath: path)) } catch {
                throw DiagnosticList(.fileProblem, "\(path): the text cannot be read", help: "is it there, and no folder?")
            }
        }
        return Tensor(type: .u8, shape: [bytes.count]) { $0.copyBytes(from: bytes) }
    }
}
