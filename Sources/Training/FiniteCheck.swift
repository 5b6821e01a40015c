import Rec
import RecSource

/// Finds where NaN or infinity began in a step.
struct FiniteCheck {
    let step: Int
    private let data: BoundData
    private let results: GradientResults

    init(step: Int, _ data: BoundData, _ results: GradientResults) {
        self.step = step
        self.data = data
        self.results = results
    }

    /// What to tell: the first tensor that is not finite, in the order in which a step comes by them: data, parameters,
    /// the values of the model, gradients.
    ///
    /// - Parameter sequences: the minibatch once more, each sequence by itself.
    func diagnostic(loss: Double, norm: Double, in model: Model, sequences: some Sequence<BoundData>) -> Diagnostic {
        let what = loss.isFinite ? "the gradient's norm is \(norm)" : "the loss is \(loss)"
        func told(_ cause: String, at span: SourceSpan? = nil) -> Diagnostic {
            Diagnostic(
                .notFinite, "at step \(step) \(what): \(cause)", at: span,
                help: "a smaller --lr, a longer --warmup or --clip 1 often helps; nothing of this step has been kept")
        }
        if let cause = given { return told(cause) }
        if !loss.isFinite {
            for sequence in sequences {
                guard let origin = ValueOrigin(in: model.graph, sequence) else { continue }
                return told(origin.text, at: origin.span)
            }
        }
        return told(computed(loss: loss))
    }

    /// Inputs and parameters.
    private var given: String? {
        data.inputs.sorted { $0.key < $1.key }.lazy.compactMap { describe("input '\($0.key)'", $0.value) }.first
            ?? data.parameters.sorted { $0.key < $1.key }.lazy.compactMap { describe("parameter '\($0.key)'", $0.value) }.first
    }

    /// Outputs and gradients.
    private func computed(loss: Double) -> String {
        if !loss.isFinite, let place = results.results.outputs.lazy.compactMap({ describe("output '\($0.name)'", $0.tensor) }).first {
            return place
        }
        return results.gradients.lazy.compactMap { describe("gradient of '\($0.name)'", $0.tensor) }.first
            ?? "data, parameters and gradients are finite by themselves"
    }

    private func describe(_ name: String, _ tensor: Tensor) -> String? {
        guard tensor.type.isFloating else { return nil }
        let numbers = tensor.doubles()
        guard let place = numbers.firstIndex(where: { !$0.isFinite }) else { return nil }
        let count = numbers.count { !$0.isFinite }
        return "the first tensor that is not finite is the \(name), \(numbers[place]) at position \(place) and \(count) of \(numbers.count) in all"
    }
}
