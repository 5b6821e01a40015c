import Rec
import Testing

/// Models over two axes, and those that pass over a sequence more than once.
@Suite struct TwoAxisTests {
    @Test(arguments: [
        "over (i, j) { input x: [C]\n state h: [C] = 1\n h = 0.5 * h[i-1, j] + 0.3 * h[i, j-1] + x\n output h }",
        "over (i, j) { input x: [C]\n state h: [C]\n h = 0.5 * h[i+1, j] + 0.3 * h[i, j+1] + x\n output h }",
        "over (i, j) { input x: [C]\n state h: [C]\n h = 0.5 * h[i-1, j+1] + 0.3 * h[i, j-1] + x\n output h }",
        "over (i, j) { input x: [C]\n state h: [C]\n h = 0.5 * h[i+1, j-1] + 0.3 * h[i-1, j-1] + x\n output h }",
        "over (i, j) { input x: [C]\n state h: [C]\n h = tanh(0.5 * h[i-1, j] - 0.3 * h[i, j+1] + x)\n output h\n output y = h[i, j-1] + x[i+1, j] }",
        "over (i, j) { input x: [C]\n param U: [C, C]\n state h: [C] = 0.1\n h = tanh(U @ h[i-1, j] + U @ h[i, j-1] + x)\n output h\n output s = sum[i, j](h) }",
        "over (i, j) { input x: [C]\n output rows = mean[j](x)\n output columns = max[i](x) }",
        "over (i, j) { input x: [C]\n output y = x - mean[i](x) + sum[j](x) }",
        "over (t, k: 3) { input x: [C]\n state h: [C]\n h = 0.5 * h[t-1, k] + tanh(h[t, k-1]) + x\n output h }",
        "over t { input x: [C]\n state a, b: [C]\n a = 0.5 * a[t-1] + x\n b = 0.5 * b[t+1] + a\n output y = b - mean[t](b) + a[t-2] + x[t+2] }",
        "over t { input x: [C]\n state a: [C] = 2\n a = if x > 0 then a[t-1] * 0.9 + x else a[t-3]\n z = exp(-abs(a))\n output y = z[t-1] + z[t-2] + last[t](a) + first[t](x) }",
        "over t { input z: complex[C]\n param w: complex[C]\n state s: complex[C]\n s = 0.9 * exp(0.1 * w) * s[t-1] + conj(z)\n output s\n output m = abs(s)\n output p = re(s * s) / (1 + abs(im(s))) }",
        "over t { input n: int\n input b: bool[C]\n state k: int\n k = max(k[t-1] + n - 2, 0)\n state any: bool[C]\n any = any[t-1] or b\n output k\n output any\n output c = sum(real(any)) }",
        "over t { input n: int\n param E: [6, C]\n output y = E[n]\n output i = argmax(E[n])\n output v = E[clamp(n * n, -3, 9)] }",
    ])
    func enginesAgree(text: String) throws {
        let program = Program(text: "model M(C) \(text)\n")
        try #require(program.diagnostics.isEmpty, "\(program.diagnostics.map(\.message))")
        let model = try Model(program, dims: ["C": 5])
        let cases = [(0, 3), (1, 1), (4, 3), (9, 7), (40, 1)].flatMap { extent in
            let extents = zip(model.graph.axes, [extent.0, extent.1]).map { $0.length ?? $1 }
            return [0, 1, 3].map { batch in (data: generated(model, batch: batch, extents: extents), what: "\(batch)×\(extents)") }
        }
        try expectAgreement(model, cases)
    }

    /// A layer over one axis is run for each step of the other by itself, where what it is given differs there.
    @Test func layersOverOneAxis() throws {
        let text = """
            model Cell(C) over t {
              input x: [C]
              param U: [C, C]
              state h: [C] = 0.5
              h = tanh(U @ h[t-1] + x)
              output h
              output m = mean[t](x * h) - max[t](h[t-1])
            }
            model M(C) over (t, k: 3) {
              input x: [C]
              input z: [C] over t
              layer c = Cell(C)
              layer b = reverse(Cell(C))
              v = c(x * z)
              w = b(z)
              state g: [C]
              g = 0.5 * g[t, k-1] + v.h[t, k-1] * w.h
              output g
              output y = v.m + w.m + last[k](v.h)
            }
            """
        let model = try Model(Program(text: text), named: "M", dims: ["C": 4])
        #expect(model.graph.violations() == [])
        let item = RandomCase(for: model, batch: 2, length: 5, seed: 4)
        try expectAgreement(model, item.data, "layers over one axis of two")
        #expect(try #require(try GradientCheck(model, item, seed: 4).worst).error < 1e-6)
        try expectGradientAgreement(model, [item], "layers over one axis of two")
    }
}
