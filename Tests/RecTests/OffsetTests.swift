import Foundation
import Rec
import Testing

/// Softmax, log-sum-exp, cross-entropy and their slopes keep their digits whatever all terms have in common, and the largest term is
/// exactly 1 after its maximum is taken away.
@Suite struct OffsetTests {
    private static let engines: [(engine: Engine, units: Double)] = [(.interpreter, 1e-12), (.compiled(.f64), 1e-12), (.compiled(.f32), 2e-6)]

    private func numbers(_ results: ModelResults, _ name: String) throws -> [Double] {
        try #require(results.outputs.first { $0.name == name }).tensor.doubles()
    }

    /// Products whose maximum is taken away, written in several ways.
    private static let weights = [
        "softmax(x * w)", "exp(x * w - max(x * w))", "exp((x * w) - stop(max(w * x)))", "exp(-(max(z) - z))",
        "exp(w * x + (-max(x * w)))", "exp(z - max(max(z), max(z)))", "exp(x * w * 1 - max(z))", "exp(reshape(z, [2, N/2]) - max(z))",
    ]

    @Test(arguments: [4, 6, 16, 34])
    func theLargestTermIsOne(width: Int) throws {
        let outputs = Self.weights.enumerated().map { "output y\($0.offset) = \($0.element)" }
        let text = "model M(N) { input x: [N]\n input w: real\n z = x * w\n \(outputs.joined(separator: "\n "))\n output l = logsumexp(x * w)\n output m = max(z) }"
        let model = try Model(Program(text: text), dims: ["N": width])
        for scale in [1, 1e3, 1.234567e9, 3.3e20, 1.7e30, 1.1e37] {
            var generator = SeededGenerator(seed: UInt64(width))
            let steps = 24
            let x = (0..<steps * width).map { _ in Float(generator.normal()) }
            let w = (0..<steps).map { _ in Float(scale * (1 + 0.3 * generator.normal())) }
            let data = ModelData(inputs: ["x": Tensor(x.map(Double.init), shape: [1, steps, width]), "w": Tensor(w.map(Double.init), shape: [1, steps])])
            for (engine, _) in Self.engines {
                let results = try model.run(data, on: engine, threads: 2)
                for k in Self.weights.indices {
                    let y = try numbers(results, "y\(k)")
                    for step in 0..<steps {
                        let row = y[step * width..<(step + 1) * width]
                        #expect(row.allSatisfy { $0 >= 0 && $0 <= 1 }, "\(Self.weights[k]) × \(scale) on \(engine)")
                        if k > 0 { #expect(row.max() == 1, "\(Self.weights[k]) × \(scale) on \(engine)") }
                        if k == 0 { #expect(abs(row.reduce(0, +) - 1) < 1e-6, "\(Self.weights[k]) × \(scale) on \(engine)") }
                    }
                }
                let (l, m) = (try numbers(results, "l"), try numbers(results, "m"))
                for (a, b) in zip(l, m) { #expect(a.isFinite && a - b >= 0 && a - b <= log(Double(width)) + 1e-6 * abs(b), "\(a), \(b) × \(scale) on \(engine)") }
            }
        }
    }

    /// The running form of softmax (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018), of products.
    @Test func runningMaximaAreTakenAwayExactly() throws {
        let text = """
            model M(N) {
              input q, k: [N]
              input v: real
              z = sum(q * k) * 1.7
              state m: real = -inf
              state s, o: real
              m = max(m[t-1], z)
              s = s[t-1] * exp(m[t-1] - m) + exp(z - m)
              o = o[t-1] * exp(m[t-1] - m) + exp(z - m) * v
              output y = o / s
              output top = max[t](z * v)
              output rest = exp(z * v - max[t](z * v))
            }
            """
        let model = try Model(Program(text: text), dims: ["N": 3])
        for scale in [1.0, 1e5, 1e15] {
            var generator = SeededGenerator(seed: 9)
            let steps = 150
            func stream(_ width: Int, _ scale: Double) -> [Double] { (0..<steps * width).map { _ in Double(Float(scale * generator.normal())) } }
            let data = ModelData(inputs: [
                "q": Tensor(stream(3, scale), shape: [1, steps, 3]), "k": Tensor(stream(3, scale), shape: [1, steps, 3]), "v": Tensor(stream(1, 1), shape: [1, steps]),
            ])
            for (engine, _) in Self.engines {
                let results = try model.run(data, on: engine, threads: 2)
                #expect(try numbers(results, "y").allSatisfy { $0.isFinite && abs($0) < 10 })
                #expect(try numbers(results, "rest").max() == 1)
            }
        }
    }

    private static let classes = 6

    @Test(arguments: [0, 1e4, 1e8, -1e8, 1e30, -1e30])
    func crossEntropyOfEqualLogits(offset: Double) throws {
        let text = "model M(V) { input x: [V]\n input target: int\n loss l = sum[t](crossentropy(x, target))\n output ce = crossentropy(x, target)\n output p = softmax(x)\n output q = log(softmax(x)) }"
        let model = try Model(Program(text: text), dims: ["V": Self.classes])
        let data = ModelData(inputs: [
            "x": Tensor([Double](repeating: offset, count: 3 * Self.classes), shape: [1, 3, Self.classes]), "target": Tensor([0, 3, 5], shape: [1, 3]),
        ])
        for (engine, units) in Self.engines {
            let results = try model.run(data, on: engine)
            #expect(try numbers(results, "ce").allSatisfy { abs($0 - log(6)) < units })
            #expect(try numbers(results, "p").allSatisfy { abs($0 - 1 / 6.0) < units })
            #expect(try numbers(results, "q").allSatisfy { abs($0 + log(6)) < units })
            let slopes = try GradientModel(model).run(data, on: engine).gradients.first { $0.name == "x" }
            let slope = try #require(slopes).tensor.doubles()
            for (k, value) in slope.enumerated() {
                let isTarget = [0, 3, 5][k / Self.classes] == k % Self.classes
                #expect(abs(value - (isTarget ? -5 / 6.0 : 1 / 6.0)) < units)
            }
        }
    }

    /// Cross-entropy of several rows, of infinite logits and of one class.
    @Test func crossEntropyOfSpecialLogits() throws {
        let text = "model M(R, V) { input x: [R, V]\n input target: int[R]\n output ce = crossentropy(x, target) }"
        let inf = Double.infinity
        let rows: [([Double], Int, Double)] = [
            ([0, -inf, 1], 1, inf), ([-inf, -inf, 3], 2, 0), ([inf, 0, 0], 1, inf), ([-inf, -inf, -inf], 0, .nan), ([.nan, 0, 0], 1, .nan), ([1e30, 1e30, 0], 0, log(2)),
        ]
        let model = try Model(Program(text: text), dims: ["R": rows.count, "V": 3])
        let data = ModelData(inputs: [
            "x": Tensor(rows.flatMap(\.0), shape: [1, 1, rows.count, 3]), "target": Tensor(rows.map(\.1), shape: [1, 1, rows.count]),
        ])
        for (engine, units) in Self.engines {
            for (got, row) in zip(try numbers(try model.run(data, on: engine), "ce"), rows) {
                #expect(got == row.2 || abs(got - row.2) < units || got.isNaN && row.2.isNaN, "\(got) of \(row) on \(engine)")
            }
        }
    }

    /// Slopes of log-sum-exp, by axes and by pairs, add up to 1 and do not depend on what the terms have in common.
    @Test(arguments: [0, 1e4, 1e6, -3e6, 1e12])
    func slopesAddUpToOne(offset: Double) throws {
        let text = """
            model M(N) {
              input x: [N]
              output a = logsumexp(x)
              output b = logaddexp(logaddexp(x[0], x[1]), x[2])
              output c = logaddexp(x[0], logaddexp(x[1], logaddexp(x[2], x[3])))
            }
            """
        let model = try Model(Program(text: text), dims: ["N": 4])
        // Differences that f32 holds beside the offset.
        let unit = max(Double(Float(abs(offset)).ulp), 0.25)
        let x = [offset, offset + 2 * unit, offset - unit, offset + unit]
        for (name, count) in [("a", 4), ("b", 3), ("c", 4)] {
            let terms = x[..<count].map { exp($0 - x[1]) }
            let expected = terms.map { $0 / terms.reduce(0, +) }
            var request = GradientRequest(of: model.graph)
            request.seeds = [GradientRequest.Seed(cotangent: name)]
            let gradients = try GradientModel(model, request)
            let data = ModelData(inputs: ["x": Tensor(x, shape: [1, 1, 4])])
            for (engine, units) in Self.engines {
                let slopes = try gradients.run(data, cotangents: [name: Tensor([1.0], shape: [1, 1])], on: engine).gradients[0].tensor.doubles()
                for (got, want) in zip(slopes, expected) { #expect(abs(got - want) <= units, "\(name) at \(offset) on \(engine): \(slopes)") }
            }
        }
    }

    /// The forward algorithm in log space, over thousands of steps.
    @Test func slopesOfLongRecurrencesKeepTheirSums() throws {
        let text = """
            model M(S) {
              dim J = S
              input emit: [S]
              param trans: [J, S]
              state a: [S]
              a = emit + logsumexp[J](trans + (a[t-1] as [J]))
              loss l = last[t](logsumexp(a))
            }
            """
        let model = try Model(Program(text: text), dims: ["S": 3])
        let steps = 3000
        var generator = SeededGenerator(seed: 2)
        let data = ModelData(
            inputs: ["emit": Tensor((0..<steps * 3).map { _ in Double(Float(generator.normal() - 3)) }, shape: [1, steps, 3])],
            parameters: ["trans": Tensor((0..<9).map { _ in Double(Float(generator.normal())) }, shape: [3, 3])])
        let gradients = try GradientModel(model)
        let expected = try gradients.run(data, on: .interpreter)
        for forms: [String: PlanForm] in [["a": .sequential], ["a": .scan]] {
            let got = try gradients.run(data, on: .compiled(.f32), forcing: forms)
            for (a, b) in zip(got.gradients, expected.gradients) {
                #expect(relativeError(a.tensor, b.tensor) < 1e-3, "\(a.name) as \(forms)")
                guard a.name == "emit" else { continue }
                let numbers = a.tensor.doubles()
                for step in 0..<steps { #expect(abs(numbers[3 * step..<3 * step + 3].reduce(0, +) - 1) < 1e-3) }
            }
        }
    }
}
