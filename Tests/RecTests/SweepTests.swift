import Rec
import Testing

/// Models whose steps need loops inside each other: where the inner one is of constant length, everything runs them.
@Suite struct SweepTests {
    private let text = """
        model M over (t, k: 2) {
          input x: real
          state h, top: real
          top = last[k](h)
          h = x + 0.5 * h[t, k-1] + top[t-1]
          output h
          example x = [[1, 2], [3, 4]] -> h = [[1, 2.5], [5.5, 9.25]]
        }
        """

    @Test func enginesNestSweeps() throws {
        let model = try Model(Program(text: text))
        let data = ModelData(inputs: ["x": Tensor([1.0, 2, 3, 4], shape: [1, 2, 2])])
        for engine in [Engine.interpreter, .compiled(.f32)] {
            #expect(try model.run(data, on: engine)["h"].doubles() == [1, 2.5, 5.5, 9.25])
            #expect(try model.run(data, on: engine)["h"].shape == [1, 2, 2])
        }
    }

    /// More values than anyone wants to wait for.
    @Test func onlyTheInterpreterNestsLongSweeps() throws {
        let model = try Model(Program(text: text.replacing("k: 2", with: "k: 9000").replacing("example", with: "// example")))
        let data = ModelData(inputs: ["x": Tensor([Double](repeating: 0, count: 9000), shape: [1, 1, 9000])])
        #expect(try model.run(data, on: .interpreter)["h"].count == 9000)
        let error = #expect(throws: DiagnosticList.self) { try model.run(data, on: .compiled(.f32)) }
        #expect(error?.diagnostics.map(\.id) == [.unsupported])
        #expect(error?.diagnostics.first?.message.contains("9000 are too many") == true)
    }

    /// The recurrence of the gradients has the same fault, of which nothing is said.
    @Test func gradientsTellTheModelsMistakeOnce() throws {
        // Two axes within the steps of others, each of which feeds the next step.
        let text = """
            model M over (t, s, r) { input x: real
              state h, a, b: real
              a = last[s](h)
              b = last[r](h)
              h = x + a[t-1] + b[t, s-1]
              loss l = mean[t](mean[s](mean[r](h))) }
            """
        let gradients = try GradientModel(Model(Program(text: text)))
        let data = ModelData(inputs: ["x": Tensor([Double](repeating: 1, count: 8), shape: [1, 2, 2, 2])])
        let error = #expect(throws: DiagnosticList.self) { try gradients.run(data, on: .compiled(.f32)) }
        #expect(error?.diagnostics.map(\.id) == [.unsupported, .unsupported])
        let told = try #require(error?.diagnostics.last)
        #expect(told.message.contains("'h'") && !told.message.contains("grad.") && told.help == "run it with 'recc run --interpret'; training needs code")
    }

    @Test func examplesRunWhereTheyCan() throws {
        let runs = try ExampleRun.all(in: Program(text: text))
        #expect(!runs.isEmpty && runs.allSatisfy { $0.difference == nil })
    }
}
