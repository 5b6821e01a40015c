import Foundation
import TestSupport
import Testing

@testable import Rec

/// Reductions over other steps as programs write them, compiled, against the interpreter: results, gradients, numbers that are not finite,
/// and streams.
@Suite(.timeLimit(.minutes(30))) struct AttentionTests {
    typealias Case = EveryFormTests.Case

    static let further = [
        Case("heads that share keys", ["H": 3, "K": 4, "V": 2], "input q: [H, K]\ninput k: [K]\ninput v: [V]\nparam u: [H, V]\nrows = u * v\noutput o = sum[s <= t](softmax[s](sum[K](q * k[s]) / sqrt(K)) * rows[s])"),
        Case("slopes by heads", ["H": 2, "K": 3], "input q, k, v: [H, K]\nparam m: [H]\noutput o = sum[s <= t](softmax[s](sum[K](q * k[s]) - abs(m) * (t - s)) * v[s])"),
        Case("no softmax", ["K": 3], "input q, k, v: [K]\noutput o = sum[t-9 <= s < t](sum[K](q * k[s]) * exp(-0.1 * (t - s)) * v[s])\noutput m = mean[s <= t](tanh(q - k[s]))"),
        Case("ints", "input a, b: int\noutput c = sum[s <= t where a[s] == b](b[s] - 1)\noutput d = max[s < t](a[s] + t)\noutput e = argmin[s in t](a[s])\noutput f = min[s <= t where a[s] < 0](b[s])"),
        Case("divisors that are 0 where there is no step", "input q, k, v: real\nz = sum[s < t](exp(q * k[s]))\noutput a = sum[s < t](exp(q * k[s]) * v[s] / z)\noutput b = sum[s < t](v[s] / real(t) * k[s])\noutput c = sum[s < t where k[s] > 9](v[s] * (1 / real(t)))"),
        Case("what a program keeps finite", "input k, v: real\nw = 1 / real(t)\nf = if abs(w) < inf then w else 0\noutput a = f + sum[s <= t](k[s] * f)\noutput b = max[s <= t]((if k[s] > 0 then w else 0) * k[s])\noutput c = sum[s <= t](if (if t - s > 0 then w else 0) * (if t - s > 0 then v[s] else 0) > 0 then k[s] else 0)"),
        Case("over dims as well", ["K": 3], "input x, y: [K]\noutput a = sum[s <= t](logsumexp(x[s] + y) * y)\noutput b = logsumexp[K, s <= t](x[s] * y)"),
        Case("numbers of distances", "input x: real\noutput a = sum[s <= t](softmax[s](-(t - s)^2) * x[s])\noutput b = sum[s <= t where mod(t - s, 3) == 0](x[s])\noutput c = sum[s <= t where mod(s - t, 4) == 1](1)"),
        Case("in reverse", ["K": 2], "input q, k: [K]\noutput o = sum[s <= t](softmax[s](sum[K](q * k[s])) * k[s])\noutput p = sum[s >= t](softmax[s](sum[K](q * k[s])) * k[s])"),
    ]

    private func data(_ model: Model, batch: Int, _ steps: Int, lengths: [Int]? = nil) -> ModelData {
        var data = ModelData(parameters: model.initialParameters(seed: 3))
        for value in model.graph.values {
            guard case .input(let name, _) = value.operation else { continue }
            var random = SeededGenerator(seed: 4, for: name)
            let shape = [batch] + (value.variance.isStream ? [steps] : []) + value.shape.sizes
            let count = shape.reduce(1, *)
            data.inputs[name] = value.element == .int
                ? Tensor((0..<count).map { _ in Int(random.next() % 5) - 1 }, shape: shape) : Tensor((0..<count).map { _ in random.normal() }, shape: shape)
        }
        data.lengths = lengths
        return data
    }

    private func expectSame(_ got: [NamedTensor], _ expected: [NamedTensor], _ what: String, within tolerance: Double) {
        #expect(got.map(\.name) == expected.map(\.name), "\(what)")
        for (a, b) in zip(got, expected) {
            let error = Deviation(of: a.tensor, from: b.tensor).error
            #expect(a.tensor.shape == b.tensor.shape && error <= tolerance, "\(what): \(a.name) \(error)")
        }
    }

    /// Tables by distances are for the interpreter alone.
    static let compiled = SecondIndexGradientTests.cases.filter { $0.name != "a window with distances" } + further

    @Test func tablesByDistanceAreRefused() throws {
        let item = try #require(SecondIndexGradientTests.cases.first { $0.name == "a window with distances" })
        let model = try Model(Program(text: item.source), dims: item.dims)
        let error = #expect(throws: DiagnosticList.self) { try model.run(data(model, batch: 1, 9)) }
        #expect(error?.diagnostics.first?.help?.hasPrefix("run it with 'recc run --interpret'") == true && error?.diagnostics.first?.message.contains("looked up") == true)
    }

    @Test(arguments: compiled) func compiledAsInterpreted(_ item: Case) throws {
        let model = try Model(Program(text: "func soft(x) = tanh(x)\n  gradient (dy) = 0.5 * dy * x\n\n" + item.source), dims: item.dims)
        for (batch, steps, lengths) in [(2, 70, nil), (3, 9, [9, 0, 4])] as [(Int, Int, [Int]?)] {
            let data = data(model, batch: batch, steps, lengths: lengths)
            let expected = try model.run(data, on: .interpreter)
            for precision in [Precision.f64, .f32] where precision == .f64 || lengths == nil {
                let got = try model.run(data, on: .compiled(precision), threads: 2, context: precision.testContext)
                expectSame(got.outputs + got.finalStates, expected.outputs + expected.finalStates, "\(item) \(precision) \(steps)", within: precision == .f64 ? 1e-11 : 2e-5)
            }
            guard lengths == nil, model.graph.outputs.contains(where: { model.graph[$0.value].element == .real }) else { continue }
            var cotangents: [String: Tensor] = [:]
            for output in expected.outputs {
                guard model.graph.outputs.first(where: { $0.name == output.name }).map({ model.graph[$0.value].element == .real }) == true else { continue }
                var random = SeededGenerator(seed: 6, for: output.name)
                cotangents[output.name] = Tensor((0..<output.tensor.count).map { _ in random.normal() }, shape: output.tensor.shape)
            }
            let wanted = try model.gradients(data, cotangents: cotangents, on: .interpreter)
            let got = try model.gradients(data, cotangents: cotangents, on: .compiled(.f64), threads: 2)
            expectSame(got.gradients, wanted.gradients, "gradients, \(item)", within: 1e-9)
        }
    }

    static let causal = Case(
        "causal", ["H": 2, "K": 4], "input x: [K]\nparam Q, V: [H, K, K]\nk = tanh(x)\nv = V @ x\noutput o = sum[s <= t](softmax[s](sum[K]((Q @ x) * k[s])) * v[s])\noutput m = mean[s <= t](k[s] * x)")

    @Test("numbers that are not finite reach what the program says, and nothing else", arguments: [Double.nan, .infinity])
    func notFinite(_ number: Double) throws {
        let model = try Model(Program(text: Self.causal.source), dims: Self.causal.dims)
        var data = data(model, batch: 2, 80)
        var numbers = data.inputs["x"]?.doubles() ?? []
        numbers[50 * 4 + 1] = number
        data.inputs["x"] = Tensor(numbers, shape: [2, 80, 4])
        let expected = try model.run(data, on: .interpreter), got = try model.run(data, on: .compiled(.f64), threads: 2, context: .quick)
        let (a, b) = (try got["o"].doubles(), try expected["o"].doubles())
        #expect(a[..<(50 * 8)].allSatisfy(\.isFinite) && zip(a, b).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN || abs($0 - $1) < 1e-11 })
        let cotangents = ["o": Tensor(a.indices.map { $0 < 40 * 8 ? 1.0 : 0 }, shape: [2, 80, 2, 4])]
        let slopes = try model.gradients(data, cotangents: cotangents, on: .compiled(.f64)), reference = try model.gradients(data, cotangents: cotangents, on: .interpreter)
        for (one, other) in zip(slopes.gradients, reference.gradients) {
            #expect(zip(one.tensor.doubles(), other.tensor.doubles()).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN || abs($0 - $1) < 1e-9 }, "\(one.name)")
        }
    }

    @Test("streams keep what they attend to", arguments: [
        (causal, 40), (Case("window", ["K": 3], "input q, k: [K]\ninput n: int\noutput o = sum[t-5 < s <= t](softmax[s](sum[K](q * k[s])) * k[s])\noutput c = sum[t-4 <= s < t where n[s] == n](1)"), nil),
    ] as [(Case, Int?)])
    func streams(_ item: Case, _ kept: Int?) throws {
        let model = try Model(Program(text: item.source), dims: item.dims)
        let data = data(model, batch: 2, 37)
        let expected = try model.run(data, on: .interpreter)
        for piece in [1, 5] {
            let got = try StreamRun.run(model, data, precision: .f64, piece: piece, keeping: kept)
            expectSame(got.outputs, expected.outputs, "\(item), \(piece) at a time", within: 1e-11)
        }
        guard kept != nil else { return }
        #expect(throws: DiagnosticList.self) { try StreamRun.run(model, data, precision: .f64, keeping: 36) }
        #expect(throws: DiagnosticList.self) { try StreamRun.run(model, data, precision: .f64) }
    }

    /// A model that attends to all of its past, and one with a window, go on by themselves.
    @Test func samplersAttend() throws {
        for (reach, kept) in [("r <= t", 12), ("t-3 < r <= t", nil)] as [(String, Int?)] {
            let text = "model M(D) {\n input x: [D]\n state h: [D]\n h = tanh(0.5 * h[t-1] + x)\n output o = h + sum[\(reach)](softmax[r](sum(h * h[r])) * h[r])\n}"
            let model = try Model(Program(text: text), dims: ["D": 2])
            let sampler = try Sampler(model, keeping: kept, precision: .f64)
            var steps: [Float] = [0.1, -0.2, 0.3, 0.4]
            try sampler.feed(steps)
            for _ in 0..<4 {
                let whole = try model(["x": Tensor(steps, shape: [1, steps.count / 2, 2])])["o"].floats().suffix(2)
                let next = try sampler.nextNumbers()
                #expect(zip(next, whole).allSatisfy { abs($0 - $1) < 1e-5 }, "\(reach)")
                steps += next
            }
            guard kept == nil else {
                #expect(throws: DiagnosticList.self) { try Sampler(model) }
                continue
            }
            let other = try Sampler(model, state: sampler.state(), precision: .f64)
            #expect(try other.nextNumbers() == sampler.nextNumbers())
        }
    }

    @Test func whatDoesNotGoWithIt() throws {
        let model = try Model(Program(text: Self.causal.source), dims: Self.causal.dims)
        let data = data(model, batch: 1, 8)
        for (what, body) in [
            ("leave out --memory", { _ = try model.run(data, within: 1 << 30) }),
            ("run it with", { _ = try model.compile() }),
        ] as [(String, () throws -> Void)] {
            let error = #expect(throws: (any Error).self) { try body() }
            #expect("\(error.map { "\($0)" } ?? "")".contains(what) || (error as? DiagnosticList)?.diagnostics.contains { ($0.help ?? "").contains(what) } == true, "\(what)")
        }
        let explanation = try Explanation(model, work: Workload(batch: 1, extents: [300], threads: 1))
        #expect(explanation.pairs.count == 1 && explanation.text(model.program.sources).contains("s ≤ t"))
    }
}
