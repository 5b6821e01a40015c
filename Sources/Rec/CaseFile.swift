import RecSource
import RecStream
import RecTensors
import RecTyping

/// A file with data for a model, and perhaps with the results they should give: tensors `input.NAME`, `once.NAME`,
/// `param.PATH`, `const.PATH`, `lengths`, `lengths.AXIS`, `output.NAME`, `loss.NAME`, `final.STATE`, `cotangent.NAME`, `grad.NAME`. Where no name of
/// the file says of what kind it is, names are those of the model: `x`, `h`.
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
    /// The tensors of a file whose names do not say what kind they are.
    private var plain: [NamedTensor] = []
    /// Whether no name of the file says what kind it is.
    package var isPlain: Bool { !plain.isEmpty }

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
            throw Diagnostic(.fileProblem, "\(path): a case has tensors with names", at: nil, help: "use .npz or .safetensors; a table goes to an input: --input x=\(path)")
        }
        names = archive.tensors.map(\.name)
        if !names.contains(where: Self.saysItsKind) { plain = archive.tensors.filter { $0.name != "lengths" } }
        for item in archive.tensors {
            guard let dot = item.name.firstIndex(of: ".") else {
                if item.name == "lengths" { data.lengths = try Self.lengths(item.tensor, path) }
                continue
            }
            let name = String(item.name[item.name.index(after: dot)...])
            let tensor = NamedTensor(name: name, tensor: item.tensor)
            switch item.name[..<dot] {
            case "input", "once": data.inputs[name] = item.tensor
            case "lengths" where plain.isEmpty: data.lengthsByAxis[name] = try Self.lengths(item.tensor, path)
            case "param", "const": data.parameters[name] = item.tensor
            case "output": outputs.append(tensor)
            case "loss": losses.append(tensor)
            case "final": finalStates.append(tensor)
            case "grad": gradients.append(tensor)
            case "cotangent": cotangents[name] = item.tensor
            default: break
            }
        }
        dims = try archive.dims(path)
    }
}

extension CaseFile {
    /// `input.x`
    private static func saysItsKind(_ name: String) -> Bool {
        guard let dot = name.firstIndex(of: ".") else { return false }
        return ["input", "once", "param", "const", "output", "loss", "final", "cotangent", "grad"].contains(name[..<dot])
    }

    /// Takes the tensors of a file that does not say what kind they are for what the model calls so; the rest may be parameters.
    ///
    /// - Throws: where lengths are none.
    mutating func assignPlain(to model: TypedModel) throws(DiagnosticList) {
        for item in plain {
            // A layer may be called so, too.
            if item.name.hasPrefix("lengths."), case let axis = String(item.name.dropFirst("lengths.".count)), model.axes.contains(where: { $0.name == axis }) {
                do { data.lengthsByAxis[axis] = try Self.lengths(item.tensor, item.name) } catch { throw DiagnosticList([error]) }
                continue
            }
            if item.name == DrawSeed.name || model.inputs.contains(where: { $0.name == item.name }) {
                data.inputs[item.name] = item.tensor
            } else if model.losses.contains(where: { $0.name == item.name }) {
                losses.append(item)
            } else if model.outputs.contains(where: { $0.name == item.name }) {
                outputs.append(item)
            } else {
                data.parameters[item.name] = item.tensor
            }
        }
    }

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
}

extension TensorArchive {
    /// Dims of the metadata: `D=5,H=7`.
    func dims(_ path: String) throws(Diagnostic) -> [String: Int] {
        var dims: [String: Int] = [:]
        for pair in (metadata["dims"] ?? "").split(separator: ",") {
            let sides = pair.split(separator: "=").map { $0.drop { $0 == " " }.prefix { $0 != " " } }
            guard sides.count == 2, let value = Int(sides[1]), value > 0 else {
                throw Diagnostic(.fileProblem, "\(path): '\(pair)' in the metadata 'dims' is no dim", at: nil, help: "write them as D=5,H=7")
            }
            guard dims.updateValue(value, forKey: String(sides[0])) == nil else {
                throw Diagnostic(.fileProblem, "\(path): the metadata 'dims' give '\(sides[0])' twice", at: nil, help: "give each dim once")
            }
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
