import Foundation
import TestSupport
import Testing

@testable import Rec

/// Inputs over axes of their own, `input y: [E] over s`: results against loops written by hand, compiled code against the interpreter, lengths
/// along each axis, gradients against differences.
@Suite struct OwnAxesTests {
    static let cases = [
        "{ input x: [C]\n input y: [C] over s\n output a = sum[s](softmax[s](x * y) * y) }",
        "{ input x: [C]\n input y: [C] over s\n state g: [C]\n g = 0.5 * g[s-1] + y\n state h: [C] = last[s](g)\n h = tanh(h[t-1] + x)\n output h\n output g\n output z = h * g }",
        "{ input x: [C]\n input y: [C] over s\n state b: [C]\n b = 0.7 * b[s+1] + y\n output a = x + first[s](b)\n output l = logsumexp[s](x + y)\n output m = argmax[s](x * y)\n output n = t + s }",
        "{ input x: [C]\n input y: [C] over s\n output a = mean[s where sum(y) > 0](x * y)\n output b = softmax[s where y > 0](y + x)\n output v = var[s](y * x)\n output c = max[C, s where y > -9](y * x) }",
        "{ input x: [C]\n input y: [C] over s\n output d = x[t+1] + last[s](y[s+2])\n param w: [2] = linspace(0.5, 1)\n output e = conv[s](y, w)\n output v = sum[s](y[s-2:s+1])\n output f = y.first }",
        "over (i, j) { input x: [C]\n input f: [C] over i\n input g: [C] over j\n state h: [C]\n h = 0.5 * h[i-1, j] + 0.3 * h[i, j-1] + x * f + g\n output h\n output r = last[j](h) + f\n output c = last[i](last[j](h)) }",
        "over (i, j) { input f: [C] over i\n input g: [C] over j\n state h: [C] = 1\n h = logaddexp(h[i-1, j] + f[i-1], h[i, j-1] + g)\n output h\n output e = first[i](h) }",
        "{ input x: [C]\n input y: int over s\n input b: bool[C] over s\n param E: [6, C]\n output o = sum[s where any(b)](E[y] * x)\n output k = sum[s](y) + t\n output l = last[s](b) }",
        "{ input x: [C]\n input y: [C] over s\n e = y + sum[r in s](softmax[r](sum(y * y[r])) * y[r])\n d = x + sum[r <= t](softmax[r](sum(x * x[r])) * x[r])\n output o = d + sum[s](softmax[s](sum(d * e)) * e)\n output g = last[s](e) + x }",
        "{ input x: [C]\n input y: int over s\n output n = sum[r < s where y[r] == y](s - r)\n output a = argmax[r in s](y[r])\n output p = sum[r <= t](x[r] * exp(r - t))\n output m = max[s where y > 1](y) + t }",
        "{ input x: real\n input y: [C] over s\n param w: [2] = linspace(0.5, 1)\n state h: [C]\n h = 0.5 * h[s-1] + conv[t](x, w) + y\n state g: real\n g = 0.5 * g[t-1] + x + sum[r in s](sum(y * y[r]))\n output h\n output e = 2 * g }",
        "{ input x: [C]\n input y: [C] over s\n layer pool = Pool(C)\n state h, g: [C]\n h = 0.5 * g[t-1] + x + pool(y)\n g = 0.5 * h[t-1] + x\n loss l = sum[t](sum(h * g))\n output o = h }",
    ].map { $0.replacingOccurrences(of: "output f = y.first", with: "output f = if s.first then y else 2 * y") }

    private func model(_ text: String) throws -> Model {
        let program = Program(text: "func any(b) = sum(real(b)) > 0\nmodel Pool(C) { input y: [C] over s\n output a = sum[s](y) }\nmodel M(C) \(text)\n")
        try #require(program.diagnostics.isEmpty, "\(program.diagnostics.map(\.message)) \(text)")
        return try Model(program, named: "M", dims: ["C": 3])
    }

    /// Data with lengths along each axis, and NaN behind them.
    private func ragged(_ model: Model, batch: Int, extents: [Int], _ lengths: [[Int]]) -> ModelData {
        var data = generated(model, batch: batch, extents: extents)
        for value in model.graph.values where value.element == .real && value.variance.isStream {
            guard case .input(let name, _) = value.operation, let tensor = data.inputs[name] else { continue }
            let axes = model.graph.axes.indices.filter { value.variance.varies(over: $0) }
            var numbers = tensor.doubles()
            let width = value.shape.elementCount
            for place in 0..<numbers.count / max(width, 1) {
                var rest = place
                var steps: [Int] = []
                for axis in axes.reversed() {
                    steps.insert(rest % extents[axis], at: 0)
                    rest /= extents[axis]
                }
                guard zip(axes, steps).contains(where: { lengths[$0][rest] <= $1 }) else { continue }
                for k in 0..<width { numbers[place * width + k] = .nan }
            }
            data.inputs[name] = Tensor(numbers, shape: tensor.shape)
        }
        data.lengths = lengths[0]
        data.lengthsByAxis = [model.graph.axes[1].name: lengths[1]]
        return data
    }

    private func expectSame(_ got: [NamedTensor], _ expected: [NamedTensor], _ what: String, within tolerance: Double = 1e-9) {
        #expect(got.map(\.name) == expected.map(\.name), "\(what)")
        for (a, b) in zip(got, expected) {
            let error = Deviation(of: a.tensor, from: b.tensor).error
            #expect(a.tensor.shape == b.tensor.shape && error <= tolerance, "\(what): \(a.name) \(error)")
        }
    }

    @Test(arguments: cases) func enginesAgree(text: String) throws {
        let model = try model(text)
        try expectAgreement(model, [(4, 3), (1, 6), (9, 1)].map { (generated(model, batch: 2, extents: [$0, $1]), "\($0)×\($1)") })
        for lengths in [[[5, 2, 3], [4, 7, 1]], [[0, 5, 1], [3, 0, 7]]] {
            let data = ragged(model, batch: 3, extents: [5, 7], lengths)
            let expected = try model.run(data, on: .interpreter)
            for precision in [Precision.f64, .f32] {
                let got = try model.run(data, on: .compiled(precision), threads: 2)
                expectSame(got.outputs, expected.outputs, "\(text) \(lengths)", within: precision == .f64 ? 1e-9 : 1e-4)
            }
        }
    }

    @Test(arguments: cases) func gradientsAgree(text: String) throws {
        let model = try model(text)
        let random = RandomCase(for: model, batch: 2, length: 4, seed: 3)
        let check = try GradientCheck(model, random)
        for row in check.rows { #expect(row.error < 1e-6, "\(row.name) \(text)") }
        // Where sequences end, gradients of compiled code are those of the interpreter.
        let data = ragged(model, batch: 3, extents: [5, 7], [[5, 2, 3], [4, 7, 1]])
        let outputs = model.graph.outputs.filter { model.graph[$0.value].element == .real }.map(\.name)
        let gradients = try GradientModel(model, withRespectTo: nil, cotangents: outputs)
        var cotangents: [String: Tensor] = [:]
        for output in try model.run(data, on: .interpreter).outputs where outputs.contains(output.name) {
            var random = SeededGenerator(seed: 6, for: output.name)
            cotangents[output.name] = Tensor((0..<output.tensor.count).map { _ in random.normal() }, shape: output.tensor.shape)
        }
        let expected = try gradients.run(data, cotangents: cotangents, on: .interpreter)
        let got = try gradients.run(data, cotangents: cotangents, on: .compiled(.f64), threads: 2)
        expectSame(got.gradients, expected.gradients, text)
        for gradient in expected.gradients {
            let isFinite = gradient.tensor.doubles().allSatisfy { $0.isFinite }
            #expect(isFinite, "\(gradient.name) \(text)")
        }
    }

    @Test func attentionAcrossIsWhatLoopsGive() throws {
        let model = try Model(
            Program(text: "model M(K) { input q: [K]\n input k, v: [K] over s\n output o = sum[s](softmax[s](sum[K](q * k) / sqrt(K)) * v) }"), dims: ["K": 3])
        let data = ragged(model, batch: 2, extents: [4, 6], [[4, 2], [3, 6]])
        let (q, k, v) = (try #require(data.inputs["q"]).doubles(), try #require(data.inputs["k"]).doubles(), try #require(data.inputs["v"]).doubles())
        var expected = [Double](repeating: 0, count: 2 * 4 * 3)
        for (b, (steps, others)) in [(4, 3), (2, 6)].enumerated() {
            for t in 0..<steps {
                let weights = (0..<others).map { s in exp((0..<3).reduce(0.0) { $0 + q[(b * 4 + t) * 3 + $1] * k[(b * 6 + s) * 3 + $1] } / 3.0.squareRoot()) }
                let total = weights.reduce(0, +)
                for c in 0..<3 { expected[(b * 4 + t) * 3 + c] = (0..<others).reduce(0.0) { $0 + weights[$1] / total * v[(b * 6 + $1) * 3 + c] } }
            }
        }
        for engine in [Engine.interpreter, .compiled(.f64)] {
            let got = try model.run(data, on: engine)["o"].doubles()
            #expect(zip(got, expected).allSatisfy { abs($0 - $1) < 1e-12 })
        }
    }

    /// All alignments of a transducer, one after the other.
    @Test func aTransducerSumsOverItsAlignments() throws {
        let model = try Model(Program(path: Project.path("examples/transducer.rec")), dims: ["F": 2, "G": 2, "J": 3, "V": 5])
        let data = ragged(model, batch: 2, extents: [4, 4], [[4, 2], [2, 4]])
        // The moves from each place, from a model of its own.
        let text = try Project.text("examples/transducer.rec")
            .replacingOccurrences(of: "  loss nll", with: "  output nothing\n  output said\n  loss nll")
        let moves = try Model(Program(text: text), dims: ["F": 2, "G": 2, "J": 3, "V": 5]).run(data, on: .interpreter)
        let (nothing, said) = (try moves["nothing"].doubles(), try moves["said"].doubles())
        var expected = 0.0
        for (b, (steps, words)) in [(4, 2), (2, 4)].enumerated() {
            func sum(_ t: Int, _ u: Int) -> Double {
                let place = (b * 4 + t) * 4 + u
                let here = t == steps - 1 && u == words - 1 ? exp(nothing[place]) : 0
                return here + (t + 1 < steps ? exp(nothing[place]) * sum(t + 1, u) : 0) + (u + 1 < words ? exp(said[place]) * sum(t, u + 1) : 0)
            }
            expected -= log(sum(0, 0)) / 2
        }
        for engine in [Engine.interpreter, .compiled(.f64)] {
            let got = try model.run(data, on: engine)["nll"].doubles()[0]
            #expect(abs(got - expected) < 1e-12, "\(got) \(expected)")
        }
    }

    @Test func whatBeginsAtTheEndHasNoCodeForItsGradient() throws {
        let model = try model("{ input x: [C]\n input y: [C] over s\n state h, g: [C]\n h = 0.5 * h[t+1] + x\n g = 0.5 * g[t-1] + x * sum[s](y)\n output o = h + g }")
        let data = ragged(model, batch: 2, extents: [3, 4], [[3, 2], [4, 1]])
        let cotangents = ["o": Tensor([Double](repeating: 1, count: 18), shape: [2, 3, 3])]
        for name in ["initial.h", "initial.g"] {
            let gradients = try GradientModel(model, withRespectTo: [name], cotangents: ["o"])
            let expected = try gradients.run(data, cotangents: cotangents, on: .interpreter)
            guard name == "initial.g" else {
                let error = #expect(throws: DiagnosticList.self) { try gradients.run(data, cotangents: cotangents) }
                #expect(error?.diagnostics.map(\.id) == [.unsupported])
                continue
            }
            expectSame(try gradients.run(data, cotangents: cotangents, on: .compiled(.f64)).gradients, expected.gradients, name)
        }
    }

    /// What a state varies over follows from its equation, whatever that is made of.
    @Test func statesVaryOverWhatTheyAreMadeOf() throws {
        func axes(_ text: String) throws -> [String] {
            let model = try Model(Program(text: "model Pool { input y: real over s\n output a = sum[s](y) }\nmodel L over (t, s) { input x: real\n output y = x * (s + 1) }\nfunc f(v) = v + noise()\nmodel M { input x: real\n input y: real over s\n param w: [2]\n layer pool = Pool\n layer l = L\n \(text)\n output h }"), named: "M")
            let value = try #require(model.graph.outputs.first).value
            #expect(model.graph.violations() == [])
            return model.graph.axes.indices.filter { model.graph[value].variance.varies(over: $0) }.map { model.graph.axes[$0].name }
        }
        for (text, expected) in [
            ("state h: real\n h = 0.5 * h[s-1] + conv[t](x, w)", ["t", "s"]), ("state h: real\n h = 0.5 * h[s-1] + y + noise()", ["t", "s"]),
            ("state h: real\n h = 0.5 * h[s-1] + f(y)", ["t", "s"]), ("state h: real\n h = 0.5 * h[t-1] + (x |> l)", ["t", "s"]),
            ("state h: real\n h = 0.5 * h[t-1] + x + pool(y)", ["t"]), ("state h: real\n h = 0.5 * h[t-1] + x + sum[r in s](y[r])", ["t"]),
            ("state g: real\n g = g[s-1] + y\n state h: real = last[s](g)\n h = 0.5 * h[t-1] + x", ["t"]), ("state h, g: real\n h = g[t-1]\n g = h[t-1] + y", ["t", "s"]),
            ("state h, a, b: real\n h = a[t-1]\n a = b[t-1]\n b = h[t-1] + sum[s](y)", ["t"]), ("state h: real\n h = 2", ["t"]),
        ] { #expect(try axes(text) == expected, "\(text)") }
    }

    /// Code has one of the axes as rows.
    @Test func modelsOverThreeAxes() throws {
        let model = try Model(Program(text: "model M { input x: real over t\n input y: real over s\n input z: real over u\n output a = sum[s, u](x + y * z) }"))
        let data = generated(model, batch: 2, extents: [2, 3, 4])
        let (got, expected) = (try model.run(data, on: .compiled(.f64)), try model.run(data, on: .interpreter))
        expectSame(got.outputs, expected.outputs, "three axes")
        #expect(try got["a"].shape == [2, 2])
    }

    /// What is behind the end of a sequence need be no index, along whichever axis.
    @Test func indicesAreCheckedBeforeTheEnds() throws {
        let model = try Model(Program(text: "model M { input x: int\n input y: int over s\n param E: [3]\n output z = E[x] + sum[s](E[y]) }"))
        var data = ModelData(
            inputs: ["x": Tensor([0, 1, 9, 2, 9, 9], shape: [2, 3]), "y": Tensor([2, 9, 1, 1], shape: [2, 2])], parameters: ["E": Tensor([1, 2, 4], shape: [3])],
            lengths: [2, 1], lengthsByAxis: ["s": [1, 2]])
        for engine in [Engine.interpreter, .compiled(.f64)] { #expect(try model.run(data, on: engine)["z"].doubles() == [5, 6, 0, 8, 0, 0]) }
        for (lengths, others, name) in [([3, 1], [1, 2], "x"), ([2, 1], [2, 2], "y")] {
            (data.lengths, data.lengthsByAxis) = (lengths, ["s": others])
            let ended = try data.endingByInputs(for: model)
            for (graph, data) in [(model.graph, data), (model.ending(along: ended.axes).graph, ended.data)] {
                let error = #expect(throws: DiagnosticList.self) { try BoundData(data, for: graph) }
                #expect(error?.diagnostics.first?.message.hasPrefix("'\(name)' holds 9") == true, "\(name) \(lengths)")
            }
        }
    }

    @Test func lengthsAreGivenByAxis() throws {
        let model = try model(Self.cases[0])
        var data = generated(model, batch: 2, extents: [3, 4])
        func problem(_ id: DiagnosticID, _ text: String) {
            for engine in [Engine.interpreter, .compiled(.f32)] {
                let error = #expect(throws: DiagnosticList.self) { try model.run(data, on: engine) }
                #expect(error?.diagnostics.map(\.id) == [id] && error?.diagnostics.first?.message.contains(text) == true, "\(error as Any)")
            }
        }
        data.lengthsByAxis = ["u": [1, 2]]
        problem(.unknownName, "lengths along 'u'")
        data.lengthsByAxis = ["s": [1]]
        problem(.misshapenTensor, "'lengths.s' has 1 entries for a batch of 2")
        data.lengthsByAxis = ["s": [1, 5]]
        problem(.badData, "'lengths.s' has a length of 5, which does not lie within 0 … 4")
        // Without the input that they are lengths of nothing can be said of them.
        let whole = data.inputs
        for (axis, axisInputs) in [("s", ["y"]), ("t", ["x"])] {
            data.inputs = whole.filter { !axisInputs.contains($0.key) }
            data.lengthsByAxis = [axis: [1, 3]]
            problem(.missingTensor, "'\(axisInputs[0])' is missing")
        }
        data.inputs = [:]
        let error = #expect(throws: DiagnosticList.self) { try model.run(data) }
        #expect(error?.diagnostics.map(\.id) == whole.map { _ in .missingTensor }, "\(error as Any)")
        data.inputs = whole
        data.lengthsByAxis = ["t": [1, 3]]
        let byName = try model.run(data)["a"]
        data.lengths = [1, 3]
        problem(.badData, "twice")
        data.lengthsByAxis = [:]
        let runner = try Runner(model, parameters: data.parameters)
        for other in [try model.run(data), try runner.run(data.inputs, lengths: [1, 3]), try runner.run(data.inputs, lengthsByAxis: ["t": [1, 3]])] {
            #expect(try other["a"].doubles() == byName.doubles())
        }
    }
}
