import RecSource

/// What a user gives a model: streams and once inputs by name, parameters by path.
///
/// Names and shapes are checked when a model takes the data.
public struct ModelData: Sendable {
    /// `[batch, t, …]` for streams, `[batch, …]` for once inputs; without a batch axis the batch is 1.
    public var inputs: [String: Tensor] = [:]
    /// In the shapes of the source, by path: `W`, `encoder.W`.
    public var parameters: [String: Tensor] = [:]
    /// The length of each sequence of the batch in steps, along the first axis; nil where all have the full length.
    public var lengths: [Int]?
    /// The same along other axes, by name, and along the first where `lengths` is nil: `["s": [7, 5]]`.
    public var lengthsByAxis: [String: [Int]] = [:]

    /// Data of these inputs and parameters.
    public init(inputs: [String: Tensor] = [:], parameters: [String: Tensor] = [:], lengths: [Int]? = nil, lengthsByAxis: [String: [Int]] = [:]) {
        self.inputs = inputs
        self.parameters = parameters
        self.lengths = lengths
        self.lengthsByAxis = lengthsByAxis
    }
}

/// A tensor and what it is called.
public struct NamedTensor: Sendable {
    /// An output, a loss, a state, a parameter, or a name in a file.
    public var name: String
    /// The numbers.
    public var tensor: Tensor

    /// A tensor with a name.
    public init(name: String, tensor: Tensor) {
        self.name = name
        self.tensor = tensor
    }
}

/// What a run gives: outputs and losses in the order of the source, each state after its last step.
///
/// Complex tensors have a last axis of two, the real and the imaginary part. Steps past the end of a sequence are zero.
public struct ModelResults: Sendable {
    /// `[batch, t, …]` as far as they vary, in the order of the source.
    public package(set) var outputs: [NamedTensor]
    /// Scalars: each the mean over the batch.
    public package(set) var losses: [NamedTensor]
    /// `[batch, …]` by state name; empty for models over two axes.
    public package(set) var finalStates: [NamedTensor]
    /// From what the next run can go on; nil where the run was not asked for it.
    public package(set) var state: ModelState?
    /// Whether recurrences went step by step that were to run chunk by chunk, as what chunks gave was infinite or NaN.
    package var leftChunks = false
    /// What recurrences took whose steps of different times ran at once, by the state that each was asked for by, or the first of those
    /// that it has.
    public package(set) var solves: [String: SolveReport] = [:]

    package init(outputs: [NamedTensor], losses: [NamedTensor], finalStates: [NamedTensor]) {
        self.outputs = outputs
        self.losses = losses
        self.finalStates = finalStates
    }

    /// The output or loss of this name.
    ///
    /// - Throws: where there is none.
    public subscript(_ name: String) -> Tensor {
        get throws(DiagnosticList) { try (outputs + losses).tensor(named: name, what: "output or loss") }
    }
}

extension [NamedTensor] {
    /// The tensor of this name.
    ///
    /// - Throws: where there is none; the message says what there is.
    package func tensor(named name: String, what: String) throws(DiagnosticList) -> Tensor {
        if let found = first(where: { $0.name == name }) { return found.tensor }
        let names = map(\.name)
        throw DiagnosticList(
            .unknownName, "there is no \(what) '\(name)'",
            help: nearest(name, among: names).map { "did you mean '\($0)'?" }
                ?? (names.isEmpty ? "there is none at all" : "there are \(names.joined(separator: ", "))"))
    }
}
