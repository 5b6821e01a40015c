import Foundation
import TestSupport
import Testing

@testable import Rec

/// Gradients of reductions over other steps, in the interpreter, against differences.
@Suite(.timeLimit(.minutes(30))) struct SecondIndexGradientTests {
    typealias Case = EveryFormTests.Case

    static let cases = [
        Case("causal, with heads", ["H": 2, "K": 3, "V": 2], "input x: [K]\nparam Q, K2: [H, K, K]\nparam v: [H, V, K]\nkeys = K2 @ x\nvalues = v @ x\noutput o = sum[s <= t](softmax[s](sum[K]((Q @ x) * keys[s]) / sqrt(K)) * values[s])"),
        Case("a window with distances", ["K": 2, "W": 3], "input q, k, v: [K]\nparam b: [W] = normal(1)\noutput o = sum[t-W < s <= t](softmax[s](sum[K](q * k[s]) + b[t - s]) * v[s])"),
        Case("without the present step", ["K": 2], "input q, k, v: [K]\noutput o = sum[s < t](softmax[s](sum[K](q * k[s])) * v[s])\noutput l = sum[s < t](sum[K](q * k[s])^2)"),
        Case("both ways", ["K": 2], "input q, k, v: [K]\noutput o = sum[s in t](softmax[s](sum[K](q * k[s])) * v[s])\noutput m = mean[t-1 <= s <= t+1](v[s] * q)"),
        Case("the same at every step", ["K": 2], "input q, v: [K]\noutput a = sum[s in t](softmax[s](0 * q) * v[s])\noutput b = mean[s in t](q * q) + max[s in t](q) + sum[s <= t](q)\noutput c = max[s in t](v[s]) + sum[s in t](q) + logsumexp[s in t](v[s] * v[s])"),
        Case("conditions", ["K": 2], "input n: int\ninput v: [K]\noutput m = mean[s < t where n[s] == n](v[s])\noutput w = sum[s in t where v[s] > v](v[s] * v[s])"),
        Case("extremes", ["K": 2], "input v, q: [K]\noutput a = max[s <= t](v[s] * q)\noutput b = sum[s < t](v[s]) + min[s <= t](v[s] - q)\noutput c = var[s <= t](v[s] * q)"),
        Case("logarithms", ["K": 2], "input v, q: [K]\nl = logsumexp[s < t](v[s] * q)\noutput y = exp(l)\noutput z = logsumexp[s <= t](v[s] - q)"),
        Case("nothing is there", ["K": 2], "input v: [K]\noutput a = sum[s < t where t - s > 99](softmax[s](v[s]) * v[s])\noutput b = mean[s < t where t - s > 99](v[s] * v)\noutput c = exp(logsumexp[s < t where t - s > 99](v[s] * v))"),
        Case("behind a recurrence, and in front of one", ["K": 2], "input x: [K]\nstate h, g: [K]\nh = 0.5 * h[t-1] + tanh(x)\no = sum[s <= t](softmax[s](sum[K](x * h[s])) * h[s])\ng = sigmoid(o) * g[t-1] + o\noutput g"),
        Case("two, one behind the other", ["K": 2], "input x: [K]\na = sum[s <= t](softmax[s](sum[K](x * x[s])) * x[s])\noutput b = sum[r <= t](softmax[r](sum[K](a * a[r])) * a[r])"),
        Case("square roots at steps that do not count", "input x: real\noutput y = sum[s < t](sqrt(real(t - s)) * x[s] / sqrt(real(t - s)))\noutput z = mean[t-4 < s <= t](x[s] * rsqrt(t - s + 1))"),
        Case("a gradient of one's own", ["K": 2], "input q, k: [K]\noutput y = sum[s <= t](soft(sum[K](q * k[s])) * k[s])"),
    ]

    /// Differences know nothing of a gradient of one's own, and are held against what the function computes.
    private static let function = "func soft(x) = tanh(x)\n  gradient (dy) = 0.5 * dy * x\n\n"

    @Test(arguments: cases) func gradientsAreDerivatives(_ item: Case) throws {
        let program = Program(text: Self.function + item.source)
        #expect(program.diagnostics.isEmpty, "\(program.diagnostics.map(\.message))")
        let model = try Model(program, dims: item.dims)
        let check = try GradientCheck(model, RandomCase(for: model, batch: 2, length: 6, seed: 5))
        let worst = try #require(check.worst)
        #expect(worst.error < 1e-6 && worst.note == nil, "\(worst)")
    }
}
