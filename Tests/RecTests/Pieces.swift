@testable import Rec

extension Tensor {
    /// Steps of a stream, `[batch, time, …]`.
    func steps(_ steps: Range<Int>) -> Tensor {
        let (batch, length) = (shape[0], shape[1])
        let width = shape.dropFirst(2).reduce(1, *)
        let numbers = doubles()
        let rows = (0..<batch).flatMap { numbers[($0 * length + steps.lowerBound) * width..<($0 * length + steps.upperBound) * width] }
        return Tensor(rows, shape: [batch, steps.count] + shape.dropFirst(2))
    }
}

extension ModelData {
    /// What a run over some steps is given.
    func steps(_ steps: Range<Int>, of model: Model) -> ModelData {
        var result = self
        for name in model.streamNames { result.inputs[name] = inputs[name].map { $0.steps(steps) } }
        return result
    }
}
