import RecStream
import RecTyping
import Testing

/// Which names the axes of a value have.
@Suite struct NamesOfDims {
    /// The dims of the output `y`.
    private func names(_ body: String, _ dims: [String: Int]) throws -> [String] {
        let graph = try graph("model M(D, H) { dim J = H\n dim G = 4*H\n input x: [D]\n input h: [H]\n input w: [4*H]\n input m: [D, H]\n \(body) }", dims)
        return try #require(graph.outputs.first { $0.name == "y" }.map { graph[$0.value].shape.map(\.name) })
    }
    private let sizes = ["D": 6, "H": 4]

    @Test func sizesTakeTheNameOfADim() throws {
        #expect(try names("output y = w", sizes) == ["G"])
        #expect(try names("output y = w[0:H]", sizes) == ["H"])
        #expect(try names("output y = concat(h, h, h, h)", sizes) == ["G"])
        #expect(try names("a, b = split(w, 2)\n output y = a", sizes) == ["2*H"])
        #expect(try names("output y = concat(x, h)", sizes) == ["D + H"])
        #expect(try names("output y = x[1:]", sizes) == ["D - 1"])
        #expect(try names("output y = h as [J]", sizes) == ["J"])
        #expect(try names("output y = reshape(h, [2, H/2])", sizes) == ["2", "H/2"])
    }

    @Test func operandsKeepTheOrderOfTheLarger() throws {
        #expect(try names("output y = h * m", sizes) == ["D", "H"])
        #expect(try names("output y = outer(h, x)", sizes) == ["H", "D"])
        #expect(try names("output y = m.T + m", sizes) == ["H", "D"])
        #expect(try names("output y = x @ m", sizes) == ["H"])
        #expect(try names("output y = sum[D](m)", sizes) == ["H"])
    }

    @Test func statesBringValuesIntoTheirOrder() throws {
        #expect(try names("state S: [D, H]\n S = outer(h, x)\n output y = S", sizes) == ["D", "H"])
        #expect(try names("state S: [D, H] = 1\n S = 0\n output y = S[t-1]", sizes) == ["D", "H"])
    }

    @Test func layersGiveTheNamesTheyWereGiven() throws {
        let layer = "model L(A, B) { input x: [A]\n param W: [B, A]\n dim C = 2*B\n output y = W @ x\n output z = concat(y, y) }\n"
        let text = layer + "model M(D, H) { dim J = H\n input x: [D]\n input s: [J]\n layer g = L(D, J)\n v = g(x)\n output y = v.y * s\n output z = v.z }"
        let graph = try graph(text, sizes)
        #expect(graph.outputs.map { graph[$0.value].shape } == [[Dim("J", 4)], [Dim("2*H", 8)]])
    }

    @Test func convolutionLengths() throws {
        let text = "model M(H) { dim L = 2*H\n input x: [L]\n param w: [1, 3]\n output y = conv[L](x, w, stride: 2, pad: 1) }"
        let graph = try graph(text, ["H": 4])
        #expect(graph[graph.outputs[0].value].shape == [Dim("1", 1), Dim("H", 4)])
    }
}
