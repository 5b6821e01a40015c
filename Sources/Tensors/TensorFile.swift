import RecSource

/// The tensors of a file, in its order, and the text that describes them.
package struct TensorArchive: Sendable {
    package var tensors: [NamedTensor]
    package var metadata: [String: String]

    package init(tensors: [NamedTensor] = [], metadata: [String: String] = [:]) {
        self.tensors = tensors
        self.metadata = metadata
    }

    package subscript(_ name: String) -> Tensor? { tensors.first { $0.name == name }?.tensor }
}

/// Reads and writes tensors; the ending of the path tells the format.
package enum TensorFile {
    enum Format: String, CaseIterable { case npy, npz, safetensors, csv }

    static func format(of path: String) throws(Diagnostic) -> Format {
        let ending = path.split(separator: ".").last.map { $0.lowercased() } ?? ""
        guard let format = Format(rawValue: ending) else {
            throw fileProblem(path, "files of this kind cannot be read or written", help: "use .npy, .npz, .safetensors or .csv")
        }
        return format
    }

    /// Reads a file. A file of one tensor without a name gives it the name "".
    package static func read(_ path: String) throws(Diagnostic) -> TensorArchive {
        let format = try format(of: path)
        let storage = try TensorStorage.mapping(path)
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
