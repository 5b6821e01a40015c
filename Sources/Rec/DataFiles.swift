import RecSource
import RecStream
import RecTensors
import RecTyping

/// The files that a command reads its data from: a case, and weights.
package struct DataFiles: Sendable {
    /// What the case has, and the weights among its parameters.
    package private(set) var file = CaseFile(ModelData(), outputs: [])
    private var caseNames: TensorNames?
    private var weightNames: [TensorNames] = []
    /// Dims that the metadata of weights state.
    private var weightDims: [String: Int] = [:]

    /// Reads the files. Weights are named by path, with `param.` or `const.` in front or without.
    ///
    /// - Parameter model: what the names of a case stand for where they do not say of what kind they are.
    package init(case path: String?, weights paths: [String] = [], for model: TypedModel) throws(DiagnosticList) {
        if let path {
            file = try CaseFile(path: path)
            try file.assignPlain(to: model)
            file.data.inputs = file.data.inputs.filter { input in input.key == DrawSeed.name || model.inputs.contains { $0.name == input.key } }
            caseNames = TensorNames(path: path, names: file.names, isPlain: file.isPlain)
        }
        for path in paths {
            let archive = try TensorArchive(path: path)
            try file.data.addParameters(archive, path)
            do { try weightDims.merge(archive.dims(path)) { $1 } } catch { throw DiagnosticList([error]) }
            weightNames.append(TensorNames(path: path, names: archive.tensors.map(\.name)))
        }
    }

    /// The model, with its dims as they are given, else as the case or the weights state them, else read off the tensors.
    ///
    /// - Parameters:
    ///   - passesOver: whether tensors that the model has no use for are passed over.
    ///   - fills: whether parameters that are missing start from their initialisers, and are no errors.
    ///   - usesResults: whether expected results are used, and not data alone.
    ///   - data: all data, where there are others than those of the files.
    ///   - needsInputs: whether inputs that are missing are a mistake, and not to be made up.
    /// - Throws: `DiagnosticList`, with the id `unknown-tensor` for tensors that the model has no use for.
    package func model(
        _ program: Program, named name: String? = nil, dims: [String: Int], passingOverUnknown passesOver: Bool,
        fillingMissing fills: Bool = false, usingResults usesResults: Bool = false, fitting data: ModelData? = nil, needingInputs needsInputs: Bool = false,
        times: PassTimes? = nil
    ) throws(DiagnosticList) -> Model {
        let typed = try program.model(named: name)
        if !passesOver, let caseNames {
            // First, as without its data a model may lack dims.
            try Self.check([caseNames.unknownInputs(of: typed)])
        }
        if !passesOver, let unknown = file.dims.keys.sorted().first(where: { !typed.dims.contains($0) }) {
            let unstated = typed.dims.filter { file.dims[$0] == nil }
            let known = nearest(unknown, among: unstated).map { "did you mean '\($0)'?" }
                ?? (typed.dims.isEmpty ? "it has none" : "its dims are \(typed.dims.joined(separator: ", "))")
            throw DiagnosticList(
                .unknownDim, "'\(typed.name)' has no dim '\(unknown)', which the metadata of the case give",
                help: "\(known) (--allow-unused passes over what a model has no use for)")
        }
        let stated = weightDims.merging(file.dims) { $1 }.filter { typed.dims.contains($0.key) }
        let model = try Model(
            program, named: name, dims: stated.merging(dims) { $1 }, fitting: data ?? file.data, needingInputs: needsInputs, times: times)
        if !passesOver {
            let parameters = (data ?? file.data).parameters
            let weights = weightNames.map { $0.unknownWeights(of: model) }
            // What is missing beside them was most likely to be found under one of these names.
            let missing = fills || weights.allSatisfy { $0 == nil } ? [] : model.missingParameters(parameters)
            try Self.check([caseNames?.unknown(to: model, usingResults: usesResults)] + weights + missing)
        }
        return model
    }

    /// Expected results of the case that the model does not have, in words, where results are not used; nil where there are none.
    package func unknownResults(of model: Model) -> String? { caseNames?.unknownResults(of: model) }

    private static func check(_ problems: [Diagnostic?]) throws(DiagnosticList) {
        let found = problems.compactMap { $0 }
        if !found.isEmpty { throw DiagnosticList(found) }
    }
}
