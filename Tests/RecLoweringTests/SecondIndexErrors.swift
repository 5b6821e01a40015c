import RecSource
import Testing

/// Mistakes with reductions over other steps.
@Suite struct SecondIndexErrors {
    private func program(_ body: String) -> String {
        "model M(D, W) { input x: [D]\n input n: real\n input b: bool\n param p: [D]\n \(body)\n output result = n }"
    }

    @Test func nothingThatHasTheIndexEscapes() {
        expectError(
            .escapingIndex, at: "softmax[s <= t](n * n[s])", in: program("y = softmax[s <= t](n * n[s])"), says: "outside of this reduction there is no 's'",
            helps: "sum[s <= t](softmax[s](…)")
        expectError(.escapingIndex, at: "s", in: program("y = sum[s <= t](n[s])\n z = n[s]"), says: "'s' is the index of a reduction", helps: "sum[s <= t](…)")
        expectError(.escapingIndex, at: "s", in: program("y = sum[s <= t](n[s])\n z = t - s"), says: "nothing outside")
        expectError(.escapingIndex, at: "s", in: program("y = sum[s <= t](n[s])\n z = x[s-1]"), says: "nothing outside")
        expectError(.unknownName, at: "r", in: program("y = sum[s <= t](x[r])"), says: "no 'r'")
    }

    @Test func rangesSayWhichSteps() {
        for range in ["n > 0", "2 < 3", "s <= 5", "s-1 <= t", "s + t < 4"] {
            expectError(.wrongArgument, at: range, in: program("y = sum[\(range)](n)"), says: "does not say which steps", helps: "where \(range)")
        }
        expectError(.wrongArgument, at: "t-8 < s >= t", in: program("y = sum[t-8 < s >= t](n[s])"), says: "different ways", helps: "t-8 < s <= t")
        expectError(.delayNotConstant, at: "2*t", in: program("y = sum[s <= 2*t](n[s])"), says: "constant number of steps", helps: "where")
        expectError(.delayNotConstant, at: "5", in: program("y = sum[5 < s <= t](n[s])"), says: "'5' is no step", helps: "s in t where")
        expectError(.unknownName, at: "i", in: program("y = sum[s in i](n[s])"), says: "no axis 'i'", helps: "s in t")
        for range in ["t < s < t", "t < s <= t", "t-2 < s < t-1", "t <= s <= t-W"] {
            expectError(.badSlice, at: range, in: program("y = sum[\(range)](n[s])"), says: "there is no step", helps: "t-8 < s <= t")
        }
        expectError(.wrongElementType, at: "n[s]", in: program("y = sum[s <= t where n[s]](n[s])"), says: "a condition behind 'where'")
        expectError(.secondIndex, at: "r <= t", in: program("y = sum[s <= t, r <= t](n[s])"), says: "by one index")
    }

    @Test func anIndexHasANameOfItsOwn() {
        for (name, what) in [("n", "a name"), ("W", "a dim"), ("inf", "a number")] {
            expectError(.duplicateDefinition, at: name, in: program("y = sum[\(name) <= t](1)"), says: "\(what) already", helps: "another name")
        }
        expectError(.duplicateDefinition, at: "t", in: program("y = sum[t <= t](1)"), says: "an axis already")
        expectError(.duplicateDefinition, at: "s", in: program("y = sum[s <= t](sum[s < t](n[s]))"), says: "around this one", helps: "sum[s](…)")
        expectError(.duplicateDefinition, at: "a", in: "func f(a) = sum[a <= t](1)\n" + program("y = f(n)"), says: "a name already")
    }

    @Test func whatGoesThroughSteps() {
        expectError(.unsupported, at: "prod", in: program("y = prod[s <= t](n[s])"), says: "does not go through other steps", helps: "sum, mean")
        expectError(.unsupported, at: "norm", in: program("y = sum[s <= t](norm[s](n[s]))"), helps: "argmax")
        expectError(.unsupported, at: "norm", in: program("y = norm[t](n)"), says: "cannot run over", helps: "softmax, logsumexp")
        expectError(.unsupported, at: "D", in: program("y = argmax[s <= t, D](x[s])"), says: "over steps or over dims")
        expectError(.wrongElementType, at: "b[s]", in: program("y = sum[s <= t](b[s])"), says: "bool", helps: "then 1 else 0")
        expectError(.wrongArgument, at: "s <= t", in: program("y = sum[s <= t]([n, n])"), says: "a list is reduced over its items")
        expectError(.wrongArgument, at: "s <= t", in: program("y = exp[s <= t](n)"), says: "no names of axes")
    }

    @Test func aValueHasOneSecondIndex() {
        expectError(
            .secondIndex, at: "r", in: program("y = sum[r <= t](sum[s <= t](n[s] * n[r]))"), says: "'r' is used where 's' goes through the steps",
            helps: "an equation of its own")
        expectError(.secondIndex, at: "s", in: program("y = sum[s <= t]((n * n[s])[s])"), says: "as a whole", helps: "x[s] + y[s]")
        expectError(.secondIndex, at: "t-1", in: program("y = sum[s <= t](n[s, t-1])"), says: "here are two", helps: "n[s]")
        let function = "func f(a) = sum[r <= t](a[r])\nfunc g(a) = sum[r <= t](a * r)\nfunc h(a) = a[t-1]\n"
        expectError(.secondIndex, at: "a", in: function + program("y = sum[s <= t](f(n[s]))"), says: "'a' has a second index already")
        expectError(.secondIndex, at: "a", in: function + program("y = sum[s <= t](g(n[s]))"), says: "'a' has a second index already")
        expectError(.secondIndex, at: "a[t-1]", in: function + program("y = sum[s <= t](h(n[s]))"), says: "known at a step", helps: "sum[s](…)")
    }

    @Test func whatIsKnownAtAStepTakesNoPairs() {
        let layer = "model L { input x: real\n output y = x[t-1] }\nmonoid S(m) { identity (0) combine (a, b) { m = a.m + b.m } }\n"
        for (body, place) in [
            ("(n * n[s])[t-1]", "(n * n[s])[t-1]"), ("(n * n[s])[t-1:t+1]", "(n * n[s])[t-1:t+1]"), ("mean[t](n * n[s])", "mean[t](n * n[s])"),
            ("dropout(n * n[s], 0.5)", "dropout(n * n[s], 0.5)"), ("(if bernoulli(n[s]) then 1 else 0)", "bernoulli(n[s])"), ("grad(n * n[s], by: n)", "grad(n * n[s], by: n)"),
            ("(fold S(n[s])).m", "n[s]"), ("l(n[s])", "n[s]"),
        ] {
            expectError(.secondIndex, at: place, in: layer + "model M { input n: real\n layer l = L\n output y = sum[s <= t](\(body)) }", says: "still has the index 's'")
        }
    }

    @Test func onlyStreamsHaveOtherSteps() {
        expectError(.notAStream, at: "p[s]", in: program("y = sum[s <= t](p[s])"), says: "the same at every step")
        expectError(.notAStream, at: "c[s]", in: program("param c: real\n y = sum[s <= t](c[s])"), says: "does not vary over time")
    }

    @Test func operatorsHaveNoSteps() {
        expectError(.unsupported, at: "s <= t", in: "monoid S(m) { identity (0) combine (a, b) { m = sum[s <= t](a.m) } }\nmodel M { input x: real\n f = fold S(x)\n output y = f.m }", helps: "in a model")
    }

    @Test func recurrencesReadThemselvesAtConstantDistances() {
        let start = "model M { input x: real\n state h: real\n "
        expectError(
            .cycleOverSteps, at: "h[s]", in: start + "h = x + sum[s < t](h[s])\n output h }", says: "'h' depends on itself through a reduction over other steps: h → h", helps: "h[t-1]")
        expectError(.cycleOverSteps, at: "h[s]", in: start + "a = sum[s < t](x * h[s])\n h = 0.5 * h[t-1] + a\n output h }", says: "h → a → h")
        expectError(.cycleOverSteps, at: "h[s-1]", in: start + "h = x + sum[s <= t](h[s-1])\n output h }", says: "'h'")
        expectError(.cycleOverSteps, at: "h[s]", in: start + "state o: real\n h = tanh(x + o[t-1])\n o = sum[s <= t](h[s])\n output o }", says: "'h', 'o' depend on each other")
        expectError(.instantCycle, at: "h", in: start + "h = x + sum[s < t](x[s] * h)\n output h }", says: "h → h")
        let layers = "model A { input x: real\n output y = sum[s < t](x[s]) }\nmodel M { input x: real\n state h: real\n layer a = A\n h = x + a(h[t-1])\n output h }"
        expectLoweringError(.cycleOverSteps, layers)
        #expect(check(start + "h = 0.5 * h[t-1] + x\n output y = sum[s <= t](h[s]) }").ids == [])
    }

    @Test func derivativesWithinAStep() {
        expectError(.derivativeOverTime, at: "grad(sum[s <= t](n * n[s]), by: n)", in: program("y = grad(sum[s <= t](n * n[s]), by: n)"), says: "within one step")
    }
}
