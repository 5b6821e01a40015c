import Rec
import Testing

/// Constructs of the language in combinations that no example has: compiled code and the interpreter agree.
@Suite struct LanguageTests {
    private static let programs: [String] = [
        // A convolution, a reshape and a softmax within a recurrence.
        "model M(C, H) { input x: [C, H]\n param W: [C, C, 3]\n state s: [C, H]\n s = tanh(conv[H](s[t-1], W, pad: 1) + x)\n output a = softmax[H](s)\n output r = reshape(s, [C * H])[1:4] }",
        // Heads: block-diagonal products, names shared by both operands.
        "model M(C, H) { dim J = H\n input x: [C, H]\n param R: [C, H, J]\n state h: [C, H]\n h = tanh(x + sum[J](R * (h[t-1] as [C, J])))\n output h\n output e = sum[H](h * x) }",
        // Two recurrences that feed each other within a step, with several lags.
        "model M(C, H) { input x: [H]\n param U: [H, H]\n state a, b: [H] = 0.5\n a = tanh(U @ b[t-1] + x + 0.3 * a[t-3])\n b = sigmoid(a) * b[t-2] + U.T @ a\n output a\n output b }",
        // A recurrence on another's results, with a product between them.
        "model M(C, H) { input x: [H]\n param W: [C, H]\n state h: [H]\n state g: [C]\n h = 0.9 * h[t-1] + x\n g = relu(g[t-1] + W @ h)\n output g\n output k = W @ tanh(h) + g[t-1] }",
        // Operators of one's own, over vectors and in both nests.
        "monoid Both(n, s: [], v: [W]) { identity (0, 0, 0)\n combine (a, b) { n = a.n + b.n\n s = a.s + b.s\n v = a.v + b.v } }\nmodel M(C, H) { input x: [H]\n f = fold Both(1, sum(x), x * x)\n output mean = f.s / f.n\n output v = f.v / f.n }",
        // Layers: shared calls, several outputs, once inputs, repetition.
        "model L(D) { input x: [D]\n input s0: [D] once = 0\n param U: [D, D]\n state s: [D] = s0\n s = tanh(U @ s[t-1] + x)\n output s\n output q = s * x }\nmodel B(D) { input x: [D]\n layer l = L(D)\n r = l(x)\n output y = x + r.q }\nmodel M(C, H) { input x: [H]\n layer b = repeat(2, B(H))\n layer l = L(H)\n y = b(x)\n z = l(y, s0: 0.25)\n output o = z.s + y\n output p = z.q }",
        // Functions and pipes.
        "func twice(x) = x + x\nfunc mix(a, b) = a * sigmoid(b)\nmodel M(C, H) { input x: [H]\n state h: [H]\n h = mix(x, h[t-1]) |> twice |> tanh\n output h }",
        // Indices that are computed, tables that vary.
        "model M(C, H) { input n: int\n input x: [H, C]\n state k: int\n k = if n > 2 then k[t-1] + 1 else 0\n output row = x[k]\n output e = x[n][0:2] }",
        // Static and once parts, powers, extremes.
        "model M(C, H) { input x: [H]\n input c: [H] once\n param p: [H] = uniform(0.5, 2)\n w = p^2 / (1 + norm(p))\n d = exp(-abs(c)) * w\n state h: [H] = d\n h = d * h[t-1] + x^3 - x^0.5^2\n output h\n output m = min(max(h, -1), 1) + H / 2 }",
        "model M(C, H) { input x: [H]\n input y: [C]\n a = outer(x, y)\n b = outer(y, a) as [C, H]\n output s = sum[C](a) + max[C](a)\n output l = logsumexp[H](a) - argmax[H](x)\n output d = prod(y) * logaddexp(sum(x), mean(y))\n output q = a.T @ x + b @ x }",
        // Functions of angles and remainders; rectifiers with a left side; lists.
        "model M(C, H) { input x: [H]\n input y: [H]\n input n: int\n state h: [H]\n h = leaky_relu(0.5 * h[t-1] + x) - elu(y, alpha: 0.5) + erf(x * y)\n output h\n output a = atan2(x, y) + tan(x) + log2(x * x + y * y)\n output r = mod(n, 3) + mod(-n, 5)\n output s = logsumexp([x, y, h]) + max([x, y])\n output k = argmax([x, y, h]) + argmin[H](x)\n output v = var[H](h)\n output w = var[t](x) }",
        // Numbers as a vector.
        "model M(C, H) { input x: [H]\n state h: [H]\n v = concat(sum(x), 2, norm(h[t-1] + 1))\n h = tanh(0.5 * h[t-1] + 0.1 * x * max(v))\n output v\n output h\n output u = concat(v, concat(1, mean(x))) }",
        // Layer norm and losses in a stack.
        "model M(C, H) { input x: [H]\n input n: int\n param W: [C, H]\n state h: [H]\n h = layernorm(h[t-1] + x)\n z = W @ rmsnorm(h)\n output z\n loss a = mean[t](crossentropy(z, n))\n loss b = sum[t](mean(h * h)) }",
    ]

    @Test(arguments: programs.indices)
    func enginesAgree(index: Int) throws {
        let program = Program(text: Self.programs[index])
        try #require(program.diagnostics.isEmpty, "\(program.diagnostics.map(\.message)) in \(Self.programs[index])")
        let model = try Model(program, dims: ["C": 4, "H": 19])
        let cases = [(1, 1), (2, 6), (3, 35)].map { batch, length in
            var data = generated(model, batch: batch, extents: [length])
            // Real powers want positive bases, targets lie within four classes.
            for (name, tensor) in data.inputs where tensor.type == .f64 && Self.programs[index].contains("^0.5") {
                data.inputs[name] = Tensor(tensor.doubles().map { abs($0) + 0.1 }, shape: tensor.shape)
            }
            if let n = data.inputs["n"] { data.inputs["n"] = Tensor(n.doubles().map { Int($0) % 4 }, shape: n.shape) }
            return (data: data, what: "program \(index), \(batch)×\(length)")
        }
        try expectAgreement(model, cases, single: 2e-3)
    }
}
