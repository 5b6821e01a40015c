import RecSource
import RecStream
import RecTensors
import RecTyping

/// The names of a file's tensors, held against those that a model knows. A name that it does not know is nearly always one
/// that was misspelt, and passing over it would give other results without a word.
struct TensorNames: Sendable {
    let path: String
    let names: [String]
    /// Whether names do not say of what kind they are, and are those of the model.
    var isPlain = false

    /// What stands in front of the names of data, and of results. Of two kinds of one row either will do.
    private static let dataKinds: [Set<String>] = [["input", "once"], ["param", "const"]]
    private static let resultKinds: Set = ["output", "loss", "final", "grad", "cotangent"]

    /// Data for inputs that a model does not have; nil where there are none.
    func unknownInputs(of model: TypedModel) -> Diagnostic? {
        let inputs = model.inputs.map { ($0.isOnce ? "once" : "input", $0.name) }
        let wrong = names.filter { name in
            let (kind, rest) = Self.parts(name)
            return (kind == "input" || kind == "once") && rest != DrawSeed.name && !inputs.contains { $0.1 == rest }
        }
        return problem(wrong, model.name, among: inputs.map { "\($0.0).\($0.1)" })
    }

    /// Tensors of a case that a model does not know; nil where there are none.
    ///
    /// - Parameter usesResults: whether results count, or are passed over.
    func unknown(to model: Model, usingResults usesResults: Bool) -> Diagnostic? {
        let known = KnownNames(model.graph)
        let wrong = names.filter { name in
            let (kind, rest) = Self.parts(name)
            if let kinds = Self.dataKinds.first(where: { $0.contains(kind) }) {
                return !known.data.contains { kinds.contains(Self.parts($0).kind) && Self.parts($0).rest == rest }
            }
            if Self.resultKinds.contains(kind) { return usesResults && !known.results.contains(name) }
            return name != "lengths" && kind != "lengths" && !(isPlain && known.plain.contains(name))
        }
        return problem(
            wrong, model.graph.name,
            among: (isPlain ? known.plain : known.data) + ["lengths"] + (usesResults && !isPlain ? known.results : []))
    }

    /// Expected results that a model does not have, in words; nil where there are none.
    func unknownResults(of model: Model) -> String? {
        let known = KnownNames(model.graph).results
        let wrong = names.filter { Self.resultKinds.contains(Self.parts($0).kind) && !known.contains($0) }
        return problem(wrong, model.graph.name, among: known).map { "\($0.message)\($0.help.map { "; \($0)" } ?? "")" }
    }

    /// Tensors of a file of weights that a model has no parameter for; nil where there are none. A file that says by `param.`
    /// what is a parameter, as a case or a checkpoint does, may have other things as well.
    func unknownWeights(of model: Model) -> Diagnostic? {
        let known = KnownNames(model.graph).parameters
        func isParameter(_ name: String) -> Bool { ["param", "const"].contains(Self.parts(name).kind) }
        let some = names.contains(where: isParameter) ? names.filter(isParameter) : names
        let all = Set(known)
        let wrong = some.filter { !all.contains($0) && !(isParameter($0) && all.contains(Self.parts($0).rest)) }
        return problem(wrong, model.graph.name, among: known)
    }

    /// `input`, `h0`
    private static func parts(_ name: String) -> (kind: String, rest: String) {
        guard let dot = name.firstIndex(of: ".") else { return ("", name) }
        return (String(name[..<dot]), String(name[name.index(after: dot)...]))
    }

    private func problem(_ wrong: [String], _ model: String, among known: [String]) -> Diagnostic? {
        guard let first = wrong.first else { return nil }
        let shown = wrong.prefix(5).map { "'\($0)'" }.joined(separator: ", ")
        let what = wrong.count == 1 ? "the tensor \(shown)" : "\(wrong.count) tensors: \(shown)\(wrong.count > 5 ? ", …" : "")"
        let named = wrong.lazy.compactMap { name in Self.meant(name, known).map { (name, $0) } }.first
        let help: String
        if let named {
            help = named.0 == first && wrong.count == 1 ? "did you mean '\(named.1)'?" : "did you mean '\(named.1)' by '\(named.0)'?"
        } else if known.isEmpty {
            help = "it takes none"
        } else {
            help = "it knows \(known.prefix(8).joined(separator: ", "))\(known.count > 8 ? ", …" : "")"
        }
        return Diagnostic(
            .unknownTensor, "\(path): '\(model)' has no use for \(what)", at: nil,
            help: "\(help) (--allow-unused passes over what a model has no use for)")
    }

    /// The known name that was most likely meant: the same under another kind, else the nearest.
    private static func meant(_ name: String, _ known: [String]) -> String? {
        let (kind, rest) = parts(name)
        let isKind = dataKinds.contains { $0.contains(kind) } || resultKinds.contains(kind)
        return known.first { parts($0).rest == (isKind ? rest : name) && $0 != name } ?? nearest(name, among: known)
    }
}

extension StreamGraph {
    /// The path of the parameter that goes by a name, its path or that of its tensor; nil where there is none.
    package func parameterPath(_ name: String) -> String? {
        let infos = values.lazy.compactMap { if case .parameter(let info) = $0.operation { info } else { nil } }
        return (infos.first { $0.path == name } ?? infos.first { $0.tensorName == name })?.path
    }

    /// What results call the gradient of something that goes by a name: for parameters by either of their names.
    package func gradientName(_ name: String) -> String {
        let isInput = values.contains { if case .input(name, _) = $0.operation { true } else { false } }
        return isInput ? name : parameterPath(name) ?? name
    }
}

extension Model {
    /// Parameters that are not among those given, each told with what there is instead.
    func missingParameters(_ given: [String: Tensor]) -> [Diagnostic] {
        do {
            _ = try BoundData.parameters(given, for: graph)
            return []
        } catch { return error.diagnostics.filter { $0.id == .missingTensor } }
    }
}

/// The names that tensors of files have for a graph.
private struct KnownNames {
    /// By kind: `input.x`, `once.h0`, `param.W`.
    var data: [String] = []
    /// Paths of parameters, and the names that the source gives their tensors.
    var parameters: [String] = []
    var results: [String] = []
    /// By no kind: inputs, parameters, outputs and losses.
    var plain: [String] = []

    init(_ graph: StreamGraph) {
        var inputs: [String] = []
        for value in graph.values {
            switch value.operation {
            case .input(let name, _):
                data.append("\(value.variance.isStream ? "input" : "once").\(name)")
                inputs.append(name)
            case .parameter(let info):
                for name in info.names {
                    data.append("\(info.isTrained ? "param" : "const").\(name)")
                    parameters.append(name)
                }
            case .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window,
                .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                break
            }
        }
        plain = inputs + parameters + graph.outputs.map(\.name) + graph.losses.map(\.name)
        let states = graph.states.map { "final.\($0.name)" }
        results = graph.outputs.map { "output.\($0.name)" } + graph.losses.map { "loss.\($0.name)" } + states
        results += (inputs + parameters + graph.states.map { "initial.\($0.name)" }).map { "grad.\($0)" }
        results += (graph.outputs.map(\.name) + states).map { "cotangent.\($0)" }
    }
}
