import Rec
import RecDifferentiation
import RecInterpreter
import RecTensors
import Testing

/// States whose equations are calls, or no recurrences.
@Suite struct StateEquationTests {
    private static let cells = """
        model One {
          dim A = 2
          input u: [A]
          param p: [3]
          output y = 2 * u + p[1:3]
        }
        model Slow {
          dim A = 2
          input u: [A]
          state h: [A]
          h = 0.5 * h[t-1] + u
          output h
        }
        model Two {
          dim A = 2
          input u: [A]
          output a = u + 1
          output b = u * u
        }
        monoid Sum(s: [2]) {
          identity (0)
          combine (a, b) {
            s = a.s + b.s
          }
        }

        """

    /// A state is read at other steps as any name for the same value is.
    @Test(arguments: [
        ("One", "g(x)"), ("Slow", "g(x)"), ("Slow", "g(g(x))"), ("Two", "g(x).b"), ("Two", "g(q).a"), ("One", "g(z[0])"), ("One", "x |> g"), ("Slow", "fold Sum(x)"),
    ])
    func statesAreResultsOfCalls(cell: String, call: String) throws {
        let head = "model M {\n dim A = 2\n dim B = 3\n layer g = \(cell)()\n input z: [B, A]\n input x, q: [A]\n "
        let tail = "output y = s[t-1]\n output w = s + s[t-2]\n loss l = mean[t](sum(s[t-1] * s))\n}\n"
        let model = try Model(Program(text: Self.cells + head + "state s: [A] = 0\n s = \(call)\n" + tail), named: "M")
        #expect(model.graph.violations() == [])
        let named = try Model(Program(text: Self.cells + head + "v = \(call)\n s = v + 0\n" + tail), named: "M")
        let random = RandomCase(for: named, batch: 2, length: 70, lengths: [70, 3], seed: 3)
        let expected = try named.run(random.data, on: .interpreter)
        for engine in [Engine.interpreter, .compiled(.f64)] {
            let got = try model.run(random.data, on: engine)
            for (a, b) in zip(got.outputs + got.losses, expected.outputs + expected.losses) {
                #expect(relativeError(a.tensor, b.tensor) < 1e-12, "\(a.name) of \(call), \(engine.name)")
            }
        }
    }

    /// The last step of a state is that of the direction in which its equation looks, also where nothing is left of what it looks at.
    @Test(arguments: [
        ("real", "im(complex(s[t+1], x))"), ("real", "re(complex(x, s[t+1]))"), ("real", "im(conj(complex(s[t+1], x)) + z)"),
        ("complex", "complex(re(s[t+1]) + x, x)"), ("complex", "complex(0.5, im(s[t+1]) + x)"), ("complex", "complex(re(s[t-1]) + x, x)"),
        ("real", "im(complex(s[t-1], x))"),
    ])
    func statesKeepTheirDirection(type: String, equation: String) throws {
        let text = "model M {\n input x: real\n input z: complex\n state s: \(type)\n s = \(equation)\n output y = x\n}\n"
        let model = try Model(Program(text: text))
        let split = model.graph.splittingComplex()
        #expect(split.violations() == [])
        for lengths in [nil, [5, 0, 2]] {
            let data = RandomCase(for: model, batch: 3, length: 5, lengths: lengths, seed: 3).data
            let expected = try model.run(data, on: .interpreter).finalStates
            for engine in [Engine.compiled(.f64), .compiled(.f32)] {
                let got = try model.run(data, on: engine).finalStates
                #expect(got.map(\.name) == expected.map(\.name))
                for (a, b) in zip(got, expected) { #expect(relativeError(a.tensor, b.tensor) < 1e-6, "\(a.name) of \(text), \(engine.name)") }
            }
        }
    }

    /// What else has the value of a state does not begin as the state does: gradients by initial states are its own.
    @Test(arguments: [
        ("state a: real\n state b: real", "a = 0.5 * a[t-1] + x\n b = a", "a[t-1] + 2 * b[t-1]"),
        ("state a: real = 1\n state b: real = c", "a = 0.5 * a[t-1] + x\n b = a", "a[t-2] * b[t-1]"),
        ("state a: real = c", "a = 0.5 * a[t-1] + x\n v = a", "v[t-1] * x + a[t-1]"),
        ("state a: real = 0.5", "a = x", "x[t-1] + x * a[t-1] + x[t-2]"),
        ("layer g = Cell()\n state a: real = 0.5", "a = g(x)", "a[t-1] + x * a"),
        ("layer g = Cell()\n state a: real", "q = g(x)\n a = tanh(a[t-1] + q[t-1])", "q[t-2] + a"),
        ("state a: real = 2", "a = fold Sum(x)", "x * a[t-1] + a"),
        ("state z: complex\n state a: real", "z = complex(x, 0.5 * im(z[t-1]))\n w = z\n a = re(z)", "re(w[t-1]) + a[t-1] * re(z[t-1])"),
    ])
    func statesHaveGradientsOfTheirOwn(states: String, equations: String, output: String) throws {
        let text = "model Cell { input u: real\n state h: real = 0.3\n h = 0.9 * h[t-1] + u\n output h }\n"
            + "monoid Sum(s) { identity (0)\n combine (a, b) { s = a.s + b.s } }\n"
            + "model M {\n input x: real\n input c: real once\n \(states)\n \(equations)\n output y = \(output)\n}\n"
        let model = try Model(Program(text: text), named: "M")
        #expect(model.graph.violations() == [])
        let random = RandomCase(for: model, batch: 2, length: 6, lengths: [6, 1], seed: 3)
        var request = GradientRequest(of: model.graph)
        request.seeds = [.output("y")]
        request.targets += model.graph.states.map { .initialState($0.name) }
        let gradients = try GradientModel(model, request)
        let reference = try gradients.run(random.data, cotangents: ["y": #require(random.cotangents["y"])], on: .interpreter)
        for engine in [Engine.compiled(.f64)] {
            let got = try gradients.run(random.data, cotangents: ["y": #require(random.cotangents["y"])], on: engine)
            for (a, b) in zip(got.gradients, reference.gradients) { #expect(relativeError(a.tensor, b.tensor) < 1e-9, "\(a.name): \(text)") }
        }
        // Along a direction by reverse and by forward mode.
        let forward = try tangent(of: model.graph, along: request.targets)
        var data = try BoundData(random.data, for: model.graph)
        var expected = 0.0
        for (target, item) in zip(request.targets, reference.gradients) {
            let direction = item.tensor.doubles().indices.map { 1 + 0.5 * Double($0) }
            expected += zip(direction, item.tensor.doubles()).reduce(0) { $0 + $1.0 * $1.1 }
            let name = target.gradientName.replacing("grad.", with: "tangent.")
            let tensor = Tensor(direction, shape: item.tensor.shape)
            guard case .initialState(let state) = target, item.tensor.shape.last == 2, model.graph.states.contains(where: { $0.name == state && model.graph[$0.value].element == .complex })
            else {
                data.inputs[name] = tensor
                continue
            }
            for (k, part) in [".re", ".im"].enumerated() {
                data.inputs[name + part] = Tensor(direction.enumerated().filter { $0.offset % 2 == k }.map(\.element), shape: [2])
            }
        }
        let moved = Interpreter(forward).run(data).outputs.first { $0.name == "tangent.y" }
        let got = zip(try #require(moved).tensor.doubles(), try #require(random.cotangents["y"]).doubles()).reduce(0) { $0 + $1.0 * $1.1 }
        #expect(abs(got - expected) < 1e-10 * max(1, abs(expected)), "\(text)")
    }
}
