import RecStream
import RecTensors

/// The reference: evaluates a graph in f64, one value and one step at a time, as its definition says.
public struct Interpreter {
    private let graph: StreamGraph

    /// `graph` is as lowering makes it: values in order, every recurrence with an order of its steps.
    public init(_ graph: StreamGraph) { self.graph = graph }

    public func run(_ data: BoundData) -> ModelResults {
        let run = Evaluation(graph, data)
        run.evaluate()
        return run.results()
    }

    /// Every value of the graph, complex ones with a last axis of two: `[batch, axes…, dims…]` as far as it varies.
    public func evaluateAll(_ data: BoundData) -> [ValueID: Tensor] {
        let run = Evaluation(graph, data)
        run.evaluate()
        return Dictionary(uniqueKeysWithValues: graph.ids.map { ($0, run.tensor(of: $0)) })
    }
}
