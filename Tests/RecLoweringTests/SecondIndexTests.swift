import Foundation
import RecStream
import Testing

/// Reductions over other steps, by the interpreter, held against loops.
@Suite struct SecondIndexTests {
    /// Numbers that look like chance, the same in every run.
    private func numbers(_ count: Int, _ seed: Int) -> [Double] { (1...count).map { 1.7 * sin(Double($0 * (seed * 7 + 13))) } }

    /// Of each domain its text, and whether a pair of steps lies in it.
    private static let domains: [(text: String, holds: @Sendable (_ t: Int, _ s: Int) -> Bool)] = [
        ("s <= t", { $1 <= $0 }), ("s < t", { $1 < $0 }), ("s in t", { _, _ in true }), ("t >= s", { $1 <= $0 }),
        ("t-3 < s <= t", { $1 > $0 - 3 && $1 <= $0 }), ("t - W <= s < t", { $1 >= $0 - 2 && $1 < $0 }), ("t+1 >= s > t-2", { $1 > $0 - 2 && $1 <= $0 + 1 }),
        ("s > t", { $1 > $0 }), ("s >= t+W", { $1 >= $0 + 2 }), ("s in t where mod(s, 2) == 0", { $1 % 2 == 0 }),
        ("s <= t where t - s != 1", { $1 <= $0 && $0 - $1 != 1 }), ("s < t where s.first or s > 3", { $1 < $0 && ($1 == 0 || $1 > 3) }),
    ]

    @Test(arguments: domains.indices) func attentionWithHeads(domain: Int) throws {
        let (text, holds) = Self.domains[domain]
        let (length, heads, k, v) = (7, 2, 3, 2)
        let (q, keys, values) = (numbers(length * heads * k, 1), numbers(length * heads * k, 2), numbers(length * heads * v, 3))
        let got = try results(
            "model M(H, K, V, W) { input q, k: [H, K]\n input v: [H, V]\n output o = sum[\(text)](softmax[s](sum[K](q * k[s]) / sqrt(K)) * v[s]) }",
            ["H": heads, "K": k, "V": v, "W": 2], inputs: ["q": (q, [length, heads, k]), "k": (keys, [length, heads, k]), "v": (values, [length, heads, v])])
        var expected: [Double] = []
        for t in 0..<length {
            for h in 0..<heads {
                var sums = [Double](repeating: 0, count: v)
                var total = 0.0
                for s in 0..<length where holds(t, s) {
                    var score = 0.0
                    for d in 0..<k { score += q[(t * heads + h) * k + d] * keys[(s * heads + h) * k + d] }
                    let weight = exp(score / 3.0.squareRoot())
                    total += weight
                    for e in 0..<v { sums[e] += weight * values[(s * heads + h) * v + e] }
                }
                expected += sums.map { total == 0 ? 0 : $0 / total }
            }
        }
        expectClose(got["o"], expected)
    }

    @Test(arguments: domains.indices) func everyReduction(domain: Int) throws {
        let (text, holds) = Self.domains[domain]
        let x: [Double] = [3, -1, 4, 4, -5, 0.5, 2]
        let n = [3, 1, 4, 1, 5, 9, 2]
        let got = try results(
            """
            model M(W) {
              input x: real
              input n: int
              output sum = sum[\(text)](x[s])
              output mean = mean[\(text)](x[s])
              output var = var[\(text)](x[s] + t)
              output max = max[\(text)](x[s])
              output min = min[\(text)](x[s])
              output lse = logsumexp[\(text)](x[s])
              output argmax = argmax[\(text)](x[s])
              output argmin = argmin[\(text)](n[s])
              output count = sum[\(text)](1)
              output steps = sum[\(text)](t - s)
              output back = sum[\(text)](s - t) + sum[\(text)](s) - sum[\(text)](t)
              output ints = max[\(text)](n[s] - n)
            }
            """, ["W": 2], inputs: ["x": (x, [7])], integers: ["n": (n, [7])])
            // What does not depend on the present step is one number for the sequence.
            .mapValues { $0.count == 1 ? [Double](repeating: $0[0], count: 7) : $0 }
        let steps = 0..<x.count
        func expected(_ reduce: (_ t: Int, _ steps: [Int]) -> Double) -> [Double] {
            steps.map { t in reduce(t, steps.filter { holds(t, $0) }) }
        }
        func mean(_ values: [Double]) -> Double { values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count) }
        expectClose(got["sum"], expected { _, steps in steps.map { x[$0] }.reduce(0, +) })
        expectClose(got["mean"], expected { _, steps in mean(steps.map { x[$0] }) })
        expectClose(got["var"], expected { _, steps in
            let center = mean(steps.map { x[$0] })
            return mean(steps.map { s in (x[s] - center) * (x[s] - center) })
        })
        expectClose(got["count"], expected { Double($1.count) })
        expectClose(got["steps"], expected { t, steps in Double(steps.map { t - $0 }.reduce(0, +)) })
        expectClose(got["back"], expected { t, steps in Double(2 * steps.map { $0 - t }.reduce(0, +)) })
        expectClose(got["argmax"], expected { _, steps in Double(steps.first { s in steps.allSatisfy { x[$0] <= x[s] } } ?? 0) })
        expectClose(got["argmin"], expected { _, steps in Double(steps.first { s in steps.allSatisfy { n[$0] >= n[s] } } ?? 0) })
        #expect(got["max"] == expected { _, steps in steps.map { x[$0] }.max() ?? -.infinity })
        #expect(got["min"] == expected { _, steps in steps.map { x[$0] }.min() ?? .infinity })
        #expect(got["ints"] == expected { t, steps in Double(steps.map { n[$0] - n[t] }.max() ?? .min) })
        for (t, value) in (got["lse"] ?? []).enumerated() {
            let total = steps.filter { holds(t, $0) }.map { exp(x[$0]) }.reduce(0, +)
            if total == 0 { #expect(value == -.infinity) } else { #expect(abs(exp(value) - total) < 1e-9 * total) }
        }
    }

    // MARK: RASP (Weiss, Goldberg and Yahav, "Thinking like transformers", ICML 2021)

    @Test func histogram() throws {
        let got = try results("model M { input token: int\n output n = sum[s in t where token[s] == token](1) }", integers: ["token": ([2, 7, 2, 2, 7, 1], [6])])
        expectClose(got["n"], [3, 2, 3, 3, 2, 1])
    }

    @Test func sort() throws {
        let text = """
            model M {
              input key: int
              rank = sum[s in t where key[s] < key or key[s] == key and s < t](1)
              output sorted = sum[r in t where rank[r] == t](key[r])
              output place = argmax[r in t where rank[r] == t](1)
            }
            """
        let got = try results(text, integers: ["key": ([5, 2, 9, 2, 7], [5])])
        expectClose(got["sorted"], [2, 2, 5, 7, 9])
        expectClose(got["place"], [1, 3, 0, 4, 2])
    }

    @Test func balancedBrackets() throws {
        let text = """
            model M {
              input isOpen: bool
              height = sum[s <= t](if isOpen[s] then 1 else -1)
              lowest = min[s <= t](height[s])
              output verdict = if lowest < 0 then -1 else if height == 0 then 1 else 0
            }
            """
        let got = try results(text, inputs: ["isOpen": ([1, 1, 0, 0, 1, 0, 0, 1], [8])])
        expectClose(got["verdict"], [0, 0, 0, 1, 0, 1, -1, -1])
    }

    // MARK: What stands inside

    private func run(_ body: String, _ x: [Double] = [1, 2, 3, 4], sourceLocation: SourceLocation = #_sourceLocation) throws -> [Double]? {
        try results("model M { input x: real\n \(body) }", inputs: ["x": (x, [x.count])])["y"]
    }

    @Test func valuesAtTheStepOfTheIndex() throws {
        expectClose(try run("output y = sum[s <= t](x[s-1])"), [0, 1, 3, 6])
        expectClose(try run("output y = sum[s <= t]((x + 1)[s])"), [2, 5, 9, 14])
        expectClose(try run("output y = sum[s <= t](sum(x[s-1:s+1]))"), [1, 4, 9, 16])
        expectClose(try run("output y = sum[s <= t](x[s+1] * x)"), [2, 10, 27, 36])
        expectClose(try run("state h: real = 5\n h = h[t-1] + x\n output y = sum[s <= t](h[s-1])"), [5, 11, 19, 30])
        expectClose(try run("output y = sum[s < t](t[s] * x[s])"), [0, 0, 2, 8])
        expectClose(try run("output y = sum[s <= t](if s.first then x[s] else if s.last then 100 else 0)"), [1, 1, 1, 101])
        expectClose(try run("const p: [2] = ones\n output y = sum[s <= t](sum(p) - 2 + x)"), [1, 4, 9, 16])
        expectClose(try run("z = sum[r in t](x[r])\n output y = sum[s <= t](z * x[s])"), [10, 30, 60, 100])
    }

    @Test func tablesOfDistances() throws {
        let text = "model M { input x: real\n param b: [3]\n output y = sum[s <= t](b[t - s] * x[s])\n output z = sum[s <= t](b[min(t - s, 1)]) }"
        let got = try results(text, inputs: ["x": ([1, 1, 2, 3], [4])], parameters: ["b": ([100, 10, 1], [3])])
        // An index behind the table is its last one.
        expectClose(got["y"], [100, 110, 211, 322])
        expectClose(got["z"], [100, 110, 120, 130])
    }

    @Test func reductionsInsideGoThroughTheSameSteps() throws {
        expectClose(try run("output y = sum[s < t where s != 1](x[s] / max[s](x[s]))", [4, 8, 1, 2]), [0, 1, 1, 1.25])
        expectClose(try run("output y = sum[s <= t](x[s] - mean[s](x[s]) + mean[s](x))"), [1, 4, 9, 16])
        expectClose(try run("output y = max[s <= t](sum[s](x[s]) * x[s])"), [1, 6, 18, 40])
    }

    @Test func oneReductionBehindAnother() throws {
        expectClose(try run("a = sum[s <= t](x[s])\n output y = sum[r < t](a[r] * x)"), [0, 2, 12, 40])
        expectClose(try run("output y = sum[s <= t](x[s] * sum[r in t](x[r]))"), [10, 30, 60, 100])
        expectClose(try run("output y = sum[s <= t]((sum[r <= t](x[r]))[s])"), [1, 4, 10, 20])
    }

    @Test func functionsAndLayers() throws {
        let text = """
            func attend(q, k, v) = sum[s <= t](softmax[s](q * k[s]) * v[s])
            func score(q, k) = q * k
            model Sums { input x: real
              output y = sum[j < t](x[j]) }
            model M { input x: real
              layer sums = repeat(2, Sums)
              layer back = reverse(Sums)
              layer number = reverse(Numbers)
              output a = attend(0 * x, x, x)
              output b = sums(x)
              output c = back(x)
              output d = sum[s <= t](score(x, x[s]))
              output e = number(x) }
            model Numbers { input x: real
              output y = argmax[s <= t](x[s]) + 10 * sum[s <= t](t - s) + 1000 * t }
            """
        let got = try results(text, inputs: ["x": ([1, 2, 3, 4], [4])])
        expectClose(got["a"], [1, 1.5, 2, 2.5])
        expectClose(got["b"], [0, 0, 1, 4])
        expectClose(got["c"], [9, 7, 4, 0])
        expectClose(got["d"], [1, 6, 18, 40])
        expectClose(got["e"], [3060, 2030, 1010, 0])
    }

    @Test func conditionsWithDims() throws {
        let got = try results(
            "model M(H) { input m: bool[H]\n input x: real\n output y = sum[s <= t where m[s]](x[s])\n output z = mean[s <= t where m[s]](x[s]) }", ["H": 2],
            inputs: ["m": ([1, 0, 1, 1, 0, 1], [3, 2]), "x": ([1, 2, 4], [3])])
        expectClose(got["y"], [1, 0, 3, 2, 3, 6])
        expectClose(got["z"], [1, 0, 1.5, 2, 1.5, 3])
    }

    @Test func theFirstNaNIsFoundAndNothingBehindTheBoundsCounts() throws {
        expectClose(try run("output y = argmax[s <= t](x[s])", [1, 3, .nan, 4, .nan]), [0, 1, 2, 2, 2])
        expectClose(try run("output y = sum[s < t](softmax[s](x[s]) * x[s])", [2, 2, .nan]), [0, 2, 2])
        expectClose(try run("output y = argmax[s <= t](x[s])", [-.infinity, -.infinity, -.infinity]), [0, 0, 0])
        #expect(try run("output y = logsumexp[s <= t](x[s])", [-.infinity, .infinity, 1]) == [-.infinity, .infinity, .infinity])
    }

    @Test func theAxisIsNamedAfterTheFirstIndex() throws {
        let graph = try RecLoweringTests.graph("model M over s { input x: real\n layer a = A\n output y = a(x) }\nmodel A { input x: real\n output y = sum[s <= t](x[s]) }")
        #expect(graph.axes.map(\.name) == ["s", "s'"] && graph.axes[1].again == 0)
        let whole = try RecLoweringTests.graph(
            "model M { input x: real\n output y = sum[s in t where x[s] > 0](softmax[s](x[s]) * x[s]) + sum[s in t](1.0)\n output z = mean[s in t](x) + sum[s in t](x) }")
        #expect(whole.axes.count == 1)
        let idle = try RecLoweringTests.graph("model M { input x: real\n state h: real\n h = 0.5 * h[t-1] + x\n a = sum[s <= t](h[s])\n output h }")
        #expect(idle.axes.count == 1)
        let plain = try RecLoweringTests.graph("model M { input x: real\n output y = sum[t](x) }")
        #expect(plain.axes.count == 1)
    }
}
