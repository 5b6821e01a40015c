import Rec
import Testing

/// Where blocks begin depends on how many sequences a worker takes; what comes out does not.
@Suite struct BlockBoundaryTests {
    /// Steps take so much of the cache that one sequence has longer blocks than two.
    @Test(arguments: ["s = 0.3 * s[t+1] + c", "s = 0.3 * s[t-1] + c", "s = sigmoid(c) * s[t+1] + 0.2 * s[t+2] + c", "s = logaddexp(s[t+1] - 0.1, c)"])
    func scansInRegistersHaveTheSameBits(equation: String) throws {
        let text = """
            model M {
              dim W = 330
              input x: [4]
              param P: [W, 4]
              state s: real
              u = P @ x
              c = sum[W](tanh(u) * u)
              \(equation)
              output s
              output y = s * u
            }
            """
        try EveryForm(text).expectAgreement([(2, 65, nil), (3, 131, [131, 3, 97])], withGradients: false)
    }
}
