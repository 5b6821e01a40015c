/// What a user gives a model: streams and once inputs by name, parameters by path.
public struct ModelData: Sendable {
    /// `[batch, t, …]` for streams, `[batch, …]` for once inputs; without a batch axis the batch is 1.
    public var inputs: [String: Tensor] = [:]
    public var parameters: [String: Tensor] = [:]
    /// The length of each sequence of the batch; nil where all have the full length.
    public var lengths: [Int]?

    public init(inputs: [String: Tensor] = [:], parameters: [String: Tensor] = [:], lengths: [Int]? = nil) {
        self.inputs = inputs
        self.parameters = parameters
        self.lengths = lengths
    }
}

public struct NamedTensor: Sendable {
    public var name: String
    public var tensor: Tensor
    public init(name: String, tensor: Tensor) {
        self.name = name
        self.tensor = tensor
    }
}

/// What a run gives: outputs and losses in the order of the source, each state after its last step.
///
/// Complex tensors have a last axis of two, the real and the imaginary part. Steps past the end of a sequence are zero.
public struct ModelResults: Sendable {
    public var outputs: [NamedTensor]
    /// Scalars: each the mean over the batch.
    public var losses: [NamedTensor]
    /// `[batch, …]` by state name.
    public var finalStates: [NamedTensor]

    public init(outputs: [NamedTensor], losses: [NamedTensor], finalStates: [NamedTensor]) {
        self.outputs = outputs
        self.losses = losses
        self.finalStates = finalStates
    }
}
