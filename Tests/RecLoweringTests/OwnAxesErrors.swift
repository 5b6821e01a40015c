import RecSource
import Testing

/// Mistakes with inputs and layers over axes of their own.
@Suite struct OwnAxesErrors {
    private func program(_ body: String) -> String {
        "model L { input x: real\n output y = x[t-1] }\nmodel G over (i, j) { input x: real\n output y = x }\nmodel M(D) { input x: [D]\n input y: [D] over s\n \(body)\n output result = x }"
    }

    @Test func axesAreNamedOnce() {
        expectError(.duplicateDefinition, at: "s", in: "model M { input x: real over (s, s)\n output y = x }", says: "named twice")
        expectError(.onceNeedsConstant, at: "s", in: "model M { input x: real\n input z: real over s once\n output y = x + z }", says: "does not run over 's'")
        expectError(.duplicateDefinition, at: "D", in: "model M(D) { input x: real\n input z: [D] over D\n output y = x + sum(z) }", says: "defined twice")
        expectError(
            .unsupported, at: "d", in: "model M { input w: real over a\n input x: real over b\n input y: real over c\n input z: real over d\n output r = w }", says: "3 axes at most")
    }

    @Test func layersRunOverAxesThatThereAre() {
        expectError(.unknownName, at: "u", in: program("layer l = L over u"), says: "no axis 'u'", helps: "t, s")
        expectError(.duplicateDefinition, at: "s", in: program("layer l = G over (s, s)"), says: "named twice")
        expectError(.wrongArgument, at: "t, s", in: program("layer l = L over (t, s)"), says: "runs over one axis, and here are 2")
        expectError(.notAStream, at: "y[0]", in: program("layer l = L\n z = l(y[0])"), says: "takes 'x' over 't', and this varies over 's'", helps: "over s")
        expectError(.unsupported, at: "layer l = G", in: program("layer l = G"), says: "runs over 'i'", helps: "over (t, s)")
        expectError(.onceNeedsConstant, at: "y[0]", in: "model K { input x: real\n input h: real once\n output y = x + h }\n" + program("layer k = K\n z = k(x[0], h: y[0])"), helps: "first[s](x)")
    }

    /// Classes are numbers of a vector; where they are steps, the program is another.
    @Test func classesAreNoSteps() {
        let mend = "logsumexp[s](x @ y) - sum[s where s == n](x @ y)"
        for call in ["crossentropy[s](x @ y, n)", "crossentropy(x @ y, n)"] {
            let text = program("input n: int\n z = \(call)")
            let isNamed = call.contains("[")
            expectError(isNamed ? .wrongArgument : .shapeMismatch, at: isNamed ? "s" : call, in: text, says: isNamed ? "an axis of time" : "takes logits", helps: mend)
        }
        #expect(check(program("input n: int\n z = \(mend)")).ids == [])
        expectError(.wrongArgument, at: "D", in: program("input n: int\n z = crossentropy[D](x, n)"), says: "no names of axes", helps: "the last axis of the logits")
    }

    @Test func reductionsGoOverAxesThatVary() {
        expectError(.notAStream, at: "x", in: program("z = softmax[s](x)"), says: "does not vary over 's'")
        expectError(.unknownName, at: "r", in: program("z = sum[r where x[0] > 0](x)"), says: "no axis 'r'", helps: "r in t where")
        expectError(.secondIndex, at: "s where y[0] > 0", in: program("z = sum[s where y[0] > 1](x * sum[s where y[0] > 0](y))"), says: "over 's' already", helps: "equation of its own")
        expectError(.unsupported, at: "logsumexp[t, s](x * y)", in: program("z = logsumexp[t, s](x * y)"), says: "over one axis of time", helps: "one axis after the other")
        expectError(.wrongArgument, at: "s <= t", in: program("z = sum[s <= t](x)"), says: "no order among each other", helps: "sum[s where s <= t]")
        expectError(.wrongArgument, at: "t < r <= s", in: program("z = sum[t < r <= s](x[r])"), says: "steps of different axes")
    }
}
