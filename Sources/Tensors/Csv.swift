import RecSource

/// Numbers in rows, separated by commas; a first row of words is passed over. Two dimensions: `[rows, columns]`.
enum Csv {
    static func read(_ storage: TensorStorage, path: String) throws(Diagnostic) -> Tensor {
        var numbers: [Double] = []
        var columns = 0
        var rows = 0
        var mayBeWords = true
        for (line, row) in storage.bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            let cells = row.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).map(cell)
            if cells.allSatisfy(\.isEmpty) { continue }
            let values = cells.map { Double($0) }
            defer { mayBeWords = false }
            if mayBeWords, values.allSatisfy({ $0 == nil }) { continue }
            guard columns == 0 || values.count == columns else {
                throw fileProblem(path, "line \(line + 1) has \(values.count) columns, the lines before have \(columns)")
            }
            columns = values.count
            for (column, value) in values.enumerated() {
                guard let value else {
                    throw fileProblem(path, "line \(line + 1), column \(column + 1): '\(cells[column].prefix(40))' is not a number")
                }
                numbers.append(value)
            }
            rows += 1
        }
        guard rows > 0 || mayBeWords else {
            throw fileProblem(path, "no row of numbers follows the row of words", help: "separate numbers with commas")
        }
        return Tensor(numbers, shape: [rows, columns])
    }

    /// The text of a cell without the space around it.
    private static func cell(_ bytes: UnsafeRawBufferPointer.SubSequence) -> String {
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }
        var rest = bytes.drop(while: isSpace)
        while let last = rest.last, isSpace(last) { rest = rest.dropLast() }
        return String(decoding: rest, as: UTF8.self)
    }

    static func encoded(_ tensor: Tensor, path: String) throws(Diagnostic) -> [UInt8] {
        // One sequence without a batch is a table, too.
        var shape = tensor.shape
        while shape.count > 2, shape[0] == 1 { shape.removeFirst() }
        guard shape.count <= 2 else { throw fileProblem(path, "a table has two dimensions, this has the shape \(tensor.shape)", help: "use .npy") }
        let columns = shape.last ?? 1
        let values = tensor.doubles()
        var text = ""
        for (k, value) in values.enumerated() {
            text += tensor.type.isFloating ? (tensor.type == .f32 ? "\(Float(value))" : "\(value)") : "\(Int(exactly: value).map(String.init) ?? "\(value)")"
            text += (k + 1) % max(columns, 1) == 0 ? "\n" : ","
        }
        return Array(text.utf8)
    }
}
