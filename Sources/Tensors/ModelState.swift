import RecSource

/// What a run needs of the steps before its first one: the states, and all that is read some steps back.
///
/// ```swift
/// var state = ModelState()
/// for piece in pieces {
///     let results = try model.run(ModelData(inputs: ["x": piece]), state: state)
///     state = results.state ?? state
/// }
/// ```
///
/// It fits every plan, engine and stream of the same program with the same dims, in either precision.
public struct ModelState: Sendable {
    /// By the name of the state, `[batch, …]`; of what is read several steps back also the steps before, as in `h[t-1]`. Empty before
    /// the first step of a sequence.
    public let tensors: [NamedTensor]
    /// Tells the program, with its dims, from others.
    package let program: String
    package let dims: [String: Int]
    /// Numbers that an output gave at the last step, `[1, …]`, of a state that a sampler has written: what comes next is drawn from them, or
    /// is they.
    package var lastOutput: NamedTensor?
    /// Where the draws of that sampler were.
    package var draws: SeededGenerator?

    /// The state before the first step.
    public init() {
        tensors = []
        program = ""
        dims = [:]
    }

    package init(_ tensors: [NamedTensor], program: String, dims: [String: Int]) {
        self.tensors = tensors
        self.program = program
        self.dims = dims
    }

    /// Whether no step was taken yet.
    public var isBeginning: Bool { tensors.isEmpty }

    /// What earlier versions called `NAME from %38`, as the value begins with a number that has no name; nil where there is no such tensor.
    package func formerly(_ name: String) -> Tensor? {
        let found = tensors.filter { $0.name.hasPrefix("\(name) from %") }
        return found.count == 1 ? found[0].tensor : nil
    }

    // MARK: Files

    /// With what a sampler goes on from it is 2.
    private static let versions = ["1", "2"]
    /// The name of the tensor of `lastOutput`, as the language writes it: `last[t](y)`.
    private static let lastName = (before: "last[t](", behind: ")")

    /// Reads a file that `write` has written.
    ///
    /// - Throws: where the file cannot be read, is no state, or one of another version.
    public init(path: String) throws(DiagnosticList) {
        let archive = try TensorArchive(path: path)
        guard let version = archive.metadata["state"] else {
            throw DiagnosticList(.fileProblem, "\(path): this is no state of a model", help: "'--save-state' writes one")
        }
        guard Self.versions.contains(version) else {
            throw DiagnosticList(.fileProblem, "\(path): the state is of version \(version), and versions \(Self.versions.joined(separator: " and ")) can be read")
        }
        func isLast(_ name: String) -> Bool { name.hasPrefix(Self.lastName.before) && name.hasSuffix(Self.lastName.behind) }
        tensors = archive.tensors.filter { !isLast($0.name) }
        if let last = archive.tensors.first(where: { isLast($0.name) }) {
            let name = last.name.dropFirst(Self.lastName.before.count).dropLast(Self.lastName.behind.count)
            lastOutput = NamedTensor(name: String(name), tensor: last.tensor)
        }
        if let text = archive.metadata["draws"] {
            guard let found = SeededGenerator(text: text) else { throw DiagnosticList(.fileProblem, "\(path): where the draws were is damaged: '\(text.prefix(40))'") }
            draws = found
        }
        program = archive.metadata["program"] ?? ""
        var dims: [String: Int] = [:]
        for pair in (archive.metadata["dims"] ?? "").split(separator: ",") {
            let sides = pair.split(separator: "=")
            if sides.count == 2, let size = Int(sides[1]) { dims[String(sides[0])] = size }
        }
        self.dims = dims
    }

    /// Writes a `.safetensors` file, whole or not at all.
    ///
    /// - Throws: where it cannot be written.
    public func write(to path: String) throws(DiagnosticList) {
        guard path.hasSuffix(".safetensors") else {
            throw DiagnosticList(.fileProblem, "\(path): a state is written as .safetensors, which says of what program it is")
        }
        let sizes = dims.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
        var metadata = ["state": Self.versions[lastOutput == nil ? 0 : 1], "program": program, "dims": sizes]
        if let draws { metadata["draws"] = draws.text }
        let last = lastOutput.map { [NamedTensor(name: Self.lastName.before + $0.name + Self.lastName.behind, tensor: $0.tensor)] } ?? []
        try TensorArchive(tensors: tensors + last, metadata: metadata).write(to: path)
    }
}
