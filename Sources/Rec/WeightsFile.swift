import RecSource
import RecTensors

extension Model {
    /// Parameters as a file of weights has them: by the names by which they were read, else by those that the source gives, with
    /// the model's dims and the hash of the program in the metadata.
    ///
    /// Parameters that share a tensor of the file stand there once where they are still the same, and by path where not.
    ///
    /// - Parameters:
    ///   - parameters: by path.
    ///   - given: what was read, by the names that the files have.
    package func archive(of parameters: [String: Tensor], readFrom given: [String: Tensor] = [:]) -> TensorArchive {
        let names = fileNames(readFrom: given)
        let paths = Dictionary(grouping: parameters.keys.sorted()) { names[$0] ?? $0 }
        var tensors: [NamedTensor] = []
        for (name, paths) in paths.sorted(by: { $0.key < $1.key }) {
            guard let first = paths.first, let tensor = parameters[first] else { continue }
            let isPath = !paths.contains(name) && parameters[name] != nil
            if !isPath, paths.allSatisfy({ parameters[$0]?.hasBytes(of: tensor) ?? false }) {
                tensors.append(NamedTensor(name: name, tensor: tensor))
            } else {
                tensors += paths.compactMap { path in parameters[path].map { NamedTensor(name: path, tensor: $0) } }
            }
        }
        return TensorArchive(tensors: tensors, metadata: fileMetadata)
    }

    /// The name of each parameter's tensor in a file, by path.
    package func fileNames(readFrom given: [String: Tensor] = [:]) -> [String: String] {
        var names: [String: String] = [:]
        for value in graph.values {
            guard case .parameter(let info) = value.operation else { continue }
            // What is called `param.PATH` says what it is, and not what it is called elsewhere.
            let isByPath = given[info.path] != nil && given["param.\(info.path)"] == nil && given["const.\(info.path)"] == nil
            names[info.path] = isByPath ? info.path : info.tensorName ?? info.path
        }
        return names
    }

    /// `dims`, all of them, and the hash of the `program`.
    package var fileMetadata: [String: String] {
        var metadata = ["program": program.hash]
        let sizes = sizes
        let known = typed.dims.compactMap { dim in sizes[dim].map { "\(dim)=\($0)" } }
        if !known.isEmpty { metadata["dims"] = known.joined(separator: ",") }
        return metadata
    }

    /// The dims by name, those with a default among them.
    package var sizes: [String: Int] {
        var sizes = dims
        for dim in typed.dims where sizes[dim] == nil { sizes[dim] = typed.defaults[dim]?.evaluate(sizes) }
        return sizes
    }
}

extension Program {
    /// SHA-256 of the texts of the program's files, one behind the other, in hexadecimal digits.
    package var hash: String {
        SHA256.hash(sources.files.flatMap { Array($0.text.utf8) }).map { byte in
            String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
        }.joined()
    }
}

extension Tensor {
    fileprivate func hasBytes(of other: Tensor) -> Bool {
        shape == other.shape && type == other.type
            && withUnsafeBytes { mine in other.withUnsafeBytes { mine.elementsEqual($0) } }
    }
}
