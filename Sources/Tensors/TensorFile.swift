import RecSource

/// The tensors of a file, in its order, and the text that describes them.
public struct TensorArchive: Sendable {
    /// In the order of the file.
    public var tensors: [NamedTensor]
    /// Texts by key; only `.safetensors` files have them.
    public var metadata: [String: String]

    /// An archive that is put together in memory.
    public init(tensors: [NamedTensor] = [], metadata: [String: String] = [:]) {
        self.tensors = tensors
        self.metadata = metadata
    }

    /// Reads a `.safetensors`, `.npz`, `.npy` or `.csv` file; the one tensor of the last two has the name "".
    ///
    /// The file is read into memory, and may be changed or removed afterwards.
    ///
    /// - Throws: where the file cannot be read, is broken, or is of another kind.
    public init(path: String) throws(DiagnosticList) {
        self = try reportingProblems { try TensorFile.read(path) }
    }

    /// Writes the tensors to a file whole or not at all; the ending of the path tells the format. A `.npy` or `.csv` file holds
    /// one tensor, whose name is not written.
    ///
    /// - Throws: where the file cannot be written, or its format cannot hold the tensors.
    public func write(to path: String) throws(DiagnosticList) {
        try reportingProblems { try TensorFile.write(self, to: path) }
    }

    /// The tensor of this name; nil where there is none.
    public subscript(_ name: String) -> Tensor? { tensors.first { $0.name == name }?.tensor }
}

/// Reads and writes tensors; the ending of the path tells the format.
package enum TensorFile {
    enum Format: String, CaseIterable { case npy, npz, safetensors, csv }

    static func format(of path: String) throws(Diagnostic) -> Format {
        guard !path.isEmpty else { throw fileProblem(path, "a name of a file is not empty") }
        let ending = path.split(separator: ".").last.map { $0.lowercased() } ?? ""
        guard let format = Format(rawValue: ending) else {
            throw fileProblem(path, "files of this kind cannot be read or written", help: "use .npy, .npz, .safetensors or .csv")
        }
        return format
    }

    /// Reads a file. A file of one tensor without a name gives it the name "".
    package static func read(_ path: String) throws(Diagnostic) -> TensorArchive {
        let format = try format(of: path)
        let storage = try TensorStorage.reading(path)
        switch format {
        case .npy: return TensorArchive(tensors: [NamedTensor(name: "", tensor: try Npy.read(storage, path: path))])
        case .npz: return try Npz.read(storage, path: path)
        case .safetensors: return try Safetensors.read(storage, path: path)
        case .csv: return TensorArchive(tensors: [NamedTensor(name: "", tensor: try Csv.read(storage, path: path))])
        }
    }

    /// Writes a file whole or not at all.
    ///
    /// - Parameter isDurable: whether it is to be on the disk, with its name, before this returns.
    package static func write(_ archive: TensorArchive, to path: String, isDurable: Bool = false) throws(Diagnostic) {
        switch try format(of: path) {
        case .npy: try writeAtomically(Npy.encoded(try single(archive, path)), to: path, isDurable: isDurable)
        case .npz: try writeAtomically(Npz.encoded(archive), to: path, isDurable: isDurable)
        case .safetensors: try writeAtomically(Safetensors.encoded(archive), to: path, isDurable: isDurable)
        case .csv: try writeAtomically([.bytes(try Csv.encoded(try single(archive, path), path: path))], to: path, isDurable: isDurable)
        }
    }

    private static func single(_ archive: TensorArchive, _ path: String) throws(Diagnostic) -> Tensor {
        guard archive.tensors.count == 1 else {
            throw fileProblem(path, "this format holds one tensor, there are \(archive.tensors.count)", help: "use .npz or .safetensors")
        }
        return archive.tensors[0].tensor
    }
}
