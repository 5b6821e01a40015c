import Foundation
import Testing

/// Windows and convolutions over time, held against loops that say what they are.
@Suite struct StepWindowTests {
    /// Steps of `D` numbers each, and 0 outside of them.
    private struct Steps {
        var numbers: [Double]
        var width: Int
        var count: Int { numbers.count / width }

        init(_ count: Int, _ width: Int, seed: Int = 1) {
            numbers = (0..<count * width).map { Double(($0 * 37 + seed * 11) % 23) / 7 - 1.5 }
            self.width = width
        }

        func callAsFunction(_ step: Int, _ element: Int, outside: Double = 0) -> Double {
            0..<count ~= step ? numbers[step * width + element] : outside
        }
    }

    private func weights(_ sizes: Int...) -> ([Double], [Int]) {
        let count = sizes.reduce(1, *)
        let numbers = (0..<count).map { k -> Double in Double((k * 29) % 17) / 5 - 1.4 }
        return (numbers, sizes)
    }

    // MARK: Windows

    @Test(arguments: [(-7, 1), (-3, 0), (-4, -1), (0, 1), (-1, 0), (-2, 3), (0, 3), (1, 4)])
    func rowsAreSteps(first: Int, end: Int) throws {
        func step(_ offset: Int) -> String { offset == 0 ? "t" : offset < 0 ? "t\(offset)" : "t+\(offset)" }
        let x = Steps(11, 3)
        let got = try results(
            "model M(D) { input x: [D]\n output y = x[\(step(first)):\(step(end))]\n output z = (2 * x)[\(step(first)):\(step(end)), 1:] }", ["D": 3],
            inputs: ["x": (x.numbers, [11, 3])])
        var (expected, sliced): ([Double], [Double]) = ([], [])
        for t in 0..<11 {
            for j in first..<end {
                for d in 0..<3 {
                    expected.append(x(t + j, d))
                    if d > 0 { sliced.append(2 * x(t + j, d)) }
                }
            }
        }
        expectClose(got["y"], expected)
        expectClose(got["z"], sliced)
    }

    /// What a state was before the first step, in each row that reaches so far.
    @Test func rowsOfStatesBeginWithTheirFirstValue() throws {
        let x = Steps(9, 1)
        let got = try results(
            "model M { input x: real\n state h: real = 5\n h = 0.5 * sum(h[t-3:t]) - 0.25 * sum(h[t-1:t]) + x\n output h\n output y = h[t-2:t+1] }",
            inputs: ["x": (x.numbers, [9])])
        var h: [Double] = []
        func past(_ step: Int) -> Double { step < 0 ? 5 : h[step] }
        for t in 0..<9 { h.append(0.5 * (past(t - 3) + past(t - 2) + past(t - 1)) - 0.25 * past(t - 1) + x(t, 0)) }
        expectClose(got["h"], h)
        expectClose(got["y"], (0..<9).flatMap { t in [past(t - 2), past(t - 1), past(t)] })
    }

    @Test func boundsMayBeMadeOfDims() throws {
        let x = Steps(8, 2)
        for width in [1, 2, 5, 12] {
            let got = try results(
                "model M(D, W) { input x: [D]\n param a: [W]\n output y = sum[W](a * x[t-W+1:t+1])\n output z = (x[t-W:t])[0] }", ["D": 2, "W": width],
                inputs: ["x": (x.numbers, [8, 2])], parameters: ["a": weights(width)])
            let a = weights(width).0
            var (y, z): ([Double], [Double]) = ([], [])
            for t in 0..<8 {
                for d in 0..<2 {
                    y.append((0..<width).reduce(0) { $0 + a[$1] * x(t - width + 1 + $1, d) })
                    z.append(x(t - width, d))
                }
            }
            expectClose(got["y"], y)
            expectClose(got["z"], z)
        }
    }

    @Test func intsAndBoolsHaveWindows() throws {
        let got = try results(
            "model M { input n: int\n output a = sum(n[t-2:t+1])\n output b = n[t-1:t+1]\n p = n > 2\n output c = if p[t-1:t+1] then 1.0 else 0.0 }",
            integers: ["n": ([3, 1, 4, 1], [4])])
        expectClose(got["a"], [3, 4, 8, 6])
        expectClose(got["b"], [0, 3, 3, 1, 1, 4, 4, 1])
        expectClose(got["c"], [0, 1, 1, 0, 0, 1, 1, 0])
    }

    @Test func twoAxes() throws {
        let got = try results(
            "model M over (i, j) { input x: real\n state h: real\n h = x + 0.5 * sum(h[i-2:i, j-1]) - 0.25 * sum(h[i-1, j-1:j+2])\n output h\n output y = x[i-1:i+2, j+1] }",
            inputs: ["x": (Steps(4, 5).numbers, [4, 5])])
        let x = Steps(4, 5)
        func input(_ i: Int, _ j: Int) -> Double { 0..<5 ~= j ? x(i, j) : 0 }
        var h = [[Double]](repeating: [Double](repeating: 0, count: 5), count: 4)
        func past(_ i: Int, _ j: Int) -> Double { 0..<4 ~= i && 0..<5 ~= j ? h[i][j] : 0 }
        for i in 0..<4 {
            for j in 0..<5 {
                h[i][j] = input(i, j) + 0.5 * (past(i - 2, j - 1) + past(i - 1, j - 1))
                    - 0.25 * (past(i - 1, j - 1) + past(i - 1, j) + past(i - 1, j + 1))
            }
        }
        expectClose(got["h"], h.flatMap { $0 })
        expectClose(got["y"], (0..<4).flatMap { i in (0..<5).flatMap { j in [input(i - 1, j + 1), input(i, j + 1), input(i + 1, j + 1)] } })
    }

    // MARK: Convolutions

    /// `y[t] = Σ_k W[…, k] x[t + ahead - (width - 1 - k) dilation]`
    private func convolved(
        _ x: Steps, _ width: Int, dilation: Int = 1, ahead: Int = 0, out: Int, _ weight: (_ out: Int, _ channel: Int, _ k: Int) -> Double
    ) -> [Double] {
        var result: [Double] = []
        for t in 0..<x.count {
            for o in 0..<out {
                var sum = 0.0
                for k in 0..<width {
                    for d in 0..<x.width { sum += weight(o, d, k) * x(t + ahead - (width - 1 - k) * dilation, d) }
                }
                result.append(sum)
            }
        }
        return result
    }

    @Test(arguments: [1, 2, 4, 7], [1, 3]) func shapesDecide(width: Int, dilation: Int) throws {
        let (x, K) = (Steps(12, 6), width)
        let each = weights(6, K), full = weights(2, 6, K), one = weights(K)
        let got = try results(
            """
            model M(D, O, K, S) {
              input x: [D]
              param a: [D, K]
              param b: [D, 1, K]
              param c: [O, D, K]
              param d: [K]
              param e: [O, D/2, K]
              param f: [12, 1, K]
              param p: [2*O, D/2, K]
              input n: real
              param g: [O, K]
              param h: [O, 1, K]
              output depthwise = conv[t](x, a, dilation: S)
              output torch = conv[t](x, b, dilation: S)
              output full = conv[t](x, c, dilation: S)
              output one = conv[t](x, d, dilation: S)
              output halves = conv[t](x, e, groups: 2, dilation: S)
              output double = conv[t](x, f, groups: D, dilation: S)
              output pairs = conv[t](x, p, groups: 2, dilation: S)
              output scalar = conv[t](n, d, dilation: S)
              output several = conv[t](n, g, dilation: S)
              output channel = n |> conv[t](h, dilation: S)
              output centred = conv[t](x, a, ahead: 2)
            }
            """, ["D": 6, "O": 2, "K": K, "S": dilation], inputs: ["x": (x.numbers, [12, 6]), "n": (Steps(12, 1).numbers, [12])],
            parameters: [
                "a": each, "b": (each.0, [6, 1, K]), "c": full, "d": one, "e": weights(2, 3, K), "f": weights(12, 1, K), "p": weights(4, 3, K), "g": weights(2, K),
                "h": weights(2, 1, K),
            ])
        func check(_ name: String, _ x: Steps, out: Int, ahead: Int = 0, _ weight: (Int, Int, Int) -> Double) {
            expectClose(got[name], convolved(x, K, dilation: ahead > 0 ? 1 : dilation, ahead: ahead, out: out, weight))
        }
        check("depthwise", x, out: 6) { o, d, k in o == d ? each.0[d * K + k] : 0 }
        check("torch", x, out: 6) { o, d, k in o == d ? each.0[d * K + k] : 0 }
        check("centred", x, out: 6, ahead: 2) { o, d, k in o == d ? each.0[d * K + k] : 0 }
        check("full", x, out: 2) { o, d, k in full.0[(o * 6 + d) * K + k] }
        check("one", x, out: 6) { o, d, k in o == d ? one.0[k] : 0 }
        check("halves", x, out: 2) { o, d, k in d / 3 == o ? weights(2, 3, K).0[(o * 3 + d % 3) * K + k] : 0 }
        check("double", x, out: 12) { o, d, k in o / 2 == d ? weights(12, 1, K).0[o * K + k] : 0 }
        check("pairs", x, out: 4) { o, d, k in d / 3 == o / 2 ? weights(4, 3, K).0[(o * 3 + d % 3) * K + k] : 0 }
        let n = Steps(12, 1)
        check("scalar", n, out: 1) { _, _, k in one.0[k] }
        check("several", n, out: 2) { o, _, k in weights(2, K).0[o * K + k] }
        check("channel", n, out: 2) { o, _, k in weights(2, K).0[o * K + k] }
    }

    /// What PyTorch gives: `conv1d(pad(x, (3, 0)), W, groups=2)` and `conv1d(pad(x, (6, 0)), V, dilation=3)`, of x[d, t] = 10 d + t.
    @Test func agreesWithTorch() throws {
        let x = (0..<5).flatMap { t in [Double(t), Double(10 + t)] }
        let got = try results(
            "model M { input x: [2]\n param W: [2, 1, 4]\n param V: [1, 2, 3]\n output y = conv[t](x, W)\n output z = conv[t](x, V, dilation: 3) }",
            inputs: ["x": (x, [5, 2])],
            parameters: ["W": ([1, 2, 3, 4, -1, 0, 2, 5], [2, 1, 4]), "V": ([1, 10, 100, 2, 20, 200], [1, 2, 3])])
        expectClose(got["y"], [0, 50, 4, 75, 11, 82, 20, 79, 30, 85])
        expectClose(got["z"], [2000, 2300, 2600, 3100, 3430])
    }

    @Test func headsHaveFiltersOfTheirOwn() throws {
        let (x, W) = (Steps(7, 6), weights(2, 4, 3, 3))
        let got = try results(
            "model M(H, O, K) { input x: [H, K]\n param W: [H, O, K, 3]\n param V: [H, K, 3]\n output y = conv[t](x, W)\n output z = conv[t](x, V) }",
            ["H": 2, "O": 4, "K": 3], inputs: ["x": (x.numbers, [7, 2, 3])], parameters: ["W": W, "V": weights(2, 3, 3)])
        expectClose(got["y"], convolved(x, 3, out: 8) { o, d, k in o / 4 == d / 3 ? W.0[(o * 3 + d % 3) * 3 + k] : 0 })
        expectClose(got["z"], convolved(x, 3, out: 6) { o, d, k in o == d ? weights(2, 3, 3).0[d * 3 + k] : 0 })
    }

    @Test func statesBeginWithTheirFirstValueInConvolutions() throws {
        let x = Steps(6, 1)
        let got = try results(
            "model M { input x: real\n param w: [3]\n state h: real = 2\n h = 0.5 * h[t-1] + x\n output y = conv[t](h, w) }",
            inputs: ["x": (x.numbers, [6])], parameters: ["w": ([1, 10, 100], [3])])
        var h: [Double] = []
        for t in 0..<6 { h.append(0.5 * (h.last ?? 2) + x(t, 0)) }
        func past(_ t: Int) -> Double { t < 0 ? 2 : h[t] }
        expectClose(got["y"], (0..<6).map { t in past(t - 2) + 10 * past(t - 1) + 100 * past(t) })
    }

    @Test func intsAreConvolvedExactly() throws {
        let got = try results(
            "model M { input n: int\n input w: int[3] once\n output y = conv[t](n, w) }", integers: ["n": ([3, 1, 4, 1], [4]), "w": ([1, 2, 3], [3])])
        expectClose(got["y"], [9, 9, 17, 12])
    }
}
