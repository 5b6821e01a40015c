import Rec
import Testing

/// Weights of products in bf16.
@Suite struct WeightFormatTests {
    @Test(arguments: [
        (1, 0x3F80), (-2.5, 0xC020), (0, 0), (.infinity, 0x7F80),
        // Halfway between two: to the even one, downwards and upwards.
        (Float(bitPattern: 0x3F80_8000), 0x3F80), (Float(bitPattern: 0x3F81_8000), 0x3F82),
        (Float(bitPattern: 0x3F80_8001), 0x3F81), (Float.greatestFiniteMagnitude, 0x7F80),
        // The smallest fraction of a NaN lies in the lower half.
        (Float(bitPattern: 0x7F80_0001), 0x7FC0),
    ] as [(Float, UInt16)])
    func numbersAreRoundedToNearest(number: Float, bits: UInt16) {
        #expect(WeightFormat.bf16(number) == bits)
    }

    private func cell(_ step: String, dims: [String: Int]) throws -> Model {
        try Model(
            Program(
                text: """
                    model M(D, H) {
                      input x: [D]
                      param W: [H, D]
                      param U: [H, H]
                      state h: [H]
                      h = \(step)
                      output h
                    }
                    """), dims: dims)
    }

    /// Weights that bf16 holds exactly give the same bits as in full.
    @Test(arguments: [1, 3, 9]) func exactWeightsChangeNothing(batch: Int) throws {
        let model = try cell("tanh(W @ x + U @ h[t-1])", dims: ["D": 5, "H": 70])
        var data = generated(model, batch: batch, extents: [7])
        for (name, tensor) in data.parameters {
            let rounded = tensor.doubles().map { Float(bitPattern: UInt32(WeightFormat.bf16(Float($0))) << 16) }
            data.parameters[name] = Tensor(rounded, shape: tensor.shape)
        }
        let full = try model.run(data)
        let halved = try model.storingWeights(as: .bf16).run(data)
        #expect(full.outputs.map { $0.tensor.doubles() } == halved.outputs.map { $0.tensor.doubles() })
    }

    /// The same of parts: chunks beside steps that attend, an axis that is a dim of others.
    @Test(arguments: [
        "model M(D, E) {\n input x: [D]\n param Q: [E, D]\n param W: [D, D]\n state S: [E, D]\n S = sigmoid(x[0]) * S[t-1] + outer(Q @ x, W @ x)\n v = (Q @ x) @ S\n output o = sum[s <= t](softmax[s](sum(x * v[s])) * v[s])\n}",
        "model M(D) {\n input x: [D]\n input y: [D] over s\n param Q: [D, D]\n state h: [D]\n h = tanh(x + Q @ sum[s](softmax[s](sum(h[t-1] * y)) * y))\n output h\n}",
    ]) func exactWeightsChangeNothingInParts(text: String) throws {
        let model = try Model(Program(text: text), dims: ["D": 9, "E": 6].filter { text.contains("E)") || $0.key == "D" })
        var data = generated(model, batch: 2, extents: Array([21, 4].prefix(model.graph.dataAxes.count)))
        for (name, tensor) in data.parameters {
            data.parameters[name] = Tensor(tensor.doubles().map { Float(bitPattern: UInt32(WeightFormat.bf16(Float($0))) << 16) }, shape: tensor.shape)
        }
        let plans: [[String: PlanForm]] = model.attends ? [[:], ["S": .chunkwise(8)]] : [[:]]
        for forms in plans {
            let full = try Runner(model, precision: .f32, parameters: data.parameters, forcing: forms).run(data.inputs)
            let halved = try Runner(model.storingWeights(as: .bf16), precision: .f32, parameters: data.parameters, forcing: forms).run(data.inputs)
            #expect(full.outputs.map { $0.tensor.doubles() } == halved.outputs.map { $0.tensor.doubles() })
        }
    }

    @Test func errorsAreReported() throws {
        let model = try cell("tanh(W @ x + U @ h[t-1])", dims: ["D": 5, "H": 40])
        let data = generated(model, batch: 2, extents: [20])
        let file = try CaseFile(data, outputs: model.run(data, on: .interpreter).outputs)
        let verification = try Verification(model.storingWeights(as: .bf16), file, engines: [.compiled(.f32)])
        #expect(verification.isWithin)
        #expect(Set(verification.rows.map(\.what)) == ["output h", "against full weights: output h"])
        for row in verification.rows {
            #expect(row.error > 1e-5 && row.error < 1e-2, "\(row.what): \(row.error)")
            #expect(row.how == "compiled f32, bf16 weights")
        }
    }

    /// What weights in bf16 do not go with is refused.
    @Test func othersAreRefused() throws {
        let model = try cell("tanh(W @ x + U @ h[t-1])", dims: ["D": 2, "H": 4]).storingWeights(as: .bf16)
        let data = generated(model, batch: 1, extents: [3])
        let double = #expect(throws: DiagnosticList.self) { try model.run(data, on: .compiled(.f64)) }
        #expect(double?.diagnostics.map(\.id) == [.weightsRefused])
        let interpreted = #expect(throws: DiagnosticList.self) { try model.run(data, on: .interpreter) }
        #expect(interpreted?.diagnostics.map(\.id) == [.weightsRefused])
        let gradients = #expect(throws: DiagnosticList.self) { try GradientModel(model) }
        #expect(gradients?.diagnostics.map(\.id) == [.weightsRefused])
    }

    @Test func explanationsSayHowWeightsAreStored() throws {
        let model = try cell("tanh(W @ x + U @ h[t-1])", dims: ["D": 8, "H": 8]).storingWeights(as: .bf16)
        let explanation = try Explanation(model, work: Workload(batch: 1, extents: [10], threads: 1))
        #expect(explanation.products.count == 2)
        #expect(explanation.products.allSatisfy { $0.hasSuffix("weights in bf16") })
    }
}
