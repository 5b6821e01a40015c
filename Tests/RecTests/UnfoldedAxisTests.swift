import RecDifferentiation
import RecInterpreter
import RecSchedule
import RecStream
import TestSupport
import Testing

@testable import Rec

/// Steps that go on from all of an axis of the data: rows of each step for code, loops within loops for the interpreter.
@Suite struct UnfoldedAxisTests {
    static let programs = [
        // Attention with what was said, and an encoder.
        "{ input x: [C]\n input y: [C] over s\n param W, U, Q: [C, C]\n state g: [C]\n g = tanh(W @ y + U @ g[s-1])\n state h: [C] = last[s](g)\n w = softmax[s](sum(tanh(Q @ h[t-1] + g)))\n h = tanh(x + sum[s](w * g))\n output h\n output w\n loss l = mean[t](sum(h^2)) }",
        // Where it has been: a state for each step of the other axis, and where it may go.
        "{ input x: [C]\n input y: [C] over s\n state covered: real\n state h: [C]\n w = softmax[s](sum(h[t-1] * y) - covered[t-1, s])\n covered = covered[t-1, s] + w\n h = tanh(x + sum[s](w * y))\n output h\n output covered }",
        "{ input x: [C]\n input y: [C] over s\n state b: [C]\n b = 0.5 * b[s+1] + y\n state h: [C] = 1\n m = max[s](h[t-1] * b)\n h = 0.5 * h[t-1] + tanh(m + x) + min[s](b) * first[s](y) + last[s](y * h[t-1])\n output h\n output z = mean[s](h * b) }",
        // A pointer: the step that was chosen is what the next one begins with.
        "{ input x: [C]\n input y: [C] over s\n state at: int\n state h: [C]\n at = argmax[s](sum(y * h[t-1]))\n h = tanh(x + sum[s where s == at](y))\n output h\n output at }",
        "{ input x: [C]\n input y: int over s\n input b: bool over s\n param E: [6, C]\n state h: [C]\n h = tanh(x + sum[s where b](E[mod(y, 6)] * h[t-1]))\n output h\n output n = sum[s where b](y) + t }",
        // The axis itself has an order within each step.
        "{ input x: [C]\n input y: [C] over s\n state f: [C]\n state h: [C]\n f = 0.5 * f[t, s-1] + tanh(y + h[t-1])\n h = 0.5 * last[s](f) + x\n output h\n output f }",
        "over (i, j) { input x: [C]\n state h, top: [C]\n top = last[j](h)\n h = tanh(0.4 * h[i, j-1] + 0.3 * h[i-1, j+1] + top[i-1] + x)\n output h\n output top }",
        "{ input x: [C]\n input y: [C] over s\n input z: [C] over r\n state h: [C]\n h = tanh(x + sum[s](y * h[t-1]) + mean[r](z))\n output h\n output o = sum[r](softmax[r](sum(z * h)) * z) }",
        // What is attended to attends itself, and so does the decoder.
        "{ input x: [C]\n input y: [C] over s\n state g: [C]\n g = tanh(0.5 * g[s-1] + y)\n e = g + sum[r in s](softmax[r](sum(y * g[r])) * g[r])\n state h: [C]\n h = tanh(x + sum[s](softmax[s](sum(h[t-1] * e)) * e))\n output h\n output e\n loss l = mean[t](sum(h^2)) }",
        "{ input x: [C]\n input y: [C] over s\n e = y + sum[r <= s](softmax[r](sum(y * y[r])) * y[r])\n state h: [C]\n h = tanh(x + sum[s](softmax[s](sum(h[t-1] * e)) * e))\n output o = sum[t-3 < r <= t](softmax[r](sum(h * x[r])) * h[r]) }",
    ]

    private func model(_ text: String) throws -> Model {
        let program = Program(text: "model M(C) \(text)\n")
        try #require(program.diagnostics.isEmpty, "\(program.diagnostics.map(\.message)) \(text)")
        return try Model(program, named: "M", dims: ["C": 3])
    }

    private func expectSame(_ got: [NamedTensor], _ expected: [NamedTensor], _ what: String, within tolerance: Double = 1e-12) {
        #expect(got.map(\.name) == expected.map(\.name), "\(what)")
        for (a, b) in zip(got, expected) {
            let error = Deviation(of: a.tensor, from: b.tensor).error
            #expect(a.tensor.shape == b.tensor.shape && error <= tolerance, "\(what): \(a.name) \(error)")
        }
    }

    private func gradients(of model: Model, _ cotangents: [String]) throws -> GradientModel {
        var request = GradientRequest(of: model.graph)
        request.seeds = model.graph.losses.map { .loss($0.name) } + cotangents.map(GradientRequest.Seed.init(cotangent:))
        return try GradientModel(model, request)
    }

    /// The rewritten graph, and its parts, give what the model gives, and their gradients.
    @Test(arguments: programs) func rowsAreWhatLoopsGive(text: String) throws {
        let model = try model(text)
        let axis = try #require(model.unfoldedAxis, "\(text)")
        for extents in [[4, 5, 2], [1, 1, 1], [3, 2, 3]] {
            let extents = Array(extents.prefix(model.graph.dataAxes.count))
            var data = generated(model, batch: 2, extents: extents)
            let cotangents = RandomCase(for: model, batch: 2, length: 1, seed: 1).cotangents.keys.sorted()
            let graphs = [model.graph] + (cotangents.isEmpty ? [] : [try gradients(of: model, cotangents).graph])
            let results = try model.run(data, on: .interpreter)
            for name in cotangents { data.inputs["cotangent.\(name)"] = try results[name] }
            for graph in graphs {
                let rewritten = try graph.unfolded(axis, count: extents[axis])
                #expect(rewritten.violations() == [], "\(text)")
                let bound = try BoundData(data, for: graph)
                let expected = Interpreter(graph).run(bound)
                var whole = bound
                whole.extents.append(1)
                let got = Interpreter(rewritten).run(whole)
                expectSame(got.outputs + got.losses, expected.outputs + expected.losses, text)
                let partition = try AxisPartition(rewritten)
                for part in partition.parts { #expect(part.graph.violations() == [], "\(text)") }
                let parts = PartitionEvaluation(try Partition(partition)).run(bound)
                expectSame(parts.outputs + parts.losses, expected.outputs + expected.losses, "parts of \(text)")
            }
        }
    }

    // MARK: Streams

    /// What runs along the other axis is given whole, and steps of the first one come one by one.
    @Test(arguments: programs.indices.filter { ![6, 7].contains($0) } + [100, 101, 102, 103]) func streamsAgree(index: Int) throws {
        let further = [
            "{ input x: [C]\n input y: [C] over s\n param W: [C, C]\n state g: [C]\n g = tanh(W @ g[s-1] + y)\n state h: [C] = last[s](g)\n h = tanh(W @ h[t-1] + x)\n output o = sum[s](softmax[s](sum(h * g)) * g)\n output x\n output p = h * g\n output g\n loss l = mean[t](sum(h)) }",
            "{ input x: [C]\n input z: complex[C] over s\n state a: complex[C]\n a = 0.5 * a[t-1] + last[s](z) * x[0]\n output a }",
            "{ input x: [C] over t\n input y: int over s\n input e: [C] over (t, s)\n output n = t + s\n output m = x[t-1] + sum[s](e[t-2] * y) }",
            "{ input x: real over t\n input y: real over s\n state h: real = 0.3\n h = tanh(sum[s](softmax[s](y * h[t-1]) * y))\n output h }",
        ]
        let text = index < 100 ? Self.programs[index] : further[index - 100]
        let model = try model(text)
        for lengths in [nil, [4, 0, 2]] as [[Int]?] {
            var data = generated(model, batch: 3, extents: [6, 4])
            if let lengths { data.lengthsByAxis["s"] = lengths }
            let whole = try model.run(data, on: .compiled(.f64))
            for piece in [1, 4] {
                let got = try StreamRun.run(model, data, precision: .f64, piece: piece)
                let expected = whole.outputs.filter { output in got.outputs.contains { $0.name == output.name } }
                #expect(got.outputs.count == model.graph.outputs.count { model.graph[$0.value].variance.varies(over: 0) }, "\(text)")
                expectSame(got.outputs, expected, "\(text) by \(piece)", within: 1e-10)
            }
        }
    }

    @Test func aDecoderIsAStreamAndASampler() throws {
        let dims = ["S": 5, "V": 6, "D": 4, "H": 3, "A": 2]
        for name in ["attending_decoder", "translation"] {
            var model = try Model(Program(path: Project.path("examples/\(name).rec")), dims: dims)
            model.parameters = model.initialParameters(seed: 4)
            let source = Tensor([1, 4, 2, 0, 3], shape: [1, 5])
            let said = [2, 5, 1]
            let whole = try model(["source": source, "said": Tensor(said, shape: [1, 3])])["best"].ints()
            let stream = try model.stream(once: ["source": source])
            for (k, word) in said.enumerated() { #expect(try stream.step(["said": [Float(word)]])["best"] == [Float(whole[k])]) }
            // What was said last is said next.
            let sampler = try Sampler(model, output: "best", input: "said", once: ["source": source])
            try sampler.feed([2])
            var spoken = [2]
            for _ in 0..<3 {
                let next = try model(["source": source, "said": Tensor(spoken, shape: [1, spoken.count])])["best"].ints()
                let got = try sampler.nextNumbers()
                #expect(got == [Float(next[spoken.count - 1])])
                spoken.append(next[spoken.count - 1])
            }
            #expect(throws: DiagnosticList.self) { try model.stream() }
        }
        // Steps of different sequences are taken together.
        let ragged = try self.model(Self.programs[0])
        var data = generated(ragged, batch: 2, extents: [3, 4])
        for lengths in ["t", "lengths"] {
            if lengths == "t" { data.lengthsByAxis = ["t": [3, 1]] } else { (data.lengths, data.lengthsByAxis) = ([3, 1], [:]) }
            #expect(throws: (any Error).self) { try StreamRun.run(ragged, data, precision: .f64) }
        }
        let late = try self.model("{ input x: [C]\n input y: [C] over s\n g = mean[t](x) * y\n output o = sum[s](g * x) }")
        let error = #expect(throws: DiagnosticList.self) { try late.stream(once: ["y": Tensor([Double](repeating: 1, count: 6), shape: [1, 2, 3])]) }
        #expect(error?.diagnostics.first?.id == .planRefused)
    }

    @Test(arguments: programs) func codeAgrees(text: String) throws {
        let model = try model(text)
        let count = model.graph.dataAxes.count
        for (extents, lengths) in [([7, 5, 3], nil), ([1, 3, 2], nil), ([6, 4, 2], [[6, 2, 4], [1, 4, 3], [2, 1, 2]]), ([0, 3, 2], nil)] as [([Int], [[Int]]?)] {
            var data = generated(model, batch: 3, extents: Array(extents.prefix(count)))
            if let lengths {
                data.lengths = lengths[0]
                for axis in 1..<count { data.lengthsByAxis[model.graph.axes[axis].name] = lengths[axis] }
            }
            let expected = try model.run(data, on: .interpreter)
            let cotangents = RandomCase(for: model, batch: 2, length: 1, seed: 1).cotangents.keys.sorted()
            let gradients = cotangents.isEmpty ? nil : try gradients(of: model, cotangents)
            var given: [String: Tensor] = [:]
            for name in cotangents { given[name] = try expected[name] }
            let reference = try gradients?.run(data, cotangents: given, on: .interpreter)
            for (precision, tolerance) in [(Precision.f64, 1e-10), (.f32, 2e-4)] {
                for threads in [1, 2] {
                    let got = try model.run(data, on: .compiled(precision), threads: threads)
                    expectSame(got.outputs + got.losses, expected.outputs + expected.losses, "\(text) \(extents) \(precision)", within: tolerance)
                }
                guard let gradients, let reference, precision == .f64 || lengths == nil else { continue }
                let got = try gradients.run(data, cotangents: given, on: .compiled(precision), threads: 2)
                expectSame(got.gradients, reference.gradients, "gradients of \(text) \(extents) \(precision)", within: tolerance)
            }
        }
    }
}
