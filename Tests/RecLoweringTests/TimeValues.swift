import RecStream
import Testing

/// Delays, states, folds and layers over time, by the interpreter.
@Suite struct TimeValues {
    private let x: [Double] = [1, 2, 3, 4]

    private func run(_ body: String) throws -> [String: [Double]] {
        try results("model M { input x: real\n \(body) }", inputs: ["x": (x, [4])])
    }

    @Test func delays() throws {
        let got = try run("state h: real = 10\n h = x\n g = h\n output a = x[t-1]\n output b = x[t+2]\n output c = h[t-1]\n output d = g[t-1]\n output e = (x + 1)[t-1]\n output f = h[t-2]\n output g2 = h[t+1]")
        expectClose(got["a"], [0, 1, 2, 3])
        expectClose(got["b"], [3, 4, 0, 0])
        expectClose(got["c"], [10, 1, 2, 3])
        expectClose(got["d"], [0, 1, 2, 3])
        expectClose(got["e"], [0, 2, 3, 4])
        expectClose(got["f"], [10, 10, 1, 2])
        expectClose(got["g2"], [2, 3, 4, 10])
    }

    @Test func overTime() throws {
        let got = try run("output a = sum[t](x)\n output b = mean[t](x)\n output c = last[t](x)\n output d = first[t](x)\n output e = max[t](x) + min[t](x)\n output f = x - mean[t](x)")
        expectClose(got["a"], [10])
        expectClose(got["b"], [2.5])
        expectClose(got["c"], [4])
        expectClose(got["d"], [1])
        expectClose(got["e"], [5])
        expectClose(got["f"], [-1.5, -0.5, 0.5, 1.5])
    }

    @Test func statesOfConstants() throws {
        let got = try run("state n: real\n n = n[t-1] + 1\n state c: real = 5\n c = 2\n output n\n output d = c[t-1]\n output s = sum[t](c)\n output y = x * c")
        expectClose(got["n"], [1, 2, 3, 4])
        expectClose(got["d"], [5, 2, 2, 2])
        expectClose(got["s"], [8])
        expectClose(got["y"], [2, 4, 6, 8])
    }

    @Test func initialValuesThatNoDelayReadsStayInTheGraph() throws {
        let graph = try graph("model M { input x: real\n input h0: real once\n state h: real = 2 * h0\n h = x\n output h }")
        let initial = try #require(graph.states[0].initial)
        #expect(graph[initial].variance == .once)
    }

    @Test func bothDirectionsInTwoStates() throws {
        let got = try run("state a: real\n state b: real = 1\n a = a[t-1] + x\n b = b[t+1] * x\n output y = a + b")
        expectClose(got["y"], [1 + 24, 3 + 24, 6 + 12, 10 + 4])
    }

    @Test func equationsInAnyOrder() throws {
        let got = try run("output y = b\n b = a + h[t-1]\n a = 2 * x\n h = a\n state h: real")
        expectClose(got["y"], [2, 6, 10, 14])
    }

    @Test func folds() throws {
        let text = """
            monoid Run(n: int, s: [V]) { identity (0, 0) combine (a, b) { n = a.n + b.n
              s = a.s + b.s } }
            model M(D) { input x: [D]
              acc = fold Run(1, x)
              output mean = acc.s / acc.n
              output n = acc.n }
            """
        let graph = try graph(text, ["D": 2])
        let fold = try #require(graph.folds.first)
        #expect(fold.fields == ["n", "s"])
        #expect(fold.identity == [.int(0), .real(0)])
        #expect(faults(of: fold.combine) == [])
        #expect(fold.combine.outputs.map(\.name) == ["n", "s"])
        let got = try results(text, ["D": 2], inputs: ["x": ([1, 2, 3, 4], [2, 2])])
        expectClose(got["mean"], [1, 2, 2, 3])
        expectClose(got["n"], [1, 2])
    }

    @Test func layers() throws {
        let text = """
            model Cell(D) { input x: [D]
              input h0: [D] once = 3
              param w: [D]
              state h: [D] = h0
              h = w * h[t-1] + x
              output h
              output last = last[t](h) }
            model M(D) { input x: [D]
              layer f = Cell(D)
              a = f(x)
              b = f(a.h, h0: 0)
              output y = b.h
              output z = a.last + 0 * x }
            """
        let graph = try graph(text, ["D": 1])
        #expect(graph.states.map(\.name).sorted() == ["f#2.h", "f.h"])
        let got = try results(text, ["D": 1], inputs: ["x": ([1, 1, 1], [3, 1])], parameters: ["f.w": ([0.5], [1])])
        // a: 2.5, 2.25, 2.125; b: its running half sum.
        expectClose(got["y"], [2.5, 3.5, 3.875])
        expectClose(got["z"], [2.125, 2.125, 2.125])
    }

    @Test func repeatedLayersChain() throws {
        let text = """
            model Add(D) { input x: [D]
              param w: [D]
              output y = x + w }
            model M(D, L) { input x: [D]
              layer f = repeat(L, Add(D))
              output y = x |> f |> exp }
            """
        let graph = try graph(text, ["D": 1, "L": 3])
        let paths = graph.values.compactMap { if case .parameter(let info) = $0.operation { info.path } else { nil } }
        #expect(paths.sorted() == ["f.0.w", "f.1.w", "f.2.w"])
        let got = try results(
            text, ["D": 1, "L": 3], inputs: ["x": ([0.5], [1, 1])],
            parameters: ["f.0.w": ([1], [1]), "f.1.w": ([-3], [1]), "f.2.w": ([1.5], [1])])
        expectClose(got["y"], [1])
    }

    @Test func layersOfConstants() throws {
        let text = """
            model Sum(D) { input x: [D]
              state s: [D]
              s = s[t-1] + x
              output s
              output m = sum[t](x) }
            model M(D) { input x: [D]
              param p: [D]
              layer f = Sum(D)
              layer g = Sum(D)
              a = f(p)
              b = g(1)
              output y = a.s + b.s + 0 * x
              output m = a.m }
            """
        let got = try results(text, ["D": 1], inputs: ["x": ([0, 0, 0], [3, 1])], parameters: ["p": ([2], [1])])
        expectClose(got["y"], [3, 6, 9])
        expectClose(got["m"], [6])
    }

    @Test func twoAxes() throws {
        let got = try results(
            "model M over (i, j) { input x: real\n state h: real\n h = x + h[i-1, j] + h[i, j-1]\n output h\n output r = sum[j](x)\n output d = x[i-1, j+1] }",
            inputs: ["x": ([1, 1, 1, 1, 1, 1], [2, 3])])
        expectClose(got["h"], [1, 2, 3, 2, 5, 9])
        expectClose(got["r"], [3, 3])
        expectClose(got["d"], [0, 0, 0, 1, 1, 0])
        let deep = try graph("model M(K) over (t, k: K) { input x: real\n state h: real\n h = tanh(h[t, k-1] + h[t-1]) + x\n output h }", ["K": 3])
        #expect(deep.axes == [StreamAxis(name: "t"), StreamAxis(name: "k", length: 3)])
        expectLoweringError(.unsolvableDim, "model M(K) over (t, k: K/2) { input x: real\n output x }", ["K": 3])
    }

    @Test func functionsAndImports() throws {
        let got = try results(
            "func swish(x) = x * sigmoid(x)\nfunc twice(a) = swish(a) + swish(a)\nmodel M { input x: real\n output y = twice(0 * x) + 2 * (x |> clamp(2, 3)) }",
            inputs: ["x": (x, [4])])
        expectClose(got["y"], [4, 4, 6, 6])
    }

    /// The last step along one axis feeds the next step along the other: `h = x + h[t, k-1]/2 + top[t-1]`.
    @Test(arguments: ["top[t-1]", "top[t-1, k]"]) func feedbackThroughDepth(top: String) throws {
        let text = """
            model M(K) over (t, k: K) { input x: real
              state h, top: real
              top = last[k](h)
              h = x + 0.5 * h[t, k-1] + \(top)
              output h
              output top }
            """
        let results = try results(text, ["K": 2], inputs: ["x": ([1, 2, 3, 4, 5, 6], [3, 2])])
        expectClose(results["h"], [1, 2.5, 5.5, 9.25, 14.25, 22.375])
        expectClose(results["top"], [2.5, 9.25, 22.375])
    }

    /// Two states that run against each other along one axis, each fed by the other's step before along the second.
    @Test func opposedStatesWithinALoop() throws {
        let text = """
            model M over (t, k: 2) { input x: real
              state f, b: real
              f = x + f[t, k-1] + b[t-1]
              b = x + b[t, k+1] + f[t-1]
              output f
              output b }
            """
        let results = try results(text, inputs: ["x": ([1, 2, 3, 4], [2, 2])])
        expectClose(results["f"], [1, 3, 6, 12])
        expectClose(results["b"], [3, 2, 11, 7])
    }
}
