@testable import Rec
import Testing

@testable import RecRuntime

/// Where a select chooses some rows of a matrix product, what is NaN or infinite in the others has no part in any gradient.
@Suite struct ChosenRowTests {
    private static let (batch, length, rows, columns) = (2, 9, 4, 3)

    /// `o = if g > 0 then A @ v else 0` for a weight and for a matrix of the data, and the product written otherwise.
    static let programs = [
        "model M(J, K) {\n input g: [J]\n input v: [K]\n param A: [J, K]\n output o = if g > 0 then A @ v else 0\n loss l = sum[t](sum(o)) }",
        "model M(J, K) {\n input g: [J]\n input v: [K]\n input A: [J, K]\n output o = if g > 0 then A @ v else 0\n loss l = sum[t](sum(o)) }",
        "model M(J, K) {\n input g: [J]\n input v: [K]\n param A: [J, K]\n y = A @ v\n output o = sum(if g > 0 then y else 0 * g)\n loss l = sum[t](o) }",
        "model M(J, K) {\n input g: [J]\n input v: [K]\n param A: [J, K]\n y = concat(v @ A[0:2].T, A[2:J] @ v)\n output o = if not (g > 0) then g else y\n loss l = sum[t](sum(o)) }",
        "model M(J, K) {\n input g: [J]\n input v: [K]\n param A: [J, K]\n state y: [J]\n y = A @ v\n output o = if g[t-1] > 0 then y[t-1] else 0\n output p = if g[t-1] > 0 then 0 else 1\n loss l = sum[t](sum(o)) }",
    ]

    @Test(arguments: programs.indices) func onlyTheirOwnPlaces(number: Int) throws {
        let text = Self.programs[number]
        let model = try Model(Program(text: text), dims: ["J": Self.rows, "K": Self.columns])
        #expect(model.graph.violations() == [])
        let isOfData = text.contains("input A")
        let isLater = text.contains("t-1")
        for poison in [Double.nan, .infinity] {
            var random = RandomCase(for: model, batch: Self.batch, length: Self.length, seed: 3)
            func draw(_ count: Int, _ seed: Int) -> [Double] { (0..<count).map { Double(($0 * 37 + seed * 11) % 17) / 8 - 1 + 0.03 } }
            let steps = Self.batch * Self.length
            // The last row is never chosen, and the first always.
            let g = draw(steps * Self.rows, 1).enumerated().map { k, number in k % Self.rows == Self.rows - 1 ? -1 : k % Self.rows == 0 ? 1 : number }
            var v = draw(steps * Self.columns, 2)
            v[4 * Self.columns + 1] = poison
            var a = draw((isOfData ? steps : 1) * Self.rows * Self.columns, 3)
            for k in a.indices where k / Self.columns % Self.rows == Self.rows - 1 { a[k] = poison }
            random.data.inputs["g"] = Tensor(g, shape: [Self.batch, Self.length, Self.rows])
            random.data.inputs["v"] = Tensor(v, shape: [Self.batch, Self.length, Self.columns])
            if isOfData {
                random.data.inputs["A"] = Tensor(a, shape: [Self.batch, Self.length, Self.rows, Self.columns])
            } else {
                random.data.parameters["A"] = Tensor(a, shape: [Self.rows, Self.columns])
            }
            // What is chosen, added up and nothing else.
            var ofA = [Double](repeating: 0, count: a.count)
            var ofV = [Double](repeating: 0, count: v.count)
            for step in 0..<steps where !isLater || step % Self.length < Self.length - 1 {
                for row in 0..<Self.rows where g[step * Self.rows + row] > 0 {
                    for column in 0..<Self.columns {
                        let at = ((isOfData ? step : 0) * Self.rows + row) * Self.columns + column
                        // An infinity that is chosen makes NaN.
                        let (factor, weight) = (v[step * Self.columns + column], a[at])
                        ofA[at] += factor.isFinite ? factor : .nan
                        ofV[step * Self.columns + column] += weight.isFinite ? weight : .nan
                    }
                }
            }
            for k in ofA.indices { ofA[k] /= Double(Self.batch) }
            for k in ofV.indices { ofV[k] /= Double(Self.batch) }
            var request = GradientRequest(of: model.graph)
            request.seeds = [.loss("l")]
            let gradients = try GradientModel(model, request)
            for engine in [Engine.interpreter, .compiled(.f64), .compiled(.f32)] {
                for threads in [1, 2] {
                    let got = try gradients.run(random.data, on: engine, threads: threads)
                    for (name, expected) in [("A", ofA), ("v", ofV)] {
                        let found = try got[name].doubles()
                        for (k, (x, y)) in zip(found, expected).enumerated() {
                            #expect(y.isNaN ? x.isNaN : abs(x - y) < 1e-4, "\(engine), \(threads) threads, grad.\(name)[\(k)] is \(x), not \(y), with \(poison): \(text)")
                        }
                    }
                }
            }
        }
    }
}
