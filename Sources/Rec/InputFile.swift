import Foundation
import RecSource
import RecTensors
import RecTyping

/// `x=x.npy`: an input of a command line, and where its numbers are.
package struct InputFile: Sendable {
    /// The input.
    package let name: String
    /// `x.npy`, `data.npz:frames`, `table.csv:a,b`
    package let place: String

    /// Nil for a text that is none.
    package init?(_ text: String) {
        let sides = text.split(separator: "=", maxSplits: 1)
        guard sides.count == 2 else { return nil }
        (name, place) = (String(sides[0]), String(sides[1]))
    }

    private func isTable(_ path: String) -> Bool { path.lowercased().hasSuffix(".csv") }

    /// Reads it for a model: a table of one column is a stream of numbers where the input is one.
    ///
    /// - Parameters:
    ///   - skipped: names of columns of a table to leave out.
    ///   - seen: is told the names of all columns of a table.
    package func read(for model: TypedModel, skipping skipped: Set<String> = [], seen: ([String]) -> Void = { _ in }) throws(DiagnosticList) -> Tensor {
        let tensor = try read(skipping: skipped, seen: seen)
        guard isTable(place), tensor.shape.count == 2, tensor.shape[1] == 1,
            let input = model.inputs.first(where: { $0.name == name }), model[input.value].shape.isEmpty
        else { return tensor }
        return tensor.reshaped([tensor.shape[0]])
    }

    /// Reads it.
    ///
    /// - Parameters:
    ///   - skipped: names of columns of a table to leave out.
    ///   - seen: is told the names of all columns of a table.
    package func read(skipping skipped: Set<String> = [], seen: ([String]) -> Void = { _ in }) throws(DiagnosticList) -> Tensor {
        try reportingProblems { () throws in
            var path = place
            var wanted = name
            // Names of columns may have colons.
            let colon = place.range(of: ".csv:", options: .caseInsensitive).map { place.index(before: $0.upperBound) } ?? place.lastIndex(of: ":")
            if let colon, !FileManager.default.fileExists(atPath: place) {
                path = String(place[..<colon])
                wanted = String(place[place.index(after: colon)...])
                guard !path.isEmpty else { throw fileProblem(place, "no file is named in front of the colon", help: "write \(name)=FILE:\(wanted)") }
                guard !wanted.isEmpty else {
                    throw fileProblem(place, "nothing is named behind the colon", help: "name \(isTable(path) ? "columns, \(name)=\(path):a,b" : "a tensor, \(name)=\(path):NAME"), or write \(name)=\(path)")
                }
            }
            if isTable(path) {
                guard path == place else {
                    // Columns that are not asked for may hold what they like.
                    guard let columns = CsvTable.items(wanted) else { throw fileProblem(place, "the names of columns end within quotes") }
                    guard !columns.contains("") else {
                        let named = columns.filter { !$0.isEmpty }.map(CsvTable.quoted).joined(separator: ",")
                        throw fileProblem(place, "one of the columns has no name", help: named.isEmpty ? nil : "write \(name)=\(path):\(named)")
                    }
                    if let twice = columns.indices.first(where: { columns[..<$0].contains(columns[$0]) }) {
                        throw fileProblem(place, "the column '\(columns[twice])' is named twice")
                    }
                    let table = try CsvTable(path: path, choosing: Set(columns))
                    seen(table.header)
                    return try table.tensor(columns, path: path)
                }
                let table = try CsvTable(path: path, skipping: skipped)
                seen(table.header)
                return table.tensor
            }
            let archive = try TensorFile.read(path)
            if archive.tensors.count == 1, path == place { return archive.tensors[0].tensor }
            if let found = archive[wanted] { return found }
            throw Diagnostic(
                .missingTensor, "\(path) has no tensor '\(wanted)'", at: nil,
                help: archive.tensors.allSatisfy(\.name.isEmpty)
                    ? "its one tensor has no name: write \(name)=\(path)"
                    : "it has \(archive.tensors.map(\.name).joined(separator: ", ")); choose one: \(name)=\(path):NAME")
        }
    }
}
