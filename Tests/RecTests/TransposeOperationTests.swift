import Rec
import RecInterpreter
import RecScheduling
import Testing

/// Sums over the batch and scattered rows: what gradients need beyond the operations of the language.
@Suite struct TransposeOperationTests {
    /// Rows of `g: [D]` and of `w: [K, D]` scattered to a table by `n` and `m: [K]`, added up over steps and sequences.
    private func graph() -> StreamGraph {
        var b = GraphBuilder("Rows")
        let g = b.input("g", [Dim("D", 3)])
        let n = b.input("n", [], .int)
        let w = b.input("w", [Dim("K", 2), Dim("D", 3)])
        let m = b.input("m", [Dim("K", 2)], .int)
        let p = b.parameter("p", [Dim("V", 4), Dim("D", 3)])
        let both = b.binary(.add, b.scatter(g, n, count: 4, named: "V"), b.scatter(w, m, count: 4, named: "V"))
        let total = b.overBatch(b.overTime(.sum, both))
        let count = b.overBatch(b.rename(b.constant(1), over: .once))
        b.output("rows", b.scatter(w, m, count: 4))
        b.output("total", total)
        b.output("scaled", b.binary(.divide, b.binary(.multiply, p, total), b.spread(count, to: b[p].shape)))
        b.output("again", b.rename(b.overBatch(b.overTime(.last, b.contract(total, [0, 1], g, [1], to: [0]))), to: [Dim("V", 4)]))
        b.output("p", p)
        return b.graph
    }

    private func data(batch: Int, length: Int, lengths: [Int]?) -> BoundData {
        var random = SeededGenerator(seed: 5)
        func reals(_ shape: [Int]) -> Tensor { Tensor((0..<shape.reduce(1, *)).map { _ in random.normal() }, shape: shape) }
        // Some indices lie outside the table.
        func places(_ shape: [Int]) -> Tensor { Tensor((0..<shape.reduce(1, *)).map { _ in Int(random.next() % 7) - 1 }, shape: shape) }
        return BoundData(
            batch: batch, extents: [length], lengths: lengths,
            inputs: [
                "g": reals([batch, length, 3]), "n": places([batch, length]), "w": reals([batch, length, 2, 3]),
                "m": places([batch, length, 2]),
            ],
            parameters: ["p": reals([4, 3])])
    }

    @Test func rowsAreAddedWhereTheirIndexPoints() {
        var b = GraphBuilder()
        b.output("y", b.scatter(b.input("w", [Dim("K", 3), Dim("D", 2)]), b.input("m", [Dim("K", 3)], .int), count: 2))
        let inputs = ["w": Tensor([1.0, 2, 10, 20, 100, 200], shape: [1, 1, 3, 2]), "m": Tensor([1, -4, 9], shape: [1, 1, 3])]
        let data = BoundData(batch: 1, extents: [1], lengths: nil, inputs: inputs, parameters: [:])
        #expect(Interpreter(b.graph).run(data).outputs[0].tensor.doubles() == [10, 20, 101, 202])
    }

    @Test func compiledCodeAgreesWithTheInterpreter() throws {
        let graph = graph()
        #expect(graph.violations() == [])
        for precision in [Precision.f64, .f32] {
            let code = try CompiledPlan(Pipeline.plan(graph), precision: precision)
            for (batch, length, lengths) in [(1, 1, nil), (3, 40, nil), (4, 9, [9, 0, 3, 8]), (2, 0, nil), (0, 3, nil)] as [(Int, Int, [Int]?)] {
                let data = data(batch: batch, length: length, lengths: lengths)
                let reference = Interpreter(graph).run(data)
                let compiled = try CompiledModel(code, parameters: data.parameters)
                var first: [[Double]]?
                for threads in [1, 2, 3] {
                    let got = try compiled.run(
                        inputs: data.inputs, batch: batch, extents: data.extents, lengths: lengths, pool: ThreadPool(count: threads, leastWork: 0))
                    for (a, b) in zip(got.outputs, reference.outputs) {
                        #expect(a.name == b.name && a.tensor.shape == b.tensor.shape)
                        #expect(
                            relativeError(a.tensor, b.tensor) < (precision == .f32 ? 1e-5 : 1e-13) || a.tensor.count == 0,
                            "\(a.name) \(batch)×\(length)")
                    }
                    let numbers = got.outputs.map { $0.tensor.doubles() }
                    #expect(first == nil || first == numbers || batch == 0, "results depend on the number of threads")
                    first = numbers
                }
            }
        }
        let shapes = Interpreter(graph).run(data(batch: 3, length: 2, lengths: nil)).outputs.map(\.tensor.shape)
        #expect(shapes == [[3, 2, 4, 3], [4, 3], [4, 3], [4], [4, 3]])
    }
}
