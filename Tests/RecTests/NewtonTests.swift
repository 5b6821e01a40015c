import Foundation
import Rec
import RecForms
import RecScheduling
import RecStream
import TestSupport
import Testing

/// Recurrences by Newton's method: what comes out satisfies every equation, or has the bits of steps in order.
@Suite struct NewtonTests {
    typealias Case = SolvedPrograms.Case
    static let cases = SolvedPrograms.cases.filter { $0.name != "discrete states" } + [
        Case(
            name: "with a counter, a gradient of its own and a stop", state: "h",
            text: """
                func clipped(x) = clamp(x, -1, 1)
                  gradient (dy) = dy
                model M(D) {
                  input a, b: [D]
                  state h: [D]
                  state n: int
                  n = if sum(h[t-1]) > 0.5 then 0 else min(n[t-1] + 1, 3)
                  h = clipped(tanh(a + 0.3 * h[t-1] + 0.1 * stop(h[t-1]) + 0.1 * real(n)))
                  output h
                  output n
                }
                """),
        Case(
            name: "states that differ in size, by exponents that must not overflow", state: "c",
            text: """
                model M(D) {
                  input a, b: [D]
                  state c, n: [D]
                  state m: [D] = -10
                  m = max(a + m[t-1], 4 * b)
                  i = exp(4 * b - m)
                  f = exp(a + m[t-1] - m)
                  c = f * c[t-1] + i * tanh(b + 0.2 * c[t-1] / (n[t-1] + 1))
                  n = f * n[t-1] + i
                  output y = c / n
                }
                """),
    ]

    private func run(
        _ model: Model, _ data: ModelData, _ state: String, _ precision: Precision = .f64, threads: Int = 1
    ) throws -> (results: ModelResults, report: SolveReport) { try SolvedPrograms.run(model, data, state, as: .newton, precision, threads: threads) }

    @Test("rounds end with what steps in order give", arguments: cases) func everyLength(case own: Case) throws {
        let model = try SolvedPrograms.model(own.text)
        for length in [0, 1, 5, 150] {
            let data = SolvedPrograms.data(model, length: length)
            let expected = try model.run(data, on: .interpreter)
            for threads in [1, 3] {
                let (got, report) = try run(model, data, own.state, threads: threads)
                #expect(SolvedPrograms.distance(got, expected) < 1e-12, "\(length) steps")
                #expect(report.method == .newton && report.inOrder == 0 && (length == 0) == (report.sweeps == 0), "\(length) steps: \(report.text)")
            }
            let single = try run(model, data, own.state, .f32).results
            #expect(SolvedPrograms.distance(single, expected) < 1e-3)
        }
    }

    @Test("sequences of other lengths, and gradients", arguments: cases) func ragged(case own: Case) throws {
        let model = try SolvedPrograms.model(own.text)
        let data = SolvedPrograms.data(model, batch: 4, length: 70, lengths: [70, 0, 41, 1])
        let expected = try model.run(data, on: .interpreter)
        #expect(SolvedPrograms.distance(try run(model, data, own.state, threads: 2).results, expected) < 1e-12)
        let gradients = try GradientModel(model)
        var cotangents: [String: Tensor] = [:]
        for output in expected.outputs where output.tensor.type == .f64 {
            cotangents[output.name] = Tensor((0..<output.tensor.count).map { cos(Double($0)) }, shape: output.tensor.shape)
        }
        let wanted = try gradients.run(data, cotangents: cotangents, on: .interpreter)
        let got = try gradients.run(data, cotangents: cotangents, on: .compiled(.f64), threads: 2, forcing: [own.state: .newton])
        #expect(got.results.solves[own.state]?.method == .newton)
        for (a, b) in zip(wanted.gradients, got.gradients) {
            #expect(a.name == b.name && zip(a.tensor.doubles(), b.tensor.doubles()).allSatisfy { abs($0 - $1) < 1e-10 }, "\(a.name)")
        }
    }

    @Test("a memory of any length takes few rounds") func longMemory() throws {
        let model = try SolvedPrograms.model(SolvedPrograms.remembering)
        let data = SolvedPrograms.data(model, length: 700)
        let expected = try model.run(data, on: .interpreter)
        for (precision, tolerance) in [(Precision.f64, 1e-12), (.f32, 1e-3)] {
            let (got, report) = try run(model, data, "h", precision)
            #expect(SolvedPrograms.distance(got, expected) < tolerance && report.inOrder == 0 && report.sweeps < 8, "\(report.text)")
        }
    }

    /// The same step as a model of its own: how far a state is from what the step gives.
    private static let gated = """
        model M(D) {
          input a, b: [D]
          param w: [D] = uniform(-1, 1)
          param U: [D, D] = normal(0.5)
          state h: [D]
          z = sigmoid(a + w * h[t-1])
          h = (1 - z) * h[t-1] + z * tanh(b + U @ h[t-1])
          output h
        }
        """
    private static let residual = gated.replacing("state h: [D]", with: "input g: [D]").replacing("h[t-1]", with: "g[t-1]")
        .replacing("  h = ", with: "  output r = g - (").replacing("U @ g[t-1])\n", with: "U @ g[t-1]))\n").replacing("  output h\n", with: "")

    @Test("whatever the weights, every step satisfies its equation or has the bits of steps in order", arguments: [1.0, 2, 4, 8], [Precision.f32, .f64])
    func scaledWeights(scale: Double, precision: Precision) throws {
        let model = try SolvedPrograms.model(Self.gated)
        var data = SolvedPrograms.data(model, batch: 3, length: 300)
        for name in ["w", "U"] { data.parameters[name] = data.parameters[name].map { Tensor($0.doubles().map { $0 * scale }, shape: $0.shape) } }
        let expected = try model.run(data, on: .compiled(precision), forcing: ["h": .sequential])
        let (got, report) = try run(model, data, "h", precision, threads: 2)
        let (h, reference) = (got.outputs[0].tensor, expected.outputs[0].tensor.doubles())
        var check = data
        check.inputs["g"] = h
        let residuals = try SolvedPrograms.model(Self.residual).run(check, on: .interpreter).outputs[0].tensor.doubles()
        let unit = precision == .f32 ? 0x1p-23 : 0x1p-52
        #expect(residuals.allSatisfy { abs($0) <= 8 * unit }, "\(report.text)")
        if report.inOrder == 3 { #expect(h.doubles() == reference) }
        if scale == 1 { #expect(report.inOrder == 0 && zip(h.doubles(), reference).allSatisfy { abs($0 - $1) < 100 * unit }) }
    }

    @Test("NaN and infinities reach the steps that they reach in order", arguments: [Double.nan, .infinity], [0, 40])
    func special(number: Double, step: Int) throws {
        for own in Self.cases {
            let model = try SolvedPrograms.model(own.text)
            var data = SolvedPrograms.data(model, batch: 2, length: 60)
            var numbers = data.inputs["a"]?.doubles() ?? []
            numbers[3 * step + 1] = number
            data.inputs["a"] = Tensor(numbers, shape: [2, 60, 3])
            let expected = try model.run(data, on: .compiled(.f64), forcing: [own.state: .sequential])
            #expect(SolvedPrograms.distance(try run(model, data, own.state).results, expected) < 1e-12, "\(own.name)")
        }
    }

    @Test("a sequence has the same bits whatever else is in its batch, and whatever the threads", arguments: [Precision.f32, .f64])
    func batchMates(precision: Precision) throws {
        let model = try SolvedPrograms.model(Self.gated, ["D": 2])
        let steps = 200
        func run(_ sequences: [Int], threads: Int = 1) throws -> [[Double]] {
            var data = SolvedPrograms.data(model, batch: sequences.count, length: steps)
            for name in ["w", "U"] { data.parameters[name] = data.parameters[name].map { Tensor($0.doubles().map { 3 * $0 }, shape: $0.shape) } }
            var numbers: [Double] = []
            for sequence in sequences {
                // One is never done: it runs in order.
                for k in 0..<2 * steps { numbers.append(sequence == 2 && k == 90 ? .nan : sin(Double(k * (sequence + 3) % 97)) * Double(1 + 3 * sequence)) }
            }
            for name in ["a", "b"] { data.inputs[name] = Tensor(numbers, shape: [sequences.count, steps, 2]) }
            let got = try self.run(model, data, "h", precision, threads: threads).results.outputs[0].tensor.doubles()
            return sequences.indices.map { Array(got[$0 * 2 * steps..<($0 + 1) * 2 * steps]).map { $0.isNaN ? -99 : $0 } }
        }
        let alone = try (0..<4).map { try run([$0])[0] }
        let together = try run([0, 1, 2, 3]), some = try run([3, 1], threads: 3)
        #expect(together == alone && some == [alone[3], alone[1]])
    }

    @Test("the last state goes on to other forms") func handedOn() throws {
        for own in Self.cases where own.name != "from the last step to the first" {
            try SolvedPrograms.expectHandedOn(own, of: 60, at: 41, [(.newton, .sequential), (.shooting(2), .newton)], within: 1e-12)
        }
    }

    @Test("what cannot run so says why", arguments: [
        ("state h: [20]\n h = tanh(ones @ h[t-1] + sum(x))\n output h", "its corrections are no scan"),
        ("state h: int\n h = if x[0] > 0 then 0 else mod(h[t-1] * h[t-1] + 1, 7)\n output h", "have no derivative"),
        ("state h, c: real\n h = tanh(c[t-1] + x[0])\n c = sigmoid(h)\n output h\n require plan(c) in (shooting)", "are one recurrence, as 'shooting' and as 'newton'"),
    ])
    func refusals(text: String, reason: String) throws {
        let model = try Model(Program(text: "model M {\n input x: [20]\n const ones: [20, 20] = ones\n \(text)\n}"))
        #expect {
            _ = try Runner(model, parameters: ["ones": Tensor([Double](repeating: 1, count: 400), shape: [20, 20])], forcing: ["h": .newton])
        } throws: {
            "\($0)".contains(reason)
        }
    }

    @Test("a source may ask for it, and it is explained") func required() throws {
        let text = Self.gated.replacing("  output h\n", with: "  output h\n  require plan(h) in (newton)\n")
        let model = try SolvedPrograms.model(text)
        let data = SolvedPrograms.data(model, length: 300)
        let got = try model.run(data)
        #expect(got.solves["h"]?.method == .newton)
        #expect(SolvedPrograms.distance(got, try model.run(data, on: .interpreter)) < 1e-4)
        #expect(throws: DiagnosticList.self) { _ = try model.run(data, forcing: ["h": .scan]) }
        let work = Workload(batch: 1, extents: [300], threads: 1, bytesPerReal: 4)
        let explained = try Explanation(model, work: work).text
        #expect(explained.contains("runs as      newton, about") && explained.contains("rounds of Newton's method"), "\(explained)")
        #expect(try Explanation(SolvedPrograms.model(Self.gated), work: work).text.contains("could run as newton, about"))
    }

    @Test("the systems are sound graphs", arguments: cases) func soundness(case own: Case) throws {
        let graph = try SolvedPrograms.model(own.text).graph.sharingCommonValues().splittingComplex()
        for component in components(of: graph) where component.isRecurrence {
            guard let split = try? RecurrenceSplit(graph, around: component.members, reach: .alone, prefix: ":"), let system = try? NewtonSystem(split.cell) else { continue }
            for part in [split.before, split.cell, split.after, system.first, system.round].compactMap({ $0 }) { #expect(part.violations() == []) }
        }
    }

    /// Products of products in a step: their derivative has all terms of all of them.
    @Test func stepsWithTooManyTermsAreRefused() throws {
        let chain = zip("bcdefgh", "abcdefg").map { " \($0) = tanh(U @ \($1) + x)\n" }.joined()
        let text = "model M(H) {\n input x: [H]\n param U: [H, H]\n state a, b, c, d, e, f, g, h, i: [H]\n a = tanh(U @ i[t-1] + x)\n\(chain) i = tanh(U @ i[t-1] + U @ h)\n output i\n}"
        let model = try Model(Program(text: text), dims: ["H": 16])
        let data = generated(model, batch: 1, extents: [4])
        let error = #expect(throws: DiagnosticList.self) { try model.run(data, forcing: ["i": .newton]) }
        #expect(error?.diagnostics.first?.id == .planRefused && error?.diagnostics.first?.message.contains("terms a step") == true)
    }
}
