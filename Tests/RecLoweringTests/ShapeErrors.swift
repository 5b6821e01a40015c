import RecSource
import Testing

/// Shapes that do not fit, dims that are unknown or ambiguous, element types that are wrong.
@Suite struct ShapeErrors {
    private func model(_ body: String) -> String {
        """
        model M(H, D, K) {
          dim J = H
          input x: [D]
          input h: [H]
          input S: [K, H]
          input n: int
          input b: bool
          input c: complex[H]
          param W: [D, H]
          param U: [H, H]
          \(body)
        }
        """
    }

    @Test func contractionNamesBothDimsAndTheMend() {
        let text = model("output y = W @ x")
        expectError(.shapeMismatch, at: "W @ x", in: text, says: "contracts H with D", helps: "did you mean W.T @ x, or param W: [H, D]?")
        #expect(check(text).diagnostics.first?.caption == "W: [D, H], x: [D]")
        expectError(.shapeMismatch, at: "n", in: model("output y = n @ x"), says: "scalar")
    }

    @Test func elementWiseOperandsLineUpByName() {
        expectError(.shapeMismatch, at: "x + h", in: model("output y = x + h"))
        expectError(.shapeMismatch, at: "S * x", in: model("output y = S * x"))
        expectError(.shapeMismatch, at: "h + (h as [J])", in: model("output y = h + (h as [J])"), helps: "as [H]")
        expectError(.ambiguousDim, at: "U * h", in: model("output y = U * h"), says: "'H'")
        expectError(.ambiguousDim, at: "outer(U, h)", in: model("output y = outer(U, h)"))
        #expect(check(model("output y = h * S + 2 + U @ h")).ids == [])
        #expect(check(model("output y = U * U + 1")).ids == [])
    }

    @Test func statesHaveTheirDeclaredShape() {
        expectError(.shapeMismatch, at: "x", in: model("state s: [H]\n s = x\n output s"))
        expectError(.shapeMismatch, at: "x0", in: model("input x0: [D] once\n state s: [H] = x0\n s = h\n output s"))
    }

    @Test func reductionsNameOneAxis() {
        expectError(.ambiguousDim, at: "H", in: model("output y = sum[H](U)"))
        expectError(.unknownDim, at: "D", in: model("output y = sum[D](h)"))
        expectError(.ambiguousDim, at: "argmax(S)", in: model("output y = argmax(S)"), helps: "argmax[K]")
        expectError(.unsupported, at: "prod", in: model("output y = prod[t](h)"))
        expectError(.notAStream, at: "W", in: model("output y = sum[t](W)"))
    }

    @Test func renamingKeepsSizes() {
        expectError(.shapeMismatch, at: "x as [H]", in: model("output y = x as [H]"))
        expectError(.shapeMismatch, at: "S as [H]", in: model("output y = S as [H]"))
        expectError(.shapeMismatch, at: "h.T", in: model("output y = h.T"))
        expectError(.shapeMismatch, at: "reshape(h, [2, D])", in: model("output y = reshape(h, [2, D])"))
        #expect(check(model("output y = reshape(S, [K*H]) \n output z = reshape(h, [2, H/2])")).ids == [])
    }

    @Test func slicesStayInside() {
        expectError(.badSlice, at: "3:1", in: model("output y = h[3:1]"))
        expectError(.badSlice, at: "0:2*H", in: model("output y = h[0:2*H]"))
        expectError(.badSlice, at: "2:2", in: model("output y = h[2:2]"))
        expectError(.badSlice, at: "h[0, 0]", in: model("output y = h[0, 0]"))
        expectError(.badSlice, at: "H", in: model("output y = h[H]"))
        expectError(.badSlice, at: "n[0]", in: model("output y = n[0]"))
        expectError(.badSlice, at: "n[n]", in: model("output y = n[n]"))
        #expect(check(model("output y = h[H-1] + h[0] + S[0, H-1]\n output z = S[0:1, :]\n output w = h[1:]")).ids == [])
    }

    @Test func elementTypes() {
        expectError(.wrongElementType, at: "b", in: model("output y = b + 1"), helps: "if")
        expectError(.wrongElementType, at: "h", in: model("output y = if h then 1 else 0"), helps: ">")
        expectError(.wrongElementType, at: "h", in: model("output y = not h"))
        expectError(.wrongElementType, at: "n", in: model("output y = b and n"))
        expectError(.wrongElementType, at: "c", in: model("output y = tanh(c)"))
        expectError(.wrongElementType, at: "c", in: model("output y = c < 1"))
        expectError(.wrongElementType, at: "h", in: model("output y = W[h]"), helps: "int(")
        expectError(.wrongElementType, at: "c", in: model("state s: [H]\n s = c\n output s"))
        expectError(.wrongElementType, at: "x", in: model("output y = crossentropy(h, x)"))
        expectError(.wrongElementType, at: "h > 0", in: model("output y = sum(h > 0)"))
        #expect(check(model("output y = real(b) + n * h\n output z = c * n + h\n output w = c == c\n output v = b == b\n output u = n / 2\n output m = mean(S) + exp(1)")).ids == [])
    }

    @Test func concatAndSplit() {
        expectError(.shapeMismatch, at: "h", in: model("output y = concat(S, h)"))
        expectError(.wrongArgument, at: "n", in: model("a, b2 = split(h, n)\n output y = a"))
        #expect(check(model("output y = concat(x, h)\n output z = concat[H](S, S)\n p, q = split[H](S, 2)\n output pq = p + q")).ids == [])
    }

    @Test func convolution() {
        expectError(.shapeMismatch, at: "conv[H](S, W)", in: model("output y = conv[H](S, W)"))
        expectError(.wrongArgument, at: "0", in: model("param w: [2, 3]\n output y = conv[H](h, w, stride: 0)"))
        expectError(.shapeMismatch, at: "conv[L](s, w)", in: "model M { dim L = 2\n input s: [L]\n param w: [1, 3]\n output y = conv[L](s, w) }")
    }
}
