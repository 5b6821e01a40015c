import RecSource
import Testing

/// Layers, functions, monoids, imports, examples.
@Suite struct StructureErrors {
    static let cell = "model Cell(D, H) { input x: [D]\n input h0: [H] once\n param W: [H, D]\n state h: [H] = h0\n h = W @ x + h[t-1]\n output h\n output y = 2 * h }\n"

    private func user(_ body: String) -> String { Self.cell + "model M(D, H) { input x: [D]\n input z: [H]\n input s: [H] once\n \(body) }" }

    @Test func layerDims() {
        expectError(.unsolvableDim, at: "layer g = Cell(D)", in: user("layer g = Cell(D)\n output z"), says: "'H'")
        expectError(.wrongArgument, at: "2", in: user("layer g = Cell(D, H, 2)\n output z"))
        expectError(.unknownDim, at: "Q", in: user("layer g = Cell(D, Q: H)\n output z"))
        #expect(check(user("layer g = Cell(H: H, D: D)\n y = g(x, h0: s)\n output o = y.h + y.y")).ids == [])
    }

    @Test func layerCalls() {
        let layer = "layer g = Cell(D, H)\n "
        expectError(.wrongArgument, at: "g(x)", in: user(layer + "y = g(x)\n output o = y.h"), says: "h0")
        expectError(.shapeMismatch, at: "z", in: user(layer + "y = g(z, h0: s)\n output o = y.h"))
        expectError(.wrongArgument, at: "x", in: user(layer + "y = g(z, x, h0: s)\n output o = y.h").replacing("g(z, x", with: "g(x, x")) 
        expectError(.wrongArgument, at: "h1", in: user(layer + "y = g(x, h1: s)\n output o = y.h"), helps: "'h0'")
        expectError(.onceNeedsConstant, at: "z", in: user(layer + "y = g(x, h0: z)\n output o = y.h"))
        expectError(.wrongArgument, at: "g(x, h0: s)", in: user(layer + "output o = g(x, h0: s) + z"), helps: ".h")
        expectError(.unknownName, at: "q", in: user(layer + "output o = g(x, h0: s).q"))
        expectError(.wrongArgument, at: "g(x, h0: s)", in: user(layer + "state q: [H]\n q = g(x, h0: s)\n output o = q[t-1]"), helps: ".h")
    }

    @Test func layersGiveSomething() {
        let text = "model Cell { input u: real\n loss l = mean[t](u) }\nmodel M { input x: real\n layer g = Cell()\n "
        expectError(.wrongArgument, at: "g(x)", in: text + "output y = g(x) }", says: "no output", helps: "'Cell'")
        expectError(.wrongArgument, at: "g(x)", in: text + "state s: real\n s = g(x)\n output y = s[t-1] }", says: "no output")
    }

    @Test func modelsDoNotContainThemselves() {
        expectError(.circularModel, at: "A", in: "model A { input x: real\n layer a = A()\n output y = a(x) }", says: "A → A")
        let two = check("model A { input x: real\n layer b = B()\n output y = b(x) }\nmodel B { input x: real\n layer a = A()\n output y = a(x) }")
        #expect(two.ids == [.circularModel])
    }

    @Test func repeatChains() {
        expectError(.wrongArgument, at: "Cell", in: user("layer g = repeat(3, Cell(D, H))\n output z"), says: "repeat")
        expectError(
            .shapeMismatch, at: "F", in: "model F(D, H) { input x: [D]\n param W: [H, D]\n output y = W @ x }\nmodel M(D, H) { input x: [D]\n layer f = repeat(2, F(D, H))\n output y = f(x) }")
    }

    @Test func functionsPointIntoTheirBody() {
        let text = "func f(a, b) = a + b\nmodel M(H, D) { input x: [H]\n input y: [D]\n output o = f(x, y) }"
        expectError(.shapeMismatch, at: "a + b", in: text)
        #expect(check(text).diagnostics.first?.labels.map { check(text).sources.text(of: $0.span) } == ["f(x, y)"])
    }

    @Test func aFunctionsMistakeIsReportedOnce() {
        expectError(.unknownName, at: "q", in: "func f(a) = a + q\nmodel M { input x: real\n output o = f(x)\n output p = f(2 * x) }")
        expectError(.unknownName, at: "q", in: "func f(a) = a + q\nmodel M { input x: real\n output x }")
        expectError(.unknownName, at: "ex", in: "func f(a) = ex(a)\nmodel M { input x: real\n output x }")
    }

    @Test func functionsDoNotCallThemselves() {
        expectError(.circularFunction, at: "f", in: "func f(a) = f(a) + f(a)\nmodel M { input x: real\n output o = f(x) }")
        #expect(check("func f(a) = g(a) + g(a)\nfunc g(a) = f(a) * f(a)\nmodel M { input x: real\n output o = f(x) }").ids == [.circularFunction])
    }

    @Test func monoids() {
        func fold(_ monoid: String, _ elements: String = "x, 1") -> String {
            "\(monoid)\nmodel M(H) { input x: real\n input v: [H]\n acc = fold S(\(elements))\n output o = acc.a }"
        }
        let good = "monoid S(a, n) { identity (0, 0)\n combine (p, q) { a = p.a + q.a\n n = p.n + q.n } }"
        #expect(check(fold(good)).ids == [])
        expectError(.wrongArgument, at: "fold S(x)", in: fold(good, "x"), says: "2 fields")
        expectError(.shapeMismatch, at: "v", in: fold(good, "v, 1"))
        expectError(.stateWithoutEquation, at: "n", in: fold("monoid S(a, n) { identity (0, 0)\n combine (p, q) { a = p.a + q.a } }"))
        expectError(.wrongArgument, at: "0", in: fold("monoid S(a, n) { identity (0)\n combine (p, q) { a = p.a + q.a\n n = p.n + q.n } }"))
        expectError(.unknownName, at: "r", in: fold("monoid S(a, n) { identity (0, 0)\n combine (p, q) { a = p.a + r.a\n n = p.n + q.n } }"))
        expectError(.unknownName, at: "b", in: fold("monoid S(a, n) { identity (0, 0)\n combine (p, q) { a = p.a + q.b\n n = p.n + q.n } }"), says: "'q'")
        expectError(
            .shapeMismatch, at: "w",
            in: "monoid S(a: [V], b: [V]) { identity (0, 0)\n combine (p, q) { a = p.a + q.a\n b = p.b + q.b } }\nmodel M(H, K) { input v: [H]\n input w: [K]\n acc = fold S(v, w)\n output o = acc.a }")
    }

    @Test func aMonoidIsCheckedWhereNoModelUsesIt() {
        expectError(
            .unknownName, at: "r",
            in: "monoid S(a) { identity (0)\n combine (p, q) { a = p.a + r.a } }\nmodel M { input x: real\n output x }")
        expectError(
            .unknownName, at: "r",
            in: "monoid S(a) { identity (0)\n combine (p, q) { a = p.a + r.a } }\nmodel M { input x: real\n u = fold S(x)\n v = fold S(2 * x)\n output o = u.a + v.a }")
    }

    @Test func imports() {
        expectError(.importNotFound, at: "\"gone.rec\"", in: "import \"gone.rec\"\nmodel M { input x: real\n output x }")
        let checked = check(
            "import \"a.rec\"\nmodel M { input x: real\n output x }", files: ["a.rec": "import \"main.rec\"\n"].merging(["main.rec": ""]) { a, _ in a })
        #expect(checked.ids == [.circularImport])
        #expect(check("import \"cell.rec\"\nmodel M(D) { input x: [D]\n layer c = Cell(D, D)\n y = c(x, h0: 0)\n output o = y.h }", files: ["cell.rec": Self.cell]).ids == [])
    }

    @Test func examples() {
        let model = "model M(H) { input x: [H]\n state s: [H]\n s = s[t-1] + x\n output s\n "
        let good = check(model + "example H = 2, x = [[1, 2], [3, 4]] -> s ~ [[1, 2], [4, 6]] }")
        #expect(good.ids == [])
        let example = good.program.models["M"]?.examples.first
        #expect(example?.given.last?.shape == [2, 2])
        #expect(example?.expected.first?.numbers == [1, 2, 4, 6])
        #expect(example?.expected.first?.isApproximate == true)
        expectError(.unknownName, at: "u", in: model + "example u = [1] -> s = [1] }")
        expectError(.unknownName, at: "ss", in: model + "example x = [[1]] -> ss = [[1]] }", helps: "'s'")
        #expect(check(model + "example x = [[1, 2], [3]] -> s = [[1]] }").ids.count == 1)
        #expect(check(model + "example x = [[1, 2], 3] -> s = [[1]] }").ids.count == 1)
        #expect(check(model + "example x = [[1, foo]] -> s = [[1]] }").ids.count == 1)
    }
}
