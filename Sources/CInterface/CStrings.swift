import Foundation

/// Texts as C has them, in memory of their own.
final class CStrings: @unchecked Sendable {
    // Sendable because the bytes are not written after they are made.
    private let texts: [UnsafeMutablePointer<CChar>?]

    init(_ texts: [String?]) { self.texts = texts.map { $0.flatMap { strdup($0) } } }

    deinit { for text in texts { free(text) } }

    subscript(_ index: Int) -> UnsafePointer<CChar>? { texts[index].map { UnsafePointer($0) } }
}
