import RecTyping
import Testing

/// Dims read off tensors.
@Suite struct DimSolving {
    private func solve(_ text: String, _ evidence: [DimEvidence], given: [String: Int] = [:]) throws -> [String: Int] {
        let checked = check(text)
        #expect(checked.diagnostics.isEmpty)
        let model = try #require(checked.program.mainModel.flatMap { checked.program.models[$0] })
        return model.solveDims(given: given, evidence: evidence) { checked.program.models[$0] }
    }

    private let cell = "model M(D, H) { dim G = 4*H\n input x: [D]\n input h0: [H] once = 0\n param W: [G, D] from \"cell.weight\"\n state h: [H] = h0\n h = (W @ x)[0:H] + h[t-1]\n output h }"

    @Test func inputsWithAndWithoutABatch() throws {
        let weight = DimEvidence(name: "W", role: .parameter, sizes: [512, 7])
        #expect(try solve(cell, [weight]) == ["D": 7, "H": 128])
        #expect(try solve(cell, [DimEvidence(name: "x", role: .input, sizes: [2, 50, 7])]) == ["D": 7])
        #expect(try solve(cell, [DimEvidence(name: "x", role: .input, sizes: [50, 7])]) == ["D": 7])
        #expect(try solve(cell, [DimEvidence(name: "h0", role: .input, sizes: [2, 9])]) == ["H": 9])
        #expect(try solve(cell, [DimEvidence(name: "h0", role: .input, sizes: [9])], given: ["D": 3]) == ["H": 9, "D": 3])
    }

    @Test func namesInAWeightsFile() throws {
        #expect(try solve(cell, [DimEvidence(name: "cell.weight", role: .parameter, sizes: [8, 3])]) == ["D": 3, "H": 2])
    }

    @Test func sizesThatDoNotDivideStayOpen() throws {
        #expect(try solve(cell, [DimEvidence(name: "W", role: .parameter, sizes: [510, 7])]) == ["D": 7])
        #expect(try solve(cell, [DimEvidence(name: "W", role: .parameter, sizes: [512])]) == [:])
    }

    @Test func copiesAreCounted() throws {
        let text = "model B(D, H) { input x: [D]\n param W: [H, D]\n param V: [D, H]\n output y = V @ (W @ x) }\nmodel M(D, H, L) { input x: [D]\n layer blocks = repeat(L, B(D, 2*H))\n output y = blocks(x) }"
        let evidence = (0..<3).map { DimEvidence(name: "blocks.\($0).W", role: .parameter, sizes: [10, 4]) }
        #expect(try solve(text, evidence) == ["D": 4, "H": 5, "L": 3])
    }
}
