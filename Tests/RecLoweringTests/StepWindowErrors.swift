import RecSource
import Testing

/// Mistakes with windows and convolutions over time.
@Suite struct StepWindowErrors {
    private func program(_ body: String) -> String {
        "model M(D, O, W) { input x: [D]\n input n: real\n param a: [D, W]\n param p: [D]\n \(body)\n output result = n }"
    }

    // MARK: Windows

    @Test func windowsHaveTwoEnds() {
        for range in ["t-3:", ":t+1"] {
            expectError(.delayNotConstant, at: range, in: program("y = x[\(range)]"), says: "two ends", helps: "x[t-7:t+1]")
        }
        expectError(.delayNotConstant, at: "0", in: program("y = x[0:t+1]"), says: "'0' is no step", helps: "state")
        expectError(.delayNotConstant, at: "3", in: program("y = x[t-2:3]"), says: "'3' is no step")
    }

    @Test func boundsAreConstantNumbersOfSteps() {
        for (range, place) in [("t-2*t:t+1", "t-2*t"), ("2*t:t+1", "2*t"), ("3-t:t+1", "3-t"), ("t+t:t+1", "t+t")] {
            expectError(.delayNotConstant, at: place, in: program("y = x[\(range)]"), says: "constant number of steps", helps: "t-7:t+1")
        }
        expectError(.unknownDim, at: "Q", in: program("y = x[t-Q:t+1]"), says: "'Q'")
    }

    @Test func windowsHaveSteps() {
        for range in ["t+1:t-2", "t:t", "t-1:t-1", "t:t-W", "t-W:t-2*W"] {
            expectError(.badSlice, at: range, in: program("y = x[\(range)]"), says: "there is no step from t", helps: "the end is not part")
        }
    }

    @Test func onlyStreamsHaveSteps() {
        expectError(.notAStream, at: "p[t-1:t+1]", in: program("y = p[t-1:t+1]"), says: "does not vary over time")
        expectError(.notAStream, at: "conv[t](p, a)", in: program("y = conv[t](p, a)"), says: "does not vary over time")
    }

    @Test func windowsRunAlongOneAxis() {
        let start = "model M over (i, j) { input x: real\n"
        expectError(.unsupported, at: "j-1:j+2", in: start + "output y = x[i-1:i+1, j-1:j+2] }", says: "one axis", helps: "one axis after the other")
        expectError(.delayNotConstant, at: "i-1:j+1", in: start + "output y = x[i-1:j+1] }", says: "along one axis")
        expectError(.delayNotConstant, at: "x[i-1:i+1, i]", in: start + "output y = x[i-1:i+1, i] }", says: "stands twice")
    }

    @Test func widthsAreBounded() {
        expectError(.tooLarge, at: "x[t-5000:t+1]", in: program("y = x[t-5000:t+1]"), says: "at most", helps: "a state")
        expectError(.tooLarge, at: "x[t-2000000:t-1999990]", in: program("y = x[t-2000000:t-1999990]"), says: "1048576")
        expectLoweringError(.tooLarge, "model M(D, W) { input x: [D]\n output y = x[t-W:t+1] }", ["D": 2, "W": 5000])
        expectLoweringError(.tooLarge, "model M(D, W) { input x: [D]\n param a: [D, 3]\n output y = conv[t](x, a, dilation: W) }", ["D": 2, "W": 1 << 20])
    }

    @Test func otherItemsAreForTheAxesBehind() {
        expectError(.badSlice, at: "x[t-1:t+1, 0, 0]", in: program("y = x[t-1:t+1, 0, 0]"), says: "2 indices for 1 axes")
    }

    // MARK: Recurrences

    @Test func windowsOfStatesEndBeforeThisStep() {
        let start = "model M { input x: real\n state h: real\n "
        expectError(.instantCycle, at: "h", in: start + "h = x + sum(h[t-3:t+1])\n output h }", says: "h → h", helps: "h[t-1]")
        expectError(.instantCycle, at: "h", in: start + "param w: [3]\n h = x + conv[t](h, w)\n output h }", says: "h → h")
        expectError(.bothDirections, at: "h[t+1:t+3]", in: start + "h = x + sum(h[t-3:t]) + sum(h[t+1:t+3])\n output h }", says: "looks both ways")
        expectError(.undeclaredState, at: "s[t-2:t]", in: "model M { input x: real\n s = x + sum(s[t-2:t])\n output s }", helps: "state s")
        let accepted = check(start + "h = x + sum(h[t-3:t]) - sum(h[t-9:t-4])\n output h }")
        #expect(accepted.ids == [])
    }

    // MARK: Convolutions

    @Test func filtersFitWhatTheyRunOver() {
        expectError(
            .shapeMismatch, at: "conv[t](x, v)", in: "model M(D, W) { input x: [D]\n param v: [W, D]\n output y = conv[t](x, v) }",
            says: "does not fit", helps: "v.T")
        expectError(
            .shapeMismatch, at: "conv[t](x, v)", in: "model M(D, O, W) { input x: [D]\n param v: [O, 4, W]\n output y = conv[t](x, v) }", helps: "groups: n")
        expectError(
            .shapeMismatch, at: "conv[t](n, v)", in: "model M(D, O, W) { input n: real\n param v: [O, D, W]\n output y = conv[t](n, v) }", helps: "[out, width]")
        expectError(
            .shapeMismatch, at: "conv[t](x, v)", in: "model M(H, K, W) { input x: [H, K]\n param v: [K, W]\n output y = conv[t](x, v) }",
            helps: "[H, K, width] where each")
        expectError(.shapeMismatch, at: "0.5", in: program("y = conv[t](x, 0.5)"), says: "a scalar", helps: "0.5 * x")
        expectError(
            .shapeMismatch, at: "conv[t](x, a, groups: 2)", in: program("y = conv[t](x, a, groups: 2)"), says: "with groups", helps: "without them")
    }

    @Test func namesDecideWhereSizesDoNot() {
        let start = "model M(H, K, W) { dim J = H\n input x: [H, K]\n param v: "
        expectError(.ambiguousDim, at: "v", in: start + "[H, H, K, W]\n output y = conv[t](x, v) }", says: "all of [H, K] to each result", helps: "dim J = H")
        for (shape, result) in [("[J, H, K, W]", ["J"]), ("[H, J, K, W]", ["H", "J"])] {
            let checked = check(start + shape + "\n output y = conv[t](x, v) }")
            #expect(checked.ids == [])
            let model = checked.program.models["M"]
            #expect(model.map { model in model.outputs.map { model[$0.value].shape.map(\.name) } } == [result])
        }
    }

    @Test func optionsAreThoseOfTime() {
        expectError(.wrongArgument, at: "stride", in: program("y = conv[t](x, a, stride: 2)"), says: "no 'stride'")
        expectError(.wrongArgument, at: "pad", in: program("y = conv[t](x, a, pad: 2)"), says: "no 'pad'", helps: "ahead: n")
        expectError(.wrongArgument, at: "dilate", in: program("y = conv[t](x, a, dilate: 2)"), helps: "dilation")
        expectError(.wrongArgument, at: "0", in: program("y = conv[t](x, a, dilation: 0)"), says: "from 1")
        expectError(.wrongArgument, at: "-1", in: program("y = conv[t](x, a, ahead: -1)"), says: "from 0")
        expectError(.wrongArgument, at: "0", in: program("y = conv[t](x, a, groups: 0)"), says: "at least one group")
        expectError(.wrongElementType, at: "b", in: "model M(W) { input b: bool\n param v: [W]\n output y = conv[t](b, v) }", says: "bool")
    }
}
