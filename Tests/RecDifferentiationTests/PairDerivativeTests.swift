import RecStream
import Testing

/// Values of pairs of steps: what attention is made of.
@Suite struct PairDerivativeTests {
    /// `q`, `k` `[H, K]` and `v` `[E]` over `t`; a softmax over earlier steps of a window, masked as programs have it.
    static func attention(window: Int?, _ kind: TimeReduceKind = .sum) -> StreamGraph {
        var b = GraphBuilder(axes: [StreamAxis(name: "t"), StreamAxis(name: "s", again: 0)])
        let (h, k, e) = (Dim("H", 2), Dim("K", 3), Dim("E", 2))
        let q = b.input("q", [h, k], over: [0])
        let keys = b.along(b.input("k", [h, k], over: [0]), axis: 1)
        let values = b.along(b.input("v", [e], over: [0]), axis: 1)
        let scores = b.contract(q, [0, 1], keys, [0, 1], to: [0])
        let distance = b.distance(axis: 1)
        var mask = b.binary(.lessOrEqual, b.constant(.int(0)), distance)
        if let window { mask = b.binary(.and, mask, b.binary(.less, distance, b.constant(.int(window)))) }
        let isSeen = b.spread(mask, to: [h])
        let none = b.constant(.real(-.infinity), [h])
        let masked = b.select(isSeen, scores, none)
        let most = b.overTime(.max, masked, axis: 1)
        let shift = b.unary(.stop, b.select(b.binary(.equal, most, none), b.constant(.real(0), [h]), most))
        let weight = b.unary(.exp, b.binary(.subtract, masked, shift))
        let total = b.overTime(.sum, weight, axis: 1)
        let isEmpty = b.binary(.equal, total, b.constant(.real(0), [h]))
        let share = b.binary(.divide, weight, b.select(isEmpty, b.constant(.real(1), [h]), total))
        let product = b.contract(share, [0], values, [1], to: [0, 1])
        b.output("o", b.overTime(.sum, product, axis: 1))
        if kind != .sum { b.output("m", b.overTime(kind, masked, axis: 1)) }
        return b.graph
    }

    @Test(arguments: [nil, 1, 3]) func softmaxOverEarlierSteps(window: Int?) throws {
        try expectDerivatives(Self.attention(window: window), isCompiled: false, "window \(window ?? 0)")
    }

    @Test func largestOfEarlierSteps() throws {
        try expectDerivatives(Self.attention(window: 4, .max), [Extent(batch: 2, extents: [9]), Extent(batch: 3, extents: [6], lengths: [6, 1, 3])], isCompiled: false)
    }

    @Test("what does not vary over the first index is reduced over the second one alone") func largestOfOneIndex() throws {
        var b = GraphBuilder(axes: [StreamAxis(name: "t"), StreamAxis(name: "s", again: 0)])
        let k = Dim("K", 2)
        let x = b.along(b.input("x", [k], over: [0]), axis: 1)
        let isSeen = b.spread(b.binary(.lessOrEqual, b.constant(.int(0)), b.distance(axis: 1)), to: [k])
        let near = b.select(isSeen, x, b.constant(.real(0), [k]))
        b.output("y", b.binary(.multiply, b.overTime(.sum, near, axis: 1), b.overTime(.max, x, axis: 1)))
        try expectDerivatives(b.graph, isCompiled: false)
    }

    @Test func textOfPairs() throws {
        let graph = Self.attention(window: 2)
        #expect(try StreamGraph(text: graph.text) == graph)
        #expect(graph.text.contains("over t, s = t again"))
    }
}
