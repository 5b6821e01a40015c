import RecSource
import RecTensors

/// A file with data for a model, and perhaps with the results they should give: tensors `input.NAME`, `once.NAME`,
/// `param.PATH`, `const.PATH`, `lengths`, `output.NAME`, `loss.NAME`, `final.STATE`, `cotangent.NAME`, `grad.NAME`.
public struct CaseFile: Sendable {
    /// Inputs, parameters and lengths.
    public var data = ModelData()
    /// Expected outputs.
    public var outputs: [NamedTensor] = []
    /// Expected losses.
    public var losses: [NamedTensor] = []
    /// Expected states after the last step.
    public var finalStates: [NamedTensor] = []
    /// Expected gradients: of the losses, or of `sum(output * cotangent)` where the file has cotangents.
    public var gradients: [NamedTensor] = []
    /// By output; for the last value of a state by `final.STATE`.
    public var cotangents: [String: Tensor] = [:]
    /// Dims that the file's metadata give (`dims: "D=5,H=7"`).
    public var dims: [String: Int] = [:]
    /// The names of all tensors, as they stand in the file.
    package private(set) var names: [String] = []

    /// A case that is put together in memory.
    public init(_ data: ModelData, outputs: [NamedTensor]) {
        self.data = data
        self.outputs = outputs
    }

    /// Reads a `.safetensors` or `.npz` file.
    ///
    /// - Throws: where the file cannot be read, or is no case.
    public init(path: String) throws(DiagnosticList) {
        self = try reportingProblems { try CaseFile(TensorFile.read(path), path) }
    }

    private init(_ archive: TensorArchive, _ path: String) throws(Diagnostic) {
        if let only = archive.tensors.first, only.name.isEmpty, archive.tensors.count == 1 {
            throw Diagnostic(.fileProblem, "\(path): a case has tensors with names", at: nil, help: "use .npz or .safetensors")
        }
        names = archive.tensors.map(\.name)
        for item in archive.tensors {
            guard let dot = item.name.firstIndex(of: ".") else {
                if item.name == "lengths" { data.lengths = try Self.lengths(item.tensor, path) }
                continue
            }
            let name = String(item.name[item.name.index(after: dot)...])
            let tensor = NamedTensor(name: name, tensor: item.tensor)
            switch item.name[..<dot] {
            case "input", "once": data.inputs[name] = item.tensor
            case "param", "const": data.parameters[name] = item.tensor
            case "output": outputs.append(tensor)
            case "loss": losses.append(tensor)
            case "final": finalStates.append(tensor)
            case "grad": gradients.append(tensor)
            case "cotangent": cotangents[name] = item.tensor
            default: break
            }
        }
        dims = try Self.dims(archive.metadata["dims"] ?? "", path)
    }
}

extension CaseFile {
    private static func lengths(_ tensor: Tensor, _ path: String) throws(Diagnostic) -> [Int] {
        var lengths: [Int] = []
        for number in tensor.doubles() {
            guard let length = Int(exactly: number), length >= 0 else {
                throw Diagnostic(.badData, "\(path): \(number) is no length of a sequence", at: nil)
            }
            lengths.append(length)
        }
        return lengths
    }

    /// `D=5,H=7`
    private static func dims(_ text: String, _ path: String) throws(Diagnostic) -> [String: Int] {
        var dims: [String: Int] = [:]
        for pair in text.split(separator: ",") {
            let sides = pair.split(separator: "=").map { $0.drop { $0 == " " }.prefix { $0 != " " } }
            guard sides.count == 2, let value = Int(sides[1]), value > 0 else {
                throw Diagnostic(.fileProblem, "\(path): '\(pair)' in the metadata 'dims' is no dim", at: nil, help: "write them as D=5,H=7")
            }
            dims[String(sides[0])] = value
        }
        return dims
    }
}

extension ModelData {
    /// Adds the tensors of weights files, named by path, with `param.` or `const.` in front or without.
    ///
    /// - Throws: where a file cannot be read, or its tensors have no names.
    public mutating func addParameters(from paths: [String]) throws(DiagnosticList) {
        for path in paths { try addParameters(TensorArchive(path: path), path) }
    }

    mutating func addParameters(_ archive: TensorArchive, _ path: String) throws(DiagnosticList) {
        for item in archive.tensors {
            guard !item.name.isEmpty else {
                throw DiagnosticList(.fileProblem, "\(path): parameters have names", help: "use .npz or .safetensors")
            }
            parameters[item.name] = item.tensor
            for prefix in ["param.", "const."] where item.name.hasPrefix(prefix) {
                parameters[String(item.name.dropFirst(prefix.count))] = item.tensor
            }
        }
    }
}
