import Rec
import Testing

/// A state may be what another one was a step before, within the recurrence of that one.
@Suite struct LastValueTests {
    @Test(arguments: [PlanForm.sequential, .scan], ["h[t-1]", "2 * h[t-1]", "h[t-2]", "h[t+1]", "2 * h[t+1]", "h[t+7]"])
    func lastValuesOfDelays(form: PlanForm, earlier: String) throws {
        let sign = earlier.contains("+") ? "+" : "-"
        let text = """
            model M {
              input x: real
              state g: real = 0.5
              state h: real = 0.5
              g = \(earlier)
              h = 0.25 * g - 0.3 * h[t\(sign)3] + x
              output h
            }
            """
        let model = try Model(Program(text: text))
        for length in [1, 28, 130] {
            let data = RandomCase(for: model, batch: 2, length: length, seed: 1).data
            let expected = try model.run(data, on: .interpreter)
            let got = try model.run(data, on: .compiled(.f64), threads: 2, forcing: ["h": form])
            for (a, b) in zip(got.finalStates, expected.finalStates) { #expect(relativeError(a.tensor, b.tensor) < 1e-12, "\(a.name), \(length)") }
        }
    }
}
