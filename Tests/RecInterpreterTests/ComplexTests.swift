import RecInterpreter
import RecStream
import Testing

@Suite struct ComplexTests {
    @Test func functionsOfComplexNumbers() {
        var b = GraphBuilder()
        let (x, y) = (b.input("x", [], .complex), b.input("y", [], .complex))
        b.output("sum", b.binary(.add, x, y))
        b.output("difference", b.binary(.subtract, x, y))
        b.output("product", b.binary(.multiply, x, y))
        b.output("quotient", b.binary(.divide, x, y))
        b.output("equal", b.binary(.equal, x, y))
        b.output("differ", b.binary(.notEqual, x, y))
        b.output("abs", b.unary(.abs, x))
        b.output("conj", b.unary(.conj, x))
        b.output("negative", b.unary(.negate, x))
        b.output("re", b.unary(.re, x))
        b.output("im", b.unary(.im, x))
        b.output("exp", b.unary(.exp, b.unary(.toComplex, b.unary(.im, x))))
        b.output("cis", b.unary(.cis, b.unary(.re, x)))
        b.output("pair", b.binary(.complex, b.unary(.im, x), b.unary(.re, x)))
        let results = run(b.graph, [1], ["x": [3, -4], "y": [1, 2]])
        #expect(results.outputs[0].tensor.shape == [1, 1, 2])
        let expected: [String: [Double]] = [
            "sum": [4, -2], "difference": [2, -6], "product": [11, 2], "quotient": [-1, -2], "equal": [0], "differ": [1],
            "abs": [5], "conj": [3, 4], "negative": [-3, 4], "re": [3], "im": [-4], "exp": [0.01831563888873418, 0],
            "cis": [-0.9899924966004454, 0.1411200080598672], "pair": [-4, 3],
        ]
        for (name, values) in expected { #expect(agree(results[name], values), "\(name)") }
    }

    @Test func elementsMoveAsPairs() {
        var b = GraphBuilder()
        let z = b.input("z", [Dim("A", 2)], .complex)
        b.output("pad", b.pad(z, axis: 0, before: 1, after: 1))
        b.output("turned", b.concat([b.slice(z, axis: 0, start: 1, count: 1), b.slice(z, axis: 0, start: 0, count: 1)], axis: 0))
        b.output("twice", b.broadcast(z, to: [Dim("A", 2), Dim("B", 2)], from: [0, nil]))
        b.output("chosen", b.select(b.spread(b.input("c", [], .bool), to: [Dim("A", 2)]), z, b.unary(.conj, z)))
        b.output("sum", b.reduce(.sum, z, axes: [0]))
        b.output("square", b.contract(z, [0], z, [0], to: []))
        b.output("row", b.gather(z, b.constant(.int(1))))
        b.output("before", b.delay(z, -1))
        b.output("total", b.overTime(.sum, z))
        let results = run(b.graph, [2], ["z": [1, 2, 3, 4, 5, 6, 7, 8], "c": [1, 0]])
        #expect(results["pad"] == [0, 0, 1, 2, 3, 4, 0, 0, 0, 0, 5, 6, 7, 8, 0, 0])
        #expect(results["turned"] == [3, 4, 1, 2, 7, 8, 5, 6])
        #expect(results["twice"]?.prefix(8) == [1, 2, 1, 2, 3, 4, 3, 4])
        #expect(results["chosen"] == [1, 2, 3, 4, 5, -6, 7, -8])
        #expect(results["sum"] == [4, 6, 12, 14])
        #expect(results["square"] == [-10, 28, -26, 172])
        #expect(results["row"] == [3, 4, 7, 8])
        #expect(results["before"] == [0, 0, 0, 0, 1, 2, 3, 4])
        #expect(results["total"] == [6, 8, 10, 12])
    }

    /// A rotation by a quarter turn each step.
    @Test func statesMayBeComplex() {
        var b = GraphBuilder()
        let start = b.once("h0", [], .complex)
        let before = b.delay(ofLater: .complex, [], from: start)
        let h = b.binary(.multiply, before, b.constant(.complex(0, 1)))
        b.close(before, with: h)
        b.state("h", h, from: start)
        b.output("h", h)
        let results = run(b.graph, [3], ["h0": [2, 0]])
        #expect(results["h"] == [0, 2, -2, 0, 0, -2])
        #expect(results.finalState("h") == [0, -2])
        #expect(results.finalStates[0].tensor.shape == [1, 2])
    }
}
