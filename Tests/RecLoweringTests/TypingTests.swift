import RecLowering
import RecSource
import RecStream
import RecTyping
import Testing

/// Typing of a text, with imports from a dictionary.
func typed(_ text: String, files: [String: String] = [:]) -> (program: TypedProgram, problems: [Diagnostic]) {
    let loader = ProgramLoader(path: "main.rec", text: text) { path, _ in files[path].map { (path, $0) } }
    let (program, problems) = typeProgram(loader.program, sources: loader.sources)
    return (program, loader.diagnostics + problems)
}

/// The problems of a model with this body.
func problems(_ body: String, dims: String = "D, H, K, V", files: [String: String] = [:]) -> [Diagnostic] {
    typed("model M(\(dims)) {\n\(body)\n}\n", files: files).problems
}

@Suite struct TypingTests {
    /// One mistake each, and what is said of it.
    @Test(arguments: [
        ("input x: [D]\n y = z + x", DiagnosticID.unknownName),
        ("input x: [D]\n param W: [D, H]\n y = W @ x", .shapeMismatch),
        ("input x: [D]\n input k: [K]\n y = x + k", .shapeMismatch),
        ("param U: [H, H]\n input x: [H]\n y = U * x", .ambiguousDim),
        ("param U: [H, H]\n y = sum[H](U)", .ambiguousDim),
        ("input x: [D]\n y = sum[K](x)", .unknownDim),
        ("input x: [Q]\n y = x", .unknownDim),
        ("state h: [H]\n input x: [H]\n z = h * x\n h = z", .instantCycle),
        ("a = b\n b = a", .instantCycle),
        ("state h: [H]", .stateWithoutEquation),
        ("input x: [H]\n state h: [H]\n h = x\n h = h[t-1]", .duplicateDefinition),
        ("input x: [H]\n input x: [D]", .duplicateDefinition),
        ("input x: [H]\n state h: [H]\n h = h[t-x]", .delayNotConstant),
        ("input x: [H]\n y = x[2*t]", .delayNotConstant),
        ("input x: [H]\n y = if x then 1 else 0", .wrongElementType),
        ("input b: bool\n y = b + 1", .wrongElementType),
        ("input n: int\n param E: [V, D]\n y = E[real(n)]", .wrongElementType),
        ("input x: float[H]", .wrongElementType),
        ("input x: [H]\n y = tanh(x, x)", .wrongArgument),
        ("input x: [H]\n y = frobnicate(x)", .unknownName),
        ("input x: [H]\n y = x[0:2] + x[5:2]", .badSlice),
        ("input x: [H]\n y = reshape(x, [D])", .shapeMismatch),
        ("input x: [H]\n input s: [H]\n state h: [H] = s\n h = x", .onceNeedsConstant),
        ("input x: [H]\n y = t.end", .unknownName),
        ("input x: [H]\n param p: [H]\n y = x + p[t]", .notAStream),
        ("param p: [H]\n y = p[t-1]", .notAStream),
        ("input x: [H]\n s = s[t-1] + x", .undeclaredState),
        ("layer g = Nothing(D)", .unknownName),
        ("input x: [H]\n loss l = x", .shapeMismatch),
        ("state h: [H]\n input x: [H]\n h = x\n require affine(k)", .unknownName),
        ("state h: [H]\n input x: [H]\n h = x\n require plan(h) in (scam)", .unknownName),
        ("input x: [H]\n output y = x\n example x = [1, 2] -> z = [1]", .unknownName),
        ("param W: [H] = normall(1)", .unknownName),
        ("input x: [H]\n y = crossentropy(x, x)", .wrongElementType),
        ("input x: [H]\n i, f = split(x, 3)", .wrongArgument),
    ])
    func oneMistakeGivesOneError(body: String, id: DiagnosticID) {
        let found = problems(body)
        #expect(found.map(\.id) == [id], "\(found.map(\.message))")
    }

    @Test func independentMistakesAreAllReported() {
        let found = problems("input x: [D]\n a = x + unknown1\n b = tanh(x, 2)\n c = sum[K](x)")
        #expect(Set(found.map(\.id)) == [.unknownName, .wrongArgument, .unknownDim])
    }

    @Test func helpsNameTheMend() {
        #expect(problems("input gate: [D]\n y = gat").first?.help == "did you mean 'gate'?")
        let product = problems("input x: [D]\n param W: [D, H]\n y = W @ x").first
        #expect(product?.help == "did you mean W.T @ x, or param W: [H, D]?")
        #expect(product?.caption == "W: [D, H], x: [D]")
        let cycle = problems("state h: [H]\n input x: [H]\n z = h * x\n h = z").first
        #expect(cycle?.message.contains("→") ?? false)
    }

    @Test func importsAreFollowed() {
        let inner = "model G(D) { input x: [D]\n output y = x }"
        #expect(typed("import \"g.rec\"\nmodel M(D) { input x: [D]\n layer g = G(D)\n output y = g(x) }", files: ["g.rec": inner]).problems.isEmpty)
        #expect(typed("import \"none.rec\"").problems.map(\.id) == [.importNotFound])
        #expect(typed("import \"a.rec\"", files: ["a.rec": "import \"b.rec\"", "b.rec": "import \"a.rec\""]).problems.map(\.id) == [.circularImport])
        #expect(typed("model A { layer b = B\n}\nmodel B { layer a = A\n}").problems.contains { $0.id == .circularModel })
    }

    @Test func functionsAreInlined() {
        #expect(typed("func twice(x) = x + x\nmodel M(D) { input x: [D]\n output y = twice(x) }").problems.isEmpty)
        #expect(typed("func f(x) = f(x)\nmodel M(D) { input x: [D]\n output y = f(x) }").problems.map(\.id) == [.circularFunction])
    }

    @Test func dimsAreCanonical() {
        let (program, found) = typed("model M(D, N) { input x: [D]\n y = reshape(x, [N, D/N])\n output z = reshape(y, [D]) }")
        #expect(found.isEmpty)
        #expect(program.mainModel == "M")
    }

    @Test func dimsAreReadOffData() throws {
        let (program, _) = typed("model M(D, H) { dim G = 4 * H\n input x: [D]\n param W: [G, D]\n output y = W @ x }")
        let model = try #require(program.models["M"])
        let dims = model.solveDims(
            given: [:],
            evidence: [
                DimEvidence(name: "x", role: .input, sizes: [2, 10, 5]), DimEvidence(name: "W", role: .parameter, sizes: [512, 5]),
            ]) { program.models[$0] }
        #expect(dims == ["D": 5, "H": 128])
    }
}

@Suite struct LoweringTests {
    private func ids(_ text: String, _ dims: [String: Int]) -> [DiagnosticID] {
        let (program, found) = typed(text)
        guard found.isEmpty else { return found.map(\.id) }
        do {
            _ = try lower(program, model: program.mainModel ?? "M", dims: dims)
            return []
        } catch { return error.diagnostics.map(\.id) }
    }

    @Test func dimsAreChecked() {
        let text = "model M(D, N) { input x: [D]\n output y = reshape(x, [N, D/N]) }"
        #expect(ids(text, ["D": 6, "N": 3]).isEmpty)
        #expect(ids(text, ["D": 6, "N": 4]) == [.unsolvableDim])
        #expect(ids(text, ["D": 6]) == [.unsolvableDim])
        #expect(ids(text, ["D": 0, "N": 1]).contains(.unsolvableDim))
        #expect(ids("model M(D) { input x: [D]\n output y = x[2:5] }", ["D": 4]) == [.badSlice])
    }

    @Test func sizesAreLimited() {
        #expect(ids("model M(D, H) { input x: [D]\n input y: [H]\n output z = outer(x, y) }", ["D": 1 << 30, "H": 1 << 30]) == [.tooLarge])
        #expect(ids("model B(D) { input x: [D]\n output y = tanh(x) }\nmodel M(D, L) { input x: [D]\n layer b = repeat(L, B(D))\n output y = b(x) }", ["D": 1, "L": 1_000_000]) == [.tooLarge])
    }

    @Test func recurrencesLookOneWay() {
        #expect(ids("model M(D) { input x: [D]\n state h: [D]\n h = h[t-1] + h[t+1] + x\n output h }", ["D": 2]) == [.bothDirections])
        #expect(ids("model M(D) over (i, j) { input x: [D]\n state h: [D]\n h = h[i-1, j+1] + h[i-1, j-1] + h[i, j-1] + x\n output h }", ["D": 2]).isEmpty)
        #expect(ids("model M(D) over (i, j) { input x: [D]\n state h: [D]\n h = h[i-1, j] + h[i+1, j] + x\n output h }", ["D": 2]) == [.bothDirections])
    }

    @Test func layersHaveParametersOfTheirOwn() throws {
        let (program, found) = typed("model B(D) { input x: [D]\n param W: [D, D]\n output y = W @ x }\nmodel M(D, L) { input x: [D]\n layer b = repeat(L, B(D))\n layer c = B(D)\n output y = x |> b |> c }")
        #expect(found.isEmpty)
        let graph = try lower(program, model: "M", dims: ["D": 3, "L": 2])
        let paths = graph.values.compactMap { value -> String? in
            if case .parameter(let info) = value.operation { info.path } else { nil }
        }
        #expect(Set(paths) == ["b.0.W", "b.1.W", "c.W"])
    }
}
