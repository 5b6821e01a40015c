import Rec
import RecScheduling
import Testing

/// Gradients of weights with one block for each head: sums of outer products and products of their own, however the step
/// was written.
@Suite struct HeadGradientTests {
    private func plan(_ text: String, dims: [String: Int]) throws -> Plan {
        let model = try Model(Program(text: text), dims: dims)
        let cases = [(1, 0), (1, 1), (3, 17)].map { batch, length in
            RandomCase(for: model, batch: batch, length: length, lengths: (0..<batch).map { max(0, length - 5 * $0) }, seed: 5)
        }
        let worst = try #require(try GradientCheck(model, cases[2], seed: 5).worst)
        #expect(worst.error < 1e-6)
        try expectGradientAgreement(model, cases, text)
        return try GradientModel(model).plan()
    }

    private func totals(_ plan: Plan) -> [Total] { plan.segments.flatMap(\.stages).flatMap(\.totals) }

    @Test func sumsOverHeadsThatWereLinedUp() throws {
        let plan = try plan(
            """
            model M(N, D) {
              dim J = D
              input x, g: [N, D]
              param R, S: [N, D, J]
              state h: [N, D]
              p = h[t-1] as [N, J]
              h = tanh(x + sum[J](R * p)) * sigmoid(g - sum[J](S * p))
              output h
            }
            """, dims: ["N": 3, "D": 9])
        #expect(totals(plan).map(\.groups.count) == [1, 1])
        // Two products forwards, and two backwards.
        #expect(plan.products.map(\.batchCount) == [3, 3, 3, 3])
    }

    @Test func weightsWithSeveralLabelsOnEitherSide() throws {
        let plan = try plan(
            """
            model M(P, Q, D, K) {
              input x: [D, K]
              param W: [P, Q, D, K]
              state h: [P, Q]
              h = 0.5 * h[t-1] + tanh(sum[D, K](W * x))
              output h
            }
            """, dims: ["P": 2, "Q": 3, "D": 2, "K": 8])
        #expect(totals(plan).map(\.operationCount) == [2 * 2 * 3 * 2 * 8])
    }
}
