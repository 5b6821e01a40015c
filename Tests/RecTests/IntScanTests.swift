import Rec
import Testing

/// Recurrences of ints over max and plus: ints have no infinity to begin maps from.
@Suite struct IntScanTests {
    private static let steps = [
        "min((if b then s[t-2] else s[t-1]), n)", "max(s[t-1] - 1, n)", "max(s[t-1], s[t-2] - n)", "min(s[t-1] + n, 9)", "max(s[t-1], n)",
        "min(n, s[t-1])",
    ]

    private func model(_ step: String) throws -> Model {
        try Model(Program(text: "model M {\n input n: int[3]\n input b: bool\n state s: int[3] = 2\n s = \(step)\n output s\n}\n"))
    }

    @Test(arguments: steps)
    func everyFormThatIsBuiltIsExact(step: String) throws {
        let model = try model(step)
        let data = RandomCase(for: model, batch: 2, length: 200, seed: 3).data
        let expected = try model.run(data, on: .interpreter).outputs[0].tensor.doubles()
        let choice = try PlanChoice(model)
        for scans in [[], Set(choice.forms.recurrences.indices)] where choice.refusal(of: scans) == nil {
            for precision in [Precision.f64, .f32] {
                let code = try CompiledPlan(choice.plan(scanning: scans), precision: precision)
                let bound = try BoundData(data, for: model.graph)
                for threads in [1, 2] {
                    let got = try model.run(bound, on: try CompiledModel(code, parameters: [:]), pool: ThreadPool(count: threads, leastWork: 0))
                    #expect(got.outputs[0].tensor.doubles() == expected, "\(step) \(precision), \(threads) threads, scans \(scans)")
                }
            }
        }
        #expect(try model.run(data, threads: 2).outputs[0].tensor.doubles() == expected)
    }

    /// A running maximum needs nothing but the least int.
    @Test func runningExtremesAreScans() throws {
        for (step, isScan) in [("max(s[t-1], n)", true), ("min(n, s[t-1])", true), ("max(s[t-1] - 1, n)", false)] {
            #expect((try PlanChoice(model(step)).refusal(of: [0]) == nil) == isScan, "\(step)")
        }
    }
}
