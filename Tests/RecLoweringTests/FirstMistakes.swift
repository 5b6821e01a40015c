import RecSource
import Testing

/// Mistakes that come from other languages and libraries, or from haste: one message each, at the place, with the mend.
@Suite struct FirstMistakes {
    private static let cases: [(line: String, id: DiagnosticID, place: String, help: String)] = [
        ("m[t] = m[t-1] + x", .unexpectedToken, "[", "m = …"), ("m += x", .unexpectedToken, "+", "m = m[t-1] + …"),
        ("m := x", .unexpectedToken, ":", "state m: […]"), ("m: [D] = x", .unexpectedToken, ":", "state m: […]"),
        ("m(x) = x", .unexpectedToken, "(", "func m(x)"), ("let m = x", .unexpectedToken, "let", "name = …"),
        ("parameter w: [D]", .unexpectedToken, "parameter", "'param'"), ("params w: [D]", .unexpectedToken, "params", "'param'"),
        ("return m", .unexpectedToken, "return", "output"), ("for i in D", .unexpectedToken, "for", "no loops"),
        ("param w: [D] ~ normal(1)", .unexpectedToken, "~", "'='"), ("state a: [D], b: [D]", .unexpectedToken, ",", "a, b: […]"),
        ("output x, m", .unexpectedToken, ",", "line of its own"), ("output a: real = 1", .unexpectedToken, ":", "type of its value"),
        ("a = 2 x", .unexpectedToken, "x", "'*'"), ("a = (1 - x)(x)", .unexpectedToken, "(", "'*'"),
        ("a = (1 - x)) * x", .unexpectedToken, ")", "no bracket is open"), ("a = x ** 2", .unexpectedToken, "*", "'^'"),
        ("a = (1 - x\n b = 1", .unexpectedToken, "(", "')'"), ("a = exp(x\n output b = 1", .unexpectedToken, "(", "')'"),
        ("a = m[t-1\n output b = 1", .unexpectedToken, "[", "']'"), ("# note", .unexpectedCharacter, "#", "'//'"),
        ("/* note\n more */", .unexpectedCharacter, "/*", "'//'"), ("a = if x > 0 && x < 1 then 1 else 0", .unexpectedCharacter, "&&", "'and'"),
        ("a = if k = 1 then 1 else 0", .unexpectedToken, "=", "'=='"), ("a = if k > 1 then 1 elif k > 0 then 2 else 0", .unexpectedToken, "elif", "'else if'"),
        ("a = k > 0 ? 1 : 0", .unexpectedCharacter, "?", "then"), ("a = sum(x, dim=0)", .unexpectedToken, "dim", "sum[K](x)"),
        ("a = rmsnorm(x, eps=1)", .unexpectedToken, "=", "':'"), ("param w: [D] = const(2)", .unexpectedToken, "const", "constant(c)"),
        ("a = m(t-1)", .wrongArgument, "m", "m[t-1]"), ("a = x(k)", .wrongArgument, "x", "x[…]"),
        ("a = m[i-1]", .unknownName, "i", "m[t-1]"), ("a = x[n+1]", .unknownName, "n", "x[t+1]"),
        ("a = q + q * q", .unknownName, "q", "declare it"), ("state h: [D] = zeros\n h = h[t-1] + x", .unknownName, "zeros", "a number fills"),
        ("state h: float\n h = h[t-1] + 1", .wrongElementType, "float", "'real'"), ("state h: D\n h = h[t-1] + 1", .wrongElementType, "D", "[D]"),
        ("state h: [k]\n h = h[t-1] + 1", .unknownDim, "k", "model"), ("state h: int\n h = h[t-1] / 2", .wrongElementType, "h[t-1] / 2", "int(x)"),
        ("a = sum(x, 0)", .wrongArgument, "sum(x, 0)", "sum[K](x)"), ("a = rmsnorm(x, 1e-5)", .wrongArgument, "rmsnorm(x, 1e-5)", "eps"),
        ("a = dot(x, x)", .unknownName, "dot", "x @ x"), ("a = where(k > 0, 1, 2)", .unknownName, "where", "then"),
        ("a = prev(x)", .unknownName, "prev", "x[t-1]"), ("a = x.T @ x", .shapeMismatch, "x.T", "as it is"), ("a = z.re", .unknownName, "re", "re(z)"),
        ("a = max(k)", .shapeMismatch, "k", "max[t]"), ("a = sum[T](x)", .unknownDim, "T", "'t'"), ("a = sum[Q](x)", .unknownDim, "Q", "its axes are D"),
        ("a = x + x[1:]", .shapeMismatch, "x + x[1:]", "the size D - 1"), ("a = E @ k", .shapeMismatch, "k", "E[k]"),
        ("loss l = crossentropy(x, k)", .shapeMismatch, "crossentropy(x, k)", "mean[t]"),
        ("loss l = mean[t](crossentropy(k, x))", .wrongElementType, "crossentropy(k, x)", "crossentropy(x, k)"),
        ("b = repeat(2, Cell(D))\n a = b(x)", .unknownName, "repeat", "layer"), ("layer b = repeat(Cell(D), D)", .unknownName, "D", "comes first"),
        ("layer b = reverse(Cell(D) over t)", .unexpectedToken, "over", "as in layer b = reverse(Cell(D)) over s"),
        ("layer b = reverse(Cell over t)", .unexpectedToken, "over", "last parenthesis"), ("layer b = repeat(2, Cell(D) over t)", .unexpectedToken, "over", "last parenthesis"),
        ("layer b = Cell(D, D)", .wrongArgument, "D", ""), ("a = Join(k)", .unknownName, "Join", "fold Join"),
        ("state f, g: [D]\n f = x + f[t-1]\n f = x + g[t-1]", .duplicateDefinition, "f", "keep one"),
        ("example k = 1, 2 -> y = 1", .unexpectedToken, "2", "[1, 2]"), ("example D = 1.5 -> y = 1", .unsolvableDim, "1.5", ""),
        ("h = h[t-1] + x", .undeclaredState, "h[t-1]", "state h"),
    ]

    @Test(arguments: cases.indices) func oneMistakeIsOneMessage(index: Int) {
        let (line, id, place, help) = Self.cases[index]
        let text = """
            model Cell(D) {
              input x: [D]
              output y = 2 * x
            }
            monoid Join(n) {
              identity (0)
              combine (a, b) {
                n = a.n + b.n
              }
            }
            model M(D) {
              input x: [D]
              input k: int
              input z: complex
              param E: [D, D]
              state m: [D]
              m = x
              output y = sum(m)
              \(line)
            }
            """
        let checked = check(text)
        #expect(checked.ids == [id], "\(line): \(checked.diagnostics.map(\.message))")
        guard let first = checked.diagnostics.first else { return }
        #expect(checked.text(of: first) == place, "\(line): \(checked.text(of: first) ?? "")")
        #expect(help.isEmpty || first.help?.contains(help) == true, "\(line): \(first.help ?? "no help")")
    }

    /// What stands behind a broken head cannot be understood, and is passed over.
    @Test(arguments: [
        ("model M(D):\n  input x: [D]\n  output x\n", "'{'", nil), ("model M[D] {\n input x: [D]\n output x\n}", "'{'", "parentheses"),
        ("model M over i, j {\n input x: real\n output x\n}", "'{'", "over (i, j)"), ("def f(x):\n  return x\n", "'def'", "func f(x)"),
        ("class M {\n input x: real\n output x\n}", "'class'", "model Name"), ("func f(x) {\n return x\n}", "'='", nil),
        ("func f(x):\n  return x\n", "'='", nil), ("monoid A(n) {\n identity 0, 0\n combine (a, b) {\n n = a.n\n }\n}", "'('", nil),
    ])
    func brokenHeads(text: String, part: String, help: String?) {
        let checked = check(text + "\nmodel N {\n input x: real\n output y = x +\n}\n")
        #expect(checked.ids == [.unexpectedToken, .unexpectedToken], "\(text): \(checked.diagnostics.map(\.message))")
        #expect(checked.diagnostics.first?.message.contains(part) == true, "\(checked.diagnostics.map(\.message))")
        if let help { #expect(checked.diagnostics.first?.help?.contains(help) == true) }
    }
}
