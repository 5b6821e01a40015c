import Foundation
import Rec
import RecSource

/// All that a training run needs to go on exactly where it was.
///
/// A checkpoint is one `.safetensors` file: `param.PATH` and `moment.K.PATH` in F64, `const.PATH`, and in the metadata the
/// step, the plan, and what the run was made with. So `--params` reads weights off it as off any other file.
public struct Checkpoint: Sendable {
    /// How many steps had been taken.
    public let step: Int
    package let parameters: [TrainedParameter]
    let constants: [String: Tensor]
    /// The form in which each recurrence ran.
    let plan: [String: PlanForm]
    let signature: [String: String]
    /// The dims of the model, and the hash of its program.
    let metadata: [String: String]

    init(
        step: Int, parameters: [TrainedParameter], constants: [String: Tensor], plan: [String: PlanForm],
        signature: [String: String], metadata: [String: String]
    ) {
        self.step = step
        self.parameters = parameters
        self.constants = constants
        self.plan = plan
        self.signature = signature
        self.metadata = metadata
    }

    /// No run has more.
    private static let mostSteps = 1 << 40

    /// Where a folder has its checkpoint.
    public static func path(in folder: String) -> String { URL(fileURLWithPath: folder).appendingPathComponent("checkpoint.safetensors").path }

    /// The checkpoint of a folder; nil where there is none yet. What a run that was killed left half written is removed.
    ///
    /// - Throws: where the file cannot be read, or is no checkpoint.
    public static func read(from folder: String) throws(DiagnosticList) -> Checkpoint? {
        let path = path(in: folder)
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        where name.hasPrefix("checkpoint.safetensors.") && name.hasSuffix(".tmp") {
            try? FileManager.default.removeItem(atPath: URL(fileURLWithPath: folder).appendingPathComponent(name).path)
        }
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        return try reportingProblems { try Checkpoint(TensorFile.read(path), path: path) }
    }

    /// Writes the file whole or not at all: after a crash or a loss of power the folder has the new checkpoint, or the one
    /// before.
    ///
    /// - Throws: where it cannot be written.
    public func write(to folder: String) throws(DiagnosticList) {
        do { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) } catch {
            throw DiagnosticList(.fileProblem, "\(folder): the folder cannot be made")
        }
        var archive = TensorArchive()
        for parameter in parameters {
            archive.tensors.append(NamedTensor(name: "param.\(parameter.path)", tensor: Tensor(parameter.values, shape: parameter.shape)))
            for (k, moment) in parameter.moments.enumerated() {
                archive.tensors.append(NamedTensor(name: "moment.\(k).\(parameter.path)", tensor: Tensor(moment, shape: parameter.shape)))
            }
        }
        for (path, tensor) in constants.sorted(by: { $0.key < $1.key }) {
            archive.tensors.append(NamedTensor(name: "const.\(path)", tensor: tensor))
        }
        archive.metadata = signature.reduce(into: metadata) { $0["run.\($1.key)"] = $1.value }
        archive.metadata["step"] = "\(step)"
        for (state, form) in plan { archive.metadata["plan.\(state)"] = form.text }
        let path = Self.path(in: folder)
        let whole = archive
        try reportingProblems { try TensorFile.write(whole, to: path, isDurable: true) }
    }

    private init(_ archive: TensorArchive, path: String) throws(Diagnostic) {
        func broken(_ reason: String) -> Diagnostic { Diagnostic(.fileProblem, "\(path): \(reason)", at: nil, help: "this is no checkpoint") }
        guard let step = archive.metadata["step"].flatMap({ Int($0) }), (0...Self.mostSteps).contains(step) else { throw broken("the number of the step is missing") }
        self.step = step
        var signature: [String: String] = [:]
        var plan: [String: PlanForm] = [:]
        for (key, text) in archive.metadata {
            if key.hasPrefix("run.") { signature[String(key.dropFirst("run.".count))] = text }
            if key.hasPrefix("plan.") {
                guard let form = PlanForm(text) else { throw broken("'\(text)' is no plan") }
                plan[String(key.dropFirst("plan.".count))] = form
            }
        }
        self.signature = signature
        metadata = archive.metadata.filter { ["dims", "program"].contains($0.key) }
        self.plan = plan
        var parameters: [TrainedParameter] = []
        var constants: [String: Tensor] = [:]
        for item in archive.tensors {
            if item.name.hasPrefix("const.") { constants[String(item.name.dropFirst("const.".count))] = item.tensor }
            guard item.name.hasPrefix("param.") else { continue }
            let name = String(item.name.dropFirst("param.".count))
            var moments: [[Double]] = []
            while let moment = archive["moment.\(moments.count).\(name)"] {
                guard moment.shape == item.tensor.shape else { throw broken("the moments of '\(name)' have another shape than it") }
                moments.append(moment.doubles())
            }
            var parameter = TrainedParameter(path: name, shape: item.tensor.shape, values: item.tensor.doubles(), momentCount: 0)
            parameter.moments = moments
            parameters.append(parameter)
        }
        self.parameters = parameters
        self.constants = constants
    }

    /// Refuses to go on with anything but the run that was stopped.
    func check(against wanted: [String: String], _ fresh: [TrainedParameter]) throws(Diagnostic) {
        for (key, text) in wanted.sorted(by: { $0.key < $1.key }) where signature[key] != text {
            let before = signature[key] ?? "unknown"
            let difference = key == "model" || key == "data" ? "the \(key) differ\(key == "model" ? "s" : "")" : "the \(key) was \(before), and is now \(text)"
            throw Diagnostic(
                .checkpointMismatch, "the checkpoint is one of another run: \(difference)", at: nil,
                help: "give the same options as before, or another folder; '--params' starts a new run from its weights")
        }
        let fits = parameters.map(\.path) == fresh.map(\.path) && zip(parameters, fresh).allSatisfy {
            $0.shape == $1.shape && $0.moments.count == $1.moments.count
        }
        guard fits else { throw Diagnostic(.checkpointMismatch, "the checkpoint has other parameters than the model", at: nil) }
    }
}
