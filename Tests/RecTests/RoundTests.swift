import Foundation
@testable import Rec
import RecInterpreter
import Testing

/// Rounds of an inner axis that end on a condition: `over (t, k: K) until halt`.
@Suite struct RoundTests {
    /// Programs whose rounds end where the data say so, the same in every precision.
    private static let programs = [
        "input x: [C]\n state h: [C] = 0.5\n h = tanh(0.7 * h[t, k-1] + x)\n output h\n output y = last[k](h)\n output s = sum[k](h)\n output m = mean[k](h)\n output v = var[k](h)",
        "input x: [C] over t\n param U, W: [C, C]\n state h: [C]\n h = tanh(U @ h[t, k-1] + W @ x)\n output a = max[k](h)\n output b = min[k](h)\n output f = first[k](h)\n output n = last[k](k) + 1\n loss l = mean[t](sum(last[k](h)^2))",
        "input x: [C]\n state h: [C] = 0.1\n h = tanh(0.4 * h[t-1, k] + 0.5 * h[t, k-1] + 0.3 * h[t-1, k-1] + x)\n output y = sum[t, k](h)\n output h",
        "input x: [C]\n state h, g: [C]\n h = 0.4 * h[t-1, k+1] + tanh(h[t, k-1] + x)\n g = 0.5 * g[t, k+1] + h\n output g\n output y = x[t, k+1] * x[t-1, k] + x[t+1, k]",
        "input x: [C]\n w = x[t, k-1:k+2] as [W, C]\n dim W = 3\n output y = sum[W](w) * x\n output z = conv[k](x, p)\n param p: [C, 2]\n output e = if k.last then x else 0 * x",
        "input x: [C]\n input z: complex[C]\n input n: int\n state a: complex[C]\n state b: int\n state c: bool\n a = 0.8 * a[t, k-1] + z\n b = b[t, k-1] + n\n c = c[t, k-1] or n > 2\n output p = last[k](a)\n output q = last[k](b)\n output r = last[k](c)\n output i = max[k](b) - min[k](b) + sum[k](n)\n output u = a[t-1, k]\n output x",
        "input x: [C]\n state h: [C]\n h = (if k.first then x else 0.9 * h[t, k-1]) * sqrt(abs(x))\n d = norm(h - h[t, k-1])\n output y = last[k](d)\n output z = sum[k](1 / (1 + d))",
        "input x: [C]\n layer c = Cell(C)\n layer b = reverse(Back(C))\n layer r = Two(C)\n layer o = Own(C)\n output y = c(x)\n v = b(x)\n output s = v.s\n output g = v.g\n output n = v.n\n output w = r(first[k](x) + x)\n output z = last[k](o(x))",
        "input x: [C]\n layer q = repeat(2, Own(C))\n layer r = reverse[t](Own(C))\n output y = q(x)\n output z = r(x) + x",
        "input x: [C] over t\n param U: [C, C]\n state W: [C, C]\n e = sum((W[t, k-1] @ x - x)^2)\n W = W[t, k-1] - 0.1 * grad(e, by: W[t, k-1])\n output y = last[k](W @ x)",
    ]

    private static let layers = """
        model Cell(C) over t {
          input x: [C]
          state h: [C]
          h = 0.5 * h[t-1] + x
          output h
        }
        model Back(C) over k {
          input x: [C]
          state g: [C]
          g = tanh(0.5 * g[k-1] + x)
          output g
          output s = sum[k](g) * 0.1
          output n = real(k) * g + last[k](g)
        }
        model Two(C) over (t, k: 4) {
          input x: [C]
          state h: [C]
          h = 0.5 * h[t-1, k] + tanh(h[t, k-1]) + x
          output y = h * last[k](h)
        }
        model Own(C) over (t, k: 4) until full {
          input x: [C]
          state h: [C]
          h = h[t, k-1] + 0.7
          full = h[0] + real(k) > 2
          output y = h * x
        }

        """

    private func model(_ body: String, size: Int = 3, sourceLocation: SourceLocation = #_sourceLocation) throws -> Model {
        let program = Program(text: Self.layers + "model M(C) over (t, k: 4) until stop {\n input stop: bool\n \(body)\n}\n")
        #expect(program.diagnostics.map(\.message) == [], sourceLocation: sourceLocation)
        let model = try Model(program, named: "M", dims: ["C": size])
        #expect(model.graph.violations() == [], sourceLocation: sourceLocation)
        return model
    }

    @Test(arguments: programs) func enginesAgree(body: String) throws {
        let model = try model(body)
        let cases = [0, 1, 4, 30].flatMap { length in
            [0, 1, 3].map { batch in (data: generated(model, batch: batch, extents: [length, 4]), what: "\(batch)×\(length)") }
        }
        try expectAgreement(model, cases)
    }

    /// Gradients in reverse agree with differences and with forward mode, and compiled ones with the interpreter's.
    @Test(arguments: programs) func gradientsAgree(body: String) throws {
        let model = try model(body)
        let item = RandomCase(for: model, batch: 2, length: 5, seed: 7)
        #expect(try GradientModel(model).graph.violations() == [])
        let worst = try #require(try GradientCheck(model, item, seed: 7).worst)
        #expect(worst.error < 1e-6, "\(worst)")
        try TangentTests().expectTransposed(model, item, body, seed: 7)
        try expectGradientAgreement(model, [item], body)
    }

    /// Whatever stands in rounds that are not taken has exactly no part in results and gradients.
    @Test(arguments: programs) func roundsThatAreNotTakenHaveNoPart(body: String) throws {
        let model = try model(body)
        guard let x = model.graph.values.first(where: { $0.operation == .input(name: "x", fallback: nil) }), x.variance.varies(over: 1) else { return }
        let clean = RandomCase(for: model, batch: 2, length: 6, seed: 5)
        var spoiled = clean
        let stop = try #require(clean.data.inputs["stop"]).doubles()
        let isTaken = stop.indices.map { !stop[($0 / 4 * 4)..<$0].contains(1) }
        var random = SeededGenerator(seed: 5, for: "poison")
        for name in ["x", "z"] {
            guard let tensor = clean.data.inputs[name] else { continue }
            let width = tensor.count / stop.count
            let poison = [Double.nan, .infinity, -.infinity, 1e300]
            spoiled.data.inputs[name] = Tensor(
                tensor.doubles().enumerated().map { isTaken[$0 / width] ? $1 : poison[Int(random.next() % 4)] }, shape: tensor.shape)
        }
        #expect(isTaken.contains(false))
        var request = GradientRequest(of: model.graph)
        request.seeds = model.graph.losses.map { .loss($0.name) } + clean.cotangents.keys.sorted().map(GradientRequest.Seed.init(cotangent:))
        let gradients = try GradientModel(model, request)
        for engine in [Engine.interpreter, .compiled(.f64), .compiled(.f32)] {
            let runs = try [clean, spoiled].map { try gradients.run($0.data, cotangents: $0.cotangents, on: engine) }
            for (a, b) in zip(runs[0].gradients + runs[0].results.outputs, runs[1].gradients + runs[1].results.outputs) {
                #expect(a.tensor.doubles().elementsEqual(b.tensor.doubles()) { $0 == $1 || $0.isNaN && $1.isNaN }, "\(a.name) on \(engine.name)")
            }
        }
    }

    // MARK: Against a loop

    /// Rounds that go on until the state is still.
    private static let still = """
        model Still(D, K = 12) over (t, k: K) until still {
          input x: [D] over t
          param W, U: [D, D]
          param b: [D]
          state h: [D]
          h = tanh(W @ h[t, k-1] + U @ x + b)
          still = max(abs(h - h[t, k-1])) < 0.005
          output y = last[k](h)
          output n = last[k](k) + 1
          loss l = mean[t](sum(last[k](h)^2))
        }

        """

    /// The same, with each step going on from where the one before has ended.
    private static let carried = """
        model Carried(D, K = 12) over (t, k: K) until still {
          input x: [D] over t
          param W, U: [D, D]
          param b: [D]
          state h, s: [D]
          before = if k.first then s[t-1, k] else h[t, k-1]
          h = tanh(W @ before + U @ x + b)
          s = last[k](h)
          still = max(abs(h - before)) < 0.005
          output y = last[k](h)
          output n = last[k](k) + 1
          loss l = mean[t](sum(last[k](h)^2))
        }

        """

    /// What a loop over the rounds gives, and the gradients of its loss, by hand.
    private struct Loop {
        var y: [Double] = []
        var n: [Double] = []
        var loss = 0.0
        var gradients: [String: [Double]] = [:]

        init(_ data: ModelData, size: Int, most: Int, isCarried: Bool) throws {
            let x = try #require(data.inputs["x"])
            let (batch, length, dims) = (x.shape[0], x.shape[1], 0..<size)
            let numbers = x.doubles()
            func parameter(_ name: String) throws -> [Double] { try #require(data.parameters[name]).doubles() }
            let (W, U, b) = (try parameter("W"), try parameter("U"), try parameter("b"))
            var (dW, dU, db, dx) = (W.map { _ in 0.0 }, U.map { _ in 0.0 }, b.map { _ in 0.0 }, numbers.map { _ in 0.0 })
            for sequence in 0..<batch {
                var taken: [(step: Int, before: [Double], after: [Double], isLast: Bool)] = []
                var h = dims.map { _ in 0.0 }
                for t in 0..<length {
                    if !isCarried { h = dims.map { _ in 0.0 } }
                    let start = (sequence * length + t) * size
                    for k in 0..<most {
                        let before = h
                        var distance = 0.0
                        for i in dims {
                            var sum = b[i]
                            for j in dims { sum += W[i * size + j] * before[j] + U[i * size + j] * numbers[start + j] }
                            h[i] = tanh(sum)
                            distance = max(distance, abs(h[i] - before[i]))
                        }
                        let isLast = k == most - 1 || distance < 0.005
                        taken.append((start, before, h, isLast))
                        guard isLast else { continue }
                        n.append(Double(k + 1))
                        break
                    }
                    y += h
                    for number in h { loss += number * number / Double(length * batch) }
                }
                var dh = dims.map { _ in 0.0 }
                for round in taken.reversed() {
                    if round.isLast {
                        for i in dims { dh[i] = (isCarried ? dh[i] : 0) + 2 * round.after[i] / Double(length * batch) }
                    }
                    var dz = dh
                    for i in dims { dz[i] *= 1 - round.after[i] * round.after[i] }
                    for i in dims {
                        db[i] += dz[i]
                        for j in dims {
                            dW[i * size + j] += dz[i] * round.before[j]
                            dU[i * size + j] += dz[i] * numbers[round.step + j]
                            dx[round.step + j] += dz[i] * U[i * size + j]
                        }
                    }
                    for j in dims {
                        dh[j] = 0
                        for i in dims { dh[j] += dz[i] * W[i * size + j] }
                    }
                }
            }
            gradients = ["W": dW, "U": dU, "b": db, "x": dx]
        }
    }

    @Test func roundsAreThoseOfALoop() throws {
        for (text, isCarried) in [(Self.still, false), (Self.carried, true)] {
            let model = try Model(Program(text: text), dims: ["D": 3])
            var item = RandomCase(for: model, batch: 3, length: 6, seed: 21)
            item.data.parameters["W"] = item.data.parameters["W"].map { Tensor($0.doubles().map { 1.1 * $0 }, shape: $0.shape) }
            item.data.inputs["x"] = item.data.inputs["x"].map { Tensor($0.doubles().map { 2 * $0 }, shape: $0.shape) }
            let loop = try Loop(item.data, size: 3, most: 12, isCarried: isCarried)
            #expect(Set(loop.n).count > 1, "\(loop.n)")
            for engine in [Engine.interpreter, .compiled(.f64)] {
                let results = try model.run(item.data, on: engine)
                let gradients = try model.gradients(item.data, on: engine)
                func expect(_ got: [Double], _ expected: [Double], _ name: String) {
                    let isSame = got.count == expected.count && zip(got, expected).allSatisfy { abs($0 - $1) <= 1e-12 * max(1, abs($1)) }
                    #expect(isSame, "\(name) on \(engine.name): \(got), not \(expected)")
                }
                expect(try results["n"].doubles(), loop.n, "n")
                expect(try results["y"].doubles(), loop.y, "y")
                expect(try results["l"].doubles(), [loop.loss], "l")
                for (name, numbers) in loop.gradients { expect(try gradients[name].doubles(), numbers, "grad.\(name)") }
            }
        }
    }

    // MARK: Where rounds end

    private func rounds(_ condition: String, _ x: [Double], sequences: Int = 1) throws -> [[Double]] {
        let text = "model M over (t, k: 4) until halt {\n input x: real over t\n state h: real\n h = h[t, k-1] + x\n halt = \(condition)\n output n = last[k](k) + 1\n output h\n}\n"
        let model = try Model(Program(text: text))
        let data = ModelData(inputs: ["x": Tensor(x, shape: [sequences, x.count / sequences])])
        return try [Engine.interpreter, .compiled(.f64), .compiled(.f32)].map { try model.run(data, on: $0)["n"].doubles() }
    }

    @Test func eachSequenceAndStepEndsByItself() throws {
        func expect(_ got: [[Double]], _ expected: [Double]) { for numbers in got { #expect(numbers == expected) } }
        try expect(rounds("h >= 3", [1, 5, 2, 0.5, -1, 3], sequences: 2), [3, 1, 2, 4, 4, 1])
        // At the first round, and at none.
        try expect(rounds("k >= 0", [1, 2]), [1, 1])
        try expect(rounds("k < 0", [1, 2]), [4, 4])
        // A comparison with NaN is false, so that rounds go on; its opposite ends them.
        try expect(rounds("h >= 3", [.nan, 5]), [4, 1])
        try expect(rounds("not (h < 3)", [.nan, 1]), [1, 3])
        // The condition is looked at up to the first round at which it holds.
        try expect(rounds("h == 2 or h == 4", [1, 2, 4]), [2, 1, 1])
        try expect(rounds("h[t, k-1] == 2", [1, 2, 4]), [3, 2, 4])
    }

    @Test func outputsBehindTheLastRoundAreZero() throws {
        let text = "model M over (t, k: 3) until halt {\n input x: real over t\n halt = real(k + 1) >= x\n output y = x + real(k)\n output n = k + 1\n output b = true or halt\n}\n"
        let model = try Model(Program(text: text))
        for engine in [Engine.interpreter, .compiled(.f64)] {
            let results = try model.run(ModelData(inputs: ["x": Tensor([1, 2], shape: [1, 2])]), on: engine)
            #expect(try results["y"].doubles() == [1, 0, 0, 2, 3, 0])
            #expect(try results["n"].doubles() == [1, 0, 0, 1, 2, 0])
            #expect(try results["b"].doubles() == [1, 0, 0, 1, 1, 0])
        }
    }

    @Test func explanationsNameTheCondition() throws {
        let model = try Model(Program(text: Self.still), dims: ["D": 2])
        let explanation = try Explanation(model, work: Workload(batch: 1, extents: [100, 12], threads: 1))
        let text = explanation.text(model.program.sources)
        #expect(text.contains("rounds of k end on 'still': all 12 are computed, and those behind the last one count nowhere"), "\(text)")
        #expect(text.contains("recurrence of k.taken"))
        #expect(explanation.json(model.program.sources).contains("\"until\":\"still\""))
    }

    @Test func streamsAreRefused() throws {
        let model = try Model(Program(text: Self.still), dims: ["D": 2])
        #expect(throws: DiagnosticList.self) { try model.stream() }
    }
}
