import RecSource
import Testing

/// Names that are unknown, taken, or used as what they are not.
@Suite struct NameErrors {
    @Test func unknownNameSuggestsTheNearest() {
        expectError(
            .unknownName, at: "gaet", in: "model M(H) { input gate: [H]\n output y = 2 * gaet }", helps: "'gate'")
        expectError(.unknownName, at: "sigmiod", in: "model M { input x: real\n output y = sigmiod(x) }", helps: "'sigmoid'")
        expectError(.unknownName, at: "Blok", in: "model Block(D) { input x: [D]\n output x }\nmodel M(D) { input x: [D]\n layer b = Blok(D)\n output y = b(x) }", helps: "'Block'")
        expectError(.unknownName, at: "Mx", in: "model M { input x: real\n output y = fold Mx(x) }")
        expectError(.wrongElementType, at: "reel", in: "model M { input x: reel\n output x }", helps: "'real'")
        expectError(.unknownDim, at: "G", in: "model M(H) { input x: [G]\n output x }")
    }

    @Test func aMistakeInOneEquationSilencesItsFollowers() {
        expectError(
            .unknownName, at: "q",
            in: "model M(H) { input x: [H]\n a = x + q\n b = a * 2\n c = b + a\n state h: [H]\n h = c + h[t-1]\n output h\n output c }")
        expectError(.unknownDim, at: "G", in: "model M(H) { input x: [G]\n param W: [H, H]\n y = W @ x\n output y\n output z = y + x }")
    }

    @Test func independentMistakesAreAllReported() {
        let checked = check(
            "model M(H, D) { input x: [H]\n input y: [D]\n output a = x + y\n output b = x + nothing\n state s: [H]\n output c = x @ y }")
        #expect(Set(checked.ids) == [.shapeMismatch, .unknownName, .stateWithoutEquation])
        #expect(checked.ids.count == 4)
        let both = check("model M { input x: real\n output a = un + deux }")
        #expect(both.ids == [.unknownName, .unknownName])
    }

    @Test func duplicateDefinitions() {
        expectError(.duplicateDefinition, at: "x", in: "model M(H) { input x: [H]\n param x: [H]\n output y = 1 + x }")
        expectError(.duplicateDefinition, at: "z", in: "model M { input x: real\n z = x\n z = 2 * x\n output z }")
        expectError(.duplicateDefinition, at: "x", in: "model M { input x: real\n x = 2\n output x }")
        expectError(.duplicateDefinition, at: "h", in: "model M { input x: real\n state h: real\n h = h[t-1] + x\n h = x\n output h }")
        expectError(.duplicateDefinition, at: "M", in: "model M { input x: real\n output x }\nmodel M { input y: real\n output y }")
        expectError(.duplicateDefinition, at: "y", in: "model M { input x: real\n output y = x\n output y = 2 * x }")
        expectError(.duplicateDefinition, at: "t", in: "model M { input x: real\n t = x\n output t }")
        expectError(.duplicateDefinition, at: "a", in: "func f(a, a) = a\nmodel M { input x: real\n output x }")
    }

    @Test func wrongArguments() {
        expectError(.wrongArgument, at: "exp(x, x)", in: "model M { input x: real\n output y = exp(x, x) }", says: "1 argument")
        expectError(.wrongArgument, at: "epz", in: "model M(H) { input x: [H]\n output y = rmsnorm(x, epz: 1) }", helps: "'eps'")
        expectError(.wrongArgument, at: "f(x)", in: "func f(a, b) = a + b\nmodel M { input x: real\n output y = f(x) }", says: "2 arguments")
        expectError(.wrongArgument, at: "x", in: "model M(H) { input x: [H]\n output y = x(2) }", says: "function")
        expectError(.wrongArgument, at: "K", in: "model M(K) { input x: [K]\n output y = exp[K](x) }")
        expectError(.wrongArgument, at: "tanh", in: "model M { input x: real\n output y = x + tanh }", helps: "tanh(x)")
        expectError(.wrongArgument, at: "g", in: "model G { input x: real\n output x }\nmodel M { input x: real\n layer g = G()\n output y = g }", helps: "g(x)")
        expectError(.wrongArgument, at: "a, b = split(x, 3)", in: "model M(H) { input x: [H]\n a, b = split(x, 3)\n output y = a + b }")
        expectError(.wrongArgument, at: "reflekt", in: "model M(H) { input x: [H]\n output y = pad[H](x, 1, 1, reflekt) }")
        expectError(.wrongArgument, at: "3", in: "model M(H) { input x: [H]\n output y = x |> 3 }", helps: "x |> f")
        expectError(.wrongArgument, at: "[1, 2]", in: "model M { input x: real\n output y = x + [1, 2] }")
        expectError(.unknownName, at: "gloro", in: "model M(H) { param W: [H, H] = gloro\n input x: [H]\n output y = W @ x }", helps: "'glorot'")
        expectError(.wrongArgument, at: "uniform(1)", in: "model M(H) { param W: [H, H] = uniform(1)\n input x: [H]\n output y = W @ x }")
        expectError(.wrongArgument, at: "a, b", in: "model M(H) { param a, b: [H] from \"w\"\n input x: [H]\n output y = a * x + b }")
    }

    @Test func promisesAreAboutStates() {
        let state = "model M { input x: real\n state h: real\n h = h[t-1] + x\n output h\n "
        expectError(.unknownName, at: "hh", in: state + "require affine(hh) }", helps: "'h'")
        expectError(.unknownName, at: "afine", in: state + "require afine(h) }")
        expectError(.unknownName, at: "scann", in: state + "require plan(h) in (scann) }", helps: "'scan'")
        #expect(check(state + "require plan(h) in (scan, sequential)\n require affine(h) }").ids == [])
    }
}
