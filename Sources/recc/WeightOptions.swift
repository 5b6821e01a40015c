import ArgumentParser
import Rec

/// How the weights of products are stored, of commands that run compiled code.
struct WeightOptions: ParsableArguments {
    @Option(help: "How the weights of products are stored: full, or bf16 for half the bytes, in f32 and without gradients.")
    var weights: WeightFormat = .full

    func applied(to model: Model) -> Model { model.storingWeights(as: weights) }
}

extension WeightFormat: ExpressibleByArgument {}
