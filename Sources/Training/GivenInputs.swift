import Rec
import RecSource
import RecTyping

/// Inputs for a run or for training that come from tables or one by one, and what is to be predicted.
package struct GivenInputs {
    /// Whether a table is one stream, and has no sequences in rows.
    let areStreams: Bool
    /// Columns of tables to leave out.
    package let skipped: Set<String>
    let prediction: Prediction?
    /// Whether columns that no input takes are passed over.
    let allowsUnused: Bool

    /// - Parameter skipped: lists of names, as `CsvTable.names` reads them.
    package init(areStreams: Bool, skipping skipped: [String], prediction: Prediction?, allowsUnused: Bool) {
        self.areStreams = areStreams
        self.skipped = Set(skipped.flatMap(CsvTable.names))
        self.prediction = prediction
        self.allowsUnused = allowsUnused
    }

    package static func isTable(_ path: String?) -> Bool { path?.lowercased().hasSuffix(".csv") ?? false }

    /// Adds what files give one by one, the columns of a table, and what is to be predicted.
    ///
    /// - Parameters:
    ///   - path: of the data; where it is no table, its tensors are in `data` already.
    ///   - seen: columns of tables that were read before, as a column to leave out must be one that is there; nil where it need not be.
    ///   - note: is told which columns are left out without being asked for.
    /// - Returns: how many steps ahead inputs are to be read, by name.
    package func add(
        to data: inout ModelData, from path: String?, _ files: [InputFile], of model: TypedModel, seen: [String]? = [], note: (String) -> Void
    ) throws(DiagnosticList) -> [String: Int] {
        var columns = seen ?? []
        for file in files { data.inputs[file.name] = try read(file, for: model) { columns += $0 } }
        var table: CsvTable?
        if let path, Self.isTable(path) {
            let read = try reportingProblems { try CsvTable(path: path, skipping: skipped) }
            columns += read.header
            if seen != nil { try checkSkipped(among: columns) }
            for name in read.dates { note("\(path): the column '\(name)' holds no numbers, and is left out") }
            // The input that takes what is predicted has no column of its own.
            let given = Set(data.inputs.keys)
            let target = try prediction?.target(in: model, given: given.union(read.names))
            let found = try TableInputs(
                read, path: path, for: model, taken: given.union(target.map { [$0] } ?? []), sources: prediction.map { [$0.source] } ?? [])
            if !allowsUnused, let problem = found.problem(path, model) { throw DiagnosticList([problem]) }
            data.inputs.merge(found.inputs) { given, _ in given }
            table = read
        }
        if seen != nil { try checkSkipped(among: columns) }
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

    /// Refuses to leave out what is not there: the name is misspelt, and the column that was meant would be read.
    private func checkSkipped(among columns: [String]) throws(DiagnosticList) {
        guard let wrong = skipped.subtracting(columns).min() else { return }
        throw DiagnosticList(
            .unknownName, columns.isEmpty ? "there is no table whose column '\(wrong)' could be left out" : "the data have no column '\(wrong)' to leave out",
            help: columns.isEmpty ? nil : CsvTable.meant(wrong, among: columns) ?? "they have \(columns.map(CsvTable.quoted).joined(separator: ", "))")
    }

    private func read(_ file: InputFile, for model: TypedModel, seen: ([String]) -> Void) throws(DiagnosticList) -> Tensor {
        guard model.inputs.contains(where: { $0.name == file.name }) else {
            let known = model.inputs.map(\.name)
            throw DiagnosticList(
                .unknownName, "'\(model.name)' has no input '\(file.name)'",
                help: nearest(file.name, among: known).map { "did you mean '\($0)'?" } ?? "its inputs are \(known.joined(separator: ", "))")
        }
        return try areStreams ? file.read(for: model, skipping: skipped, seen: seen) : file.read(skipping: skipped, seen: seen)
    }

    private func column(_ name: String, of table: CsvTable?, _ path: String?) throws(DiagnosticList) -> Tensor? {
        guard let table, table.names.contains(name) else { return nil }
        return try reportingProblems { try table.tensor([name], path: path ?? "") }
    }
}
