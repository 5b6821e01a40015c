import Foundation
@testable import Rec
import RecTraining
import TestSupport
import Testing

@testable import RecRuntime

/// What is drawn by chance: the same numbers wherever, however and in whatever pieces they are drawn.
@Suite struct ChanceTests {
    typealias Case = EveryFormTests.Case

    /// The words of the paper's own program for Philox4x32 with ten rounds.
    @Test func theGeneratorIsThePublishedOne() {
        func expect(_ counter: Philox.Words, _ key: (UInt32, UInt32), _ words: Philox.Words) { #expect(Philox.words(counter, key: key) == words) }
        expect((0, 0, 0, 0), (0, 0), (0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8))
        let ones = UInt32.max
        expect((ones, ones, ones, ones), (ones, ones), (0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD))
        expect(
            (0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344), (0xA409_3822, 0x299F_31D0), (0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1))
    }

    static let draws = [
        Case("noise", ["K": 3], "input x: [K]\nparam s: [K]\nstate h: [K]\nh = 0.9 * h[t-1] + x + s * noise[K]()\noutput h"),
        Case("wide noise", ["K": 37], "input x: [K]\noutput y = x + noise[K]()"),
        Case("noise in a step that is not linear", ["K": 5], "input x: [K]\nparam U: [K, K]\nstate h: [K]\nh = tanh(U @ h[t-1] + x + 0.3 * noise[K]())\noutput h"),
        Case("of one number", "input x: real\nstate h: real\nh = 0.5 * h[t-1] + x * uniform() + noise()\noutput h"),
        Case("of a matrix", ["K": 3, "V": 4], "input k, q: [K]\ninput v: [V]\nstate S: [K, V]\nS = 0.9 * S[t-1] + outer(k, v) + 0.1 * noise[K, V]()\noutput y = sum[K](q * S)"),
        Case("spikes", ["K": 6], "input x: [K]\nparam w: [K]\nstate h: [K]\nh = if bernoulli(sigmoid(w * x)) then 0.5 * h[t-1] + x else h[t-1]\noutput h\noutput n = sum(real(bernoulli[K](0.3)))"),
        Case("an index", ["K": 5], "input x: [K]\nparam E: [K, K]\nk = categorical(2 * x)\nstate h: [K]\nh = 0.5 * h[t-1] + E[k]\noutput h\noutput k"),
        Case("in the initial value", ["K": 4], "input x: [K]\nparam s: [K]\nstate h: [K] = s * noise[K]()\nh = 0.9 * h[t-1] + x\noutput h"),
        Case("from the right", ["K": 4], "input x: [K]\nstate h: [K]\nh = 0.9 * h[t+1] + x * uniform[K]()\noutput h"),
        Case("two draws", ["K": 2], "input x: [K]\noutput a = uniform[K]()\noutput b = uniform[K]() + 0 * x"),
    ]

    @Test(arguments: draws) func inEveryForm(_ item: Case) throws { try EveryForm(item.source, dims: item.dims).expectAgreement() }

    @Test func layersThatDrawInEveryForm() throws {
        try EveryForm(
            """
            model Cell(K) {
              input x: [K]
              param a: [K]
              state h: [K]
              h = sigmoid(a) * h[t-1] + x * (1 + 0.1 * noise[K]())
              output h
            }
            model M(K) {
              input x: [K]
              layer c = repeat(2, Cell(K))
              layer r = reverse(Cell(K))
              output y = c(x) + r(x)
            }
            """, dims: ["K": 3]
        ).expectAgreement()
    }

    // MARK: By hand

    private func model(_ body: String, _ dims: [String: Int] = [:], training: Bool = false) throws -> Model {
        let names = dims.keys.sorted().joined(separator: ", ")
        let program = Program(text: "model M\(names.isEmpty ? "" : "(\(names))") {\n\(body)\n}\n")
        try #require(!program.hasErrors, "\(program.diagnostics.map(\.message))")
        return try Model(training ? program.training : program, dims: dims)
    }

    /// What the definition says: the key of a draw from seed and draw, its counter from step and element.
    private func words(seed: Int, draw: Int, step: Int, element: Int) -> (UInt32, UInt32) {
        let first = Philox.words((UInt32(draw), 0, 0, 0), key: (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)))
        let second = Philox.words((UInt32(element), UInt32(step), 0, 0), key: (first.0, first.1))
        return (second.0, second.1)
    }

    private func uniform(_ word: UInt32) -> Double { (Double(word / 512) + 0.5) / 8_388_608 }

    @Test(arguments: [Engine.interpreter, .compiled(.f64), .compiled(.f32)]) func numbersFollowFromSeedDrawStepAndElement(engine: Engine) throws {
        let model = try model("input x: [K]\noutput u = uniform[K]() + 0 * x\noutput z = noise[K]()", ["K": 5])
        let (batch, length, width) = (3, 7, 5)
        let x = Tensor([Double](repeating: 0, count: batch * length * width), shape: [batch, length, width])
        let seeds = [1, 7 << 32 | 2, -5]
        for given in [nil, seeds] {
            var data = ModelData(inputs: ["x": x])
            if let given { data.inputs["noise.seed"] = Tensor(given, shape: [batch]) }
            let got = try model.run(data, on: engine)
            let (u, z) = (try got["u"].doubles(), try got["z"].doubles())
            for sequence in 0..<batch {
                for step in 0..<length {
                    for element in 0..<width {
                        let at = (sequence * length + step) * width + element
                        let seed = given?[sequence] ?? sequence
                        #expect(u[at] == uniform(words(seed: seed, draw: 0, step: step, element: element).0))
                        let pair = words(seed: seed, draw: 1, step: step, element: element)
                        let normal = (-2 * log(uniform(pair.0))).squareRoot() * cos(2 * .pi * uniform(pair.1))
                        #expect(abs(z[at] - normal) < (engine == .compiled(.f32) ? 1e-5 : 1e-12))
                    }
                }
            }
        }
    }

    @Test func momentsAreThoseOfTheDistributions() throws {
        let model = try model("input x: real\noutput u = uniform[K]()\noutput z = noise[K]()\noutput b = bernoulli[K](0.3)\ninput l: [3] once\noutput c = categorical(l)\noutput y = x", ["K": 50])
        let logits = Tensor([0, 0.6931471805599453, 1.6094379124341003, 0, 0.6931471805599453, 1.6094379124341003], shape: [2, 3])
        let got = try model.run(ModelData(inputs: ["x": Tensor([Float](repeating: 0, count: 4000), shape: [2, 2000]), "l": logits]))
        func mean(_ numbers: [Double]) -> Double { numbers.reduce(0, +) / Double(numbers.count) }
        let (u, z) = (try got["u"].doubles(), try got["z"].doubles())
        #expect(abs(mean(u) - 0.5) < 0.004 && abs(mean(u.map { $0 * $0 }) - 1.0 / 3) < 0.004)
        #expect(abs(mean(z)) < 0.01 && abs(mean(z.map { $0 * $0 }) - 1) < 0.015 && abs(mean(z.map { $0 * $0 * $0 * $0 }) - 3) < 0.1)
        #expect(abs(mean(try got["b"].doubles()) - 0.3) < 0.005)
        let c = try got["c"].ints()
        for (index, share) in [0.125, 0.25, 0.625].enumerated() { #expect(abs(Double(c.count { $0 == index }) / 4000 - share) < 0.03) }
        // Neighbours in every direction, and in the other sequence, are no copies of each other.
        for distance in [1, 50, 100_000] {
            #expect(abs(mean(zip(z, z.dropFirst(distance)).map { $0 * $1 })) < 0.02)
        }
    }

    @Test func dropoutDropsWhereTheModelIsTrained() throws {
        let body = "input x: [K]\noutput y = dropout(x, 0.25)"
        let x = Tensor([Float](repeating: 3, count: 2 * 500 * 8), shape: [2, 500, 8])
        let resting = try model(body, ["K": 8])
        #expect(!resting.graph.drawsByChance && resting.graph.states.isEmpty)
        #expect(try resting.run(ModelData(inputs: ["x": x]))["y"].doubles().allSatisfy { $0 == 3 })
        let dropping = try model(body, ["K": 8], training: true)
        let y = try dropping.run(ModelData(inputs: ["x": x]))["y"].doubles()
        #expect(y.allSatisfy { $0 == 0 || $0 == 4 })
        #expect(abs(Double(y.count { $0 == 0 }) / Double(y.count) - 0.25) < 0.02)
        #expect(try resting.training().graph.text == dropping.graph.text)
        try EveryForm("model M(K) {\n input x: [K]\n param W: [K, K]\n state h: [K]\n h = 0.5 * h[t-1] + dropout(W @ x, 0.3)\n output h\n}\n", dims: ["K": 4], isTraining: true).expectAgreement()
    }

    // MARK: Pieces

    @Test func statesGoOnWithTheirSeed() throws {
        let model = try model("input x: [K]\nstate h: [K]\nh = 0.5 * h[t-1] + x * uniform[K]() + noise[K]()\noutput h", ["K": 3])
        let x = Tensor((0..<2 * 20 * 3).map { sin(Double($0)) }, shape: [2, 20, 3])
        let seeds = Tensor([3 << 32, 3 << 32 | 1], shape: [2])
        let whole = try model.run(ModelData(inputs: ["x": x, "noise.seed": seeds]), on: .compiled(.f64))["h"]
        for engine in [Engine.interpreter, .compiled(.f64)] {
            var state = ModelState()
            for (number, steps) in [0..<7, 7..<8, 8..<20].enumerated() {
                var data = ModelData(inputs: ["x": x.steps(steps)])
                // Only the beginning is given a seed.
                if number == 0 { data.inputs["noise.seed"] = seeds }
                let results = try model.run(data, state: state, on: engine)
                #expect(relativeError(try results["h"], whole.steps(steps)) < 1e-12)
                state = results.state ?? state
            }
            #expect(state.tensors.map(\.name).contains("noise.seed") && state.tensors.map(\.name).contains("t"))
        }
        let session = try model.stream(batch: 2, capacity: 4, once: ["noise.seed": seeds], precision: .f64)
        let numbers = x.doubles()
        for start in stride(from: 0, to: 20, by: 4) {
            for sequence in 0..<2 {
                try session.withInputSpan("x", sequence: sequence, of: Double.self) { span in
                    for k in 0..<12 { span[k] = numbers[(sequence * 20 + start) * 3 + k] }
                }
            }
            try session.advance(4)
            for sequence in 0..<2 {
                let expected = whole.doubles()[(sequence * 20 + start) * 3..<(sequence * 20 + start) * 3 + 12]
                try session.withOutputSpan("h", sequence: sequence, of: Double.self) { span in
                    for k in 0..<12 { #expect(abs(span[k] - expected[expected.startIndex + k]) < 1e-12) }
                }
            }
        }
    }

    // MARK: Gradients and training

    @Test(arguments: [
        "input x: [K]\nparam m, s: [K]\nstate h: [K]\nh = tanh(0.5 * h[t-1] + x + m + exp(s) * noise[K]())\noutput h",
        "input x: [K]\nparam w: [K]\nstate h: [K]\nh = 0.5 * h[t-1] + dropout(w * x, 0.4)\noutput h",
        "input x: [K]\nparam w: [K]\nh = if bernoulli[K](0.4) then w * x else x\noutput h",
    ])
    func gradientsAreThoseOfTheNumbersDrawn(body: String) throws {
        let model = try model(body, ["K": 3], training: true)
        let check = try GradientCheck(model, RandomCase(for: model, batch: 2, length: 6, lengths: [6, 4], seed: 3), engine: .interpreter, seed: 3)
        #expect(check.emptiness == nil)
        #expect((check.worst?.error ?? 1) < 1e-6)
    }

    @Test func trainingGoesOnBitForBit() throws {
        let model = try model("input x: [K]\nparam w: [K]\ny = dropout(w * x, 0.5) + 0.1 * noise[K]()\nloss l = mean[t](sum(y * y))\noutput y", ["K": 4])
        let x = Tensor((0..<8 * 5 * 4).map { Float(cos(Double($0))) }, shape: [8, 5, 4])
        let data = try TrainingData(ModelData(inputs: ["x": x]), for: model)
        let options = TrainingOptions(schedule: Schedule(rate: 1e-2), batch: 4)
        let whole = try Trainer(model, data, options)
        var losses: [Double] = []
        for _ in 0..<6 { losses.append(try whole.advance().loss) }
        let first = try Trainer(model, data, options)
        for k in 0..<3 { #expect(try first.advance().loss == losses[k]) }
        let second = try Trainer(model, data, options, resuming: first.checkpoint)
        for k in 3..<6 { #expect(try second.advance().loss == losses[k]) }
        // Nothing is dropped where the loss is only measured.
        #expect(!model.graph.text.contains("less"))
        // Each step drops others.
        let still = try Trainer(model, data, TrainingOptions(schedule: Schedule(rate: 0), batch: 8))
        #expect(try still.advance().loss != still.advance().loss)
    }

    // MARK: Mistakes

    @Test(arguments: [
        ("input x: [3]\noutput y = x + noise(x)", "wrong-argument", "noise[3]()"),
        ("input x: real\noutput y = x + uniform(-1, 1)", "wrong-argument", "between 0 and 1"),
        ("input x: real\noutput y = x + noise[t]()", "wrong-argument", "leave 't' out"),
        ("input x: real\noutput y = dropout(x, 1)", "wrong-argument", "become 0"),
        ("input x: real\noutput y = real(bernoulli(1.5)) + x", "wrong-argument", "sigmoid"),
        ("input x: real\noutput y = categorical(x)", "shape-mismatch", ""),
        ("input x: real\noutput y = x + randn()", "unknown-name", "noise[H]()"),
        ("input x: real\noutput y = x + noise[Q]()", "unknown-dim", ""),
    ])
    func mistakesAreTold(body: String, id: String, help: String) {
        let program = Program(text: "model M {\n\(body)\n}\n")
        #expect(program.diagnostics.first?.id.rawValue == id, "\(program.diagnostics.map(\.message))")
        #expect(help.isEmpty || program.diagnostics.first?.help?.contains(help) ?? false, "\(program.diagnostics.map(\.help))")
    }

    @Test func operatorsLeaveNothingToChance() {
        let program = Program(text: "monoid N(m) {\n identity (0)\n combine (a, b) {\n  m = a.m + b.m + noise()\n }\n}\nmodel M {\n input x: real\n f = fold N(x)\n output y = f.m\n}\n")
        #expect(program.diagnostics.first?.id == .unsupported)
    }

    @Test func namesOfAProgramGoFirst() throws {
        let program = Program(text: "func noise(x) = 2 * x\nmodel M {\n input uniform: real\n output y = noise(uniform)\n}\n")
        #expect(!program.hasErrors, "\(program.diagnostics.map(\.message))")
        let got = try Model(program).run(ModelData(inputs: ["uniform": Tensor([3.0], shape: [1, 1])]), on: .interpreter)
        #expect(try got["y"].doubles() == [6])
    }

    @Test("a command takes seeds from its data, and refuses those that have no use") func seedsOfACommand() throws {
        let recc = try ReccCommand(Project.path(".build/debug/recc"))
        let drawn = try recc.file("drawn.rec", "model M {\n input x: real\n output y = x * noise()\n}\n")
        let certain = try recc.file("certain.rec", "model M {\n input x: real\n output y = x\n}\n")
        func run(_ seeds: [Double], _ program: String, _ further: [String] = []) throws -> (outcome: ReccCommand.Outcome, numbers: [Double]) {
            let (data, output) = (recc.folder.path("data.safetensors"), recc.folder.path("y.npz"))
            let tensors = [NamedTensor(name: "input.x", tensor: Tensor([1, 1, 1, 1], shape: [2, 2])), NamedTensor(name: "once.noise.seed", tensor: Tensor(seeds, shape: [seeds.count]))]
            try TensorArchive(tensors: tensors).write(to: data)
            let outcome = try recc.run(["run", program, "--data", data, "-o", output] + further)
            return (outcome, outcome.status == 0 ? try TensorArchive(path: output)["y"]?.doubles() ?? [] : [])
        }
        let (one, other) = (try run([5, 77], drawn).numbers, try run([77, 5], drawn).numbers)
        #expect(one.count == 4 && one[..<2] == other[2...] && one[2...] == other[..<2] && one[..<2] != one[2...])
        #expect(try run([5], drawn).outcome.errors.contains("misshapen-tensor"))
        #expect(try run([1.5, 2], drawn).outcome.errors.contains("noise.seed"))
        #expect(try run([5, 77], drawn, ["--noise-seed", "3"]).outcome.errors.contains("leave --noise-seed out"))
        #expect(try run([5, 77], certain).outcome.errors.contains("noise.seed"))
    }
}
