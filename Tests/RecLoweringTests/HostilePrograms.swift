import RecSource
import RecTyping
import Testing

/// Programs meant to exhaust the compiler end in a message.
@Suite(.timeLimit(.minutes(30))) struct HostilePrograms {
    @Test func longChainsOfNames() {
        let count = 20_000
        let chain = (0..<count).map { "a\($0) = a\($0 + 1) + 1\n" }.joined()
        #expect(check("model M { input x: real\n\(chain)a\(count) = x\n output y = a0 }").ids == [])
        #expect(check("model M { input x: real\n\(chain)a\(count) = a0\n output y = a0 }").ids.count == 1)
    }

    @Test func longSums() {
        let sum = Array(repeating: "x", count: 5_000).joined(separator: " + ")
        #expect(check("model M { input x: real\n output y = \(sum) }").ids == [])
        #expect(check("model M(D) { dim E = \(sum.replacing("x", with: "D"))\n input x: [E]\n output x }").ids == [.nestingTooDeep])
        #expect(check("model M(D) { input x: [D]\n output y = x[t - 1\(String(repeating: " - 1", count: 5_000))] }").ids.count == 1)
        let body = String(repeating: "-(", count: 60) + "a" + String(repeating: ")", count: 60)
        let functions = (1..<40).map { "func f\($0)(a) = \(body.replacing("a", with: "f\($0 - 1)(a)"))\n" }.joined()
        #expect(check("func f0(a) = a\n\(functions)model M { input x: real\n output y = f39(x) }").ids == [.nestingTooDeep])
    }

    /// A program that is wrong everywhere is refused by its first mistakes.
    @Test(arguments: [
        "a# = b# + x", "a# = a#x(x)", "a = x", "state s#: [Q#]", "layer l# = L#()", "param p#: [Z#] = hipo", "dim d# = e#",
        "example x = [1] -> y = [1]", "example q = [1] -> z = [1]", "require affine(s#)", "output o#", "a# = fold M#(x)",
    ])
    func manyMistakes(member: String) {
        let members = (0..<2_000).map { member.replacing("#", with: "\($0)") + "\n" }.joined()
        let found = check("model M {\n input x: real\n \(members)output z = x\n}").ids
        #expect(!found.isEmpty && found.count <= 100)
        let models = (0..<500).map { "model M\($0) {\n input x: real\n \(member.replacing("#", with: "\($0)"))\n output z = x + w\n}\n" }.joined()
        let more = check(models).ids
        #expect(!more.isEmpty && more.count <= 200)
    }

    @Test func functionsThatDouble() {
        let functions = (1..<40).map { "func f\($0)(a) = f\($0 - 1)(a) + f\($0 - 1)(a)\n" }.joined()
        #expect(check("func f0(a) = a + a\n\(functions)model M { input x: real\n output y = f39(x) }").ids == [.tooLarge])
        let deep = (1..<2_000).map { "func f\($0)(a) = f\($0 - 1)(a)\n" }.joined()
        #expect(check("func f0(a) = a\n\(deep)model M { input x: real\n output y = f1999(x) }").ids.count == 1)
    }

    @Test func layersThatDouble() {
        let models = (1..<40).map {
            "model A\($0) { input x: real\n layer p = A\($0 - 1)()\n layer q = A\($0 - 1)()\n output y = p(x) + q(x) }\n"
        }.joined()
        expectLoweringError(.tooLarge, "model A0 { input x: real\n output y = 2 * x }\n" + models)
        let deep = (1..<2_000).map { "model A\($0) { input x: real\n layer p = A\($0 - 1)()\n output y = p(x) }\n" }.joined()
        #expect(check("model A0 { input x: real\n output y = 2 * x }\n" + deep).ids == [.nestingTooDeep])
    }

    @Test func manyCopies() {
        let block = "model B(D) { input x: [D]\n param w: [D]\n output y = x * w }\n"
        #expect(check(block + "model M(D) { input x: [D]\n layer b = repeat(1000000, B(D))\n output y = b(x) }").ids == [.tooLarge])
        expectLoweringError(.tooLarge, block + "model M(D, L) { input x: [D]\n layer b = repeat(L, B(D))\n output y = b(x) }", ["D": 2, "L": 1 << 30])
        let empty = "model B(D) { input x: [D]\n output x }\n"
        #expect(check(empty + "model M(D) { input x: [D]\n layer b = repeat(2000000000, B(D))\n output y = b(x) }").ids == [.tooLarge])
    }

    @Test func hugeDims() {
        expectLoweringError(.tooLarge, "model M(D) { input x: [D, D, D]\n output x }", ["D": 1 << 20])
        expectLoweringError(.tooLarge, "model M(D) { input x: [D]\n input y: [D]\n output z = outer(x, y as [E]) \n dim E = D }", ["D": 1 << 17])
        #expect(check("model M(D) { dim E = D * 1000000000 * 1000000000 * 1000000000\n input x: [E]\n output x }").ids == [.tooLarge])
        expectLoweringError(.unsolvableDim, "model M(D) { input x: [D]\n output x }")
        expectLoweringError(.unsolvableDim, "model M(D) { input x: [D]\n output x }", ["D": 0])
        expectLoweringError(.unsolvableDim, "model M(D) { input x: [D]\n output x }", ["D": -3])
        expectLoweringError(.unsolvableDim, "model M(D) { input x: [D/2]\n output x }", ["D": 7])
        expectLoweringError(.unsolvableDim, "model M(D) { input x: [D - 5]\n output x }", ["D": 3])
        expectLoweringError(.badSlice, "model M(D, H) { input x: [D]\n output y = x[0:H] }", ["D": 3, "H": 5])
    }

    @Test func dimsThatSquareThemselves() {
        let squares = (1..<70).map { "dim A\($0) = A\($0 - 1) * A\($0 - 1)\n" }.joined()
        #expect(check("model M(A0) { \(squares) input x: [A69]\n output x }").ids.contains(.tooLarge))
        let sums = (1..<40).map { "dim A\($0) = (A\($0 - 1) + B\($0)) * (A\($0 - 1) + C\($0))\n" }.joined()
        let names = (1..<40).map { "B\($0), C\($0)" }.joined(separator: ", ")
        #expect(check("model M(A0, \(names)) { \(sums) input x: [A39]\n output x }").ids.contains(.tooLarge))
    }

    @Test func chainsOfConvolutions() {
        let chain = (1..<200).map { "a\($0) = conv[L](reshape(a\($0 - 1), [1, L]), w, stride: 2, pad: 1)[0]\n" }.joined()
        #expect(check("model M(L) { input a0: [L]\n param w: [1, 1, 3]\n \(chain) output y = a199 }").ids.count <= 1)
        var text = "model M(L) { input a0: [L]\n param w: [1, 3]\n"
        for k in 1..<200 { text += "dim L\(k) = L\n a\(k) = sum[1](conv(a\(k - 1), w, stride: 2, pad: 1))\n" }
        _ = check(text + "output y = a199 }")
    }

    @Test func endlessImports() {
        let loader = ProgramLoader(path: "0.rec", text: "import \"1.rec\"\n") { path, _ in
            let number = Int(path.prefix { $0.isNumber }) ?? 0
            return (path, "import \"\(number + 1).rec\"\n")
        }
        #expect(loader.diagnostics.map(\.id) == [.nestingTooDeep])
    }

    @Test func cyclesOfDims() {
        #expect(check("model M(D) { dim E = F\n dim F = E\n input x: [D]\n output x }").ids.count >= 1)
    }
}
