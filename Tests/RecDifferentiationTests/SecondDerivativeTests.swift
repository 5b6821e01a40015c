import Rec
import RecInterpreter
import Testing

/// A gradient is a graph like any other, and can be differentiated again.
@Suite struct SecondDerivativeTests {
    @Test(arguments: [-1, 1])
    func gradientsOfGradientsAgreeWithDifferences(step: Int) throws {
        let shape = [Dim("H", 3)]
        var b = GraphBuilder()
        let (x, h0) = (b.input("x", shape), b.once("h0", shape))
        let (u, e) = (b.parameter("U", [Dim("G", 3), Dim("H", 3)]), b.parameter("E", [Dim("V", 4), Dim("H", 3)]))
        let before = b.delay(ofLater: .real, shape, [step], from: h0)
        let looked = b.gather(e, b.input("n", [], .int))
        let h = b.unary(.sigmoid, b.binary(.add, b.rename(b.product(u, before), to: shape), b.binary(.multiply, x, looked)))
        b.close(before, with: h)
        b.state("h", h, from: h0)
        b.loss("l", b.overTime(.mean, b.reduce(.logsumexp, b.binary(.multiply, h, h), axes: [0])))
        b.output("last", b.overTime(.last, b.unary(.tanh, h)))
        var first = try gradient(of: b.graph, GradientRequest(of: b.graph))
        // Differentiated alone: the loss it belongs to is no longer asked for.
        first.losses = []
        first.states = []
        first.outputs.removeAll { !$0.name.hasPrefix("grad.") }
        for k in first.outputs.indices { first.outputs[k].name = "first.\(first.outputs[k].name)" }
        try expectDerivatives(
            first, [Extent(batch: 2, extents: [1]), Extent(batch: 2, extents: [6]), Extent(batch: 3, extents: [5], lengths: [5, 1, 3])], "twice")
    }
}
