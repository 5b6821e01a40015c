import Foundation
import RecStream
import Testing

/// What functions and operators compute, by the interpreter, against numbers worked out here.
@Suite struct FunctionValues {
    private let x: [Double] = [0.5, -1, 2]
    private let w: [Double] = [1, -2, 0.25, 3, 0.5, -1]

    /// The outputs of one step of a model of `x: [D]` and `W: [H, D]`, with D = 3 and H = 2.
    private func step(_ body: String) throws -> [String: [Double]] {
        try results(
            "model M(D, H) { dim J = D\n input x: [D]\n param W: [H, D]\n \(body) }", ["D": 3, "H": 2],
            inputs: ["x": (x, [1, 3])], parameters: ["W": (w, [2, 3])])
    }

    @Test func products() throws {
        let got = try step("output a = W @ x\n output b = x @ W.T\n output c = sum[D](W * x)\n output d = outer(x, x as [J])\n output e = W @ W.T\n output f = x @ x")
        let product = [0.5 + 2 + 0.5, 1.5 - 0.5 - 2]
        expectClose(got["a"], product)
        expectClose(got["b"], product)
        expectClose(got["c"], product)
        expectClose(got["d"], x.flatMap { a in x.map { a * $0 } })
        expectClose(got["e"], [1 + 4 + 0.0625, 3 - 1 - 0.25, 3 - 1 - 0.25, 9 + 0.25 + 1])
        expectClose(got["f"], [0.25 + 1 + 4])
    }

    @Test func reductions() throws {
        let got = try step(
            "output sum = sum(x)\n output mean = mean(W)\n output rows = mean[D](W)\n output largest = max[H](W)\n output least = min(x)\n output product = prod(x)\n output total = logsumexp(x)\n output place = argmax(x)\n output length = norm(x)\n output lengths = norm[D](W)")
        expectClose(got["sum"], [1.5])
        expectClose(got["mean"], [w.reduce(0, +) / 6])
        expectClose(got["rows"], [-0.75 / 3, 2.5 / 3])
        expectClose(got["largest"], [3, 0.5, 0.25])
        expectClose(got["least"], [-1])
        expectClose(got["product"], [-1])
        expectClose(got["total"], [log(x.map(exp).reduce(0, +))])
        expectClose(got["place"], [2])
        expectClose(got["length"], [sqrt(5.25)])
        expectClose(got["lengths"], [sqrt(5.0625), sqrt(10.25)])
    }

    @Test func normalisations() throws {
        let got = try step("output s = softmax(x)\n output r = rmsnorm(x, eps: 0.5)\n output l = layernorm(x)\n output c = softmax[H](W)\n output big = softmax(1000 * x)")
        let total = x.map(exp).reduce(0, +)
        expectClose(got["s"], x.map { exp($0) / total })
        expectClose(got["r"], x.map { $0 / sqrt(5.25 / 3 + 0.5) })
        let squares = x.map { ($0 - 0.5) * ($0 - 0.5) }
        let variance = squares.reduce(0, +) / 3
        expectClose(got["l"], x.map { ($0 - 0.5) / sqrt(variance + 1e-5) })
        expectClose(got["c"], (0..<6).map { k -> Double in exp(w[k]) / (exp(w[k % 3]) + exp(w[k % 3 + 3])) })
        expectClose(got["big"], [0, 0, 1])
    }

    @Test func elementWise() throws {
        let got = try step(
            "output a = clamp(x, -0.5, 1)\n output b = max(x, 0, 1.5)\n output c = if x > 0 then x else -x\n output d = x ^ 2 + x ^ 3\n output e = abs(x) ^ 0.5\n output f = real(x > 0 and not (x > 1))\n output g = step(x) + sign(x)\n output h = gelu(x)\n output i = logaddexp(x, 0)\n output j = x / 2 + 1 / 4 + D\n output k = real(int(x * 1.9))")
        expectClose(got["a"], [0.5, -0.5, 1])
        expectClose(got["b"], [1.5, 1.5, 2])
        expectClose(got["c"], [0.5, 1, 2])
        expectClose(got["d"], [0.375, 0, 12])
        expectClose(got["e"], [sqrt(0.5), 1, sqrt(2)])
        expectClose(got["f"], [1, 0, 0])
        expectClose(got["g"], [2, -1, 2])
        expectClose(got["h"], x.map { 0.5 * $0 * (1 + erf($0 / sqrt(2))) })
        expectClose(got["i"], x.map { log(exp($0) + 1) })
        expectClose(got["j"], x.map { $0 / 2 + 3.25 })
        expectClose(got["k"], [0, -1, 3])
    }

    @Test func furtherFunctions() throws {
        let got = try step(
            "output a = leaky_relu(x)\n output b = leaky_relu(x, slope: 0.5)\n output c = elu(x)\n output d = elu(x, alpha: 2)\n output e = mod(x, 0.75)\n output f = atan2(x, -1)\n output g = log2(x * x)\n output h = erf(x) + tan(x)\n output i = real(isnan(x / (x + 1)))\n output j = real(isnan(nan * x)) + real(isnan(D))\n output k = mod(D, 2) + mod(-D, 2)\n output l = leaky_relu(x, slope: x)\n output m = argmin(x)\n output n = argmin[D](W)\n output o = var(x)\n output p = var[D](W)")
        expectClose(got["a"], [0.5, -0.01, 2])
        expectClose(got["b"], [0.5, -0.5, 2])
        expectClose(got["c"], [0.5, expm1(-1), 2])
        expectClose(got["d"], [0.5, 2 * expm1(-1), 2])
        expectClose(got["e"], [0.5, 0.5, 0.5])
        expectClose(got["f"], x.map { atan2($0, -1) })
        expectClose(got["g"], [-2, 0, 2])
        expectClose(got["h"], x.map { erf($0) + tan($0) })
        expectClose(got["i"], [0, 0, 0])
        expectClose(got["j"], [1, 1, 1])
        expectClose(got["k"], [2])
        expectClose(got["l"], [0.5, 1, 2])
        expectClose(got["m"], [1])
        expectClose(got["n"], [1, 2])
        expectClose(got["o"], [5.25 / 3 - 0.25])
        func variance(_ row: [Double]) -> Double { row.map { $0 * $0 }.reduce(0, +) / 3 - (row.reduce(0, +) / 3) * (row.reduce(0, +) / 3) }
        expectClose(got["p"], [variance([1, -2, 0.25]), variance([3, 0.5, -1])])
    }

    /// Lists are reduced item by item, over which the axes stay.
    @Test func reductionsOfLists() throws {
        let got = try step(
            "y = 2 - x\n output a = sum([x, y, 1])\n output b = prod([x, y])\n output c = max([x, y, 0])\n output d = min([x, 0])\n output e = mean([x, y, 5])\n output f = logsumexp([x, y, 0, 1])\n output g = norm([x, 2])\n output h = argmax([x, y, 1])\n output i = argmin([0, x])\n output j = var([x, y])\n output k = sum([complex(x, 1), 2]) |> im\n output l = sum([D, H])\n output m = argmax([1, 3, 3, 2])\n output n = argmax([0, nan, 7])\n output o = sum([W, x])\n output p = max([x])")
        let y = x.map { 2 - $0 }
        expectClose(got["a"], [3, 3, 3])
        expectClose(got["b"], zip(x, y).map { $0 * $1 })
        expectClose(got["c"], [1.5, 3, 2])
        expectClose(got["d"], [0, -1, 0])
        expectClose(got["e"], [7.0 / 3, 7.0 / 3, 7.0 / 3])
        expectClose(got["f"], zip(x, y).map { log(exp($0) + exp($1) + 1 + exp(1)) })
        expectClose(got["g"], x.map { sqrt($0 * $0 + 4) })
        expectClose(got["h"], [1, 1, 0])
        expectClose(got["i"], [0, 1, 0])
        expectClose(got["j"], zip(x, y).map { ($0 - 1) * ($0 - 1) / 2 + ($1 - 1) * ($1 - 1) / 2 })
        expectClose(got["k"], [1, 1, 1])
        expectClose(got["l"], [5])
        expectClose(got["m"], [1])
        expectClose(got["n"], [1])
        expectClose(got["o"], w.indices.map { w[$0] + x[$0 % 3] })
        expectClose(got["p"], x)
    }

    @Test func complexNumbers() throws {
        let got = try step("c = complex(x, 2 * x)\n output a = re(c * c)\n output b = im(conj(c))\n output d = abs(c)\n output e = re(cis(x) * exp(complex(0, -x)))\n output f = im(c / (1 + 0 * c))\n output g = re(sum(c))")
        expectClose(got["a"], x.map { $0 * $0 - 4 * $0 * $0 })
        expectClose(got["b"], x.map { -2 * $0 })
        expectClose(got["d"], x.map { abs($0) * sqrt(5) })
        expectClose(got["e"], [1, 1, 1])
        expectClose(got["f"], x.map { 2 * $0 })
        expectClose(got["g"], [1.5])
    }

    @Test func shapes() throws {
        let got = try step(
            "output a = concat(x, x[0:1], 7)\n p, q, r = split(x, 3)\n output b = p + 10 * q + 100 * r\n output c = reshape(W, [D, H])\n output d = W[1]\n output e = W[1, 0] + x[D-1]\n output f = pad[D](x, 2, 1, reflect)\n output g = pad[D](x, 1, 1)\n output h = pad[D](x, 1, 2, edge)\n output i = W[:, 1:]\n output j = concat[D](W, W[:, 0:1])")
        expectClose(got["a"], x + [0.5, 7])
        expectClose(got["b"], [0.5 - 10 + 200])
        expectClose(got["c"], w)
        expectClose(got["d"], [3, 0.5, -1])
        expectClose(got["e"], [5])
        expectClose(got["f"], [2, -1, 0.5, -1, 2, -1])
        expectClose(got["g"], [0, 0.5, -1, 2, 0])
        expectClose(got["h"], [0.5, 0.5, -1, 2, 2, 2])
        expectClose(got["i"], [-2, 0.25, 0.5, -1])
        expectClose(got["j"], [1, -2, 0.25, 1, 3, 0.5, -1, 3])
    }

    @Test func convolution() throws {
        let signal: [Double] = [1, 2, -1, 0.5, 3, 1, -2, 4, 0, 1]
        let kernel: [Double] = [1, 0, -1, 2, 1, 0.5, -1, 1, 0, 0.25, -2, 1]
        // Two channels of five; weights [2 out, 2 channels, 3].
        let got = try results(
            "model M(C, L, K, O) { input x: [C, L]\n param w: [O, C, K]\n output y = conv[L](x, w, stride: 2, pad: 1)\n output z = conv[L](x[0], w[:, 0])\n output u = conv[L](x.T, w) }",
            ["C": 2, "L": 5, "K": 3, "O": 2], inputs: ["x": (signal, [1, 2, 5])], parameters: ["w": (kernel, [2, 2, 3])])
        func reference(_ out: Int, _ place: Int, stride: Int, pad: Int, channels: Int) -> Double {
            var sum = 0.0
            for c in 0..<channels {
                for k in 0..<3 {
                    let at = place * stride + k - pad
                    if (0..<5).contains(at) { sum += signal[c * 5 + at] * kernel[out * 6 + c * 3 + k] }
                }
            }
            return sum
        }
        expectClose(got["y"], (0..<6).map { reference($0 / 3, $0 % 3, stride: 2, pad: 1, channels: 2) })
        expectClose(got["z"], (0..<6).map { reference($0 / 3, $0 % 3, stride: 1, pad: 0, channels: 1) })
        expectClose(got["u"], (0..<6).map { reference($0 / 3, $0 % 3, stride: 1, pad: 0, channels: 2) })
        let single = try results(
            "model M(L) { input x: [L]\n param w: [2, 1, 3]\n output y = conv[L](x, w) }", ["L": 5],
            inputs: ["x": (Array(signal[..<5]), [1, 5])], parameters: ["w": (Array(kernel[..<6]), [2, 1, 3])])
        #expect(single["y"]?.count == 6)
    }

    @Test func gathersAndCrossEntropy() throws {
        let table: [Double] = [1, 2, 3, 4, 5, 6]
        let got = try results(
            "model M(V, D) { input i: int\n input k: int[D]\n param E: [V, D]\n output e = E[i]\n output n = crossentropy(E[i], i)\n output m = crossentropy(E.T, k)\n output g = E[k] }",
            ["V": 3, "D": 2], integers: ["i": ([1, 0], [2]), "k": ([2, 0, 1, 2], [2, 2])], parameters: ["E": (table, [3, 2])])
        expectClose(got["e"], [3, 4, 1, 2])
        func entropy(_ row: [Double], _ at: Int) -> Double { log(row.map(exp).reduce(0, +)) - row[at] }
        expectClose(got["n"], [entropy([3, 4], 1), entropy([1, 2], 0)])
        // Each row of the transposed table with a target of its own.
        expectClose(
            got["m"],
            [entropy([1, 3, 5], 2), entropy([2, 4, 6], 0), entropy([1, 3, 5], 1), entropy([2, 4, 6], 2)])
        expectClose(got["g"], [5, 6, 1, 2, 3, 4, 5, 6])
    }
}
