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

    /// Calls of other libraries, and what is told as their mend.
    private static let mends: [(call: String, mend: String)] = [
        ("x.reshape(1, D)", "reshape(x, [1, D])"), ("x.reshape((1, D))", "reshape(x, [1, D])"), ("x.reshape(-1, 2)", "reshape(x, [D/2, 2])"),
        ("p.view(2, 2)", "reshape(p, [2, 2])"), ("p.view(2, -1)", "reshape(p, [2, 2])"), ("W.view(-1)", "reshape(W, [D*H])"),
        ("W.flatten()", "reshape(W, [D*H])"), ("x.flatten()", "x"), ("torch.reshape(p, (4, 1))", "reshape(p, [4, 1])"),
        ("torch.cat([x, x], -1)", "concat(x, x)"), ("torch.cat([W, W], dim=-1)", "concat[D](W, W)"), ("torch.cat((x, x2), 0)", "concat(x, x2)"),
        ("np.concatenate([W, W], axis=0)", "concat(W, W)"), ("torch.concat([x, s])", "concat(x, s)"),
        ("nn.ReLU()(x)", "relu(x)"), ("torch.nn.Sigmoid()(W @ x)", "sigmoid(W @ x)"), ("nn.Softmax(dim=-1)(W)", "softmax[D](W)"),
        ("nn.LayerNorm(D)(x)", "layernorm(x)"), ("nn.LeakyReLU(0.2)(x)", "leaky_relu(x, slope: 0.2)"), ("nn.GELU()(2 * x)", "gelu(2 * x)"),
        ("F.leaky_relu(x, negative_slope=0.2)", "leaky_relu(x, slope: 0.2)"), ("F.elu(x, 0.5)", "elu(x, alpha: 0.5)"),
        ("F.layer_norm(x, (D,))", "layernorm(x)"), ("F.layer_norm(x, [D], eps=1e-3)", "layernorm(x, eps: 1e-3)"), ("F.rms_norm(x, D)", "rmsnorm(x)"),
        ("x.clamp(min=0)", "clamp(x, 0, inf)"), ("torch.clamp(x, max=1)", "clamp(x, -inf, 1)"), ("np.clip(x, 0, 1)", "clamp(x, 0, 1)"),
        ("torch.maximum(x, 0)", "max(x, 0)"), ("W.max(1)", "max[D](W)"), ("W.sum(axis=(0, 1))", "sum[H, D](W)"), ("x.mean(dim=-1, keepdim=True)", "mean[D](x)"),
        ("std(x)", "sqrt(var(x))"), ("std(n)", "sqrt(var(n))"), ("x.std()", "sqrt(var(x))"), ("torch.std(W, dim=-1)", "sqrt(var[D](W))"),
        ("log_softmax(x)", "x - logsumexp(x)"), ("log_softmax(n)", "n - logsumexp(n)"), ("log_softmax(W)", "W - logsumexp[D](W)"),
        ("F.log_softmax(W, dim=0)", "W - logsumexp[H](W)"), ("log_softmax(2 * x)", "(2 * x) - logsumexp(2 * x)"), ("softmin(W)", "softmax[D](-W)"),
        ("any(x > 0)", "sum(if x > 0 then 1 else 0) > 0"), ("torch.all(W > 0, dim=1)", "sum[D](if W > 0 then 0 else 1) == 0"),
        ("torch.where(x > 0, x, 0)", "if x > 0 then x else 0"), ("np.where(x > 0, x, if s > 0 then x else 0)", "if x > 0 then x else (if s > 0 then x else 0)"),
        ("np.dot(W, x)", "W @ x"), ("W.matmul(2 * x)", "W @ (2 * x)"), ("F.linear(x, W)", "W @ x"), ("W.t()", "W.T"), ("W.transpose(0, 1)", "W.T"),
        ("torch.pow(x, 2)", "x^2"), ("x.square()", "x^2"), ("(x + 1).square()", "(x + 1)^2"), ("mse_loss(x, 2 * x)", "mean((x - (2 * x))^2)"),
        ("sinh(x + 1)", "(expm1(x + 1) - expm1(-(x + 1))) / 2"), ("torch.hypot(x, s)", "abs(complex(x, s))"), ("ceil(x)", "-floor(-x)"),
        ("F.prelu(x, s)", "leaky_relu(x, slope: s)"), ("celu(x)", "max(x, 0) + min(0, expm1(x))"), ("logistic(x)", "sigmoid(x)"), ("ReLU(x)", "relu(x)"),
        // Mends within others.
        ("torch.relu(W.matmul(x))", "relu(W @ x)"), ("torch.log1p(x.exp())", "log1p(exp(x))"), ("torch.tanh(2 * W.matmul(x))", "tanh(2 * (W @ x))"),
        // The object that a class knows itself as.
        ("self.cell(x)", "cell(x)"), ("self.W(x)", "W @ x"), ("self.relu(x)", "relu(x)"), ("torch.relu(self.W @ x)", "relu(W @ x)"),
        ("self.twice(x)", "twice(x)"), ("self.W", "W"),
    ]

    private func own(_ line: String) -> Checked {
        check(
            """
            func twice(v) = 2 * v
            model Cell(D) {
              input x: [D]
              output y = tanh(x)
            }
            model M(D, H) {
              input x: [D]
              input x2: [H]
              input n: [3]
              input p: [4]
              input s: real
              param W: [H, D]
              param V: [D, 5]
              layer cell = Cell(D)
              \(line)
              output y = sum(cell(x)) + s
            }
            """)
    }

    /// A mend is right: written in place of the call it makes a sound program.
    @Test(arguments: mends.indices) func mendsAreRight(index: Int) {
        let (call, mend) = Self.mends[index]
        #expect(own("a = \(call)").diagnostics.first?.help == "write \(mend)", "\(call)")
        #expect(own("a = \(mend)").diagnostics.map(\.message) == [], "\(mend)")
    }

    @Test func mendsOfParts() {
        for (line, help, mended) in [
            ("a = self.W @ x", "write W", "a = W @ x"), ("a = self.W.T @ self.x2", "write W", "a = W.T @ x2"), ("a = x.abs().sum()", "write abs(x)", "a = sum(abs(x))"),
            ("a, b = x.chunk(2)", "write split(x, 2)", "a, b = split(x, 2)"), ("a = W.T @ x", "did you mean W @ x?", "a = W @ x"),
            ("a = W * V", "the product of two matrices is written W @ V", "a = W @ V"), ("a = V * W", "the product of two matrices is written W @ V", "a = W @ V"),
            ("a = W.T * V", "the product of two matrices is written W @ V", "a = W @ V"),
        ] {
            #expect(own(line).diagnostics.first?.help == help, "\(line)")
            #expect(own(mended).diagnostics.map(\.message) == [], "\(mended)")
        }
    }

    /// What does not fit is no mend.
    @Test func whatDoesNotFitIsNotTold() {
        for (call, help) in [
            ("x.reshape(7)", "takes other arguments"), ("std(s)", "a single number at each step"), ("F.softplus(x, beta=2)", "; it has no 'beta'"),
            ("nn.GELU()", "write gelu(…)"), ("self.missing(x)", "declare it"), ("self.missing", "declare it"), ("torch.tanh(x, x)", "takes other arguments"), ("F.pad(x, (1, 1))", "takes other arguments"), ("x.transpose(0, 1)", "as it is"), ("any(x)", "conditions"), ("np.dot(x, W)", "W @ x"),
        ] {
            #expect(own("a = \(call)").diagnostics.first?.help?.contains(help) == true, "\(call): \(own("a = \(call)").diagnostics.first?.help ?? "no help")")
        }
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
            return warnings(about: loader.program, loader.sources).map { loader.sources.text(of: $0.span ?? SourceSpan(file: FileID(0), start: 0, end: 0)) }
        }
        #expect(names("func f(a, b) = a\nmodel M(D, H, K) {\n input x: [D]\n input u, _v: real\n param W: [H, D]\n dim G = 4 * H\n layer l = N(D)\n z = W @ x\n a, b = split(z, 2)\n output y = f(a, 1)\n}\nmodel N(D) {\n input x: [D]\n output x\n}") == ["b", "K", "u", "G", "l", "b"])
        #expect(names("func erf(x) = x\nmodel M {\n input x: real\n output y = erf(x)\n}") == ["erf"])
        // A state is a result of its own; where nothing that is declared as one depends on it, it was most likely to do so.
        #expect(names("model M {\n input x: real\n state dead, h, left, right, _own: real\n dead = dead[t-1] + x\n left = right[t-1]\n right = left[t-1] + x\n _own = _own[t-1] + x\n h = h[t-1] + x\n y = 2 * h\n output z = y\n}") == ["dead", "left", "right"])
        #expect(names("model M {\n input x: real\n state h, g: real = 2\n state k: real\n k = k[t-1] + x\n h = h[t-1] + x\n g = g[t-1] + k\n}") == [])
        // States, outputs, losses, initial values and promises are uses.
        #expect(names("model M(D) over t {\n input x: [D]\n input h0: [D] once\n state h: [D] = h0\n h = h[t-1] + x\n output s = sum(h)\n loss l = mean[t](s)\n require affine(h)\n}") == [])
    }
}
