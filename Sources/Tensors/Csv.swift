import RecSource

/// Numbers in rows, separated by commas (`CsvTable`). Two dimensions: `[rows, columns]`.
enum Csv {
    static func read(_ storage: TensorStorage, path: String) throws(Diagnostic) -> Tensor { try CsvTable(storage, path: path).tensor }

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
