import Foundation
import Rec
import RecTraining
import Testing

/// Steps computed by hand.
@Suite struct OptimizerTests {
    private func parameter(_ optimizer: Optimizer, _ values: [Double] = [1, -2]) -> TrainedParameter {
        TrainedParameter(path: "w", shape: [values.count], values: values, momentCount: optimizer.momentCount)
    }

    private func isNear(_ a: [Double], _ b: [Double]) -> Bool { zip(a, b).allSatisfy { abs($0 - $1) <= 1e-14 * max(1, abs($1)) } }

    @Test func adamWTakesTheStepsOfThePaper() {
        let optimizer = Optimizer.adamW(beta1: 0.9, beta2: 0.99, epsilon: 1e-8, decay: 0.1)
        var w = parameter(optimizer)
        optimizer.update(&w, gradient: [0.5, -4], rate: 0.01, step: 1)
        // The first step goes by the sign of the gradient: m / (1 - 0.9) = g, v / (1 - 0.99) = g².
        #expect(isNear(w.values, [0.999 - 0.01 * 0.5 / (0.5 + 1e-8), -1.998 + 0.01 * 4 / (4 + 1e-8)]))
        let before = w.values
        optimizer.update(&w, gradient: [-1, -4], rate: 0.02, step: 2)
        let m = 0.9 * 0.05 - 0.1
        let v = 0.99 * 0.0025 + 0.01
        let expected = (1 - 0.002) * before[0] - 0.02 * (m / (1 - 0.81)) / ((v / (1 - 0.9801)).squareRoot() + 1e-8)
        #expect(isNear([w.values[0]], [expected]))
    }

    @Test func momentumGathersGradients() {
        let optimizer = Optimizer.sgd(momentum: 0.5)
        var w = parameter(optimizer)
        optimizer.update(&w, gradient: [1, 2], rate: 0.1, step: 1)
        #expect(isNear(w.values, [0.9, -2.2]))
        optimizer.update(&w, gradient: [1, 2], rate: 0.1, step: 2)
        #expect(isNear(w.values, [0.9 - 0.15, -2.2 - 0.3]))
    }

    @Test func decayPullsTowardsZero() {
        let optimizer = Optimizer.sgd(momentum: 0, decay: 0.1)
        var w = parameter(optimizer)
        optimizer.update(&w, gradient: [0, 0], rate: 0.5, step: 1)
        #expect(isNear(w.values, [0.95, -1.9]))
    }

    @Test func schedulesRiseAndFall() {
        let warm = Schedule(rate: 2, warmup: 4)
        #expect((1...6).map(warm.rate(at:)) == [0.5, 1, 1.5, 2, 2, 2])
        let linear = Schedule(rate: 1, decay: .linear, warmup: 2, steps: 6)
        #expect((1...7).map(linear.rate(at:)) == [0.5, 1, 1, 0.75, 0.5, 0.25, 0])
        let cosine = Schedule(rate: 1, decay: .cosine, steps: 4, floor: 0.2)
        let half = 0.8 * 0.5 / 2.0.squareRoot()
        #expect(isNear((1...6).map(cosine.rate(at:)), [1, 0.6 + half, 0.6, 0.6 - half, 0.2, 0.2]))
        #expect(Schedule(rate: 3, decay: .cosine).rate(at: 9) == 3)
    }

    /// One step of a model whose gradient is known: loss = (a x)², x = 1, 2, so dl/da = 2 a (1 + 4).
    @Test(arguments: [nil, 1.0] as [Double?])
    func gradientsAreClipped(clip: Double?) throws {
        let program = Program(text: "model M {\n input x: real\n param a: real\n loss l = sum[t]((a * x) * (a * x))\n}\n")
        let model = try Model(program)
        let data = try TrainingData(ModelData(inputs: ["x": Tensor([1.0, 2], shape: [1, 2])]), for: model)
        let options = TrainingOptions(
            optimizer: .sgd(momentum: 0), schedule: Schedule(rate: 0.01), clip: clip, batch: 1, precision: .f64)
        let trainer = try Trainer(model, data, options, weights: ["a": Tensor([3.0], shape: [])])
        let report = try trainer.advance()
        #expect(report.loss == 45 && report.gradientNorm == 30)
        #expect(trainer.weights["a"]?.doubles() == [clip == nil ? 2.7 : 2.99])
    }
}
