import Rec
import RecScheduling
import Testing

/// Gradients of tables that are read at given rows: steps add to the rows they read, in whatever order and however often.
@Suite struct TableGradientTests {
    private func expectAgreement(_ text: String, dims: [String: Int]) throws -> Plan {
        let model = try Model(Program(text: text), dims: dims)
        let cases = [(1, 0), (1, 1), (3, 17)].map { batch, length in
            RandomCase(for: model, batch: batch, length: length, lengths: (0..<batch).map { max(0, length - 5 * $0) }, seed: 3)
        }
        let worst = try #require(try GradientCheck(model, cases[2], seed: 3).worst)
        #expect(worst.error < 1e-6)
        try expectGradientAgreement(model, cases, text)
        return try GradientModel(model).plan()
    }

    @Test func stepsAddToTheRowsTheyReadAlone() throws {
        let text = """
            model M(V, D) {
              input k: int
              param E: [V, D]
              param U: [D, D]
              state h: [D]
              h = tanh(E[k] + U @ h[t-1])
              output h
            }
            """
        let plan = try expectAgreement(text, dims: ["V": 40, "D": 8])
        let widest = plan.segments.filter { if case .sweep = $0.kind { true } else { false } }
            .flatMap(\.stages).flatMap(\.items).compactMap { if case .nest(let nest) = $0 { nest.domain.reduce(1, *) } else { nil } }.max()
        #expect(widest == 8)
    }

    @Test func rowsThatAreReadTwiceInAStepGetBothShares() throws {
        _ = try expectAgreement(
            """
            model M(V, K, D) {
              input k: int[K]
              input w: [K]
              param E: [V, D]
              param s: [V]
              output y = sum[K](E[k])
              output u = s[k] * w
            }
            """, dims: ["V": 4, "K": 6, "D": 3])
    }
}
