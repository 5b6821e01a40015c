import Rec
import RecSource
import RecTyping

/// The columns of a table as the inputs of a model.
///
/// A column goes to the input of its name. The one input of vectors that has no column of its own takes all columns that are left, in
/// the order of the table.
package struct TableInputs {
    /// Streams `[rows, …]` by input.
    package private(set) var inputs: [String: Tensor] = [:]
    /// Columns that no input takes.
    package private(set) var unused: [String] = []

    /// - Parameters:
    ///   - taken: inputs whose numbers come from elsewhere.
    ///   - sources: columns that are read for other reasons, as what is to be predicted.
    package init(
        _ table: CsvTable, path: String, for model: TypedModel, taken: Set<String>, sources: Set<String>
    ) throws(DiagnosticList) {
        guard !table.names.isEmpty else {
            throw DiagnosticList(.fileProblem, "\(path): a first row of words must name the columns", help: "or give a whole table to an input: --input x=\(path)")
        }
        let streams = model.inputs.filter { !$0.isOnce && !taken.contains($0.name) }
        var left = table.names
        do {
            for input in streams where table.names.contains(input.name) {
                inputs[input.name] = try table.tensor([input.name], path: path)
                left.removeAll { $0 == input.name }
            }
            let vectors = streams.filter { inputs[$0.name] == nil && model[$0.value].shape.count == 1 }
            if let vector = vectors.first, vectors.count == 1, !left.isEmpty {
                inputs[vector.name] = try table.tensor(left, path: path).reshaped([table.rowCount, left.count])
                left = []
            }
        } catch { throw DiagnosticList([error]) }
        unused = left.filter { !sources.contains($0) }
    }

    /// What is wrong where columns are left over; nil where none are.
    package func problem(_ path: String, _ model: TypedModel) -> Diagnostic? {
        guard let first = unused.first else { return nil }
        let vectors = model.inputs.filter { !$0.isOnce && inputs[$0.name] == nil && model[$0.value].shape.count == 1 }.map(\.name)
        let open = vectors.count < 2 ? nil
            : "they could go to \(vectors.joined(separator: " or ")): with --predict \(vectors[0]) the other takes what comes later; --input \(vectors[0])=\(path) gives them to one"
        let shown = unused.prefix(5).map { "'\($0)'" }.joined(separator: ", ") + (unused.count > 5 ? ", …" : "")
        return Diagnostic(
            .unknownTensor, "\(path): no input of '\(model.name)' takes the column\(unused.count == 1 ? "" : "s") \(shown)", at: nil,
            help: nearest(first, among: model.inputs.map(\.name).filter { inputs[$0] == nil }).map { "did you mean '\($0)'?" }
                ?? open ?? "leave out what is not wanted with --skip \(CsvTable.quoted(first)), or pass over it with --allow-unused")
    }
}
