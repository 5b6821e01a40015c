/// What a user gives a model: streams and once inputs by name, parameters by path.
package struct ModelData: Sendable {
    /// `[batch, t, …]` for streams, `[batch, …]` for once inputs; without a batch axis the batch is 1.
    package var inputs: [String: Tensor] = [:]
    package var parameters: [String: Tensor] = [:]
    /// The length of each sequence of the batch; nil where all have the full length.
    package var lengths: [Int]?

    package init(inputs: [String: Tensor] = [:], parameters: [String: Tensor] = [:], lengths: [Int]? = nil) {
        self.inputs = inputs
        self.parameters = parameters
        self.lengths = lengths
    }
}

package struct NamedTensor: Sendable {
    package var name: String
    package var tensor: Tensor
    package init(name: String, tensor: Tensor) {
        self.name = name
        self.tensor = tensor
    }
}

/// What a run gives: outputs and losses in the order of the source, each state after its last step.
///
/// Complex tensors have a last axis of two, the real and the imaginary part. Steps past the end of a sequence are zero.
package struct ModelResults: Sendable {
    package var outputs: [NamedTensor]
    /// Scalars: each the mean over the batch.
    package var losses: [NamedTensor]
    /// `[batch, …]` by state name.
    package var finalStates: [NamedTensor]

    package init(outputs: [NamedTensor], losses: [NamedTensor], finalStates: [NamedTensor]) {
        self.outputs = outputs
        self.losses = losses
        self.finalStates = finalStates
    }
}
