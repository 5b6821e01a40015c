import Rec
import RecScheduling
import Testing

/// Which streams a gradient's forward pass keeps for its backward pass, and which are computed again.
@Suite struct RecomputationTests {
    /// Elements of a step that are kept beside inputs and outputs.
    private func kept(_ source: String, dims: [String: Int] = ["H": 16]) throws -> Int {
        let model = try Model(Program(text: source), dims: dims)
        let plan = try GradientModel(model).plan()
        return plan.buffers.reduce(0) { sum, buffer in
            if case .full = buffer.kind { sum + buffer.rowCount } else { sum }
        }
    }

    private let leaky = "model M(H) {\n input a, b: [H]\n state h: [H]\n h = a * h[t-1] + b\n output h\n}\n"

    @Test func delayedOutputsAreReadWhereTheyLie() throws {
        #expect(try kept(leaky) == 0)
    }

    @Test func fewElementsAreKeptAsTheyAreRead() throws {
        #expect(try kept(leaky, dims: ["H": 1]) == 1)
    }

    @Test func delayedStatesAreKeptOnce() throws {
        #expect(try kept("""
            model M(H) {
              input a, b: [H]
              state h: [H]
              h = a * h[t-1] + b
              output y = h * a
            }
            """) == 16)
    }

    @Test func functionsOfInputsAreComputedAgain() throws {
        #expect(try kept("""
            model M(H) {
              input a, b: [H]
              state h: [H]
              h = sigmoid(a) * h[t-1] + exp(b)
              output h
            }
            """) == 0)
    }

    @Test func gatesBehindProductsAreKeptAndWhatFollowsFromThemIsNot() throws {
        #expect(try kept("""
            model M(H) {
              input x: [H]
              param W, U: [H, H]
              state h: [H]
              z = sigmoid(W @ x + U @ h[t-1])
              h = (1 - z) * h[t-1] + z * tanh(x)
              output h
            }
            """) == 16)
    }

    @Test func wideValuesAreComputedAgainFromNarrowOnes() throws {
        #expect(try kept("""
            model M(H) {
              dim N = 16
              input d: [H]
              input b, c: [N]
              param A: [H, N]
              state h: [H, N]
              h = exp(d * A) * h[t-1] + outer(d, b)
              output y = h @ c
            }
            """) == 256)
    }
}
