import RecDifferentiation
import RecInterpreter
import RecLowering
import RecStream
import TestSupport
import Testing

@testable import Rec

/// Inner axes of constant length that recurrences go on from: dims of each step for code, loops within loops for the interpreter.
@Suite struct InnerAxisTests {
    static let programs = [
        "over (t, k: 3) { input x: real\n state h, top: real\n top = last[k](h)\n h = tanh(x + h[t, k-1] + top[t-1])\n output h\n output top }",
        // A slow state above a fast one, as in hierarchical models.
        "over (t, k: 3) { input x: [C] over t\n param W, U: [C, C]\n state f: [C] = 0.1\n state s: [C] = 0.2\n f = tanh(W @ (if k.first then s[t-1] else f[t, k-1]) + x)\n s = tanh(U @ s[t-1] + last[k](f))\n output s\n output f\n loss l = mean[t](sum(s^2)) }",
        // Memory that is read and written.
        "over (t, k: 4) { input x: [C] over t\n input y: [C] over k\n state h: [C]\n a = softmax[k](sum(y * h[t-1]))\n h = tanh(x + sum[k](a * y))\n output h\n output a\n output m = argmax[k](a) }",
        "over (t, k: 3) { input x: [C] over t\n state m: [C]\n state r: [C]\n w = softmax[k](m[t-1, k][0] + real(k) * x[0])\n r = sum[k](w * m[t-1, k])\n m = m[t-1, k] * (1 - w) + w * tanh(x + r)\n output r\n output m }",
        "over (t, k: 3) { input x: [C]\n state f, b: [C]\n f = 0.5 * f[t, k-1] + x + 0.3 * b[t-1, k]\n b = 0.4 * b[t, k+1] + x + 0.2 * f[t-1, k+1] + 0.1 * f[t-1, k-1]\n output f\n output b }",
        "over (t, k: 4) { input x: [C]\n input n: int\n state g: [C] = 0.5\n state h: [C]\n state c: int = 2\n h = 0.6 * h[t, k-1] + x + g[t-1] * min[k](x)\n g = max[k](h) + mean[k](h) - first[k](h)\n c = mod(c[t-1] + sum[k](n) + max[k](n), 7)\n output g\n output c\n output p = c[t-1] + k }",
        "over (t, k: 3) { input z: complex[C]\n input b: bool\n state a: complex[C]\n state s: complex[C]\n state o: bool\n a = 0.5 * a[t, k-1] + z + s[t-1]\n s = 0.3 * (last[k](a) + first[k](a))\n o = last[k](b or o[t-1])\n output s\n output o\n output r = abs(a) }",
        // Tables and convolutions along the axis.
        "over (t, k: 4) { input x: [C]\n input n: int over t\n param E: [5, C]\n param w: [2]\n state h: [C]\n v = conv[k](x, w) + sum[W](x[t, k-1:k+2] as [W, C])\n dim W = 3\n h = tanh(last[k](v + h[t-1]) + E[mod(n + int(h[t-1][0] * 3), 5)])\n output h\n output u = concat(v[0:1], h) }",
        "over (t, k: 3) { input y: [4, C] over k\n input x: real over t\n state h: [C]\n q = y[clamp(int(abs(h[t-1][0] * 9) + x), 0, 3)]\n h = tanh(sum[k](q) + x)\n output h }",
        "over (i, j, k: 2) { input x: [C] over (i, j)\n state h: [C]\n h = tanh(0.5 * h[i-1, j, k] + 0.4 * h[i, j-1, k] + 0.3 * h[i, j, k-1] + x)\n output h\n output y = sum[k](h) }",
        "over (i, j, k: 2) { input x: [C] over (i, j)\n state h, g: [C]\n h = tanh(0.5 * h[i, j, k-1] + g[i-1, j] + 0.3 * g[i, j-1] + x)\n g = last[k](h)\n output g }",
        // Words of bytes: the outer recurrence goes on from the inner one, and the inner one begins with it.
        "over (p, i: 4) { input x: [C]\n layer word = Cell(C) over p\n layer byte = Cell(C) over i\n state w: [C]\n w = word(last[i](b))\n b = byte(x + w[p-1] * (if i.first then 1 else 0))\n output b\n output w\n loss l = mean[p](sum[i](sum(b^2))) }",
        "over (t, k: 3) { input x: [C]\n state h: [C] = 1\n state s: [C]\n h = 0.5 * h[t, k-1] + 0.25 * h[t, k-2] + x + s[t-2]\n s = soft(last[k](h))\n output s\n output h }",
        "over (t, k: 3) { input x: real\n state h: real\n state s: real\n d = x - soft(x * s[t-1])\n h = h[t, k-1] + soft(d)\n s = tanh(last[k](h))\n output h }",
    ]

    private static let helpers = """
        func soft(x) = tanh(x)
          gradient (dy) = 2 * dy
        model Cell(C) {
          input x: [C]
          param W: [C, C]
          state h: [C]
          h = tanh(W @ h[t-1] + x)
          output h
        }

        """

    private func model(_ text: String) throws -> Model {
        let program = Program(text: Self.helpers + "model M(C) \(text)\n")
        try #require(program.diagnostics.isEmpty, "\(program.diagnostics.map(\.message)) \(text)")
        return try Model(program, named: "M", dims: ["C": 3])
    }

    /// The graph in which the axis is one still.
    private func nested(_ model: Model) throws -> StreamGraph { try lower(model.program.typed, model: "M", dims: model.dims, unfolding: false) }

    @Test(arguments: programs) func dimsAreWhatLoopsGive(text: String) throws {
        let model = try model(text)
        let nested = try nested(model)
        #expect(throws: DiagnosticList.self) { try checkSweeps(of: nested) }
        try checkSweeps(of: model.graph)
        #expect(model.graph.violations() == [])
        for (batch, length, lengths) in [(2, 5, nil), (1, 1, nil), (2, 0, nil), (2, 4, [4, 2])] as [(Int, Int, [Int]?)] {
            let random = RandomCase(for: model, batch: batch, length: length, lengths: model.graph.dataAxes.count == 1 ? lengths : nil, seed: 5)
            let (a, b) = (Interpreter(nested).run(try BoundData(random.data, for: nested)), Interpreter(model.graph).run(try BoundData(random.data, for: model.graph)))
            expectSame(b.outputs + b.losses, a.outputs + a.losses, text)
            // The gradients of both.
            var request = GradientRequest(of: model.graph)
            request.seeds = model.graph.losses.map { .loss($0.name) } + model.graph.outputs.compactMap { random.cotangents[$0.name] == nil ? nil : .init(cotangent: $0.name) }
            guard !request.targets.isEmpty, !request.seeds.isEmpty else { continue }
            let graphs = (try gradient(of: nested, request), try gradient(of: model.graph, request))
            var data = random.data
            for (name, tensor) in random.cotangents { data.inputs["cotangent.\(name)"] = tensor }
            let (c, d) = (Interpreter(graphs.0).run(try BoundData(data, for: graphs.0)), Interpreter(graphs.1).run(try BoundData(data, for: graphs.1)))
            expectSame(d.outputs, c.outputs, "gradients of \(text)")
        }
    }

    private func expectSame(_ got: [NamedTensor], _ expected: [NamedTensor], _ what: String) {
        #expect(got.map(\.name) == expected.map(\.name), "\(what)")
        for (a, b) in zip(got, expected) {
            let (a, b) = (a.tensor, b.tensor)
            let error = Deviation(of: a.reshaped(b.shape), from: b).error
            #expect(a.shape == b.shape && error <= 1e-12, "\(what): \(error) \(a.shape) \(b.shape)")
        }
    }

    /// The inner axis is a dim, and then one of the others as well.
    @Test func anAxisOfTheDataIsUnfoldedBehindAnInnerOne() throws {
        let model = try model("over (i, j, k: 2) { input x: [C] over (i, j)\n input y: [C] over k\n state h: [C]\n g = last[k](tanh(x * h[i-1] + y))\n h = tanh(sum[j](g))\n output h }")
        #expect(model.graph.dataAxes.count == 2 && model.unfoldedAxis == 1)
        let data = generated(model, batch: 2, extents: [4, 3])
        expectSame(try model.run(data, on: .compiled(.f64)).outputs, try model.run(data, on: .interpreter).outputs, "three axes")
    }

    @Test(arguments: programs) func everyFormAgrees(text: String) throws {
        let every = try EveryForm(Self.helpers + "model M(C) \(text)\n", dims: ["C": 3], main: "M")
        try every.expectAgreement([(1, 1, nil), (2, 67, nil), (3, 40, [40, 0, 17])])
    }
}
