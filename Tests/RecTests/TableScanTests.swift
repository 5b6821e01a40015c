import Rec
import Testing

/// Scans whose steps read tables, windows and reshapes of what is computed at each step: it must lie in memory when the maps are computed.
@Suite struct TableScanTests {
    @Test(arguments: [
        "tanh(x)[n]", "tanh(x)[n] * tanh(v)[n]", "reshape(tanh(x), [2, 2])[n][1]", "concat(tanh(x)[0:2], v[2:4])[n]", "sum(conv[4](tanh(x), w))",
        "tanh(p)[n]", "x[n]", "tanh(tanh(x)[n] + v[m])",
    ], ["0.5 * s[t-1] + REST", "max(s[t-1] - 0.1, REST)", "logaddexp(s[t-1], REST)", "s[t+1] * sigmoid(REST) + REST"])
    func restsAreLookedUp(rest: String, step: String) throws {
        let text = """
            model M {
              input x, v: [4]
              input n, m: int
              param p: [4]
              param w: [1, 2] = normal(1)
              state s: real = -1
              s = \(step.replacing("REST", with: rest))
              output s
            }
            """
        let program = Program(text: text)
        try #require(!program.hasErrors, "\(program.diagnostics.map(\.message))\n\(text)")
        let model = try Model(program)
        let data = RandomCase(for: model, batch: 2, length: 150, seed: 6).data
        let expected = try model.run(data, on: .interpreter)
        let got = try model.run(data, on: .compiled(.f64), threads: 2, forcing: ["s": .scan])
        #expect(relativeError(got.outputs[0].tensor, expected.outputs[0].tensor) < 1e-10, "\(text)")
    }
}
