import Rec
import Testing

/// Small programs in which recurrences, passes over the sequence and ways of reading a state meet, in every form they can run in.
@Suite struct EveryFormTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var source: String
        var dims: [String: Int]
        var testDescription: String { name }

        init(_ name: String, _ body: String) { self.init(name, [:], body) }

        init(_ name: String, _ dims: [String: Int], _ body: String) {
            self.name = name
            self.dims = dims
            let lines = body.split(separator: "\n").map { "  \($0)\n" }.joined()
            source = "model M\(dims.isEmpty ? "" : "(\(dims.keys.sorted().joined(separator: ", ")))") {\n\(lines)}\n"
        }
    }

    private func expectAgreement(_ item: Case) throws { try EveryForm(item.source, dims: item.dims).expectAgreement() }

    // MARK: Recurrences that begin with something of the whole sequence

    static let starts = [
        Case("sum", ["K": 3], "input x, a: [K]\nstate h: [K] = sum[t](x)\nh = tanh(a) * h[t-1] + x\noutput h"),
        Case("first, from the right", ["K": 2], "input x, a: [K]\nstate h: [K] = first[t](x)\nh = tanh(a) * h[t+1] + x\noutput h\noutput y = h[t+1]"),
        Case("last of a state", ["K": 4], "input x: [K]\nstate g: [K]\nstate h: [K] = last[t](g)\ng = 0.9 * g[t-1] + x\nh = 0.5 * h[t-1] + g\noutput h"),
        Case("largest", ["K": 20], "input x: [K]\nstate h: [K] = max[t](x)\nh = max(h[t-1] - 0.01, x)\noutput h"),
        Case("given once", ["K": 3], "input x: [K]\ninput h0: [K] once\nparam A: [K, K]\nstate h: [K] = A @ h0\nh = 0.9 * h[t-1] + x\noutput h"),
        Case("of parameters", ["K": 9], "input x: [K]\nparam A: [K, K]\nparam b: [K] = normal(1)\nstate h: [K] = A @ b + b\nh = 0.9 * h[t-1] + x\noutput h"),
        Case("end of a fold", ["K": 2], "input x: [K]\nstate s: [K]\nstate h: [K] = last[t](s) * 0.1\ns = max(s[t-1], x)\nh = 0.7 * h[t-1] + s\noutput h"),
        Case("matrix from an outer product", ["K": 2], "dim V = K\ninput x: [K]\nstate S: [K, V] = outer(mean[t](x), sum[t](x) as [V])\nS = 0.9 * S[t-1] + outer(x, x as [V])\noutput y = S"),
        Case("both lags", ["K": 1], "input x: [K]\nstate h: [K] = last[t](x)\nh = 0.5 * h[t-1] - 0.3 * h[t-2] + x\noutput h"),
        Case("log-sum-exp", ["K": 3], "input x: [K]\nstate h: [K] = min[t](x)\nh = logaddexp(h[t-1] - 0.1, x)\noutput h"),
        Case("fraction", ["K": 1], "input x: [K]\nstate h: [K] = 1 + max[t](x * x)\nh = (h[t-1] + 1) / (0.2 * h[t-1] + 1 + x * x)\noutput h"),
        Case("nonlinear", ["K": 5], "input x: [K]\nparam U: [K, K]\nstate h: [K] = tanh(sum[t](x))\nh = tanh(x + U @ h[t-1])\noutput h"),
    ]

    @Test(arguments: starts) func start(_ item: Case) throws { try expectAgreement(item) }

    // MARK: Several passes

    static let passes = [
        Case("look-ahead", "input x: real\nstate s: real\ns = 0.9 * s[t-1] + x[t+1]\noutput s"),
        Case("look-ahead, gated", ["H": 3], "input x, g: [H]\nstate s: [H]\ns = sigmoid(g) * s[t-1] + x[t+1]\noutput s"),
        Case("far ahead", ["H": 2], "input x: [H]\nstate s: [H]\ns = 0.9 * s[t-1] + x[t+2] * x[t+70]\noutput s"),
        Case("ahead of a gate", ["H": 12], "input x, g: [H]\nstate s: [H]\nz = sigmoid(g)\ns = z[t+1] * s[t-1] + x\noutput s"),
        Case("mean taken away", ["H": 2], "input x: [H]\nstate s: [H]\ns = 0.9 * s[t-1] + (x - mean[t](x))\noutput s"),
        Case("max-plus behind a sum", ["H": 1], "input x: [H]\nstate s: [H]\ns = max(s[t-1] - 0.1, x + sum[t](x) * 0.01)\noutput s"),
        Case("min-plus ahead", ["H": 5], "input x: [H]\nstate s: [H]\ns = min(s[t-1] + 0.1, x[t+1])\noutput s"),
        Case("log-sum-exp ahead", ["H": 4], "input x: [H]\nstate s: [H]\ns = logaddexp(s[t-1] - 0.2, x[t+1])\noutput s"),
        Case("delta rule ahead", ["K": 3, "V": 2], "input k: [K]\ninput v: [V]\ninput b: real\nstate S: [K, V]\nn = k * rsqrt(sum(k * k) + 1)\nS = S[t-1] - sigmoid(b) * outer(n, n @ S[t-1]) + outer(n[t+1], v)\noutput y = n @ S"),
        Case("fraction from the right, behind the left", "input x: real\nstate f, s: real\nf = 0.5 * f[t-1] + x\ns = (s[t+1] + 1) / (0.3 * s[t+1] + 1 + f * f)\noutput s"),
        Case("right into left", ["H": 3], "input x: [H]\nstate a, b: [H]\na = 0.9 * a[t+1] + x\nb = sigmoid(a) * b[t-1] + a\noutput b"),
        Case("left into right", ["H": 8], "input x: [H]\nstate a, b: [H]\na = tanh(x) * a[t-1] + x\nb = 0.8 * b[t+1] + a[t-1]\noutput b\noutput a"),
        Case("three passes", ["H": 2], "input x: [H]\nstate a, b, c: [H]\na = 0.9 * a[t-1] + x\nb = 0.9 * b[t+1] + a\nc = 0.9 * c[t-1] + b - mean[t](b)\noutput c"),
        Case("both ways apart", ["H": 5], "input x: [H]\nstate a, b: [H]\na = 0.9 * a[t-1] + x\nb = 0.9 * b[t+1] + x\noutput y = a * b"),
        Case("two lags behind a mean", ["H": 2], "input x: [H]\nstate y: [H]\ny = 0.5 * y[t-1] - 0.2 * y[t-2] + x - mean[t](x)\noutput y"),
        Case("pair ahead", ["H": 3], "input x: [H]\nstate p, q: [H]\np = 0.9 * p[t-1] - 0.1 * q[t-1] + x[t+1]\nq = 0.2 * p[t-1] + 0.8 * q[t-1]\noutput y = p + q"),
        Case("gates of products, ahead", ["D": 5, "H": 9], "input x: [D]\nparam A, B: [H, D]\nstate h: [H]\nu = B @ x\nh = sigmoid(A @ x) * h[t-1] + u[t+1]\noutput h"),
        Case("gates joined", ["D": 4, "H": 32], "input x: [D]\nparam A, B: [H, D]\nstate h: [H]\nh = sigmoid(A @ x) * h[t-1] + B @ x\noutput h"),
        Case("gates joined, towards", ["D": 4, "H": 32], "input x: [D]\nparam A, B: [H, D]\nstate h: [H]\nh = h[t-1] + sigmoid(A @ x) * (B @ x - h[t-1])\noutput h"),
        Case("count of what is larger than the mean", "input x: real\nstate n: int\nn = if x > mean[t](x) then n[t-1] + 1 else 0\noutput n\noutput y = real(n) * x"),
    ]

    @Test(arguments: passes) func pass(_ item: Case) throws { try expectAgreement(item) }

    // MARK: Last values

    static let ends = [
        Case("map of what comes from the right", "input x: real\nstate a, b: real\na = x + 0.5 * a[t+1]\nb = 2 * a\noutput a\noutput b"),
        Case("map of both", ["H": 3], "input x: [H]\nstate l, r, b: [H]\nl = x + 0.5 * l[t-1]\nr = x - 0.5 * r[t+1]\nb = l * r\noutput b"),
        Case("map beside what comes from the right", ["H": 2], "input x: [H]\nstate a, b: [H]\na = x + 0.5 * a[t+1]\nb = x * x\noutput a"),
        Case("map with a beginning", ["H": 2], "input x: [H]\nparam p: [H] = normal(1)\nstate a: [H] = p\nstate b: [H] = 2 * p\na = x + 0.5 * a[t+1]\nb = a * x\noutput y = b[t-1] + a"),
        Case("equal maps with other beginnings", ["H": 1], "input x: [H]\nparam p: [H] = normal(1)\nstate a: [H]\nstate b: [H] = p\nstate c: [H] = 3 * p\na = x + 0.5 * a[t+1]\nb = a * x\nc = a * x\noutput y = b + c"),
        Case("mixed ways", ["H": 4], "input x: [H]\nstate a, b, c: [H]\na = x + 0.5 * a[t+1]\nb = a + 0.5 * b[t-1]\nc = a - b\noutput c"),
        Case("a state read ahead", ["H": 4], "input x: [H]\nstate a, b: [H]\na = x + 0.5 * a[t-1]\nb = a[t+1] - x\noutput b\noutput a"),
    ]

    @Test(arguments: ends) func end(_ item: Case) throws { try expectAgreement(item) }

    // MARK: Names of states at other steps

    /// What only stands for a state does not begin as the state does: before the first step it is 0.
    static let aliases = [
        Case("of an affine state", ["H": 3], "input x: [H]\nstate h: [H] = 5\nh = 0.5 * h[t-1] + x\nv = h\noutput y = v[t-1]\noutput h"),
        Case("one and two steps back", ["H": 16], "input x: [H]\nstate h: [H] = 5\nh = 0.5 * h[t-1] + x\nv = h\noutput y = v[t-1] + v[t-2] * h[t-1]"),
        Case("of a dense state", ["H": 5], "input x: [H]\nparam U: [H, H] = normal(0.3)\nstate g: [H] = 3\ng = tanh(U @ g[t-1] + x)\nw = g\noutput z = w[t-1] + g[t-2]"),
        Case("within the step", ["H": 2], "input x: [H]\nstate h: [H] = 5\nstate v: [H]\nv = h\nh = 0.5 * h[t-1] - 0.25 * v[t-1] + x\noutput h\noutput v"),
        Case("from the right", ["H": 1], "input x: [H]\nstate h: [H] = 5\nh = 0.5 * h[t+1] + x\nv = h\noutput y = v[t+1]"),
        Case("in another pass", ["H": 2], "input x: [H]\nstate h: [H] = 5\nh = 0.5 * h[t-1] + x\nv = h\noutput y = v[t-1] - mean[t](v)"),
        Case("of a map", ["H": 2], "input x: [H]\nstate h: [H] = 5\nh = 2 * x\nv = h\noutput y = v[t-1] + h[t-1]"),
    ]

    @Test(arguments: aliases) func alias(_ item: Case) throws { try expectAgreement(item) }

    @Test func fieldsOfFoldsBeginWithZero() throws {
        try EveryForm(
            """
            monoid Largest(m, s) {
              identity (-inf, 0)
              combine (a, b) {
                m = max(a.m, b.m)
                s = a.s + b.s
              }
            }
            model M {
              input x: real
              r = fold Largest(x, x)
              v = r.m
              output y = v[t-1]
              output z = r.s
            }
            """, dims: [:]
        ).expectAgreement()
    }

    // MARK: Results put together from states

    static let results = [
        Case("parts changed about", "input x: [2]\nstate s: [2]\ns = 0.5 * s[t-1] + x\noutput y = concat(s[1:2], s[0:1])"),
        Case("edges of what was", "input x: [2]\nparam W: [2] = normal(0.5)\nstate s: [2]\ns = x + W * s[t-1]\noutput s\noutput y = pad[1]((s[t-1])[1:], 0, 1, edge)"),
        Case("reflected", "input x: [4]\nstate s: [4]\ns = 0.5 * s[t-1] + x\noutput y = pad[4](s, 1, 2, reflect) * 2"),
        Case("convolved", "input x: [4]\nparam w: [1, 3]\nstate s: [4]\ns = 0.5 * s[t-1] + x\noutput y = conv[4](s, w)"),
        Case("reshaped", "input x: [4]\nstate s: [4]\ns = 0.5 * s[t-1] + x\noutput y = reshape(s, [2, 2]) * 2\noutput z = reshape(s[t-1], [2, 2])"),
        Case("a row by index", "input x: [4]\ninput n: int\nstate s: [4]\ns = 0.5 * s[t-1] + x\noutput y = s[n]\noutput z = s[t-1]\noutput u = x * s[n]"),
        Case("softmax", "input x: [2]\nstate s: [2]\ns = 0.5 * s[t-1] + x\noutput y = softmax[2](s)\noutput i = argmax[2](s)"),
        Case("one of many", "input x: [8]\nstate s: [8]\ns = 0.5 * s[t-1] + x\noutput y = s[3]\noutput z = sum(s * s[t-1])"),
        Case("all so far behind each other", "input x: [2]\nstate s: [2]\ns = 0.5 * s[t-1] + x\noutput y = concat(s, s[t-1], s[t-2])"),
        Case("padded in the step", "input x: [3]\nstate s: [3]\nu = pad[3](x, 0, 1, zero)\ns = 0.5 * s[t-1] + u[1:]\noutput y = concat(s, x)"),
        Case("factors put together", "input x: [4]\nstate s: [4]\nz = concat(sigmoid(x[0:2]), 0.5 * sigmoid(x[2:]))\ns = z * s[t-1] + concat(x[2:], x[0:2])\noutput s"),
        Case("from the right, put together", "input x: [2]\nstate s: [2]\ns = 0.5 * s[t+1] + x\noutput y = concat(s[t+1], s)"),
        Case("counts behind each other", "input n: int\ninput m: [2]\nstate c: int\nc = c[t-1] + n\noutput y = concat(m * real(c), real(c[t-1]))"),
    ]

    @Test(arguments: results) func result(_ item: Case) throws { try expectAgreement(item) }

    // MARK: Far back

    static let delays = [
        Case("a comb", "input x: real\nparam g, d: real = constant(0.3)\nstate y: real\ny = x + g * y[t-100] + d * y[t-101]\noutput y"),
        Case("sixteen steps", ["H": 1], "input x: [H]\nstate y: [H]\ny = x + 0.3 * y[t-1] + 0.3 * y[t-16]\noutput y"),
        Case("seventeen steps", ["H": 3], "input x: [H]\nstate y: [H]\ny = x + 0.3 * y[t-17]\noutput y"),
        Case("five steps from the right", ["H": 8], "input x: [H]\nstate y: [H]\ny = x + 0.3 * y[t+5]\noutput y"),
        Case("a block back", ["H": 2], "input x: [H]\nstate y: [H] = 1\ny = x + 0.3 * y[t-64]\noutput y"),
        Case("read from afar", ["H": 1], "input x: [H]\nstate y: [H] = 1\ny = x + 0.3 * y[t-1]\noutput z = y - y[t-70]"),
        Case("read from afar, wide", ["H": 16], "input x: [H]\nstate y: [H]\ny = x + 0.3 * y[t+1]\noutput z = y - y[t+130]"),
        Case("nonlinear, far", ["H": 4], "input x: [H]\nstate y: [H]\ny = tanh(x + y[t-40])\noutput y"),
    ]

    @Test(arguments: delays) func delay(_ item: Case) throws { try expectAgreement(item) }
}
