import Foundation
import Rec
import RecTraining
import TestSupport
import Testing

/// Recurrences that run chunk by chunk because somebody asks for it.
@Suite struct ChunkwiseRunTests {
    private static let gated = """
        model Gated(K, V) {
          input q, k: [K]
          input v: [V]
          input a: real
          state S: [K, V]
          S = sigmoid(a) * S[t-1] + outer(k, v)
          output o = q @ S
        }
        """

    private func model(_ text: String = gated, _ dims: [String: Int] = ["K": 5, "V": 3]) throws -> Model {
        try Model(Program(text: text), dims: dims)
    }

    private func data(_ model: Model, batch: Int = 2, length: Int) -> ModelData {
        var data = ModelData(inputs: [:], parameters: model.initialParameters(seed: 1))
        for input in model.typed.inputs {
            let width = input.name == "a" ? [] : [input.name == "v" ? model.dims["V"] ?? 1 : model.dims["K"] ?? 1]
            let shape = [batch, length] + width
            data.inputs[input.name] = Tensor(
                (0..<shape.reduce(1, *)).map { sin(Double($0 * (3 + input.name.count) % 101) + Double(input.name.utf8.first ?? 0)) }, shape: shape)
        }
        return data
    }

    private func distance(_ a: Tensor, _ b: Tensor) -> Double {
        zip(a.doubles(), b.doubles()).map { abs($0 - $1) }.max() ?? 0
    }

    @Test("lengths around multiples of a chunk give what steps give", arguments: [0, 1, 15, 16, 17, 127, 128, 129, 200])
    func lengths(length: Int) throws {
        let model = try model()
        let data = self.data(model, length: length)
        let expected = try model.run(data, on: .interpreter)
        for form in [PlanForm.chunkwise(16), .chunkwise(64), .chunkwise(128), .chunkwise(nil)] {
            for threads in [1, 3] {
                let got = try model.run(data, on: .compiled(.f64), threads: threads, forcing: ["S": form], context: .quick)
                #expect(distance(got.outputs[0].tensor, expected.outputs[0].tensor) < 1e-12, "\(form)")
                #expect(got.finalStates[0].name == "S" && distance(got.finalStates[0].tensor, expected.finalStates[0].tensor) < 1e-12)
            }
        }
    }

    @Test("threads change no bit") func threads() throws {
        let model = try model()
        let data = self.data(model, batch: 5, length: 150)
        let gradients = try GradientModel(model)
        let cotangents = ["o": Tensor((0..<5 * 150 * 3).map { cos(Double($0)) }, shape: [5, 150, 3])]
        let one = try gradients.run(data, cotangents: cotangents, threads: 1, forcing: ["S": .chunkwise(32)])
        for threads in [2, 3] {
            let other = try gradients.run(data, cotangents: cotangents, threads: threads, forcing: ["S": .chunkwise(32)])
            #expect(zip(one.gradients, other.gradients).allSatisfy { $0.tensor.doubles() == $1.tensor.doubles() })
        }
    }

    @Test("a step that is not finite touches no earlier one", arguments: [Double.nan, .infinity]) func notFinite(number: Double) throws {
        let model = try model()
        var data = self.data(model, batch: 1, length: 40)
        var keys = data.inputs["k"]?.doubles() ?? []
        keys[5 * 21] = number
        data.inputs["k"] = Tensor(keys, shape: [1, 40, 5])
        let expected = try model.run(data, on: .interpreter).outputs[0].tensor.doubles()
        let got = try model.run(data, on: .compiled(.f64), forcing: ["S": .chunkwise(16)], context: .quick).outputs[0].tensor.doubles()
        #expect(expected.prefix(21 * 3).allSatisfy { $0.isFinite })
        #expect(zip(expected, got).allSatisfy { $0.isNaN ? $1.isNaN : $0 == $1 || abs($0 - $1) < 1e-12 })
    }

    @Test("what is compared hides no number that is not finite") func compared() throws {
        let model = try model(Self.gated.replacing("output o = q @ S", with: "o = q @ S\n  output y = if sum(o) > 0 then 1 else 0"))
        var data = self.data(model, batch: 1, length: 40)
        var queries = data.inputs["q"]?.doubles() ?? []
        for k in 0..<5 { queries[5 * 21 + k] = k == 0 ? .infinity : 0 }
        data.inputs["q"] = Tensor(queries, shape: [1, 40, 5])
        let expected = try model.run(data, on: .interpreter).outputs[0].tensor.doubles()
        let got = try model.run(data, on: .compiled(.f64), forcing: ["S": .chunkwise(16)], context: .quick)
        #expect(got.outputs[0].tensor.doubles() == expected && got.leftChunks)
    }

    @Test("what is divided by hides no product of gates that overflows") func divided() throws {
        let model = try model(
            """
            model M(K, V) {
              input q, k: [K]
              input v: [V]
              input a: real
              state S: [K, V]
              S = a * S[t-1] + outer(k, v)
              output y = 1 / (1 + abs(sum(q @ S)))
            }
            """)
        var data = self.data(model, batch: 1, length: 32)
        // From the first step to the sixteenth 1e45, which is no number in f32; what it stands for is about 1e7.
        data.inputs["a"] = Tensor((0..<32).map { $0 < 16 ? 1000.0 : 0.001 }, shape: [1, 32])
        data.inputs["k"] = Tensor([Double](repeating: 1e-38, count: 32 * 5), shape: [1, 32, 5])
        data.inputs["q"] = Tensor([Double](repeating: 1, count: 32 * 5), shape: [1, 32, 5])
        let expected = try model.run(data, on: .interpreter).outputs[0].tensor.doubles()
        let got = try model.run(data, on: .compiled(.f32), forcing: ["S": .chunkwise(32)])
        #expect(got.leftChunks)
        for (a, b) in zip(got.outputs[0].tensor.doubles(), expected) { #expect(abs(a - b) < 1e-4 * b) }
    }

    @Test("an input under two names of its dim is read by each", arguments: ["t-1", "t+1"]) func twoNames(step: String) throws {
        let model = try model(
            """
            model M(K) {
              dim V = K
              input k: [K]
              input c: [K] once
              param a: [K, V] = uniform(0.2, 0.9)
              state S: [K, V]
              v = k as [V]
              S = a * S[\(step)] + outer(k, v) * (c as [V])
              output y = sum[K]((c + k) * S)
            }
            """, ["K": 5])
        var data = self.data(model, length: 20)
        data.inputs["c"] = Tensor((0..<10).map { sin(Double($0)) }, shape: [2, 5])
        let expected = try model.run(data, on: .interpreter)
        let got = try model.run(data, on: .compiled(.f64), threads: 2, forcing: ["S": .chunkwise(8)], context: .quick)
        #expect(distance(got.outputs[0].tensor, expected.outputs[0].tensor) < 1e-12)
        let gradients = try GradientModel(model)
        let cotangents = ["y": Tensor((0..<2 * 20 * 5).map { cos(Double($0)) }, shape: [2, 20, 5])]
        let one = try gradients.run(data, cotangents: cotangents, on: .compiled(.f64), forcing: ["S": .sequential], context: .quick)
        let other = try gradients.run(data, cotangents: cotangents, on: .compiled(.f64), forcing: ["S": .chunkwise(8)], context: .quick)
        for (a, b) in zip(one.gradients, other.gradients) { #expect(distance(a.tensor, b.tensor) < 1e-11, "\(a.name)") }
    }

    @Test("ints of the source follow from no code of chunks", arguments: ["int(true)", "int(2.5)", "int(true) + 1", "int(true) <= 1", "int(1 < 2)"])
    func ints(number: String) throws {
        let model = try model(
            """
            model M(K, V) {
              input q, k: [K]
              input v: [V]
              state S: [K, V]
              n = \(number)
              S = (if n == 1 then 0.5 else 0.25) * S[t-1] + sigmoid(n) * outer(k, v)
              output y = q @ S
            }
            """.replacing("n == 1", with: number.contains("<=") ? "n" : "n == 1").replacing("sigmoid(n)", with: number.contains("<=") ? "0.5" : "sigmoid(n)"))
        let data = self.data(model, length: 20)
        let expected = try model.run(data, on: .interpreter)
        let got = try model.run(data, on: .compiled(.f64), forcing: ["S": .chunkwise(8)], context: .quick)
        #expect(distance(got.outputs[0].tensor, expected.outputs[0].tensor) < 1e-12)
    }

    @Test("chunks of different lengths, and states both ways, meet") func together() throws {
        let model = try model(
            """
            model M(K, V) {
              input q, k: [K]
              input v: [V]
              input a: real
              state A, B: [K, V]
              A = sigmoid(a) * A[t-1] + outer(k, v)
              B = B[t+1] + outer(k, v)
              output y = q @ A + k @ B
            }
            """)
        let data = self.data(model, length: 37)
        let expected = try model.run(data, on: .interpreter)
        let got = try model.run(data, on: .compiled(.f64), threads: 2, forcing: ["A": .chunkwise(16), "B": .chunkwise(5)], context: .quick)
        #expect(distance(got.outputs[0].tensor, expected.outputs[0].tensor) < 1e-12)
        for k in 0..<2 { #expect(distance(got.finalStates[k].tensor, expected.finalStates[k].tensor) < 1e-12) }
    }

    @Test("bools that follow from what is read leave the chunks") func bools() throws {
        let model = try model(
            Self.gated.replacing("output o = q @ S", with: "input n: int\n  o = q @ S\n  output z = o > v\n  output y = if sum(o) > 0 then n else 2 * n"))
        var data = self.data(model, length: 20)
        data.inputs["n"] = Tensor((0..<40).map { $0 }, shape: [2, 20])
        let expected = try model.run(data, on: .interpreter)
        let got = try model.run(data, on: .compiled(.f64), forcing: ["S": .chunkwise(8)], context: .quick)
        for (a, b) in zip(got.outputs, expected.outputs) { #expect(a.tensor.doubles() == b.tensor.doubles(), "\(a.name)") }
    }

    @Test("inputs that are outputs end with the sequence") func givenOutputs() throws {
        let model = try model(Self.gated.replacing("output o", with: "output w = v\n  output o"))
        var data = self.data(model, length: 20)
        data.lengths = [20, 7]
        let cotangents = ["o": Tensor([Double](repeating: 1, count: 120), shape: [2, 20, 3]), "w": Tensor([Double](repeating: 2, count: 120), shape: [2, 20, 3])]
        let gradients = try GradientModel(model)
        let expected = try gradients.run(data, cotangents: cotangents, on: .interpreter)
        let got = try gradients.run(data, cotangents: cotangents, on: .compiled(.f64), forcing: ["S": .chunkwise(8)], context: .quick)
        for (a, b) in zip(got.results.outputs + got.gradients, expected.results.outputs + expected.gradients) {
            #expect(distance(a.tensor, b.tensor) < 1e-12, "\(a.name)")
        }
    }

    @Test("states that are only read of chunks end as they should") func endsOfResults() throws {
        let model = try model(
            Self.gated.replacing("state S: [K, V]", with: "state S: [K, V]\n  state z: [V] = 2").replacing("output o", with: "z = q @ S\n  output o"))
        var data = self.data(model, length: 20)
        for lengths in [[20, 20], [20, 7], [0, 20]] {
            data.lengths = lengths
            let expected = try model.run(data, on: .interpreter)
            let got = try model.run(data, on: .compiled(.f64), forcing: ["S": .chunkwise(8)], context: .quick)
            #expect(got.finalStates.map(\.name) == expected.finalStates.map(\.name))
            for (a, b) in zip(got.finalStates, expected.finalStates) { #expect(distance(a.tensor, b.tensor) < 1e-12, "\(a.name) \(lengths)") }
        }
    }

    @Test("outputs that are parameters have their gradients beside chunks") func parametersAsOutputs() throws {
        let model = try model(Self.gated.replacing("output o", with: "param p: [K] = ones\n  output y = p\n  output o").replacing("outer(k", with: "outer(p * k"))
        let data = self.data(model, length: 20)
        let gradients = try GradientModel(model)
        let cotangents = ["o": Tensor([Double](repeating: 1, count: 120), shape: [2, 20, 3]), "y": Tensor((0..<10).map { Double($0) }, shape: [2, 5])]
        let expected = try gradients.run(data, cotangents: cotangents, on: .interpreter)
        let got = try gradients.run(data, cotangents: cotangents, on: .compiled(.f64), forcing: ["S": .chunkwise(8)], context: .quick)
        for (a, b) in zip(got.gradients, expected.gradients) { #expect(distance(a.tensor, b.tensor) < 1e-12, "\(a.name)") }
    }

    @Test("gates by key are multiplied out in halves, whatever the length of a chunk", arguments: [1, 2, 6, 7, 12, 16, 24])
    func gatesByKey(count: Int) throws {
        let model = try model(
            Self.gated.replacing("a: real", with: "b: [K]").replacing("sigmoid(a)", with: "(2 * sigmoid(b) - 1)").replacing("Gated", with: "ByKey"))
        let data = self.data(model, length: 29)
        let gradients = try GradientModel(model)
        let cotangents = ["o": Tensor((0..<2 * 29 * 3).map { cos(Double($0)) }, shape: [2, 29, 3])]
        let expected = try gradients.run(data, cotangents: cotangents, on: .interpreter)
        let got = try gradients.run(data, cotangents: cotangents, on: .compiled(.f64), forcing: ["S": .chunkwise(count)], context: .quick)
        for (a, b) in zip(got.results.outputs + got.gradients, expected.results.outputs + expected.gradients) {
            #expect(distance(a.tensor, b.tensor) < 1e-11, "\(a.name)")
        }
    }

    /// Large enough to be looked at, on a machine whose numbers are known.
    private func choice(
        _ text: String = gated, _ dims: [String: Int] = ["K": 64, "V": 64], forcing forms: [String: PlanForm] = [:], within bound: Int? = nil
    ) throws -> FormChoice {
        let model = try model(text, dims)
        return try FormChoice(
            model, nil, forcing: forms, precision: .f32, within: bound, else: PlanChoice(model, forcing: forms.others, machine: .typical),
            context: CompileContext())
    }

    @Test("chunks are chosen for long runs of large states") func chosenForLongRuns() throws {
        let choice = try choice()
        #expect(choice.forms(for: Workload(batch: 4, extents: [640], threads: 2)).chunks == ["S": 64])
        // Long runs are worth a look at shorter chunks, which pay the more the smaller the matrices are.
        #expect(choice.forms(for: Workload(batch: 4, extents: [4096], threads: 2)).chunks == ["S": 32])
        for work in [Workload(batch: 4, extents: [100], threads: 2), Workload(batch: 1, extents: [128], threads: 2)] {
            #expect(try choice.forms(for: work).chunks.isEmpty && choice.partitioned(for: work) == nil)
        }
        let small = try self.choice(Self.gated, ["K": 2, "V": 2])
        #expect(small.forms(for: Workload(batch: 4, extents: [4096], threads: 2)).chunks.isEmpty)
    }

    @Test("chunks are not chosen where somebody says otherwise") func notChosen() throws {
        let work = Workload(batch: 4, extents: [4096], threads: 2)
        #expect(try choice(forcing: ["S": .sequential]).forms(for: work).chunks.isEmpty)
        #expect(try choice(within: 1 << 30).forms(for: work).chunks.isEmpty)
        let required = Self.gated.replacing("output o", with: "require plan(S) in (sequential, scan)\n  output o")
        #expect(try choice(required).forms(for: work).chunks.isEmpty)
        #expect(try choice(Self.gated.replacing("output o = q @ S", with: "output o = tanh(S)")).forms(for: work).chunks.isEmpty)
        #expect(try choice(forcing: ["S": .chunkwise(32)]).forms(for: Workload(batch: 1, extents: [10], threads: 1)).chunks == ["S": 32])
    }

    @Test("what is chosen gives what steps give") func chosenRuns() throws {
        let text = Self.gated.replacing("output o = q @ S", with: "param w: [V] = ones\n  o = w * (q @ S)\n  loss l = mean[t](sum(o * o))")
            .replacing("S[t-1] + outer", with: "S[t-1] + 0.01 * outer")
        let model = try model(text, ["K": 64, "V": 64])
        let data = self.data(model, batch: 1, length: 640)
        let gradients = try GradientModel(model)
        let chosen = try FormChoice(
            model, gradients.request, forcing: [:], precision: .f32, within: nil, else: PlanChoice(gradients, machine: .typical), context: CompileContext())
        #expect(chosen.forms(for: Workload(batch: 1, extents: [640], threads: 2)).chunks == ["S": 64])
        let steps = try gradients.run(data, on: .compiled(.f32), threads: 2, forcing: ["S": .sequential])
        let free = try gradients.run(data, on: .compiled(.f32), threads: 2)
        for (a, b) in zip(steps.gradients, free.gradients) {
            #expect(distance(a.tensor, b.tensor) < 1e-5 * (a.tensor.doubles().map(abs).max() ?? 1), "\(a.name)")
        }
        #expect(!free.results.leftChunks)
    }

    @Test("a choice that numbers forbid is said, and gives what steps give") func chosenAndLeft() throws {
        let model = try model(
            """
            model Delta(K, V) {
              input q, k: [K]
              input v: [V]
              state S: [K, V]
              u = k / (1 + norm(k))
              S = S[t-1] + outer(u, v - u @ S[t-1])
              output o = q @ S
            }
            """, ["K": 64, "V": 64])
        var data = self.data(model, batch: 1, length: 640)
        var keys = data.inputs["k"]?.doubles() ?? []
        keys[64 * 300] = .infinity
        data.inputs["k"] = Tensor(keys, shape: [1, 640, 64])
        let steps = try model.run(data, on: .compiled(.f32), forcing: ["S": .sequential])
        let free = try model.run(data, on: .compiled(.f32))
        let isSame = zip(steps.outputs[0].tensor.doubles(), free.outputs[0].tensor.doubles()).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN }
        // Which form is faster is this machine's business.
        let isChosen = try Explanation(model, batch: 1, length: 640, threads: 1).recurrences[0].chosen == "chunkwise"
        #expect(isSame && free.leftChunks == isChosen && !steps.leftChunks)
    }

    @Test("a complex state is one state, whatever runs it") func complexState() throws {
        let text = "model M(K, V) {\n  input q, k: complex[K]\n  input v: complex[V]\n  input a: complex\n  state S: complex[K, V]\n"
            + "  S = 0.5 * a * S[t-1] + outer(k, v)\n  output o = re(q @ S)\n}\n"
        let model = try model(text)
        let data = RandomCase(for: model, batch: 2, length: 40, seed: 3).data
        let expected = try model.run(data, on: .interpreter)
        for form in [PlanForm.chunkwise(16), .chunkwise(nil), .sequential] {
            let got = try model.run(data, on: .compiled(.f64), threads: 2, forcing: ["S": form], context: .quick)
            #expect(distance(got.outputs[0].tensor, expected.outputs[0].tensor) < 1e-12, "\(form)")
            #expect(got.finalStates.map(\.name) == ["S"] && got.finalStates[0].tensor.shape == [2, 5, 3, 2], "\(form)")
            #expect(distance(got.finalStates[0].tensor, expected.finalStates[0].tensor) < 1e-12, "\(form)")
        }
        let gradients = try GradientModel(model)
        let ones = ["o": Tensor([Double](repeating: 1, count: 2 * 40 * 3), shape: [2, 40, 3])]
        let reference = try gradients.run(data, cotangents: ones, on: .interpreter)
        let got = try gradients.run(data, cotangents: ones, on: .compiled(.f64), forcing: ["S": .chunkwise(16)], context: .quick)
        for (a, b) in zip(got.gradients, reference.gradients) { #expect(a.name == b.name && distance(a.tensor, b.tensor) < 1e-11, "\(a.name)") }
        #expect(got.results.finalStates.map(\.name) == ["S"])
    }

    private static let momentum = """
        model Momentum(K, V) {
          input q, k: [K]
          input v: [V]
          input a: real
          state S: [K, V]
          state W: [K, V]
          S = 0.9 * S[t-1] - outer(k, k @ W[t-1] - v) * 0.1
          W = sigmoid(a) * W[t-1] + S
          output o = q @ W
        }
        """

    @Test("states of one recurrence run together, by the name of any") func coupled() throws {
        let model = try model(Self.momentum)
        let data = self.data(model, length: 70)
        let expected = try model.run(data, on: .interpreter)
        for forms: [String: PlanForm] in [["S": .chunkwise(16)], ["W": .chunkwise(nil)], ["S": .chunkwise(32), "W": .chunkwise(32)]] {
            let got = try model.run(data, on: .compiled(.f64), threads: 2, forcing: forms, context: .quick)
            for (a, b) in zip(got.outputs + got.finalStates, expected.outputs + expected.finalStates) {
                #expect(a.name == b.name && distance(a.tensor, b.tensor) < 1e-12, "\(forms)")
            }
        }
        #expect {
            _ = try model.run(data, on: .compiled(.f64), forcing: ["S": .chunkwise(16), "W": .chunkwise(32)], context: .quick)
        } throws: {
            "\($0)".contains("'S' and 'W' are one recurrence, in chunks of 16 steps and of 32")
        }
    }

    @Test("where one state is to run otherwise the others of its recurrence are not chosen for chunks") func coupledChoice() throws {
        let gradients = try GradientModel(model(Self.momentum, ["K": 64, "V": 64]))
        func chosen(_ forms: [String: PlanForm]) throws -> [String: Int?] {
            try FormChoice(
                gradients.model, gradients.request, forcing: forms, precision: .f32, within: nil,
                else: PlanChoice(gradients, forcing: forms.others, machine: .typical), context: CompileContext()
            ).forms(for: Workload(batch: 4, extents: [4096], threads: 2)).chunks
        }
        #expect(try chosen([:]).count == 1)
        for state in ["S", "W"] { #expect(try chosen([state: .sequential]).isEmpty) }
    }

    @Test("writes with parts that meet on very many ways are taken as they stand") func sharedParts() throws {
        let lines = (1...40).map { "  e\($0) = e\($0 - 1) + e\($0 - 1)\n  f\($0) = f\($0 - 1) * f\($0 - 1)" }.joined(separator: "\n")
        let model = try model(Self.gated.replacing("  S = ", with: "  e0 = outer(k, v)\n  f0 = cos(e0)\n\(lines)\n  S = ").replacing("+ outer(k, v)", with: "+ 1e-12 * e40 + f40"))
        let data = self.data(model, length: 20)
        let expected = try model.run(data, on: .interpreter)
        let got = try model.run(data, on: .compiled(.f64), forcing: ["S": .chunkwise(8)], context: .quick)
        #expect(distance(got.outputs[0].tensor, expected.outputs[0].tensor) < 1e-10)
    }

    @Test("large denominators lose no slope") func largeDenominators() throws {
        let model = try model(
            """
            model M(J) {
              input q, k, v: [J]
              state S, z: [J]
              S = S[t-1] + k * v
              z = z[t-1] + k
              output o = sum(q * S) / (1 + abs(sum(q * z)))
            }
            """, ["J": 1])
        let data = ModelData(
            inputs: [
                "q": Tensor([1.0, 1e200], shape: [1, 2, 1]), "k": Tensor([1.0, 1], shape: [1, 2, 1]), "v": Tensor([1.0, 2], shape: [1, 2, 1]),
            ], parameters: [:])
        let cotangents = ["o": Tensor([1.0, 1], shape: [1, 2])]
        let gradients = try GradientModel(model)
        let got = try gradients.run(data, cotangents: cotangents, on: .compiled(.f64), forcing: ["S": .chunkwise(8)], context: .quick)
        #expect(distance(try got["k"], Tensor([0.0, 0.25], shape: [1, 2, 1])) < 1e-12)
    }

    @Test("what cannot run so is refused, with the place") func refusals() throws {
        let cell = try model("model M(K) {\n  input x: [K]\n  state h: [K]\n  h = tanh(h[t-1] + x)\n  output h\n}\n", ["K": 3])
        let short = data(cell, length: 3)
        #expect(message { _ = try cell.run(short, forcing: ["h": .chunkwise(16)]) }.hasPrefix("plan-refused: 'h' cannot run chunk by chunk"))
        let model = try model()
        let data = self.data(model, length: 3)
        #expect(message { _ = try model.run(data, forcing: ["T": .chunkwise(16)]) } == "unknown-name: there is no recurrence of 'T'")
        #expect(message { _ = try model.run(data, forcing: ["S": .chunkwise(16)], within: 1 << 30) }.hasPrefix("plan-refused: what runs chunk by chunk"))
        #expect(message { _ = try GradientModel(model, withRespectTo: nil, truncation: 8).run(data, cotangents: ["o": data.inputs["v"] ?? Tensor([0.0], shape: [1])], forcing: ["S": .chunkwise(16)]) }
            .hasPrefix("plan-refused: gradients that are cut off"))
        #expect(message { _ = try model.plan(forcing: ["S": .chunkwise(16)]) }.hasPrefix("plan-refused: 'S' does not run as 'chunkwise(16)' here"))
    }

    @Test("the source can require it") func required() throws {
        let text = Self.gated.replacing("output o", with: "require plan(S) in (chunkwise)\n  output o")
        let model = try model(text)
        let data = self.data(model, length: 50)
        let results = try model.run(data, on: .compiled(.f64), context: .quick)
        let expected = try model.run(data, on: .interpreter)
        #expect(distance(results.outputs[0].tensor, expected.outputs[0].tensor) < 1e-12)
        #expect(message { _ = try model.run(data, forcing: ["S": .scan]) }.hasPrefix("plan-refused: 'S' cannot run as 'scan': the source requires"))
        let scan = try self.model(text.replacing("(chunkwise)", with: "(scan)"))
        #expect(message { _ = try scan.run(data, forcing: ["S": .chunkwise(8)]) }.hasPrefix("plan-refused: 'S' cannot run as 'chunkwise(8)'"))
    }

    @Test func forms() {
        #expect(PlanForm("chunkwise") == .chunkwise(nil) && PlanForm("chunkwise(64)") == .chunkwise(64) && PlanForm("scan") == .scan)
        for text in ["chunkwise(0)", "chunkwise(-1)", "chunkwise()", "chunkwise(64", "chunkwise(99999999999999999999)", "chunk", ""] {
            #expect(PlanForm(text) == nil, "\(text)")
        }
        for form in [PlanForm.sequential, .scan, .chunkwise(nil), .chunkwise(7)] { #expect(PlanForm(form.text) == form) }
    }

    /// The code of a traversal needs nothing beyond its arguments: it runs in a program in C.
    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/cc"))) func linkedIntoC() throws {
        let folder = try TemporaryFolder()
        let model = try model(Self.gated, ["K": 2, "V": 2])
        let object = try model.emitted(.object, precision: .f64, forcing: ["S": .chunkwise(4)])
        try Data(object).write(to: folder.url.appendingPathComponent("traversal.o"))
        let text = String(decoding: try model.emitted(.plan, forcing: ["S": .chunkwise(4)]), as: UTF8.self)
        // The buffers of the caller, in order.
        let buffers = text.split(separator: "\n").filter { line in
            ["stream in", "stream out", "once out", "kept", "shared in", "once in"].contains { line.hasPrefix("  @") && line.contains(" \($0) ") }
        }.map { line in String(line.split(separator: "\"")[1]) }
        let names = ["input a": "a", "input q": "q", "input k": "k", "input v": "v", "final 0": "last"]
        let addresses = buffers.map { "(long)\(names[$0] ?? "o")" }.joined(separator: ", ")
        try Data(
            """
            #include <stdio.h>
            #include <stdlib.h>
            long traversal(const long *, long, long, double *);
            int main(void) {
              double a[6] = {0}, q[12], k[12], v[12], o[12], last[4];
              for (int i = 0; i < 12; i++) { q[i] = 1; k[i] = i % 3; v[i] = 0.5 * i; }
              long lengths[1] = {6};
              // The fourth is for blocks that add to each other's numbers, which there are none of.
              const long arguments[] = {(long)lengths, 6, 3, 0, \(addresses)};
              double *workspace = aligned_alloc(64, 1 << 20);
              traversal(arguments, 0, 1, workspace);
              for (int i = 0; i < 12; i++) printf("%.12g\\n", o[i]);
              return 0;
            }
            """.utf8
        ).write(to: folder.url.appendingPathComponent("main.c"))
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", "cc main.c traversal.o -o main -no-pie 2>&1 && ./main"]
        process.currentDirectoryURL = folder.url
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        let got = output.split(separator: "\n").compactMap { Double($0) }
        func tensor(_ width: Int, _ number: (Int) -> Double) -> Tensor {
            Tensor((0..<6 * width).map(number), shape: width == 1 ? [1, 6] : [1, 6, width])
        }
        let data = ModelData(
            inputs: ["a": tensor(1) { _ in 0 }, "q": tensor(2) { _ in 1 }, "k": tensor(2) { Double($0 % 3) }, "v": tensor(2) { 0.5 * Double($0) }],
            parameters: [:])
        let expected = try model.run(data, on: .interpreter).outputs[0].tensor.doubles()
        #expect(got.count == 12 && zip(got, expected).allSatisfy { abs($0 - $1) < 1e-9 }, "\(output)")
    }
}
