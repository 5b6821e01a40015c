import Rec
import RecSource
import RecTyping

/// Inputs for training that come from tables or one by one, and what is to be predicted.
package struct TrainingInputs {
    /// Whether data are streams that are cut into windows.
    let window: Int?
    /// Columns of tables to leave out.
    let skipped: Set<String>
    let prediction: Prediction?
    /// Whether columns that no input takes are passed over.
    let allowsUnused: Bool

    package init(window: Int?, skipped: Set<String>, prediction: Prediction?, allowsUnused: Bool) {
        self.window = window
        self.skipped = skipped
        self.prediction = prediction
        self.allowsUnused = allowsUnused
    }

    package static func isTable(_ path: String?) -> Bool { path?.lowercased().hasSuffix(".csv") ?? false }

    /// Adds what files give one by one, the columns of a table, and what is to be predicted.
    ///
    /// - Parameters:
    ///   - path: of the data; where it is no table, its tensors are in `data` already.
    ///   - note: is told which columns are left out without being asked for.
    /// - Returns: how many steps ahead inputs are to be read, by name.
    package func add(
        to data: inout ModelData, from path: String?, _ files: [InputFile], of model: TypedModel, note: (String) -> Void
    ) throws(DiagnosticList) -> [String: Int] {
        for file in files { data.inputs[file.name] = try read(file, for: model) }
        var table: CsvTable?
        if let path, Self.isTable(path) {
            let read = try reportingProblems { try CsvTable(path: path, skipping: skipped) }
            for name in read.dates { note("\(path): the column '\(name)' holds no numbers, and is left out") }
            // The input that takes what is predicted has no column of its own.
            let given = Set(data.inputs.keys)
            let target = try prediction?.target(in: model, given: given.union(read.names))
            let columns = try TableInputs(
                read, path: path, for: model, taken: given.union(target.map { [$0] } ?? []), sources: prediction.map { [$0.source] } ?? [])
            if !allowsUnused, let problem = columns.problem(path, model) { throw DiagnosticList([problem]) }
            data.inputs.merge(columns.inputs) { given, _ in given }
            table = read
        }
        guard let prediction else { return [:] }
        let target = try prediction.target(in: model, given: Set(data.inputs.keys))
        let column = try column(prediction.source, of: table, path)
        guard let source = data.inputs[prediction.source] ?? column else {
            let known = data.inputs.keys.sorted() + (table?.names ?? [])
            throw DiagnosticList(
                .missingTensor, "the data have no '\(prediction.source)' to predict",
                help: nearest(prediction.source, among: known).map { "did you mean '\($0)'?" } ?? "they have \(known.joined(separator: ", "))")
        }
        data.inputs[target] = source
        return [target: prediction.ahead]
    }

    private func read(_ file: InputFile, for model: TypedModel) throws(DiagnosticList) -> Tensor {
        guard model.inputs.contains(where: { $0.name == file.name }) else {
            let known = model.inputs.map(\.name)
            throw DiagnosticList(
                .unknownName, "'\(model.name)' has no input '\(file.name)'",
                help: nearest(file.name, among: known).map { "did you mean '\($0)'?" } ?? "its inputs are \(known.joined(separator: ", "))")
        }
        return try window == nil ? file.read(skipping: skipped) : file.read(for: model, skipping: skipped)
    }

    private func column(_ name: String, of table: CsvTable?, _ path: String?) throws(DiagnosticList) -> Tensor? {
        guard let table, table.names.contains(name) else { return nil }
        return try reportingProblems { try table.tensor([name], path: path ?? "") }
    }
}
