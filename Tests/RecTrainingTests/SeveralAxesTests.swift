import Foundation
import RecTraining
import TestSupport
import Testing

@testable import Rec

/// Training of models over several axes, whose sequences differ in length along each.
@Suite struct SeveralAxesTests {
    private func model(_ name: String = "translation") throws -> Model {
        let dims = ["S": 5, "V": 5, "D": 4, "H": 3, "A": 2]
        return try Model(Program(path: Project.path("examples/\(name).rec")), dims: dims)
    }

    private func data() -> ModelData {
        var generator = SeededGenerator(seed: 2, for: "data")
        func tokens(_ steps: Int) -> Tensor { Tensor((0..<6 * steps).map { _ in Int(generator.next() % 5) }, shape: [6, steps]) }
        return ModelData(
            inputs: ["source": tokens(7), "said": tokens(4), "target": tokens(4)], lengths: [4, 2, 3, 1, 4, 4], lengthsByAxis: ["s": [3, 7, 5, 2, 6, 7]])
    }

    @Test(arguments: ["translation", "attending_decoder"]) func stepsAreThoseOfTheSequences(name: String) throws {
        let (model, data) = (try model(name), data())
        let options = TrainingOptions(optimizer: .sgd(), schedule: Schedule(rate: 0.1), batch: 6, seed: 3, precision: .f64)
        let trainer = try Trainer(model, TrainingData(data, for: model), options)
        var own = data
        own.parameters = trainer.weights
        let expected = try GradientModel(model).run(own, on: .interpreter)
        let report = try trainer.advance()
        #expect(abs(report.loss - (try expected.results["nll"].doubles()[0])) < 1e-12 && report.stepCount == 30)
        let norm = expected.gradients.reduce(0.0) { $0 + $1.tensor.doubles().reduce(0) { $0 + $1 * $1 } }.squareRoot()
        #expect(abs(report.gradientNorm - norm) < 1e-9)
        let before = report.loss
        for _ in 0..<20 { _ = try trainer.advance() }
        #expect(try trainer.loss(on: TrainingData(data, for: model)) < before)
    }

    @Test(arguments: ["translation", "attending_decoder"]) func aRunGoesOn(name: String) throws {
        let (model, data) = (try model(name), try TrainingData(data(), for: model(name)))
        let options = TrainingOptions(optimizer: .adamW(), schedule: Schedule(rate: 0.01), batch: 2, seed: 3)
        let whole = try Trainer(model, data, options)
        for _ in 0..<6 { _ = try whole.advance() }
        let first = try Trainer(model, data, options)
        for _ in 0..<3 { _ = try first.advance() }
        let second = try Trainer(model, data, options, resuming: first.checkpoint)
        for _ in 0..<3 { _ = try second.advance() }
        #expect(bits(second.weights) == bits(whole.weights))
    }

    @Test func lossesAreOfDataOfOneKind() throws {
        let (model, data) = (try model(), data())
        var whole = data
        (whole.lengths, whole.lengthsByAxis) = (nil, [:])
        for (own, other) in [(data, whole), (whole, data)] {
            let trainer = try Trainer(model, TrainingData(own, for: model), TrainingOptions(batch: 2))
            let error = #expect(throws: DiagnosticList.self) { try trainer.loss(on: TrainingData(other, for: model)) }
            #expect(error?.diagnostics.first?.message.contains("'lengths.t', 'lengths.s'") == true)
        }
    }

    /// Steps of what attends to others are counted once.
    @Test func stepsOfPairsAreNotCounted() throws {
        let model = try Model(
            Program(text: "model M { input x: real\n param w: real = constant(1)\n loss l = mean[t](sum[s <= t](w * x[s])^2) }"))
        let trainer = try Trainer(
            model, TrainingData(ModelData(inputs: ["x": Tensor([Double](repeating: 0.1, count: 10), shape: [2, 5])]), for: model), TrainingOptions(batch: 2))
        #expect(try trainer.advance().stepCount == 10)
    }

    @Test func lengthsGoByAxes() throws {
        let model = try model()
        var data = data()
        data.lengthsByAxis["u"] = [1, 2, 3, 1, 2, 3]
        #expect(throws: DiagnosticList.self) { try TrainingData(data, for: model) }
        data.lengthsByAxis = ["s": [3, 7]]
        #expect(throws: DiagnosticList.self) { try TrainingData(data, for: model) }
        data.lengthsByAxis = ["t": [1, 1, 1, 1, 1, 1]]
        #expect(throws: DiagnosticList.self) { try TrainingData(data, for: model) }
    }
}
