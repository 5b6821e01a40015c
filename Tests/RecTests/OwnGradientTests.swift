import Foundation
@testable import Rec
import RecInterpreter
import TestSupport
import Testing

/// `func f(x) = … gradient (dy) = …`: gradients that functions have of their own.
@Suite struct OwnGradientTests {
    private func model(_ text: String, _ dims: [String: Int] = [:], sourceLocation: SourceLocation = #_sourceLocation) throws -> Model {
        let program = Program(text: text)
        let problems = program.diagnostics.map(\.message)
        try #require(problems == [], "\(text)", sourceLocation: sourceLocation)
        return try Model(program, dims: dims)
    }

    private func gradients(
        _ model: Model, _ item: RandomCase, on engine: Engine = .interpreter, forcing forms: [String: PlanForm] = [:]
    ) throws -> [String: [Double]] {
        let cotangents = model.graph.losses.isEmpty ? item.cotangents.filter { !$0.key.hasPrefix("final.") } : [:]
        let found = try GradientModel(model).run(item.data, cotangents: cotangents, on: engine, forcing: forms).gradients
        return Dictionary(uniqueKeysWithValues: found.map { ($0.name, $0.tensor.doubles()) })
    }

    private func expectSame(_ a: [String: [Double]], _ b: [String: [Double]], _ what: String = "", within bound: Double = 1e-12) {
        #expect(a.keys.sorted() == b.keys.sorted())
        for (name, numbers) in a {
            let others = b[name] ?? []
            #expect(numbers.count == others.count)
            let distance = zip(numbers, others).map { abs($0 - $1) / max(1, abs($1)) }.max() ?? 0
            #expect(distance < bound, "\(what) \(name): \(distance)")
        }
    }

    /// The gradient goes straight through a function without a derivative: as if it were not there, at the values that it gives.
    @Test func straightThrough() throws {
        let own = try model(
            "func round(x) = floor(x + 0.5)\n  gradient (dy) = dy\nmodel M(D) {\n  input x: [D]\n  param a: [D] = normal(3)\n  loss l = mean[t](sum(round(a * x)^2))\n}", ["D": 3])
        let item = RandomCase(for: own, batch: 2, length: 5, seed: 3)
        let x = try #require(item.data.inputs["x"]).doubles()
        let a = try #require(item.data.parameters["a"]).doubles()
        var (byX, byA) = ([Double](repeating: 0, count: 30), [Double](repeating: 0, count: 3))
        for k in 0..<30 {
            let rounded = (a[k % 3] * x[k] + 0.5).rounded(.down)
            let slope: Double = 2 * rounded / 10
            byX[k] = slope * a[k % 3]
            byA[k % 3] += slope * x[k]
        }
        for engine in [Engine.interpreter, .compiled(.f64)] { expectSame(try gradients(own, item, on: engine), ["x": byX, "a": byA], "\(engine)") }
    }

    /// Backpropagation through time of one spiking neuron, written out.
    @Test func spikesAreTrainedByTheirSurrogate() throws {
        let own = try model(
            """
            func spike(v) = step(v)
              gradient (dy) = dy / (1 + 5 * abs(v))^2
            model M {
              input x: real
              param w: real = constant(1.5)
              param u: real = constant(-0.3)
              state v, s: real
              v = 0.9 * v[t-1] * (1 - s[t-1]) + w * x + u * s[t-1]
              s = spike(v - 1)
              output s
            }
            """)
        let item = RandomCase(for: own, batch: 1, length: 40, seed: 3)
        let x = try #require(item.data.inputs["x"]).doubles()
        let cotangent = try #require(item.cotangents["s"]).doubles()
        let (w, u) = (try #require(item.data.parameters["w"]).doubles()[0], try #require(item.data.parameters["u"]).doubles()[0])
        var (v, s) = ([0.0], [0.0])
        for k in 0..<40 {
            v.append(0.9 * v[k] * (1 - s[k]) + w * x[k] + u * s[k])
            s.append(v[k + 1] > 1 ? 1 : 0)
        }
        #expect(s.contains(1) && s.dropFirst().contains(0))
        var (adjointV, adjointS) = (0.0, 0.0)
        var expected: [String: [Double]] = ["w": [0], "u": [0], "x": [Double](repeating: 0, count: 40)]
        for k in (0..<40).reversed() {
            let ofS: Double = cotangent[k] + adjointS
            let size: Double = 1 + 5 * abs(v[k + 1] - 1)
            let ofV: Double = adjointV + ofS / (size * size)
            expected["w"]?[0] += ofV * x[k]
            expected["u"]?[0] += ofV * s[k]
            expected["x"]?[k] = ofV * w
            adjointV = ofV * 0.9 * (1 - s[k])
            adjointS = ofV * (u - 0.9 * v[k])
        }
        for engine in [Engine.interpreter, .compiled(.f64)] { expectSame(try gradients(own, item, on: engine), expected, "\(engine)") }
    }

    /// A gradient that says what follows from the body makes no difference, wherever the function stands.
    @Test(arguments: [
        ("scale(x, a)", "x * a", "dy * a, dy * x"), ("scale(x, m)", "x * a", "dy * a, dy * x"), ("scale(sum(x), a) * x", "x * a", "dy * a, dy * x"),
        ("scale(h[t-1], a)", "x * a", "dy * a, dy * x"), ("scale(tanh(x), sigmoid(m))", "x * a", "dy * a, dy * x"),
        ("scale(scale(x, a), m)", "x * a", "dy * a, dy * x"), ("scale(x, x)", "x * a", "dy * a, dy * x"), ("scale(W @ x, m)", "x * a", "dy * a, dy * x"),
        ("scale(m, 2.0)", "x * a", "dy * a, dy * x"), ("scale(x, n)", "x * a", "dy * a, 0"), ("(if x > 0 then scale(x, m) else m)", "x * a", "dy * a, dy * x"),
        ("scale(x, m)", "x / a", "dy / a, -dy * x / a^2"),
        ("scale(x, m)", "x * tanh(a)", "grad(sum(dy * x * tanh(a)), by: x), grad(sum(dy * x * tanh(a)), by: a)"),
        ("scale(x, a) * x", "sum(tanh(x)) + sin(a)", "grad(dy * sum(tanh(x)), by: x), grad(dy * sin(a), by: a)"), ("grad(sum(scale(x, m)^2), by: x)", "x * a", "dy * a, dy * x"),
        ("grad(sum(scale(x, m) * x), by: m)", "tanh(x * a)", "dy * a * (1 - tanh(x * a)^2), dy * x * (1 - tanh(x * a)^2)"),
        ("W @ scale(x, sum(W))", "sum(x) * x * a", "dy * sum(x) * a + sum(dy * x) * a, dy * x * sum(x)"),
    ])
    func truthMakesNoDifference(call: String, body: String, rule: String) throws {
        let text = { (gradient: String) in
            """
            func scale(x, a) = \(body)\(gradient)
            model M(D) {
              input x: [D]
              input n: int
              param m: [D] = uniform(0.5, 1.5)
              param a: real = constant(0.7)
              param W: [D, D]
              state h: [D]
              h = 0.5 * h[t-1] + \(call)
              output h
              output others = n * a + sum(W) + sum(m)
            }
            """
        }
        let plain = try model(text(""), ["D": 3])
        let own = try model(text("\n  gradient (dy) = \(rule)"), ["D": 3])
        let item = RandomCase(for: plain, batch: 2, length: 6, lengths: [6, 3], seed: 4)
        let reference = try gradients(plain, item)
        for engine in [Engine.interpreter, .compiled(.f64)] {
            expectSame(try gradients(own, item, on: engine), reference, "\(engine)")
            let (a, b) = (try own.run(item.data, on: engine), try plain.run(item.data, on: .interpreter))
            #expect(zip(a.outputs, b.outputs).allSatisfy { relativeError($0.tensor, $1.tensor) < 1e-12 })
        }
        #expect(own.graph.violations() == [])
        #expect(try StreamGraph(text: own.graph.text).text == own.graph.text)
    }

    /// It need not be linear.
    @Test func clippedGradients() throws {
        let own = try model(
            "func clip(x) = x\n  gradient (dy) = clamp(dy, -0.5, 0.5)\nmodel M(D) {\n  input x: [D]\n  output y = clip(2 * x)\n}", ["D": 4])
        let item = RandomCase(for: own, batch: 2, length: 5, seed: 6)
        let cotangent = try #require(item.cotangents["y"]).doubles()
        #expect(cotangent.contains { abs($0) > 0.5 } && cotangent.contains { abs($0) < 0.5 })
        for engine in [Engine.interpreter, .compiled(.f64)] {
            expectSame(try gradients(own, item, on: engine), ["x": cotangent.map { 2 * min(0.5, max(-0.5, $0)) }])
        }
    }

    /// What is not chosen has no part, and what does not depend on an argument gives it what the function says.
    @Test func whatIsNotChosen() throws {
        let own = try model(
            "func root(x) = sqrt(x)\n  gradient (dy) = dy / x\nfunc one(x) = 1.0\n  gradient (dy) = 3 * dy\nmodel M {\n  input x: real\n  output y = (if x > 0 then root(x) else 2 * x) + one(x)\n}")
        let data = ModelData(inputs: ["x": Tensor([0, -1, 4.0], shape: [1, 3])])
        let item = try GradientModel(own).run(data, cotangents: ["y": Tensor([1, 1, 1.0], shape: [1, 3])], on: .interpreter)
        #expect(item.gradients[0].tensor.doubles() == [5, 5, 3.25])
    }

    /// Two functions with one body and different gradients stay two, and calls of one with the same argument are one.
    @Test func equalBodies() throws {
        let own = try model(
            "func f(x) = step(x)\n  gradient (dy) = dy\nfunc g(x) = step(x)\n  gradient (dy) = 10 * dy\nmodel M {\n  input x: real\n  output y = f(x) + f(x) + g(x) + stop(step(x))\n}")
        let data = ModelData(inputs: ["x": Tensor([0.5, -1], shape: [1, 2])])
        for engine in [Engine.interpreter, .compiled(.f64)] {
            let found = try GradientModel(own).run(data, cotangents: ["y": Tensor([1, 2.0], shape: [1, 2])], on: engine)
            #expect(found.gradients[0].tensor.doubles() == [12, 24] && found.results.outputs[0].tensor.doubles() == [4, 0])
        }
        #expect(own.graph.sharingCommonValues().ownGradients.count == 2)
    }

    /// In every form that the program has.
    @Test func everyForm() throws {
        let text = """
            func through(x) = floor(4 * x) / 4
              gradient (dy) = dy * (1 + x - floor(4 * x) / 4)
            model M(K, V) {
              input q, k: [K]
              input v: [V]
              input a: real
              param m: [K] = uniform(0.2, 0.9)
              state S: [K, V]
              state h: [K]
              S = sigmoid(a) * S[t-1] + outer(through(k), v)
              h = through(m) * h[t-1] + through(q)
              output o = through(q * h) @ S
            }
            """
        try EveryForm(text, dims: ["K": 3, "V": 4], name: "through").expectAgreement([(1, 0, nil), (1, 1, nil), (2, 66, nil), (3, 70, [70, 0, 7])])
        let own = try model(text, ["K": 3, "V": 4])
        let item = RandomCase(for: own, batch: 2, length: 40, lengths: [40, 13], seed: 5)
        expectSame(
            try gradients(own, item, on: .compiled(.f64), forcing: ["S": .chunkwise(16)]), try gradients(own, item), "chunks", within: 1e-10)
    }

    @Test func layersHaveThem() throws {
        let own = try model(
            "func f(x) = step(x)\n  gradient (dy) = dy * x\nmodel M(D) {\n  input x: [D]\n  layer l = repeat(2, L(D))\n  output y = l(x)\n}\nmodel L(D) {\n  input x: [D]\n  param p: [D] = ones\n  output y = f(p * x) + x\n}", ["D": 2])
        #expect(own.graph.ownGradients.count == 2 && own.graph.functionsWithOwnGradients == ["f"])
        let item = RandomCase(for: own, batch: 2, length: 3, seed: 1)
        expectSame(try gradients(own, item, on: .compiled(.f64)), try gradients(own, item))
    }

    @Test func aNetworkOfSpikesLearns() throws {
        let own = try Model(Program(path: Project.path("examples/spiking.rec")), dims: ["D": 4, "H": 16, "C": 2])
        // Which half of the inputs is loud.
        var random = SeededGenerator(seed: 8, for: "data")
        let (batch, length) = (16, 20)
        let labels = (0..<batch).map { $0 % 2 }
        var x: [Double] = []
        for label in labels { for _ in 0..<length { for k in 0..<4 { x.append(k / 2 == label ? abs(random.normal()) : 0.3 * random.normal()) } } }
        var data = ModelData(
            inputs: ["x": Tensor(x, shape: [batch, length, 4]), "label": Tensor(labels, shape: [batch])],
            parameters: own.initialParameters(seed: 3))
        let gradients = try GradientModel(own)
        var losses: [Double] = []
        for _ in 0..<60 {
            let found = try gradients.run(data, on: .compiled(.f64))
            losses.append(try #require(found.results.losses.first).tensor.doubles()[0])
            for gradient in found.gradients {
                guard let old = data.parameters[gradient.name] else { continue }
                let moved = zip(old.doubles(), gradient.tensor.doubles()).map { $0 - 0.05 * $1 }
                data.parameters[gradient.name] = Tensor(moved, shape: old.shape)
            }
        }
        #expect(losses[59] < 0.3 * losses[0], "\(losses[0]) to \(losses[59])")
    }

    // MARK: Mistakes

    @Test func forwardModeRefuses() throws {
        let own = try model("func spike(v) = step(v)\n  gradient (dy) = dy\nmodel M {\n  input x, z: real\n  output y = spike(x) + z\n}")
        #expect(throws: DiagnosticList.self) { try tangent(of: own.graph, along: [.input("x")]) }
        do { _ = try tangent(of: own.graph, along: [.input("x")]) } catch {
            #expect(error.diagnostics.map(\.id) == [.unsupported] && error.diagnostics[0].message.contains("'spike'"))
        }
        _ = try tangent(of: own.graph, along: [.input("z")])
    }

    @Test(arguments: [
        ("f(x) = x\n  gradient (dy) = dy, dy", "f(x)", "wrong-argument"), ("f(x, y) = x\n  gradient (dy) = dy", "f(x, x)", "wrong-argument"),
        ("f(x) = x\n  gradient (x) = x", "f(x)", "duplicate-definition"), ("f(x) = x\n  gradient (dy) = dz", "f(x)", "unknown-name"),
        ("f(x) = x > 0\n  gradient (dy) = 1", "real(f(x))", "wrong-element-type"), ("f(x) = x\n  gradient (dy) = dy > 0", "f(x)", "wrong-element-type"),
        ("f(x) = re(x)\n  gradient (dy) = dy", "f(complex(x, x))", "wrong-element-type"), ("f(x) = x\n  gradient (dy) = dy * x[t-1]", "f(x)", "unsupported"),
        ("f(x) = x\n  gradient (dy) = nosuch(dy)", "f(x)", "unknown-name"), ("f(x) = g(x)\n  gradient (dy) = dy\nfunc g(x) = x\n  gradient (dy) = f(dy)", "f(x)", "circular-function"),
        ("f(x) = x\n  gradient (a, b) = a", "f(x)", "wrong-argument"), ("f(x) = x\n  gradient dy = dy", "f(x)", "unexpected-token"),
        ("f(x) = x @ x\n  gradient (dy) = dy * x @ x * reshape(x, [D/2, 2])[0]", "f(x)", "shape-mismatch"),
    ])
    func mistakes(function: String, call: String, id: String) throws {
        let program = Program(text: "func \(function)\nmodel M(D) {\n  input x: [D]\n  output y = \(call)\n}\n")
        var found = program.diagnostics
        if found.isEmpty { do { _ = try Model(program, dims: ["D": 4]) } catch { found = error.diagnostics } }
        #expect(Set(found.map(\.id.rawValue)) == [id], "\(found.map(\.message))")
        #expect(found.allSatisfy { $0.span != nil })
    }
}
