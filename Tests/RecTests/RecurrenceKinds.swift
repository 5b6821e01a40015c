import Testing

/// Recurrences of every kind, with what the analysis should find.
struct RecurrenceKind: Sendable, CustomTestStringConvertible {
    var name: String
    var source: String
    var dims: [String: Int] = [:]
    /// For each recurrence in order: states, kind, transition.
    var facts: [(states: [String], kind: String, transition: String)]
    var testDescription: String { name }

    static let all: [RecurrenceKind] = [
        RecurrenceKind(
            name: "leaky sum", source: """
                model M(C) {
                  input a, b: [C]
                  state h: [C]
                  h = sigmoid(a) * h[t-1] + b
                  output h
                }
                """, dims: ["C": 4], facts: [(["h"], "affine", "diagonal[C]")]),
        RecurrenceKind(
            name: "towards a target, from the right", source: """
                model M(C) {
                  input a, b: [C]
                  param w: [C] = uniform(-1, 1)
                  state h: [C] = 0.5
                  z = sigmoid(a)
                  h = h[t+1] + z * (w * b - h[t+1])
                  output y = h + 2 * h[t+1]
                }
                """, dims: ["C": 2], facts: [(["h"], "affine", "diagonal[C]")]),
        RecurrenceKind(
            name: "one factor for all", source: """
                model M(C) {
                  input g: real
                  input b: [C]
                  state h: [C]
                  h = sigmoid(g) * h[t-1] + b
                  output h
                }
                """, dims: ["C": 8], facts: [(["h"], "affine", "scalar")]),
        RecurrenceKind(
            name: "running sum", source: """
                model M {
                  input x: real
                  state s: real
                  s = s[t-1] + x
                  output s
                }
                """, facts: [(["s"], "affine", "identity")]),
        RecurrenceKind(
            name: "count in ints", source: """
                model M {
                  input hit: bool
                  state n: int
                  n = if hit then n[t-1] + 1 else 0
                  output n
                }
                """, facts: [(["n"], "affine", "scalar")]),
        RecurrenceKind(
            name: "two lags", source: """
                model M(C) {
                  input x: [C]
                  state y: [C]
                  y = 1.2 * y[t-1] - 0.5 * y[t-2] + x
                  output y
                }
                """, dims: ["C": 1], facts: [(["y"], "affine", "companion(2)")]),
        RecurrenceKind(
            name: "three lags, one left out", source: """
                model M(C) {
                  input x: [C]
                  state y: [C]
                  y = 0.4 * y[t-1] + 0.3 * y[t-3] + x
                  output z = y + y[t-2]
                }
                """, dims: ["C": 4], facts: [(["y"], "affine", "companion(3)")]),
        RecurrenceKind(
            name: "rotation", source: """
                model M(C) {
                  input u, v: [C]
                  param w: [C] = uniform(-1, 1)
                  state x, y: [C]
                  x = 0.9 * (cos(w) * x[t-1] - sin(w) * y[t-1]) + u
                  y = 0.9 * (sin(w) * x[t-1] + cos(w) * y[t-1]) + v
                  output x
                  output y
                }
                """, dims: ["C": 4], facts: [(["x", "y"], "affine", "rotation (2×2 blocks)")]),
        RecurrenceKind(
            name: "two states in one block", source: """
                model M(C) {
                  input u: [C]
                  param a, b: [C] = uniform(-0.5, 0.5)
                  state x, y: [C]
                  x = a * x[t-1] + 0.3 * y[t-1] + u
                  y = b * x[t-1] + 0.2 * y[t-1]
                  output y
                }
                """, dims: ["C": 2], facts: [(["x", "y"], "affine", "block-diagonal(2): 2×2 blocks")]),
        RecurrenceKind(
            name: "small dense", source: """
                model M(N) {
                  dim J = N
                  input u: [N]
                  param A: [N, J] = uniform(-0.3, 0.3)
                  state h: [N]
                  h = A @ (h[t-1] as [J]) + u
                  output h
                }
                """, dims: ["N": 5], facts: [(["h"], "affine", "dense")]),
        RecurrenceKind(
            name: "max-plus", source: """
                model M(C) {
                  input d, x: [C]
                  state m: [C] = -5
                  m = max(m[t-1] - exp(d), x)
                  output m
                }
                """, dims: ["C": 4], facts: [(["m"], "semiring max-plus", "diagonal[C]")]),
        RecurrenceKind(
            name: "min-plus from nothing", source: """
                model M {
                  input c, x: real
                  state m: real = inf
                  m = min(m[t-1] + abs(c), x)
                  output m
                }
                """, facts: [(["m"], "semiring min-plus", "scalar")]),
        RecurrenceKind(
            name: "largest and where", source: """
                model M {
                  input x, at: real
                  state best: real = -inf
                  state place: real
                  best = max(best[t-1], x)
                  place = if x > best[t-1] then at else place[t-1]
                  output best
                  output place
                }
                """, facts: [(["best"], "semiring max-plus", "identity"), (["place"], "affine", "scalar")]),
        RecurrenceKind(
            name: "log-sum-exp", source: """
                model M(C) {
                  input g, x: [C]
                  state l: [C] = -3
                  l = logaddexp(l[t-1] + logsigmoid(g), x)
                  output l
                }
                """, dims: ["C": 2], facts: [(["l"], "semiring log-sum-exp", "diagonal[C]")]),
        RecurrenceKind(
            name: "log-sum-exp, stabilised by hand", source: """
                model M(C) {
                  input x: [C]
                  state l: [C] = -3
                  m = max(l[t-1], x)
                  l = m + log(exp(l[t-1] - m) + exp(x - m))
                  output l
                }
                """, dims: ["C": 4], facts: [(["l"], "semiring log-sum-exp", "identity")]),
        RecurrenceKind(
            name: "or-and", source: """
                model M(C) {
                  input on, keep: bool[C]
                  state seen: bool[C]
                  seen = on or (keep and seen[t-1])
                  output seen
                }
                """, dims: ["C": 3], facts: [(["seen"], "semiring or-and", "diagonal[C]")]),
        RecurrenceKind(
            name: "continued fraction", source: """
                model M(C) {
                  input a: [C]
                  state f: [C] = 1
                  f = 1 / (exp(a) + f[t-1])
                  output f
                }
                """, dims: ["C": 2], facts: [(["f"], "fractional-linear", "diagonal[C]")]),
        RecurrenceKind(
            name: "variance of a filter", source: """
                model M {
                  input z, r: real
                  state P: real = 1
                  state m: real
                  q = P[t-1] + 0.1
                  k = q / (q + exp(r))
                  P = q - k * q
                  m = m[t-1] + k * (z - m[t-1])
                  output m
                  output P
                }
                """, facts: [(["P"], "fractional-linear", "scalar"), (["m"], "affine", "scalar")]),
        RecurrenceKind(
            name: "running mean and variance", source: """
                model M(C) {
                  input x: [C]
                  state n: real
                  state mean, m2: [C]
                  n = n[t-1] + 1
                  mean = mean[t-1] + (x - mean[t-1]) / n
                  m2 = m2[t-1] + (x - mean[t-1]) * (x - mean)
                  output mean
                  output v = m2 / n
                }
                """, dims: ["C": 4],
            facts: [(["n"], "affine", "identity"), (["mean"], "affine", "scalar"), (["m2"], "affine", "identity")]),
        RecurrenceKind(
            name: "gate of an earlier recurrence", source: """
                model M(C) {
                  input x: [C]
                  state g, h: [C]
                  g = 0.9 * g[t-1] + x
                  h = sigmoid(g) * h[t-1] + tanh(g[t-1]) * x
                  output h
                }
                """, dims: ["C": 8], facts: [(["g"], "affine", "scalar"), (["h"], "affine", "diagonal[C]")]),
        RecurrenceKind(
            name: "erase and write", source: """
                model M(K, V) {
                  input k: [K]
                  input v: [V]
                  input beta: real
                  state S: [K, V]
                  n = k * rsqrt(sum[K](k * k) + 1)
                  S = S[t-1] - sigmoid(beta) * outer(n, n @ S[t-1]) + outer(k, v)
                  output o = k @ S
                }
                """, dims: ["K": 4, "V": 3], facts: [(["S"], "affine", "identity + low-rank(1)")]),
        RecurrenceKind(
            name: "heads", source: """
                model M(N, K) {
                  dim J = K
                  input x: [N, K]
                  param U: [N, K, J] = uniform(-0.3, 0.3)
                  state h: [N, K]
                  h = tanh(x + sum[J](U * (h[t-1] as [N, J])))
                  output h
                }
                """, dims: ["N": 2, "K": 4], facts: [(["h"], "nonlinear", "Jacobian block-diagonal over N")]),
        RecurrenceKind(
            name: "two cells that need each other", source: """
                model M(C) {
                  input x: [C]
                  state a, b: [C]
                  a = tanh(x + 0.5 * b[t-1])
                  b = sigmoid(a) * b[t-1] + a[t-1]
                  output b
                }
                """, dims: ["C": 3], facts: [(["a", "b"], "nonlinear", "Jacobian block-diagonal(2): 2×2 blocks")]),
        RecurrenceKind(
            name: "running geometric mean", source: """
                model M(C) {
                  input a, x: [C]
                  state g: [C] = 1
                  w = sigmoid(a)
                  g = g[t-1] ^ (1 - w) * exp(x) ^ w
                  output g
                }
                """, dims: ["C": 3], facts: [(["g"], "affine in the logarithm", "diagonal[C]")]),
        RecurrenceKind(
            name: "grid with a diagonal", source: """
                model M(C) over (i, j) {
                  input x, g: [C]
                  state h: [C] = 0.1
                  h = 0.3 * sigmoid(g) * h[i-1, j] + 0.2 * h[i, j-1] + 0.1 * h[i-1, j-1] - 0.2 * h[i-1, j+1] + x
                  output h
                }
                """, dims: ["C": 3], facts: [(["h"], "affine", "diagonal[C]")]),
        RecurrenceKind(
            name: "logistic map", source: """
                model M(C) {
                  input x: [C]
                  state h: [C] = 0.3
                  h = 3 * h[t-1] * (1 - h[t-1]) * sigmoid(x)
                  output h
                }
                """, dims: ["C": 2], facts: [(["h"], "nonlinear", "Jacobian diagonal")]),
        RecurrenceKind(
            name: "momentum that the memory feeds", source: """
                model M(N) {
                  input a, e, g, x: [N]
                  state S, M: [N]
                  S = 0.5 * e * S[t-1] - 0.3 * g * M[t-1] + x
                  M = 0.5 * a * M[t-1] + S
                  output M
                }
                """, dims: ["N": 3], facts: [(["S", "M"], "affine", "block-diagonal(2): 2×2 blocks")]),
        RecurrenceKind(
            name: "momentum before a memory", source: """
                model M(N) {
                  input a, e, x: [N]
                  state S, M: [N]
                  S = 0.5 * e * S[t-1] + x
                  M = 0.5 * a * M[t-1] + S
                  output M
                }
                """, dims: ["N": 3], facts: [(["S"], "affine", "diagonal[N]"), (["M"], "affine", "diagonal[N]")]),
        RecurrenceKind(
            name: "a row of a memory with momentum", source: """
                model M(K) {
                  input k: [K]
                  input v, a, e, h: real
                  state S, M: [K]
                  S = sigmoid(e) * S[t-1] - 0.2 * sigmoid(h) * (sum(M[t-1] * k) - v) * k
                  M = (1 - sigmoid(a)) * M[t-1] + S
                  output M
                }
                """, dims: ["K": 4], facts: [(["S", "M"], "affine", "2×2 blocks + low-rank(1)")]),
        RecurrenceKind(
            name: "a memory with momentum", source: """
                model M(K, V) {
                  input k: [K]
                  input v: [V]
                  input a, e, h: real
                  state S, M: [V, K]
                  S = sigmoid(e) * S[t-1] - 0.2 * sigmoid(h) * outer(M[t-1] @ k - v, k)
                  M = (1 - sigmoid(a)) * M[t-1] + S
                  output y = M @ k
                }
                """, dims: ["K": 3, "V": 2], facts: [(["S", "M"], "affine", "block-diagonal over V, 2×2 blocks + low-rank(1)")]),
        RecurrenceKind(
            name: "two keys and momentum", source: """
                model M(K) {
                  input k, q: [K]
                  input v: real
                  state S, M: [K]
                  S = 0.5 * S[t-1] - 0.1 * (sum(M[t-1] * k) - v) * k - 0.1 * sum(S[t-1] * q) * q
                  M = 0.9 * M[t-1] + S
                  output M
                }
                """, dims: ["K": 3], facts: [(["S", "M"], "affine", "2×2 blocks + low-rank(2)")]),
        RecurrenceKind(
            name: "shift register of rows", source: """
                model M(W, K) {
                  input x: [K]
                  state r: [W, K]
                  r = concat(reshape(x, [1, K]), (r[t-1])[0 : W - 1])
                  output r
                }
                """, dims: ["W": 5, "K": 2], facts: [(["r"], "affine", "shift register: delays of 1 to 4 steps")]),
        RecurrenceKind(
            name: "shift register that grows at its end, two at a time", source: """
                model M(W) {
                  input x: [2]
                  state r: [W]
                  r = concat((r[t-1])[2:], x)
                  output r
                }
                """, dims: ["W": 6], facts: [(["r"], "affine", "shift register: delays of 1 to 2 steps")]),
        RecurrenceKind(
            name: "what moves on and fades", source: """
                model M(W) {
                  input a, x: [W]
                  state r: [W]
                  r = a * concat(0, (r[t-1])[0 : W - 1]) + x
                  output r
                }
                """, dims: ["W": 5], facts: [(["r"], "affine", "nilpotent: nothing stays longer than 4 steps")]),
        RecurrenceKind(
            name: "what moves on in a circle", source: """
                model M(W) {
                  input x: [W]
                  state r: [W]
                  r = 0.9 * concat((r[t-1])[W - 1 :], (r[t-1])[0 : W - 1]) + x
                  output r
                }
                """, dims: ["W": 5], facts: [(["r"], "affine", "banded(4)")]),
    ]
}
