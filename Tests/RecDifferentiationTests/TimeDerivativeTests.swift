import Rec
import RecInterpreter
import Testing

/// Derivatives of what looks at other steps.
@Suite struct TimeDerivativeTests {
    private let shape = [Dim("A", 2)]

    @Test(arguments: [-3, -2, -1, 1, 2, 5])
    func delays(offset: Int) throws {
        var b = GraphBuilder()
        let (x, u, p) = (b.input("x", shape), b.once("u", shape), b.parameter("p", shape))
        b.output("x", b.delay(x, offset))
        b.output("xu", b.delay(x, offset, from: b.unary(.sin, u)))
        b.output("xp", b.delay(b.binary(.multiply, x, u), offset, from: p))
        b.output("p", b.delay(p, offset))
        b.output("u", b.delay(b.binary(.multiply, u, p), offset, from: u))
        try expectDerivatives(b.graph)
    }

    @Test(arguments: TimeReduceKind.allCases)
    func reductions(kind: TimeReduceKind) throws {
        var b = GraphBuilder()
        let (x, p) = (b.input("x", shape), b.parameter("p", shape))
        let m = b.overTime(kind, b.binary(.multiply, x, p))
        b.output("y", m)
        b.output("z", b.binary(.multiply, x, m))
        b.output("w", b.overTime(kind, b.rename(p, over: .all(of: b.graph))))
        b.loss("l", b.reduce(.sum, b.unary(.tanh, m), axes: [0]))
        // Of no step the largest is −∞, and the mean NaN.
        let extents = [.sum, .first, .last].contains(kind) ? Extent.oneAxis : Extent.oneAxis.filter { $0.extents[0] > 0 && $0.lengths == nil }
        try expectDerivatives(b.graph, extents + [Extent(batch: 3, extents: [6], lengths: [6, 1, 3])], "\(kind)")
    }

    /// `h = tanh(W h[t + step] + U h[t + 2 step] + x * p)`, which starts from `f(u)`.
    private func cell(_ step: Int, initial: (inout GraphBuilder) -> ValueID?) -> StreamGraph {
        var b = GraphBuilder()
        let (x, p) = (b.input("x", shape), b.parameter("p", shape))
        let (w, u) = (b.parameter("W", [Dim("B", 2), Dim("A", 2)]), b.parameter("U", [Dim("B", 2), Dim("A", 2)]))
        let start = initial(&b)
        let before = b.delay(ofLater: .real, shape, [step], from: start)
        let earlier = b.delay(ofLater: .real, shape, [2 * step], from: start)
        let mixed = b.binary(.add, b.rename(b.product(w, before), to: shape), b.rename(b.product(u, earlier), to: shape))
        let h = b.unary(.tanh, b.binary(.add, mixed, b.binary(.multiply, x, p)))
        b.close(before, with: h)
        b.close(earlier, with: h)
        b.state("h", h, from: start)
        b.output("h", h)
        b.output("last", b.overTime(.last, b.binary(.multiply, h, h)))
        b.loss("l", b.overTime(.mean, b.reduce(.sum, b.binary(.multiply, h, x), axes: [0])))
        return b.graph
    }

    @Test(arguments: [-1, 1])
    func recurrences(step: Int) throws {
        let some = Extent.oneAxis.filter { $0.extents[0] > 0 && $0.lengths == nil } + [Extent(batch: 3, extents: [6], lengths: [6, 1, 3])]
        try expectDerivatives(cell(step) { _ in nil }, some)
        try expectDerivatives(cell(step) { b in b.unary(.sin, b.once("h0", [Dim("A", 2)])) }, some)
        try expectDerivatives(cell(step) { b in b.parameter("h0", [Dim("A", 2)]) }, some)
    }

    @Test(arguments: [[-1, 0, 0, -1], [1, 0, 0, -1], [-1, 0, -1, -1], [0, 1, 1, 1], [-2, 0, 0, -1]])
    func twoAxes(offsets: [Int]) throws {
        var b = GraphBuilder("Grid", axes: [StreamAxis(name: "i"), StreamAxis(name: "j")])
        let x = b.input("x", shape)
        let (row, p, u) = (b.input("row", shape, over: [1]), b.parameter("p", shape), b.once("u", shape))
        let left = b.delay(ofLater: .real, shape, Array(offsets[..<2]), from: u)
        let right = b.delay(ofLater: .real, shape, Array(offsets[2...]), from: p)
        let h = b.unary(.sin, b.binary(.add, b.binary(.multiply, left, p), b.binary(.add, b.binary(.multiply, right, row), x)))
        b.close(left, with: h)
        b.close(right, with: h)
        b.state("h", h)
        b.output("h", h)
        b.output("column", b.overTime(.sum, h, axis: 0))
        b.output("line", b.overTime(.last, h, axis: 1))
        b.loss("l", b.reduce(.sum, b.overTime(.sum, b.overTime(.first, h, axis: 1)), axes: [0]))
        try expectDerivatives(b.graph, Extent.twoAxes, states: false, "\(offsets)")
    }

    @Test func complexStates() throws {
        var b = GraphBuilder()
        let x = b.input("x", shape, .complex)
        let (a, c0) = (b.parameter("a", shape, .complex), b.once("c0", shape, .complex))
        let before = b.delay(ofLater: .complex, shape, from: c0)
        let turned = b.binary(.multiply, before, b.unary(.exp, a))
        let h = b.binary(.add, b.binary(.multiply, turned, b.unary(.toComplex, b.constant(.real(0.2), shape))), x)
        b.close(before, with: h)
        b.state("h", h, from: c0)
        b.output("h", h)
        b.output("size", b.unary(.abs, b.binary(.divide, h, x)))
        b.output("angle", b.unary(.re, b.binary(.multiply, b.unary(.conj, h), b.unary(.cis, b.unary(.im, x)))))
        try expectDerivatives(b.graph, tolerance: 1e-5)
    }

    /// What stands behind the end of a sequence has no part in anything.
    @Test func paddingHasNoGradient() throws {
        for step in [-1, 1] {
            let graph = try gradient(of: cell(step) { _ in nil }, GradientRequest(of: cell(step) { _ in nil }))
            var data = randomData(graph, batch: 3, [6], lengths: [6, 2, 0], seed: 4)
            let clean = Interpreted.run(graph, data)
            #expect(clean["grad.x"]?[16...].allSatisfy { $0 == 0 } == true)
            var x = data.inputs["x"]?.doubles() ?? []
            for k in 16..<36 where k < 24 || k >= 24 { x[k] = .nan }
            data.inputs["x"] = Tensor(x, shape: [3, 6, 2])
            let spoilt = Interpreted.run(graph, data)
            for name in ["grad.p", "grad.W", "grad.U", "grad.x"] { #expect(spoilt[name] == clean[name], "\(name)") }
        }
    }
}
