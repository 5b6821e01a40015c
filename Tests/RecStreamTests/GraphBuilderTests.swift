import RecStream
import Testing

@Suite struct GraphBuilderTests {
    @Test func builtGraphsAreSound() {
        for graph in [Graphs.leaky(), Graphs.everything(), Graphs.fold()] { #expect(graph.violations() == []) }
    }

    @Test func typesFollowFromOperands() {
        var b = GraphBuilder()
        let (h, d) = (Dim("H", 3), Dim("D", 2))
        let w = b.parameter("W", [h, d])
        let x = b.input("x", [d])
        let c = b.once("c", [h])
        let product = b.product(w, x)
        #expect(b[product].type == ValueType(.real, [h], Variance(batch: true, axes: 1)))
        let static2 = b.unary(.exp, w)
        #expect(b[static2].variance == .none)
        let test = b.binary(.less, product, c)
        #expect(b[test].element == .bool)
        let most = b.overTime(.max, product)
        #expect(b[most].variance == .once)
        // Beyond the ends there is another value, so what is delayed varies over time.
        let delayed = b.delay(c, -1)
        #expect(b[delayed].variance == Variance(batch: true, axes: 1))
        let size = b.unary(.abs, b.unary(.cis, x))
        #expect(b[size].type == b[x].type)
        let best = b.reduce(.argmax, w, axes: [1])
        #expect(b[best].type == ValueType(.int, [h], .none))
    }

    @Test func namesOfAxesAreKeptOrMade() {
        var b = GraphBuilder()
        let x = b.input("x", [Dim("C", 2), Dim("L", 7)])
        let windows = b.window(x, axis: 1, width: 3, stride: 2)
        let padded = b.pad(x, axis: 1, before: 1, after: 1)
        let joined = b.concat([x, x], axis: 0, named: "E")
        let cut = b.slice(x, axis: 1, start: 1, count: 3, stride: 2)
        #expect(b[windows].shape == [Dim("C", 2), Dim("3", 3), Dim("3", 3)])
        #expect(b[padded].shape == [Dim("C", 2), Dim("9", 9)])
        #expect(b[joined].shape == [Dim("E", 4), Dim("L", 7)])
        #expect(b[cut].shape == [Dim("C", 2), Dim("3", 3)])
    }
}
