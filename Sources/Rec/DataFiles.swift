import RecSource
import RecTensors
import RecTyping

/// The files that a command reads its data from: a case, and weights.
package struct DataFiles: Sendable {
    /// What the case has, and the weights among its parameters.
    package private(set) var file = CaseFile(ModelData(), outputs: [])
    private var caseNames: TensorNames?
    private var weightNames: [TensorNames] = []

    /// Reads the files. Weights are named by path, with `param.` or `const.` in front or without.
    package init(case path: String?, weights paths: [String] = []) throws(DiagnosticList) {
        if let path {
            file = try CaseFile(path: path)
            caseNames = TensorNames(path: path, names: file.names)
        }
        for path in paths {
            let archive = try TensorArchive(path: path)
            try file.data.addParameters(archive, path)
            weightNames.append(TensorNames(path: path, names: archive.tensors.map(\.name)))
        }
    }

    /// The model, with its dims as they are given, else as the case states them, else read off the tensors.
    ///
    /// - Parameters:
    ///   - passesOver: whether tensors that the model has no use for are passed over.
    ///   - usesResults: whether expected results are used, and not data alone.
    ///   - data: all data, where there are others than those of the files.
    /// - Throws: `DiagnosticList`, with the id `unknown-tensor` for tensors that the model has no use for.
    package mutating func model(
        _ program: Program, named name: String? = nil, dims: [String: Int], passingOverUnknown passesOver: Bool,
        usingResults usesResults: Bool = false, fitting data: ModelData? = nil, times: PassTimes? = nil
    ) throws(DiagnosticList) -> Model {
        let typed = try program.model(named: name)
        if !passesOver, let caseNames {
            // First, as without its data a model may lack dims.
            try Self.check([caseNames.unknownInputs(of: typed)])
        }
        let stated = file.dims.filter { typed.dims.contains($0.key) }
        let model = try Model(
            program, named: name, dims: stated.merging(dims) { $1 }, fitting: data ?? file.data, times: times)
        if !passesOver {
            try Self.check([caseNames?.unknown(to: model, usingResults: usesResults)] + weightNames.map { $0.unknownWeights(of: model) })
        }
        file.data.inputs = file.data.inputs.filter { input in typed.inputs.contains { $0.name == input.key } }
        return model
    }

    private static func check(_ problems: [Diagnostic?]) throws(DiagnosticList) {
        let found = problems.compactMap { $0 }
        if !found.isEmpty { throw DiagnosticList(found) }
    }
}
