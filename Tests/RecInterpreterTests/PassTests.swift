import RecInterpreter
import RecStream
import RecTensors
import Testing

/// Passes leave a graph sound, and what it computes as it was.
@Suite struct PassTests {
    /// A random graph of real and complex values of one shape, with the products and sums that contractions are made of.
    private struct RandomGraph {
        var builder = GraphBuilder("Random", axes: [StreamAxis(name: "t")])
        var random: SeededGenerator
        var reals: [ValueID] = []
        var complexes: [ValueID] = []
        let shape = [Dim("A", 2), Dim("B", 3)]

        init(seed: UInt64) {
            random = SeededGenerator(seed: seed)
            let before = builder.delay(ofLater: .complex, shape, from: seed % 2 == 0 ? builder.once("c0", shape, .complex) : nil)
            reals = [builder.input("x", shape), builder.once("u", shape), builder.parameter("p", shape)]
            complexes = [before, builder.input("z", shape, .complex), builder.parameter("q", shape, .complex)]
            for _ in 0..<14 { grow() }
            let size = builder.spread(builder.binary(.add, builder.constant(1), builder.unary(.exp, builder.constant(0))), to: shape)
            let h = builder.binary(.divide, complexes[complexes.count - 1], builder.unary(.toComplex, size))
            // Kept small, whatever came before.
            let bounded = builder.binary(.divide, h, builder.unary(.toComplex, builder.binary(.add, builder.unary(.abs, h), size)))
            let last = builder.binary(.add, bounded, builder.binary(.multiply, before, builder.constant(.complex(0.3, -0.2), shape)))
            builder.close(before, with: last)
            builder.state("h", last, from: { if case .delay(_, _, let start) = builder[before].operation { start } else { nil } }())
            for (k, id) in (reals + complexes + [last]).enumerated() { builder.output("y\(k)", id) }
            let stream = builder.unary(.tanh, builder.binary(.add, reals[0], reals[reals.count - 1]))
            builder.loss("l", builder.reduce(.sum, builder.overTime(.mean, stream), axes: [0, 1]))
        }

        mutating func pick(_ ids: [ValueID]) -> ValueID { ids[Int(random.next() % UInt64(ids.count))] }

        mutating func grow() {
            let (r, s, c, d) = (pick(reals), pick(reals), pick(complexes), pick(complexes))
            let column = builder.reduce(.max, s, axes: [1])
            switch random.next() % 16 {
            case 0: reals.append(builder.unary(.tanh, builder.binary(.add, r, s)))
            case 1: reals.append(builder.unary(.abs, c))
            case 2: reals.append(builder.unary(.re, c))
            case 3: reals.append(builder.unary(.im, builder.binary(.multiply, c, d)))
            case 4: complexes.append(builder.binary(.complex, r, s))
            case 5: complexes.append(builder.unary(.cis, r))
            case 6: complexes.append(builder.unary(.conj, builder.binary(.subtract, c, d)))
            case 7: complexes.append(builder.select(builder.binary(.less, r, s), c, d))
            // Ahead only of what is in no recurrence.
            case 8: complexes.append(builder.delay(builder.unary(.toComplex, r), r == reals[0] ? 1 : -1))
            case 9: complexes.append(builder.unary(.exp, builder.binary(.complex, builder.unary(.tanh, r), s)))
            case 10:
                // `sum[B](r * column)`, lined up again.
                let product = builder.binary(.multiply, r, builder.spread(column, to: shape))
                reals.append(builder.spread(builder.reduce(.sum, product, axes: [1]), to: shape))
                if random.next() % 3 == 0 { reals.append(product) }
            case 11:
                // An outer product over three axes, summed over one.
                let wide = shape + [Dim("C", 2)]
                let other = builder.rename(column, to: [Dim("C", 2)])
                let product = builder.binary(.multiply, builder.spread(other, to: wide), builder.spread(s, to: wide))
                reals.append(builder.reduce(.sum, product, axes: [2]))
            case 12:
                let product = builder.contract(c, [0, 1], d, [2, 1], to: [0, 2])
                complexes.append(builder.broadcast(builder.reduce(.sum, product, axes: [1]), to: shape, from: [0, nil]))
            case 13: complexes.append(builder.concat([builder.slice(c, axis: 1, start: 1, count: 2), builder.slice(d, axis: 1, start: 0, count: 1)], axis: 1, named: "B"))
            case 14: reals.append(builder.unary(.toReal, builder.binary(.notEqual, c, d)))
            default: complexes.append(builder.pad(builder.slice(c, axis: 0, start: 1, count: 1), axis: 0, before: 1, after: 0, named: "A"))
            }
        }
    }

    private func expectSame(_ graph: StreamGraph, _ other: StreamGraph, seed: UInt64) {
        #expect(graph.violations() == [], "seed \(seed)")
        #expect(other.violations() == [], "seed \(seed)\n\(graph.text)\n\(other.text)")
        var random = SeededGenerator(seed: seed)
        func numbers(_ count: Int) -> [Double] { (0..<count).map { _ in random.normal() } }
        let inputs = ["x": numbers(2 * 5 * 6), "u": numbers(2 * 6), "z": numbers(2 * 5 * 12), "c0": numbers(2 * 12)]
        let parameters = ["p": numbers(6), "q": numbers(12)]
        for lengths in [nil, [5, 3]] {
            let a = run(graph, batch: 2, [5], lengths: lengths, inputs, parameters: parameters)
            let b = run(other, batch: 2, [5], lengths: lengths, inputs, parameters: parameters)
            for (x, y) in zip(a.outputs + a.losses, b.outputs + b.losses) {
                #expect(x.name == y.name && x.tensor.shape == y.tensor.shape)
                #expect(agree(y.tensor.doubles(), x.tensor.doubles(), within: 1e-9), "seed \(seed), \(x.name)")
            }
        }
    }

    @Test(arguments: 0..<60 as Range<UInt64>)
    func splittingComplexKeepsMeaning(seed: UInt64) {
        let graph = RandomGraph(seed: seed).builder.graph
        let split = graph.splittingComplex()
        #expect(split.values.allSatisfy { $0.element != .complex })
        #expect(split.states.map(\.name) == ["h.re", "h.im"])
        expectSame(graph, split, seed: seed)
    }

    @Test(arguments: 0..<60 as Range<UInt64>)
    func recognizingContractionsKeepsMeaning(seed: UInt64) {
        let graph = RandomGraph(seed: seed).builder.graph
        expectSame(graph, graph.recognizingContractions(), seed: seed)
        expectSame(graph, graph.recognizingContractions().splittingComplex().ordered(), seed: seed)
    }

    /// The magnitude without overflow, and where there is nothing to scale by.
    @Test func magnitudesAreSafe() {
        var b = GraphBuilder()
        b.output("y", b.unary(.abs, b.input("z", [], .complex)))
        let z = [0.0, 0, 3e200, -4e200, 3e-200, 4e-200, .infinity, 2, -.infinity, -.infinity, 5, 0]
        let results = run(b.graph.splittingComplex(), [6], ["z": z])
        #expect(agree(results["y"], [0, 5e200, 5e-200, .infinity, .infinity, 5], within: 1e-14))
        #expect(agree(results["y"]?[2...2].map { $0 * 1e200 }, [5]))
    }

    /// Infinite reals become complex without a NaN in the imaginary part.
    @Test func conversionsAreExact() {
        var b = GraphBuilder()
        b.output("y", b.unary(.toComplex, b.input("x")))
        #expect(run(b.graph.splittingComplex(), [2], ["x": [.infinity, 1]])["y"] == [.infinity, 0, 1, 0])
    }

    private func contractions(_ graph: StreamGraph) -> Int {
        graph.recognizingContractions().values.filter { if case .contract = $0.operation { true } else { false } }.count
    }

    @Test func productsWithOneUseBecomeContractions() {
        var b = GraphBuilder()
        let shape = [Dim("K", 2), Dim("V", 3)]
        let q = b.input("q", [Dim("K", 2)])
        let s = b.input("S", shape)
        let product = b.binary(.multiply, b.spread(q, to: shape), s)
        b.output("o", b.reduce(.sum, product, axes: [0]))
        #expect(contractions(b.graph) == 1)
        #expect(b.graph.recognizingContractions().values.count == 3)
        // A second use, or a name that a result has, keeps the product.
        var shared = b
        shared.output("p", product)
        #expect(contractions(shared.graph) == 0)
        var state = b
        state.state("p", product)
        #expect(contractions(state.graph) == 0)
        var again = b
        again.output("m", again.reduce(.max, product, axes: [0]))
        #expect(contractions(again.graph) == 0)
    }

    @Test func axesOfNeitherFactorAreCounted() {
        var b = GraphBuilder()
        let shape = [Dim("K", 2), Dim("V", 3)]
        let q = b.spread(b.input("q", [Dim("K", 2)]), to: shape)
        b.output("o", b.reduce(.sum, b.binary(.multiply, q, q), axes: [0, 1]))
        #expect(run(b.graph.recognizingContractions(), [1], ["q": [1, 2]])["o"] == [15])
    }

    /// Programs give every output for each sequence, a parameter too; its parts are given so as well.
    @Test func complexOutputsOfParametersAreGivenForEachSequence() {
        var b = GraphBuilder()
        _ = b.input("x")
        b.output("y", b.rename(b.parameter("p", [Dim("A", 2)], .complex), over: .once))
        let split = b.graph.splittingComplex()
        #expect(split.violations() == [])
        #expect(split.outputs.map { split[$0.value].variance } == [.once])
    }
}
