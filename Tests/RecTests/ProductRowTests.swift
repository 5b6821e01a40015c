@testable import Rec
import Testing

/// A row of a product has the same bits by itself and among others: its tile has other heights then, and other numbers of panels.
@Suite struct ProductRowTests {
    private static let programs = [
        "one weight": """
            model M(D, H) {
              input x: [D]
              param W: [H, D]
              param U: [H, H]
              state h: [H]
              h = tanh(W @ x + 0.3 * U @ h[t-1])
              output h
            }
            """,
        "gates side by side": """
            model M(D, H) {
              input x: [D]
              param Wa, Wb, Wc: [H, D]
              param Ua, Ub, Uc: [H, H]
              state h: [H]
              g = sigmoid(Wa @ x + Ua @ h[t-1]) * tanh(Wb @ x + 0.3 * Ub @ h[t-1])
              h = g + 0.2 * (Wc @ x + Uc @ g)
              output h
            }
            """,
        "heads": """
            model M(D, H) {
              dim J = H
              input x: [D, H]
              param U: [D, H, J] = normal(0.2)
              state h: [D, H]
              h = tanh(x + sum[J](U * (h[t-1] as [D, J])))
              output h
            }
            """,
    ]

    /// Columns that fill vectors and panels, or leave some of them over.
    @Test(
        .timeLimit(.minutes(30)), arguments: [1, 7, 8, 9, 16, 17, 24, 33, 40, 48, 63, 64, 65, 72, 100, 136],
        [("one weight", Precision.f32), ("one weight", .f64), ("gates side by side", .f32), ("heads", .f32)])
    func rowsHaveTheirOwnBits(size: Int, way: (program: String, precision: Precision)) throws {
        let source = try #require(Self.programs[way.program])
        let model = try Model(Program(text: source), dims: ["D": 5, "H": size])
        let (batch, length) = (9, 3)
        let data = RandomCase(for: model, batch: batch, length: length, seed: 4).data
        let all = try first(model, data, sequences: batch, of: batch, way.precision)
        let expected = try model.run(data, on: .interpreter).outputs[0].tensor
        #expect(relativeError(Tensor(all, shape: expected.shape), expected) < (way.precision == .f32 ? 1e-5 : 1e-12))
        for sequences in [1, 2, 3, 4, 5, 7] {
            let few = try first(model, data, sequences: sequences, of: batch, way.precision)
            let isSame = few.elementsEqual(all.prefix(few.count))
            #expect(isSame, "\(sequences) of \(batch) sequences, H = \(size)")
        }
    }

    private func first(_ model: Model, _ data: ModelData, sequences: Int, of batch: Int, _ precision: Precision) throws -> [Double] {
        var part = data
        for (name, tensor) in data.inputs {
            let numbers = tensor.doubles()
            part.inputs[name] = Tensor(Array(numbers.prefix(numbers.count / batch * sequences)), shape: [sequences] + tensor.shape.dropFirst())
        }
        return try model.run(part, on: .compiled(precision)).outputs[0].tensor.doubles()
    }
}
