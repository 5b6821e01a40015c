import Rec
import Testing

/// Sums over time and batch of outer products, of sizes that fill tiles, panels and packed blocks, and of others.
@Suite struct TotalTests {
    private func linear(_ rows: Int, _ columns: Int) throws -> GradientModel {
        try GradientModel(
            Model(
                Program(
                    text: """
                        model M(D, H) {
                          input x: [D]
                          param W, V: [H, D]
                          y = W @ x + V @ x[t-1]
                          output y
                        }
                        """), dims: ["D": columns, "H": rows]))
    }

    @Test(arguments: [(1, 8), (7, 70), (100, 9), (13, 270)])
    func gradientsOfWeightsAreRight(rows: Int, columns: Int) throws {
        let gradients = try linear(rows, columns)
        let parameters = gradients.model.initialParameters(seed: 3)
        let runners = try [(Precision.f64, 1e-12), (.f32, 1e-5)].map {
            (runner: try Runner(gradients, precision: $0, parameters: parameters), tolerance: $1)
        }
        for lengths in [nil, [51, 0, 55, 1, 33]] {
            let data = generated(gradients.model, batch: 5, extents: [55], lengths: lengths)
            var generator = SeededGenerator(seed: 5, for: "cotangent")
            let cotangent = Tensor((0..<5 * 55 * rows).map { _ in generator.normal() }, shape: [5, 55, rows])
            let bound = try gradients.bind(data, cotangents: ["y": cotangent])
            let reference = try gradients.run(data, cotangents: ["y": cotangent], on: .interpreter)
            for (runner, tolerance) in runners {
                var first: [[Double]]?
                for threads in [1, 2, 3, 7] {
                    let work = Workload(batch: 5, extents: [55], threads: threads, bytesPerReal: runner.precision.byteCount)
                    let got = try gradients.run(bound, on: runner.compiled(for: work), pool: ThreadPool(count: threads, leastWork: 0))
                    for (a, b) in zip(got.gradients, reference.gradients) {
                        #expect(a.name == b.name && relativeError(a.tensor, b.tensor) <= tolerance, "\(a.name) with \(threads) threads")
                    }
                    // Not a bit depends on how many threads there are.
                    let numbers = got.gradients.map { $0.tensor.doubles() }
                    #expect(first == nil || first == numbers, "\(threads) threads")
                    first = numbers
                }
            }
        }
    }
}
