/// The files of one compilation. A span names a file by its index here.
package struct SourceMap: Sendable {
    package struct File: Sendable {
        /// The path as the user wrote it, for messages.
        package let path: String
        package let text: String
        /// Whether it is a module of the standard library, and no file on disk.
        package let isLibrary: Bool
        let utf8: [UInt8]
        /// UTF-8 offset of the first byte of each line.
        let lineStarts: [Int]
    }

    /// A 1-based line and column; columns count Unicode scalars, as editors do.
    package struct Position: Hashable, Sendable {
        package let line: Int
        package let column: Int
    }

    package private(set) var files: [File] = []

    package init() {}

    package mutating func add(path: String, text: String, isLibrary: Bool = false) -> FileID {
        let utf8 = Array(text.utf8)
        var starts = [0]
        for (offset, byte) in utf8.enumerated() where byte == 0x0A { starts.append(offset + 1) }
        files.append(File(path: path, text: text, isLibrary: isLibrary, utf8: utf8, lineStarts: starts))
        return FileID(files.count - 1)
    }

    package subscript(_ id: FileID) -> File { files[id.index] }

    package func text(of span: SourceSpan) -> String {
        let bytes = self[span.file].utf8
        let end = min(span.end, bytes.count)
        return String(decoding: bytes[min(span.start, end)..<end], as: UTF8.self)
    }

    package func position(of offset: Int, in id: FileID) -> Position {
        let file = self[id]
        let offset = min(max(offset, 0), file.utf8.count)
        let line = lineNumber(of: offset, in: id)
        let before = file.utf8[file.lineStarts[line - 1]..<offset]
        return Position(line: line, column: String(decoding: before, as: UTF8.self).unicodeScalars.count + 1)
    }

    /// The 1-based line alone: it does not depend on how long the line is to find it.
    package func lineNumber(of offset: Int, in id: FileID) -> Int {
        let starts = self[id].lineStarts
        var low = 0
        var high = starts.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if starts[middle] <= offset { low = middle } else { high = middle }
        }
        return low + 1
    }

    /// The text of a 1-based line, without its end.
    package func line(_ number: Int, of id: FileID) -> String {
        let file = self[id]
        guard number >= 1, number <= file.lineStarts.count else { return "" }
        let start = file.lineStarts[number - 1]
        var end = number < file.lineStarts.count ? file.lineStarts[number] - 1 : file.utf8.count
        if end > start, file.utf8[end - 1] == 0x0D { end -= 1 }
        return String(decoding: file.utf8[start..<end], as: UTF8.self)
    }
}
