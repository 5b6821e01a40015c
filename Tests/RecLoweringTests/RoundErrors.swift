import RecSource
import Testing

/// Rounds that end on a condition, `over (t, k: K) until halt`, and what is wrong with conditions.
@Suite struct RoundErrors {
    private func model(_ body: String, _ head: String = "over (t, k: 4) until halt") -> String {
        "model M \(head) { input x: real\n state h: real\n h = 0.5 * h[t, k-1] + x\n \(body)\n output y = last[k](h) }"
    }

    @Test func roundsNeedAnAxisWithABound() {
        let body = "{ input x: real\n halt = x > 0\n output y = x }"
        expectError(.unsupported, at: "halt", in: "model M over t until halt \(body)", says: "runs over 't' alone", helps: "over (t, k: 8) until halt")
        expectError(.unsupported, at: "halt", in: "model M over (i, j) until halt \(body)", says: "need a bound", helps: "over (i, j: 8)")
        expectError(.unsupported, at: "halt", in: "model M over (i, j, k: 4) until halt \(body)", says: "the second of two axes")
        expectError(.unexpectedToken, at: "until", in: "model M until halt \(body)", helps: "over (t, k: 8)")
        expectError(.unexpectedToken, at: ">", in: "model M over (t, k: 4) until x > 0 \(body)", helps: "takes a name")
    }

    @Test func conditionsAreOneBoolForEachRound() {
        expectError(.unknownName, at: "halt", in: model("haltt = h > 1"), says: "'halt'", helps: "haltt")
        expectError(.wrongElementType, at: "halt", in: model("halt = h - 1"), says: "rounds end on a bool", helps: "compare")
        expectError(.wrongElementType, at: "halt", in: "model M over (t, k: 4) until halt { input x: real\n dim halt = 3\n output y = last[k](x) }")
        expectError(
            .shapeMismatch, at: "halt", in: "model M over (t, k: 4) until halt { input x: [3]\n halt = x > 0\n output y = last[k](x) }", says: "one bool")
        expectError(.notAStream, at: "halt", in: model("halt = first[k](x) > 1"), says: "the same in every round of 'k'", helps: "the number of the round")
        expectError(.notAStream, at: "halt", in: model("halt = true"))
        expectError(.wrongArgument, at: "sin", in: model("", "over (t, k: 4) until sin"))
        for body in ["halt = k >= 2", "input n: int once\n halt = k + 1 >= n", "input halt: bool", "output halt = h > 1", "state halt: bool\n halt = halt[t, k-1] or x > 1"] {
            #expect(check(model(body)).ids == [], "\(body)")
        }
    }

    /// Which round is the last is known when it has been taken.
    @Test func conditionsLookBack() {
        let behind = "behind the last one"
        expectError(.bothDirections, at: "last[k](h)", in: model("halt = last[k](h) > h"), says: behind)
        expectError(.bothDirections, at: "mean[k](h * h)", in: model("m = mean[k](h * h)\n halt = h > m"), says: behind)
        expectError(.bothDirections, at: "h[t, k+1]", in: model("halt = h[t, k+1] > 1"), says: "in rounds to come")
        expectError(.bothDirections, at: "k.last", in: model("halt = k.last or h > 1"), says: "in rounds to come")
        expectError(.bothDirections, at: "g[k+1]", in: model("state g: real\n g = 0.5 * g[k+1] + x\n halt = g > 1"))
        expectError(.bothDirections, at: "x[t, k-2:k+2]", in: model("w = x[t, k-2:k+2]\n halt = sum(w) > 1"))
        // The layer is looked into when dims are known.
        expectLoweringError(
            .bothDirections, "model L over k { input x: real\n output y = last[k](x) }\n" + model("layer l = L\n halt = l(h) > h"))
        for body in ["halt = first[k](h) > h", "z = last[k](h)\n halt = z[t-1, k] > h", "halt = h[t-1, k+1] > h", "halt = sum(x[t, k-2:k+1]) > 1"] {
            #expect(check(model(body)).ids == [], "\(body)")
        }
    }

    @Test func stepsTakeDifferentNumbersOfRounds() {
        expectError(
            .unsupported, at: "mean[t](h)", in: model("halt = h > 1\n output z = mean[t](h)"), says: "different numbers of rounds", helps: "mean[t](last[k](x))")
        expectLoweringError(
            .unsupported, "model L over t { input x: real\n output y = mean[t](x) }\n" + model("halt = h > 1\n layer l = L\n output z = l(h)"))
        for body in ["output z = mean[t, k](h)", "output z = max[t](max[k](h))", "output z = var[t](last[k](h))", "output z = var[t, k](h)"] {
            #expect(check(model("halt = h > 1\n \(body)")).ids == [], "\(body)")
        }
    }

    @Test func roundsBeginWithTheFirst() {
        let layer = "model L over (t, k: 4) until halt { input x: real\n halt = x > 1\n output y = x }\n"
        func around(_ layer: String) -> String { "model M over (t, k: 4) { input x: real\n layer l = \(layer)\n output y = l(x) }" }
        expectError(.unsupported, at: "layer l = reverse(L)", in: layer + around("reverse(L)"), says: "begin with the first", helps: "reverse[t](L(…))")
        expectError(.unsupported, at: "layer l = reverse[k](L)", in: layer + around("reverse[k](L)"))
        #expect(check(layer + around("reverse[t](L)")).ids == [])
        expectLoweringError(.unsupported, layer + "model N over (t, k: 4) { input x: real\n layer l = L\n output y = l(x) }\n" + around("reverse(N)"))
    }

    @Test func layersTakeAsManyRounds() {
        let layer = "model L(K) over (t, k: K) { input x: real\n output y = x }\n"
        func around(_ axes: String, _ count: String) -> String { layer + "model M(N = 4) over \(axes) { input x: real\n layer l = L(\(count))\n output y = l(x) }" }
        expectLoweringError(.shapeMismatch, around("(t, k: 4)", "3"))
        expectLoweringError(.shapeMismatch, around("(t, k)", "3"))
        expectLoweringError(.shapeMismatch, around("(t, k: N)", "N + 1"))
        #expect(throws: Never.self) { try graph(around("(t, k: N)", "N"), model: "M") }
    }

    @Test func initialValuesOfLayersMayNotDiffer() {
        let layer = "model L over k { input x: real\n state h: real = mean[k](x)\n h = 0.5 * h[k-1] + x\n output h }\n"
        expectLoweringError(.unsupported, layer + "model M over (t, k: 4) { input x: real\n layer l = L\n output y = l(x) }")
    }

    /// An input may have a value for each step of one axis.
    @Test func inputsOverOneAxis() throws {
        expectError(.unknownName, at: "s", in: "model M over (t, k: 4) { input x: real over s\n output y = x }", says: "no axis 's'", helps: "'t' and 'k'")
        expectError(.notAStream, at: "x", in: "model M over (t, k: 4) { input x: real over t\n output y = sum[k](x) }")
        let layer = "model L over (t, k: 4) { input x: real over t\n state h: real\n h = 0.5 * h[t, k-1] + x\n output y = last[k](h) }\n"
        expectError(
            .notAStream, at: "x", in: layer + "model M over (t, k: 4) { input x: real\n layer l = L\n output y = l(x) }", says: "the same at every step of 'k'",
            helps: "first[k](x)")
        let repeated = "model L over (t, k: 4) { input x: real over t\n input z: real once = 0\n output y = x + real(k) }\n"
        expectError(.notAStream, at: "L", in: repeated + "model M over (t, k: 4) { input x: real over t\n layer l = repeat(2, L)\n output y = l(x) }")
        let numbers = try results(
            layer + "model M over (t, k: 4) { input x: real over t\n layer l = L\n layer m = L\n output y = l(x)\n output z = m(2) }", inputs: ["x": ([1, 2], [2])])
        expectClose(numbers["y"], [1.875, 3.75])
        expectClose(numbers["z"], [3.75, 3.75])
    }

    /// What a layer over one axis is given may vary over another one, and so does what it gives.
    @Test func layersOverOneAxisOfTwo() throws {
        let cell = "model Cell over t { input x: real\n state h: real\n h = 0.5 * h[t-1] + x\n output h\n output m = mean[t](x)\n output w = sum(x[t-1:t+1]) }\n"
        let numbers = try results(
            cell + "model M over (t, k: 2) { input x: real\n layer c = Cell\n v = c(x)\n output y = v.h\n output m = v.m\n output w = v.w\n output z = v.h[t, k-1]\n output s = sum[k](v.h) }",
            inputs: ["x": ([1, 10, 2, 20, 3, 30], [3, 2])])
        expectClose(numbers["y"], [1, 10, 2.5, 25, 4.25, 42.5])
        expectClose(numbers["m"], [2, 20])
        expectClose(numbers["w"], [1, 10, 3, 30, 5, 50])
        expectClose(numbers["z"], [0, 1, 0, 2.5, 0, 4.25])
        expectClose(numbers["s"], [11, 27.5, 46.75])
        // What is the same in every round may be outside of them.
        let shifted = try results(
            "model M over (t, k: 2) { input x: real over t\n output y = x[t, k-1]\n output z = x[t, k-1:k+1] }", inputs: ["x": ([1, 2], [2])])
        expectClose(shifted["y"], [0, 1, 0, 2])
        expectClose(shifted["z"], [0, 1, 1, 1, 0, 2, 2, 2])
    }
}
