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
        if let cause = given(Self.isNeverMeant) { return told(cause) }
        if !loss.isFinite {
            for sequence in sequences {
                guard let origin = ValueOrigin(of: model.graph.losses.map(\.value), in: model.graph, sequence) else { continue }
                return told(origin.text, at: origin.span)
            }
        }
        return told(computed(loss: loss) ?? given(Self.isInfinite) ?? "data, parameters and gradients are finite by themselves")
    }

    /// Inputs and parameters.
    private func given(_ isBad: (Double) -> Bool) -> String? {
        func first(_ kind: String, _ tensors: [String: Tensor]) -> String? {
            for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
                if let place = describe("\(kind) '\(name)'", tensor, isBad) { return place }
            }
            return nil
        }
        return first("input", data.inputs) ?? first("parameter", data.parameters)
    }

    /// Outputs and gradients.
    private func computed(loss: Double) -> String? {
        func output(_ isBad: (Double) -> Bool) -> String? {
            guard !loss.isFinite else { return nil }
            for output in results.results.outputs { if let place = describe("output '\(output.name)'", output.tensor, isBad) { return place } }
            return nil
        }
        return output(Self.isNeverMeant) ?? results.gradients.lazy.compactMap { describe("gradient of '\($0.name)'", $0.tensor, Self.isInfinite) }.first
            ?? output(Self.isInfinite)
    }

    private static func isInfinite(_ number: Double) -> Bool { !number.isFinite }

    /// −∞ may stand for what cannot be, as in a mask.
    private static func isNeverMeant(_ number: Double) -> Bool { !number.isFinite && number != -.infinity }

    private func describe(_ name: String, _ tensor: Tensor, _ isBad: (Double) -> Bool) -> String? {
        guard tensor.type.isFloating else { return nil }
        let numbers = tensor.doubles()
        guard let place = numbers.firstIndex(where: isBad) else { return nil }
        let count = numbers.count(where: isBad)
        return "the first tensor that is not finite is the \(name), \(numbers[place]) at position \(place) and \(count) of \(numbers.count) in all"
    }
}
