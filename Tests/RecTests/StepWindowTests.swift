import Foundation
import Rec
import RecStream
import TestSupport
import Testing

/// Windows and convolutions over time in every form in which programs run.
@Suite(.timeLimit(.minutes(30))) struct StepWindowTests {
    static let cases = [
        EveryFormTests.Case("a window, weighted", ["D": 5], "input x: [D]\nparam w: [4]\noutput y = sum[4](w * x[t-3:t+1])"),
        EveryFormTests.Case("a window as it is", ["D": 3], "input x: [D]\noutput y = x[t-2:t+1]\noutput z = max[5](x[t-6:t-1])"),
        EveryFormTests.Case("a window of a product", ["D": 4, "H": 9], "input x: [D]\nparam W: [H, D]\noutput y = tanh(W @ x)[t-2:t+1] as [3, H]"),
        EveryFormTests.Case("attention to the last steps", ["K": 6], "input q, k, v: [K]\nparam W: [K, K]\nkeys = (W @ k)[t-7:t+1]\na = softmax[8](sum[K](keys * q))\noutput y = sum[8](a * v[t-7:t+1])"),
        EveryFormTests.Case("ahead", ["D": 4], "input x: [D]\nparam w: [D, 3]\noutput y = conv[t](x, w, ahead: 1)\noutput z = sum[3](x[t:t+3])"),
        EveryFormTests.Case("depthwise", ["D": 17, "W": 4], "input x: [D]\nparam w: [D, 1, W]\nparam b: [D]\noutput y = silu(conv[t](x, w) + b)"),
        EveryFormTests.Case("full, dilated", ["D": 5, "O": 8], "input x: [D]\nparam w: [O, D, 3]\noutput y = conv[t](x, w, dilation: 4)"),
        EveryFormTests.Case("few results", ["D": 5], "input x: [D]\nparam w: [2, D, 3]\noutput y = conv[t](x, w)"),
        EveryFormTests.Case("two layers", ["D": 4, "O": 12], "input x: [D]\nparam w: [O, D, 4]\nparam v: [D, O, 2]\nh = gelu(conv[t](x, w))\noutput y = x + conv[t](h, v, dilation: 2)"),
        EveryFormTests.Case("groups", ["D": 8], "input x: [D]\nparam w: [12, D/4, 3]\noutput y = conv[t](x, w, groups: 4)"),
        EveryFormTests.Case("heads", ["H": 3, "K": 4], "input x: [H, K]\nparam w: [H, 5, K, 3]\noutput y = conv[t](x, w)"),
        EveryFormTests.Case("a number", "input x: real\nparam w: [5]\nparam v: [6, 3]\noutput y = conv[t](x, w)\noutput z = conv[t](x, v)"),
        EveryFormTests.Case("complex", ["D": 3], "input z: complex[D]\nparam w: complex[D, 3]\noutput y = abs(conv[t](z, w)) + re(sum(z[t-2:t]))"),
        EveryFormTests.Case("filters from data", ["D": 5], "input x: [D]\ninput f: [D, 3]\noutput y = conv[t](x, sigmoid(f))"),
        EveryFormTests.Case("in front of a recurrence", ["D": 6], "input x, g: [D]\nparam w: [D, 4]\nstate h: [D]\nu = silu(conv[t](x, w))\nh = sigmoid(g) * h[t-1] + u\noutput h"),
        EveryFormTests.Case("behind a recurrence", ["D": 6], "input x: [D]\nparam w: [D, 4]\nstate h: [D] = 3\nh = 0.9 * h[t-1] + x\noutput y = conv[t](h, w)\noutput z = h[t-2:t+1]"),
        EveryFormTests.Case("in its own equation, diagonal", ["D": 5], "input x: [D]\nparam a: [3, D] = uniform(-0.3, 0.3)\nstate h: [D] = 2\nh = sum[3](a * h[t-3:t]) + x\noutput h"),
        EveryFormTests.Case("in its own equation", ["D": 4], "input x: [D]\nparam a: [3, D] = uniform(-0.5, 0.5)\nparam p: [D]\nstate h: [D] = p\nh = tanh(sum[3](a * h[t-4:t-1]) + x)\noutput h"),
        EveryFormTests.Case("dense in its own equation", ["D": 4], "input x: [D]\ndim C = D\nparam U: [C, 3, D] = normal(0.2)\nstate h: [D]\nh = tanh((sum[3, D](U * (h[t-3:t])) as [D]) + x)\noutput h"),
        EveryFormTests.Case("from the right", ["D": 3], "input x: [D]\nparam a: [3] = uniform(-0.3, 0.3)\nstate h: [D] = 1\nh = sum[3](a * h[t+1:t+4]) + x\noutput h"),
        EveryFormTests.Case("largest of the last of itself", "input x: real\nstate h: real\nh = x + 0.5 * max(h[t-4:t])\noutput h"),
        EveryFormTests.Case("counts", "input n: int\nstate s: int\ns = n + sum(s[t-2:t]) - s[t-1]\noutput s\noutput y = n[t-2:t+1]"),
        EveryFormTests.Case("a register, oldest first", ["D": 5], "input x: [D]\nparam w: [D, 4]\nstate past: [4, D]\npast = concat(past[t-1][1:4], reshape(x, [1, D]))\noutput y = sum[4](w * past)\noutput past"),
        EveryFormTests.Case("a register, newest first", ["D": 3], "input x: [D]\nparam w: [4]\nstate past: [4, D] = 0\npast = concat(reshape(tanh(x), [1, D]), past[t-1][0:3])\noutput y = sum[4](w * past) + sum[4](past)\nloss l = mean[t](sum(y * y))"),
        EveryFormTests.Case("a register that begins with something", ["D": 3], "input x: [D]\nparam w: [4]\nparam p: [4, D] = normal(1)\nstate past: [4, D] = p\npast = concat(past[t-1][1:4], reshape(x, [1, D]))\noutput y = sum[4](w * past)"),
        EveryFormTests.Case("a register of itself", "input x: real\nparam w: [3] = uniform(-0.3, 0.3)\nstate past: [3]\nu = x + sum(w * past[t-1])\npast = concat(u, past[t-1][0:2])\noutput y = sum(w * past)"),
        EveryFormTests.Case("a register of ints", "input n: int\nstate last: int[3]\nlast = concat(last[t-1][1:3], n)\noutput y = sum(last)\noutput z = last[0]"),
        EveryFormTests.Case("a register from the right", "input x: real\nparam w: [3]\nstate next: [3]\nnext = concat(next[t+1][1:3], x)\noutput y = sum(w * next)"),
        EveryFormTests.Case("wide", ["D": 3], "input x: [D]\nparam w: [D, 70]\nparam v: [5, D, 70]\noutput y = conv[t](x, w)\noutput z = conv[t](x, v)"),
        EveryFormTests.Case("with a mean over time", ["D": 3], "input x: [D]\nparam w: [D, 3]\ny = conv[t](x, w)\noutput z = conv[t](y - mean[t](y), w, ahead: 2)"),
    ]

    @Test(arguments: cases) func everyForm(_ item: EveryFormTests.Case) throws { try EveryForm(item.source, dims: item.dims).expectAgreement() }

    @Test func twoAxes() throws {
        for body in [
            "input x: real\nparam w: [3]\nstate h: real\nh = tanh(x + sum(h[i-2:i, j]) - 0.5 * sum(w * h[i, j-3:j]))\noutput h",
            "input x: [4]\nparam w: [4, 2]\noutput y = conv[j](x, w) + conv[i](x, w)",
        ] {
            try EveryForm("model M over (i, j) {\n\(body)\n}").expectAgreement([(1, 9, nil), (2, 33, nil)])
        }
    }

    /// Sums over a state that shifts are sums over what went in, of which no recurrence is left.
    @Test(arguments: ["concat(past[t-1][1:4], reshape(x, [1, D]))", "concat(reshape(x, [1, D]), past[t-1][0:3])"]) func registersAreWindows(equation: String) throws {
        let program = Program(text: "model M(D) {\n input x: [D]\n param w: [4, D]\n state past: [4, D]\n past = \(equation)\n output y = sum[4](w * past)\n}\n")
        let graph = Pipeline.prepare(try Model(program, dims: ["D": 3]).graph)
        #expect(!graph.values.contains { if case .contract = $0.operation { true } else { false } })
        let delays = graph.values.compactMap { value -> Int? in
            guard case .delay(let operand, let offsets, _) = value.operation, graph[operand].name == "x" else { return nil }
            return offsets[0]
        }
        #expect(Set(delays) == [-3, -2, -1])
    }
}
