/// Recurrences whose gates, rests and states are read through slices, reshapes, concatenations and tables: all can run as scans.
enum ViewedRecurrences {
    static let all: [RecurrenceKind] = [
        model("halves", "input x: [2 * C]\n a, b = split(x, 2)\n h = sigmoid(a) * h[t-1] + b"),
        model("bare halves", "input x: [2 * C]\n a, b = split(x, 2)\n h = a * h[t-1] + b"),
        model("slices of two", "input a, b: [2 * C]\n h = a[C:] * h[t-1] + b[0:C]"),
        model("a slice in the middle", "input x: [3 * C]\n h = x[C : 2 * C] * h[t-1] + x[2 * C :]"),
        model("halves of a product", "input x: [C]\n param W: [2 * C, C]\n z, u = split(W @ x, 2)\n h = h[t-1] + sigmoid(z) * (u - h[t-1])"),
        model("rows", "input x: [2, C]\n h = x[0] * h[t-1] + x[1]"),
        model("columns", "input x: [C, 2]\n h = x[:, 0] * h[t-1] + x[:, 1]"),
        model("a row and one number", "input x: [3, C]\n input g: [4]\n h = g[2] * h[t-1] + x[1]"),
        model("a reshaped row", "input x: [2 * C]\n y = reshape(x, [C, 2])\n h = y[:, 1] * h[t-1] + y[:, 0]"),
        model("a table", "input a: [C]\n input i: int\n param E: [10, C]\n h = a * h[t-1] + E[i]"),
        model("gates from a table", "input b: [C]\n input i: int\n param E: [10, 2 * C]\n r = E[i]\n h = r[C:] * h[t-1] + r[0:C] * b"),
        model("put together", "input a: [C]\n h = concat(a, 1) [1:] * h[t-1] + concat(1, a)[0:C]"),
        model("padded", "input a: [C]\n h = (pad[C](a, 1, 0))[0:C] * h[t-1] + (pad[C](a, 0, 2, edge))[2:]"),
        model("largest", "input x: [2 * C]\n h = max(x[C:] + h[t-1], x[0:C])"),
        model("log-sum-exp", "input x: [2 * C]\n h = logaddexp(x[C:] + h[t-1], x[0:C])"),
        model("a fraction", "input x: [2 * C]\n h = (h[t-1] + x[C:] ^ 2) / (h[t-1] + x[0:C] ^ 2 + 1)"),
        model("from the right", "input x: [2 * C]\n a, b = split(x, 2)\n h = a * h[t+1] + b"),
        model("two steps back", "input x: [3 * C]\n a, b, c = split(x, 3)\n h = 0.5 * a * h[t-1] - 0.3 * b * h[t-2] + c"),
        model("chosen", "input x: [2 * C]\n input i: int\n h = if x[0] > 0 then x[C:] * h[t-1] else x[0:C]"),
        model("joined factors", "input x: [C]\n param Wf, Wh: [C, C]\n h = sigmoid(Wf @ x) * h[t-1] + Wh @ x"),
        RecurrenceKind(
            name: "heads of a flat row", source: """
                model M(C) {
                  input x: [2 * C]
                  input b: [C, 2]
                  state S: [C, 2]
                  S = reshape(x, [C, 2]) * S[t-1] + b
                  output S
                }
                """, dims: ["C": 3], facts: []),
        RecurrenceKind(
            name: "a state as rows and back", source: """
                model M(C) {
                  input g: [C]
                  input x: [2 * C]
                  state h: [2 * C]
                  h = reshape(reshape(h[t-1], [C, 2]) * g, [2 * C]) + x
                  output h
                }
                """, dims: ["C": 3], facts: []),
        RecurrenceKind(
            name: "a state of rows, gates across", source: """
                model M(K, V) {
                  input x: [V, K]
                  input b: [K + V]
                  state S: [K, V]
                  S = x * S[t-1] + outer(b[0:K], b[K:])
                  output S
                }
                """, dims: ["K": 2, "V": 3], facts: []),
        RecurrenceKind(
            name: "shift register", source: """
                model M(N) {
                  input x: [1]
                  state h: [N]
                  h = concat(x, (h[t-1])[0 : N - 1])
                  output h
                }
                """, dims: ["N": 5], facts: []),
        RecurrenceKind(
            name: "shift register of rows, from a slice", source: """
                model M(N) {
                  input x: [2, 4]
                  state h: [N, 2]
                  h = concat(reshape(x[:, 1], [1, 2]), (h[t-1])[0 : N - 1])
                  output h
                }
                """, dims: ["N": 3], facts: []),
        RecurrenceKind(
            name: "neighbours", source: """
                model M(N) {
                  input x: [3 * N]
                  state h: [N]
                  a, b, c = split(x, 3)
                  h = 0.5 * a * concat((h[t-1])[1 : N], 0) + 0.3 * b * h[t-1] + c
                  output h
                }
                """, dims: ["N": 6], facts: []),
        RecurrenceKind(
            name: "delta rule from one product", source: """
                model M(K, V) {
                  input x: [K]
                  param W: [2 * K + V, K]
                  state S: [K, V]
                  y = W @ x
                  k = y[0:K]
                  q = y[K : 2 * K]
                  v = y[2 * K :]
                  S = S[t-1] + outer(0.3 * k, v - k @ S[t-1])
                  output o = q @ S
                }
                """, dims: ["K": 4, "V": 3], facts: []),
        RecurrenceKind(
            name: "dense, weights in slices", source: """
                model M(C) {
                  input x: [2 * C, C]
                  input b: [C]
                  state h: [C]
                  h = 0.5 * (x[C:] @ h[t-1]) + b
                  output h
                }
                """, dims: ["C": 4], facts: []),
        RecurrenceKind(
            name: "dense max-plus over a reshaped table", source: """
                model M(N) {
                  dim J = N
                  input x: [N * N]
                  input b: [N]
                  state h: [N]
                  h = max[J](reshape(x, [J, N]) + (h[t-1] as [J])) + b
                  output h
                }
                """, dims: ["N": 4], facts: []),
        RecurrenceKind(
            name: "counts from a slice", source: """
                model M {
                  input x: [3]
                  state n: int
                  n = if x[1] > 0 then n[t-1] + 1 else 0
                  output n
                }
                """, facts: []),
        RecurrenceKind(
            name: "parts of one complex row", source: """
                model M(C) {
                  input x: complex[2 * C]
                  state h: complex[C]
                  a, b = split(x, 2)
                  h = 0.5 * a * h[t-1] + b
                  output y = re(h)
                }
                """, dims: ["C": 4], facts: []),
    ]

    /// A model with a state `h: [C]`.
    private static func model(_ name: String, _ body: String) -> RecurrenceKind {
        RecurrenceKind(
            name: name, source: "model M(C) {\n \(body.replacing("\n h =", with: "\n state h: [C]\n h ="))\n output h\n}\n",
            dims: ["C": 4], facts: [])
    }
}
