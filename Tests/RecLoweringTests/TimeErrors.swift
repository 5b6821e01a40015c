import RecSource
import Testing

/// Delays, states and cycles.
@Suite struct TimeErrors {
    @Test func instantCyclesShowTheirPath() {
        expectError(
            .instantCycle, at: "h", in: "model M { input x: real\n state h: real\n z = 2 * h\n h = x + z\n output h }",
            says: "h → z → h", helps: "h[t-1]")
        expectError(.instantCycle, at: "a", in: "model M { input x: real\n a = b + x\n b = a\n output a }", says: "a → b → a")
        expectError(.instantCycle, at: "h", in: "model M { input x: real\n state h: real\n h = h + x\n output h }", says: "h → h")
    }

    /// What needs all of its own steps is none at any of them.
    @Test(arguments: [
        ("state h: real\n h = h[t-1] + mean[t](h)\n output h", "mean[t](h)", "h → h"),
        ("state h: real\n m = mean[t](h)\n d = 2 * m\n h = h[t-1] + x - d\n output h", "mean[t](h)", "h → d → m → h"),
        ("state h, g: real\n h = h[t-1] + max[t](g)\n g = g[t-1] + h\n output h", "max[t](g)", "h → g → h"),
        ("y = x - sum[t](2 * y)\n output y", "sum[t](2 * y)", "y → y"), ("y = x - last[t](y)\n output y", "last[t](y)", "y → y"),
        ("y = x - first[t](y + y)\n output y", "first[t](y + y)", "y → y"), ("a, b = split(concat(x, var[t](b)), 2)\n output a", "var[t](b)", "a → a"),
        ("y = x + mean[t](y[t-1])\n output y", "mean[t](y[t-1])", "y → y"), ("y = x + centre(y)\n output y", "centre(y)", "y → y"),
        ("y = twice(x, y)\n output y", "twice(x, y)", "y → y"), ("y = y |> centre\n output y", "y |> centre", "y → y"),
        ("layer c = Centre()\n state h: real\n h = h[t-1] + c(h)\n output h", "c(h)", "h → h"),
    ])
    func cyclesOverAllOfTime(body: String, place: String, way: String) {
        let text = "func centre(a) = mean[t](a * a)\nfunc twice(a, b) = a + centre(b)\nmodel Centre { input x: real\n output y = mean[t](x) + 1 }\n"
        expectError(.bothDirections, at: place, in: text + "model M { input x: real\n \(body) }", says: "over all of 't': \(way), and '\(place)'", helps: "state")
    }

    /// Where a value is read at its own step as well, the cycle is one within a step.
    @Test func cyclesBesideReductions() {
        for (body, at) in [("y = y + mean[t](y)", "y"), ("y = x + mean[t](x) * y", "y"), ("y = less(y)", "y"), ("layer c = Less()\n y = c(y)", "y")] {
            let text = "func less(a) = a - mean[t](a)\nmodel Less { input x: real\n output y = x - mean[t](x) }\n"
            expectError(.instantCycle, at: at, in: text + "model M { input x: real\n \(body)\n output y }", says: "at the same step")
        }
        let depth = "model M over (t, k: 3) { input x: real\n state h: real\n h = tanh(x + h[t-1] + "
        expectError(.bothDirections, at: "last[k](h)", in: depth + "last[k](h))\n output h }", says: "over all of 'k'")
        expectError(
            .undeclaredState, at: "top[t-1]", in: "model M over (t, k: 3) { input x: real\n state h: real\n top = last[k](h)\n h = x + h[t, k-1] + top[t-1]\n output h }")
    }

    @Test func undeclaredStates() {
        expectError(.undeclaredState, at: "a[t-1]", in: "model M { input x: real\n a = a[t-1] + x\n output a }", helps: "state a")
        expectError(
            .undeclaredState, at: "(0.5 * s + x)[t-1]", in: "model M { input x: real\n state s: real\n s = (0.5 * s + x)[t-1]\n output s }", says: "reads 's'")
    }

    @Test func statesHaveOneEquation() {
        expectError(.stateWithoutEquation, at: "h", in: "model M(H) { input x: [H]\n state h: [H]\n output y = x + h[t-1] }", helps: "h = …")
    }

    @Test func initialValuesAreConstantOverTime() {
        expectError(.onceNeedsConstant, at: "x", in: "model M { input x: real\n state h: real = x\n h = x + h[t-1]\n output h }")
        expectError(.onceNeedsConstant, at: "1", in: "model M { input x: real = 1\n output x }", says: "once")
        for number in ["1.5", "-0.5", "1e30", "inf", "nan", "9007199254740993", "9223372036854775807"] {
            expectError(.wrongElementType, at: number, in: "model M { input x: real\n input n: int once = \(number)\n output y = x + real(n) }", says: "int")
        }
        expectError(.wrongElementType, at: "2", in: "model M { input x: real\n input b: bool once = 2\n output y = if b then x else 0 }", says: "bool")
    }

    @Test func bothDirections() {
        expectError(
            .bothDirections, at: "h[t+1]", in: "model M { input x: real\n state h: real\n h = x + h[t-1] + h[t+1]\n output h }",
            says: "'h'")
        expectError(
            .bothDirections, at: "a[t-1]",
            in: "model M { input x: real\n state a: real\n state b: real\n a = x + b[t+1]\n b = a[t-1]\n output a }")
        let grid = "model M over (i, j) { input x: real\n state h: real\n h = x + "
        #expect(check(grid + "h[i-1, j] + h[i, j-1]\n output h }").ids == [])
        #expect(check(grid + "h[i-1, j+1] + h[i, j-1]\n output h }").ids == [])
        #expect(check(grid + "h[i-1, j+1] + h[i, j+1] + h[i-1]\n output h }").ids == [])
        expectError(.bothDirections, at: "h[i+1, j]", in: grid + "h[i-1, j] + h[i+1, j]\n output h }")
        expectError(.bothDirections, at: "h[i+1, j-1]", in: grid + "h[i-1, j+1] + h[i+1, j-1]\n output h }")
    }

    /// What is known behind the last step of an axis feeds no earlier step of it.
    @Test func feedbackThroughDepth() {
        let depth = "model M over (t, k: 3) { input x: real\n state h: real\n state top: real\n top = last[k](h)\n h = x + h[t, k-1] + "
        #expect(check(depth + "top[t-1]\n output h }").ids == [])
        #expect(check(depth + "top[t-1, k]\n output h }").ids == [])
        #expect(check(depth + "top[t-1, k+1]\n output h }").ids == [])
        expectError(.bothDirections, at: "last[k](h)", in: depth + "top[t, k-1]\n output h }", says: "behind the last step of 'k'")
        expectError(.bothDirections, at: "max[k](h)", in: (depth + "top[t, k-1]\n output h }").replacing("last", with: "max"))
        expectError(.bothDirections, at: "last[t](h)", in: (depth + "top[t-1]\n output h }").replacing("last[k]", with: "last[t]"))
        let pair = "model M over (t, k: 3) { input x: real\n state f, b: real\n f = x + f[t, k-1] + b[t-1]\n b = x + b[t, k+1] + "
        #expect(check(pair + "f[t-1]\n output f }").ids == [])
        expectError(.bothDirections, at: "b[t, k+1]", in: pair + "f[t+1]\n output f }")
    }

    @Test func delays() {
        let start = "model M(H) { input n: int\n input x: [H]\n param p: [H]\n "
        expectError(.delayNotConstant, at: "t-n", in: start + "output y = x[t-n] }")
        expectError(.delayNotConstant, at: "2*t", in: start + "output y = x[2*t] }")
        expectError(.notAStream, at: "p[t-1]", in: start + "output y = p[t-1] + x }")
        expectError(.notAStream, at: "p[t]", in: start + "output y = p[t] + x }", helps: "n = t, and p[n]")
        #expect(check(start + "output y = x * t }").ids == [])
        expectError(.tooLarge, at: "99999999999", in: start + "output y = x[t-99999999999] }", says: "the longest is 1048576")
        expectError(.tooLarge, at: "9223372036854775807", in: start + "output y = x[t+9223372036854775807] }", says: "the longest is 1048576")
        #expect(check(start + "output y = x[t] + x[t-3] + (x + x)[t+2] + x[t-1][0] + x[t-1, 0] + x[1+t] }").ids == [])
    }

    @Test func losses() {
        expectError(.shapeMismatch, at: "x", in: "model M { input x: real\n output x\n loss l = x }", helps: "mean[t]")
        expectError(.shapeMismatch, at: "mean[t](x)", in: "model M(H) { input x: [H]\n output x\n loss l = mean[t](x) }")
    }

    @Test func axes() {
        expectError(.unsupported, at: "l", in: "model M over (i, j, k, l) { input x: real\n output x }", says: "3 axes at most")
        #expect(check("model M over (a, b, c, d, e, f, g, h, i, j) { input x: real\n output x }").ids == [.unsupported])
        #expect(check("model M over (a, b, c, d, e, f, g, h, i, j) { input x: real\n output y = x[i-1] }").ids.first == .unsupported)
        expectError(.unsupported, at: "t", in: "model M over (t: 3) { input x: real\n output x }")
    }
}
