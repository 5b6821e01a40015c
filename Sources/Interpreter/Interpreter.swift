import RecStream
import RecTensors

/// The reference: evaluates a graph in f64, one value and one step at a time, as its definition says.
///
/// Ints are of 64 bits and wrap, as in compiled code.
package struct Interpreter: Sendable {
    private let graph: StreamGraph
    private let nests: [LoopNest]

    /// `graph` keeps the verifier's rules. The values of a recurrence without an order of its steps are NaN.
    package init(_ graph: StreamGraph) {
        self.graph = graph
        nests = graph.loopNests
    }

    /// Outputs `[batch, axes…, dims…]`, losses as the mean over the batch, and each state after its last step.
    package func run(_ data: BoundData) -> ModelResults {
        evaluated(data).results()
    }

    /// Every value of the graph: `[batch, axes…, dims…]` as far as it varies. Complex values have a last axis of two; steps
    /// behind the end of a sequence are zero.
    package func evaluateAll(_ data: BoundData) -> [ValueID: Tensor] {
        let memory = evaluated(data).memory
        return Dictionary(uniqueKeysWithValues: graph.ids.map { ($0, memory.tensor(of: $0)) })
    }

    private func evaluated(_ data: BoundData) -> Evaluation {
        let evaluation = Evaluation(graph, nests, data)
        evaluation.run()
        return evaluation
    }
}
