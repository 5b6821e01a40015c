import RecSource

/// Numbers in rows, separated by commas; a first row of words is passed over. Two dimensions: `[rows, columns]`.
enum Csv {
    static func read(_ storage: TensorStorage, path: String) throws(Diagnostic) -> Tensor {
        var numbers: [Double] = []
        var columns = 0
        var rows = 0
        let text = String(decoding: storage.bytes, as: UTF8.self)
        for (line, row) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let cells = row.split(separator: ",", omittingEmptySubsequences: false).map { $0.filter { !$0.isWhitespace && $0 != "\r" } }
            if cells.allSatisfy(\.isEmpty) { continue }
            let values = cells.map { Double($0) }
            if rows == 0, columns == 0, values.allSatisfy({ $0 == nil }) { continue }
            guard columns == 0 || values.count == columns else {
                throw fileProblem(path, "line \(line + 1) has \(values.count) columns, the lines before have \(columns)")
            }
            columns = values.count
            for (column, value) in values.enumerated() {
                guard let value else { throw fileProblem(path, "line \(line + 1), column \(column + 1): '\(cells[column])' is not a number") }
                numbers.append(value)
            }
            rows += 1
        }
        return Tensor(numbers, shape: [rows, columns])
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
            text += tensor.type.isFloating ? (tensor.type == .f32 ? "\(Float(value))" : "\(value)") : "\(Int(value))"
            text += (k + 1) % max(columns, 1) == 0 ? "\n" : ","
        }
        return Array(text.utf8)
    }
}
