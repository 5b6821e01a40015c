import Rec
import Testing

/// A state may begin from what other states were at other steps.
@Suite struct DelayedInitialTests {
    /// Declared before the other state, and behind it.
    @Test(arguments: ["state a: [2]\n state b: [2]", "state b: [2]\n state a: [2]"])
    func initialValuesReadDelayedStates(states: String) throws {
        let declared = states.replacing("b: [2]", with: "b: [2] = sum[t](a[t-2])")
        let text = "model M {\n input x: [2]\n \(declared)\n a = 0.5 * a[t-1] + x\n b = b[t-1] + x\n output b\n}\n"
        let model = try Model(Program(text: text))
        #expect(model.graph.violations() == [])
        let data = RandomCase(for: model, batch: 2, length: 9, seed: 2).data
        // The same with a name between.
        let named = text.replacing("= sum[t](a[t-2])", with: "= c").replacing("output b", with: "c = sum[t](a[t-2])\n output b")
        let expected = try Model(Program(text: named)).run(data, on: .interpreter)
        for engine in [Engine.interpreter, .compiled(.f64)] {
            let got = try model.run(data, on: engine)
            #expect(relativeError(got.outputs[0].tensor, expected.outputs[0].tensor) < 1e-12, "\(engine.name)")
        }
    }

    @Test func noStateBeginsFromItself() {
        let program = Program(text: "model M {\n input x: real\n state s: real = sum[t](s[t-1])\n s = s[t-1] + x\n output s\n}\n")
        #expect(program.hasErrors || (try? Model(program)) == nil)
    }
}
