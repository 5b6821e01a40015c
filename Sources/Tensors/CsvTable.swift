import RecSource

/// Numbers in rows, separated by commas, under the names of a first row of words. Where the first line has no comma, but semicolons or
/// tabs, these separate, and numbers may have a comma for the point.
///
/// Columns are left out by name. One that is called a date or a time and holds no numbers is left out by itself.
package struct CsvTable {
    /// Of the columns that are left; empty where the file has no row of words.
    package private(set) var names: [String] = []
    /// Columns that are called a date or a time, and hold no numbers.
    package private(set) var dates: [String] = []
    /// The names of all columns of the file, those that are left out too.
    package private(set) var header: [String] = []
    package private(set) var rowCount = 0
    /// Row behind row.
    private var numbers: [Double] = []
    private var columnCount = 0

    /// Reads a file.
    ///
    /// - Parameters:
    ///   - skipped: names of columns to leave out; those that the file does not have are passed over.
    ///   - chosen: the columns that are wanted; nil for all. The others are not looked at.
    package init(path: String, skipping skipped: Set<String> = [], choosing chosen: Set<String>? = nil) throws(Diagnostic) {
        try self.init(TensorStorage.reading(path), path: path, skipping: skipped, choosing: chosen)
    }

    init(
        _ storage: TensorStorage, path: String, skipping skipped: Set<String> = [], choosing chosen: Set<String>? = nil
    ) throws(Diagnostic) {
        var kept: [Int] = []
        var width = 0
        var header: [String]?
        var separator: UInt8?
        // What spreadsheets put in front of UTF-8 is no part of the first name.
        let bytes = storage.bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? storage.bytes.dropFirst(3) : storage.bytes[...]
        for (line, row) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            let mark = separator ?? Self.separator(of: row)
            guard let cells = Self.cells(row, separator: mark) else {
                throw fileProblem(path, "line \(line + 1) ends within quotes", help: "close them with a quote on the same line; a quote within quotes is written twice")
            }
            if cells.allSatisfy(\.isEmpty) { continue }
            separator = mark
            func number(_ cell: String) -> Double? { Double(mark == Self.comma ? cell : cell.replacing(",", with: ".")) }
            if width == 0, header == nil, cells.allSatisfy({ number($0) == nil }) {
                header = cells
                self.header = cells
                continue
            }
            if width == 0 {
                width = cells.count
                kept = Array(cells.indices)
                if let header { try choose(header, cells.map { number($0) != nil }, &kept, skipped, chosen, path) }
            }
            guard cells.count == width else {
                throw fileProblem(path, "line \(line + 1) has \(cells.count) columns, the lines before have \(width)")
            }
            for column in kept {
                guard let value = number(cells[column]) else {
                    let name = header.map { " ('\($0[column])')" } ?? ""
                    throw fileProblem(
                        path, "line \(line + 1), column \(column + 1)\(name): '\(cells[column].prefix(40))' is not a number",
                        help: header.map { Self.advice($0, kept, on: column, path) })
                }
                numbers.append(value)
            }
            rowCount += 1
        }
        guard rowCount > 0 || header == nil else {
            throw fileProblem(path, "no row of numbers follows the row of words", help: "separate numbers with commas, semicolons or tabs")
        }
        columnCount = kept.count
    }

    /// Which columns are left, once the first row of numbers is seen.
    private mutating func choose(
        _ header: [String], _ isNumber: [Bool], _ kept: inout [Int], _ skipped: Set<String>, _ chosen: Set<String>?, _ path: String
    ) throws(Diagnostic) {
        guard header.count == isNumber.count else {
            throw fileProblem(path, "the row of words has \(header.count) columns, the first row of numbers \(isNumber.count)")
        }
        if let chosen {
            // A name that is not there is told with those that are.
            guard chosen.isSubset(of: header) else {
                names = header
                kept = []
                return
            }
            kept.removeAll { !chosen.contains(header[$0]) }
            names = kept.map { header[$0] }
            return
        }
        dates = kept.filter { !skipped.contains(header[$0]) && Self.isDate(header[$0]) && !isNumber[$0] }.map { header[$0] }
        kept.removeAll { skipped.contains(header[$0]) || dates.contains(header[$0]) }
        names = kept.map { header[$0] }
        if let twice = names.indices.first(where: { names[$0] != "" && names[..<$0].contains(names[$0]) }) {
            throw fileProblem(path, "two columns are called '\(names[twice])'")
        }
        guard !kept.isEmpty else { throw fileProblem(path, "no column is left") }
    }

    private static func isDate(_ name: String) -> Bool {
        let name = name.lowercased()
        return name.contains("date") || name.contains("time")
    }

    /// What to do about a column with a cell that is no number.
    private static func advice(_ header: [String], _ kept: [Int], on column: Int, _ path: String) -> String {
        let others = kept.filter { $0 != column && !isDate(header[$0]) }.prefix(2).map { quoted(header[$0]) }.joined(separator: ",")
        let skip = "leave it out with --skip \(quoted(header[column]))"
        return others.isEmpty ? skip : "name the columns to take, x=\(path):\(others), or \(skip)"
    }

    // MARK: Lists of names

    /// The names of a list with commas between; one with a comma in it stands in quotes, as in the file.
    package static func names(_ list: String) -> [String] { (items(list) ?? [list]).filter { !$0.isEmpty } }

    /// The same with the empty ones; nil where quotes do not end.
    package static func items(_ list: String) -> [String]? {
        Array(list.utf8).withUnsafeBytes { cells($0[...], separator: comma) }
    }

    /// A name as a list has it.
    package static func quoted(_ name: String) -> String {
        name.contains(where: { ",\"".contains($0) }) ? "\"\(name.replacing("\"", with: "\"\""))\"" : name
    }

    /// Rows and columns: `[rows, columns]`.
    package var tensor: Tensor { Tensor(numbers, shape: [rowCount, columnCount]) }

    /// Some columns: `[rows]` of one, `[rows, columns]` of several.
    package func tensor(_ columns: [String], path: String) throws(Diagnostic) -> Tensor {
        var places: [Int] = []
        for column in columns {
            guard let place = names.firstIndex(of: column) else {
                throw Diagnostic(
                    .missingTensor, "\(path) has no column '\(column)'", at: nil,
                    help: names.isEmpty
                        ? "it has no row of words that names columns"
                        : Self.meant(column, among: names) ?? "it has \(names.map(Self.quoted).joined(separator: ", "))")
            }
            places.append(place)
        }
        let chosen = (0..<rowCount).flatMap { row in places.map { numbers[row * columnCount + $0] } }
        return Tensor(chosen, shape: [rowCount] + (places.count == 1 ? [] : [places.count]))
    }

    /// The column that was likely meant by a name, as a question; nil where there is none.
    package static func meant(_ name: String, among names: [String]) -> String? {
        // Of a name with a comma that was not put in quotes there is a part.
        let whole = names.first { $0.contains(",") && $0.split(separator: ",").contains { $0.drop { $0 == " " } == name } }
        return (whole ?? nearest(name, among: names)).map { "did you mean '\($0)'?" + ($0 == quoted($0) ? "" : " in a list it stands in quotes: \(quoted($0))") }
    }

    private static let comma = UInt8(ascii: ",")

    /// What separates the cells of a table with this first line.
    private static func separator(of line: UnsafeRawBufferPointer.SubSequence) -> UInt8 {
        var isQuoted = false
        var found: Set<UInt8> = []
        for byte in line {
            if byte == UInt8(ascii: "\"") { isQuoted.toggle() } else if !isQuoted { found.insert(byte) }
        }
        let other = [UInt8(ascii: ";"), UInt8(ascii: "\t")].first(where: found.contains)
        guard let other else { return comma }
        guard found.contains(comma) else { return other }
        // Numbers without a row of words in front: with a comma for the point where semicolons part whole numbers.
        return cells(line, separator: other)?.allSatisfy { Double($0.replacing(",", with: ".")) != nil } ?? false ? other : comma
    }

    /// The cells of a line without the space around them; a cell in quotes may have separators, and quotes that are doubled. Nil where
    /// quotes do not end.
    private static func cells(_ line: UnsafeRawBufferPointer.SubSequence, separator: UInt8) -> [String]? {
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0D || byte == 0x09 && separator != 0x09 }
        func text(_ bytes: some Sequence<UInt8>) -> String {
            var rest = Array(bytes.drop(while: isSpace))
            while let last = rest.last, isSpace(last) { rest.removeLast() }
            return String(decoding: rest, as: UTF8.self)
        }
        let quote = UInt8(ascii: "\"")
        guard line.contains(quote) else { return line.split(separator: separator, omittingEmptySubsequences: false).map(text) }
        var cells: [[UInt8]] = [[]]
        var isQuoted = false
        var last: UInt8 = 0
        for byte in line {
            if byte == quote {
                // A quote that follows the end of quotes belongs to the text.
                if !isQuoted, last == quote { cells[cells.count - 1].append(quote) }
                isQuoted.toggle()
            } else if byte == separator, !isQuoted {
                cells.append([])
            } else {
                cells[cells.count - 1].append(byte)
            }
            last = byte
        }
        return isQuoted ? nil : cells.map(text)
    }
}
