import RecSource
import RecTyping
import Testing

/// Programs as users of other libraries begin them: each mistake is told in the language's words, and those behind it too.
@Suite struct OtherLibraries {
    private static let cases: [(line: String, id: DiagnosticID, place: String, help: String)] = [
        ("a = torch.sigmoid(x)", .unknownName, "sigmoid", "write sigmoid(x)"), ("a = F.relu(x)", .unknownName, "relu", "write relu(x)"),
        ("a = torch.nn.functional.silu(W @ x)", .unknownName, "silu", "write silu(W @ x)"),
        ("a = F.softmax(x, dim=-1)", .unknownName, "softmax", "write softmax[D](x)"), ("a = jnp.sum(W, axis=0)", .unknownName, "sum", "write sum[H](W)"),
        ("a = x.sum(-1)", .unknownName, "sum", "write sum[D](x)"), ("a = x.abs()", .unknownName, "abs", "write abs(x)"),
        ("a = torch.maximum(x, 2 * x)", .unknownName, "maximum", "write max(x, 2 * x)"), ("a = x.view(-1, 4)", .unknownName, "view", "reshape"),
        ("a = torch.zeros((2, 3))", .unknownName, "zeros", "a number fills"), ("a = np.where(x > 0, x, 0)", .unknownName, "where", "then"),
        ("a = math.pi", .unknownName, "pi", "write pi"), ("a = x.shape", .unknownName, "shape", "dims"),
        ("a = sinh(x)", .unknownName, "sinh", "expm1"), ("a = relu6(x)", .unknownName, "relu6", "clamp"), ("a = std(x)", .unknownName, "std", "var"),
        ("a = True", .unknownName, "True", "true"), ("a = x // 2", .unexpectedCharacter, "//", "floor"),
        ("a = x // (2 * x)", .unexpectedCharacter, "//", "two spaces"), ("a = sum(x, axis=0)", .unexpectedToken, "=", "brackets"),
        ("a = U * x2", .ambiguousDim, "U * x2", "U @ x2"), ("m = W * x", .shapeMismatch, "W * x", "'@'"),
        ("input b: [B, T, D]", .unknownDim, "B, T", "b: [D]"), ("input n: int[batch, T]", .unknownDim, "batch, T", "n: int"),
        ("a = x % 2", .unexpectedCharacter, "%", "mod"), ("a = sum[D]([x, x])", .wrongArgument, "D", "first"), ("a = softmax([x, x])", .wrongArgument, "[x, x]", "concat"),
    ]

    private func program(_ line: String) -> Checked {
        check(
            """
            model M(D, H) {
              input x: [D]
              input x2: [H]
              param W: [H, D]
              param U: [H, H]
              state m: [H]
              \(line.hasPrefix("m =") ? "" : "m = W @ x")
              \(line)
              output y = sum(m)
              output z = x + x2
            }
            """)
    }

    @Test(arguments: cases.indices) func eachIsToldInRec(index: Int) {
        let (line, id, place, help) = Self.cases[index]
        let checked = program(line)
        // The sum of x and x2 behind it is told as well.
        #expect(checked.ids == [id, .shapeMismatch], "\(line): \(checked.diagnostics.map(\.message))")
        guard let first = checked.diagnostics.first else { return }
        #expect(checked.text(of: first) == place, "\(line)")
        #expect(first.help?.contains(help) == true, "\(line): \(first.help ?? "no help")")
    }

    /// What was meant is understood, so that mistakes in what follows from it are found.
    @Test func typingGoesOn() {
        #expect(check("model M(D, H) {\n input x: [D]\n param W: [H, D]\n a = torch.tanh(W @ x)\n output b = W @ a\n}").ids == [.unknownName, .shapeMismatch])
        #expect(check("model M(D) {\n input x: [D]\n k = (1 + ) * x\n output a = k + x\n output b = k + missing\n}").ids == [.unexpectedToken, .unknownName])
        // A layer whose model is broken is silent.
        #expect(check("model L(D) {\n input x: [D]\n output y = x +\n}\nmodel M(D) {\n input x: [D]\n layer l = L(D)\n output y = l(x)\n}").ids == [.unexpectedToken])
    }

    @Test func commentsBehindCode() {
        for line in ["output a = x  // 2", "output a = x // the first", "output a = x //2 heads", "output a = x /// 2", "output a = x  //x"] {
            #expect(check("model M {\n input x: real\n \(line)\n}").ids == [], "\(line)")
        }
        for line in ["output a = x // 2", "output a = x//2", "output a = f(x // 2, x)", "output a = (x) // x", "output a = x // 2 + 1"] {
            #expect(check("func f(a, b) = a + b\nmodel M {\n input x: real\n \(line)\n}").ids == [.unexpectedCharacter], "\(line)")
        }
    }

    /// A function that the field knows is never taken for another.
    @Test(arguments: ["sinh", "cosh", "asin", "acosh", "atanh", "log10", "selu", "celu", "erfc", "ceil", "exp2", "lgamma", "trace"])
    func namesOfTheFieldAreNoMisspellings(name: String) {
        let help = check("model M {\n input x: real\n output y = \(name)(x)\n}").diagnostics.first?.help
        #expect(help?.contains("did you mean") != true, "\(help ?? "")")
    }

    @Test func ownFunctionsGoFirst() throws {
        expectClose(try results("func mod(x, y) = x * y\nmodel M {\n input x: real\n output y = mod(x, 3)\n}", inputs: ["x": ([2], [1])])["y"], [6])
    }

    @Test func warningsAboutNames() {
        func names(_ text: String) -> [String] {
            let loader = ProgramLoader(path: "main.rec", text: text) { _, _ in nil }
            return warnings(about: loader.program).map { loader.sources.text(of: $0.span ?? SourceSpan(file: FileID(0), start: 0, end: 0)) }
        }
        #expect(names("func f(a, b) = a\nmodel M(D, H, K) {\n input x: [D]\n input u, _v: real\n param W: [H, D]\n dim G = 4 * H\n layer l = N(D)\n z = W @ x\n a, b = split(z, 2)\n output y = f(a, 1)\n}\nmodel N(D) {\n input x: [D]\n output x\n}") == ["b", "K", "u", "G", "l", "b"])
        #expect(names("func erf(x) = x\nmodel M {\n input x: real\n output y = erf(x)\n}") == ["erf"])
        // States, outputs, losses, initial values and promises are uses.
        #expect(names("model M(D) over t {\n input x: [D]\n input h0: [D] once\n state h: [D] = h0\n h = h[t-1] + x\n output s = sum(h)\n loss l = mean[t](s)\n require affine(h)\n}") == [])
    }
}
