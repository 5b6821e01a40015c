import RecStream

/// Graphs that several tests look at.
enum Graphs {
    /// `h = a * h[t-1] + W @ x` from `h0`, with its mean over time.
    static func leaky() -> StreamGraph {
        var b = GraphBuilder("Leaky")
        let hidden = [Dim("H", 3)]
        let x = b.input("x", [Dim("D", 2)])
        let h0 = b.once("h0", hidden, fallback: 0)
        let w = b.parameter("W", [Dim("H", 3), Dim("D", 2)], initializer: .normal(0.5))
        let a = b.constant(.real(0.5), hidden)
        let before = b.delay(ofLater: .real, hidden, from: h0)
        let h = b.binary(.add, b.binary(.multiply, a, before), b.product(w, x))
        b.close(before, with: h)
        b.state("h", h, from: h0)
        b.output("h", h)
        b.output("mean", b.overTime(.mean, h))
        b.loss("l", b.reduce(.sum, b.overTime(.last, h), axes: [0]))
        b.require(.affine, of: "h")
        b.require(.plan(["scan", "sequential"]), of: "h")
        return b.graph
    }

    /// Every operation once or more, over two axes.
    static func everything() -> StreamGraph {
        var b = GraphBuilder("every \"thing\"", axes: [StreamAxis(name: "t"), StreamAxis(name: "k", length: 4)])
        let shape = [Dim("A", 2), Dim("B", 3)]
        let x = b.input("x", shape)
        let u = b.input("u", [Dim("B", 3)], over: [0])
        let n = b.input("n", [], .int)
        let z = b.input("z", shape, .complex)
        let flag = b.once("flag", [], .bool, fallback: 1)
        let p = b.parameter("layer.0.p", shape, isTrained: false, initializer: .uniform(-1, 1))
        let wide = b.spread(u, to: shape)
        let sum = b.binary(.add, x, wide)
        let test = b.binary(.less, sum, p)
        let choice = b.select(test, sum, p)
        _ = b.select(b.spread(flag, to: shape), choice, x)
        let r = b.unary(.tanh, b.contract(x, [0, 1], p, [2, 1], to: [2, 0]))
        let m = b.reduce(.logsumexp, r, axes: [0])
        _ = b.reduce(.argmax, m, axes: [0])
        let flipped = b.broadcast(x, to: [shape[1], shape[0]], from: [1, 0])
        let flat = b.reshape(flipped, to: [Dim("6", 6)])
        let named = b.rename(flat, to: [Dim("re\nnamed", 6)])
        let padded = b.pad(named, axis: 0, before: 2, after: 1, mode: .reflect)
        let windows = b.window(padded, axis: 0, width: 3, stride: 2)
        let cut = b.slice(windows, axis: 0, start: 1, count: 2, stride: 2)
        let joined = b.concat([cut, b.slice(windows, axis: 0, start: 0, count: 1)], axis: 0, named: "J")
        let row = b.gather(joined, n)
        let rows = b.scatter(row, n, count: 5, named: "V")
        let turned = b.unary(.exp, b.binary(.multiply, z, b.constant(.complex(0.5, -1.5), shape)))
        let size = b.unary(.abs, turned)
        let before = b.delay(ofLater: .real, shape, [-1, 0])
        let below = b.delay(size, 0, -2)
        let s = b.binary(.max, before, b.binary(.add, below, x))
        b.close(before, with: s)
        b.state("s", s)
        b.output("row", row)
        b.output("rows", b.overBatch(b.overTime(.sum, b.overTime(.sum, rows, axis: 1))))
        b.output("z", turned)
        b.output("last", b.overTime(.last, b.overTime(.max, s, axis: 1), axis: 0))
        b.output("time", b.overTime(.first, s, axis: 0))
        b.output("truth", b.unary(.not, test))
        b.output("whole", b.unary(.toInt, b.binary(.power, x, x)))
        b.output("odd", b.binary(.add, n, b.constant(.int(-3))))
        b.loss("loss", b.overTime(.mean, b.overTime(.sum, b.reduce(.sum, x, axes: [0, 1]), axis: 1), axis: 0))
        b.require(.diagonal, of: "s")
        return b.graph
    }

    /// A running maximum as a fold.
    static func fold() -> StreamGraph {
        var operation = GraphBuilder("Max", axes: [])
        operation.output("m", operation.binary(.max, operation.operand("a.m"), operation.operand("b.m")))
        var b = GraphBuilder("Fold")
        let x = b.input("x")
        let start = b.constant(-.infinity)
        let before = b.delay(from: start)
        let m = b.binary(.max, before, x)
        b.close(before, with: m)
        b.state("f.m", m, from: start)
        b.output("m", m)
        var graph = b.graph
        graph.folds = [
            StreamGraph.Fold(
                monoid: "Max", fields: ["m"], elements: [x], states: [m], combine: operation.graph, identity: [.real(-.infinity)])
        ]
        return graph
    }
}

extension GraphBuilder {
    /// The delay of a later number.
    mutating func delay(from initial: ValueID) -> ValueID { delay(ofLater: .real, [], from: initial) }
}
