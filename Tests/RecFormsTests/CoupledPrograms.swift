/// Programs in which several states make one recurrence.
extension ChunkwiseProgram {
    private static func coupled(
        _ name: String, _ inputs: String, _ states: [String], _ step: String, _ output: String, complex: Bool = false
    ) -> ChunkwiseProgram {
        let kind = complex ? "complex" : ""
        let declared = states.map { "state \($0): \(kind)[N, K, V]" }.joined(separator: "\n  ")
        return ChunkwiseProgram(
            name: name,
            text: """
                model \(name)(N, K, V) {
                  input q, k: \(kind)[N, K]
                  input v: \(kind)[N, V]
                  \(inputs)
                  \(declared)
                  \(step)
                  \(output)
                }
                """, dims: ["N": 2, "K": 3, "V": 4],
            states: complex ? states.flatMap { ["\($0).re", "\($0).im"] } : states)
    }

    static let coupled = [
        // A linear memory that is trained with momentum and weight decay: Behrouz et al., arXiv:2501.00663, section 3.1.
        coupled(
            "Momentum", "input a, g, b: [N]", ["S", "W"],
            "S = g * S[t-1] - outer(sigmoid(b) * k, sum[K](k * W[t-1]) - v)\n  W = (1 - a) * W[t-1] + S", "output o = sum[K](q * W)"),
        coupled(
            "MomentumByKey", "input a, g: [N, K]", ["S", "W"],
            "S = g * S[t-1] - 0.5 * outer(k, sum[K](k * W[t-1]) - v)\n  W = a * W[t-1] + S",
            "output o = sum[K](q * W[t-1])\n  output p = sum[K](k * S)"),
        coupled(
            "Rotation", "input a, b: [N]", ["A", "B"],
            "A = a * A[t-1] + b * B[t-1] + outer(k, v)\n  B = a * B[t-1] - b * A[t-1]", "output o = sum[K](q * (A + B))"),
        coupled(
            "RotationByKey", "input a, b: [N, K]", ["A", "B"],
            "A = a * A[t-1] + b * B[t-1] + outer(k, v)\n  B = a * B[t-1] - b * A[t-1] + outer(q, v)", "output o = sum[K](q * A) - sum[K](k * B)"),
        coupled(
            "Exchange", "input a: [N]", ["A", "B"], "A = B[t-1]\n  B = a * A[t-1] + outer(k, v)", "output o = sum[K](q * A)"),
        coupled(
            "Ahead", "input a, g: [N]", ["A", "B"],
            "A = a * A[t+1] + outer(k, v - sum[K](k * B[t+1]))\n  B = g * B[t+1] + A", "output o = sum[K](q * B)"),
        coupled(
            "Three", "input a, g: [N]", ["A", "B", "C"],
            "A = a * A[t-1] + outer(k, v - sum[K](k * C[t-1]))\n  B = g * B[t-1] + A\n  C = 0.5 * C[t-1] + 0.5 * B", "output o = sum[K](q * C)"),
        coupled("Complex", "input a: complex[N]", ["S"], "S = a * S[t-1] + outer(k, v)", "output o = sum[K](q * S)", complex: true),
        coupled(
            "ComplexByKey", "input a: complex[N, K]", ["S"], "S = a * S[t-1] + outer(k, v)", "output o = re(sum[K](q * S[t-1]))", complex: true),
        coupled(
            "ComplexDelta", "input a: complex[N]\n  input b: [N]", ["S"],
            "S = a * S[t-1] - outer(sigmoid(b) * k, sum[K](conj(k) * S[t-1]) - v)", "output o = abs(sum[K](conj(q) * S))", complex: true),
    ]
}
