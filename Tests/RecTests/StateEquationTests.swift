import Rec
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
}
