/// Index of a file in a `SourceMap`.
package struct FileID: Hashable, Sendable, Comparable {
    package var index: Int
    package init(_ index: Int) { self.index = index }
    package static func < (a: FileID, b: FileID) -> Bool { a.index < b.index }
}

/// A half-open range of UTF-8 offsets in one file.
package struct SourceSpan: Hashable, Sendable {
    package var file: FileID
    package var start: Int
    package var end: Int

    package init(file: FileID, start: Int, end: Int) {
        self.file = file
        self.start = start
        self.end = end
    }

    /// The smallest span that covers both; spans of different files keep the first.
    package func joined(with other: SourceSpan) -> SourceSpan {
        guard file == other.file else { return self }
        return SourceSpan(file: file, start: min(start, other.start), end: max(end, other.end))
    }
}
