@testable import Rec
import RecRuntime
import RecTensors
import Testing

/// Where blocks begin depends on how many sequences a worker takes; what comes out does not.
@Suite struct BlockBoundaryTests {
    /// Steps take so much of the cache that one sequence has longer blocks than two.
    @Test(arguments: ["s = 0.3 * s[t+1] + c", "s = 0.3 * s[t-1] + c", "s = sigmoid(c) * s[t+1] + 0.2 * s[t+2] + c", "s = logaddexp(s[t+1] - 0.1, c)"])
    func scansInRegistersHaveTheSameBits(equation: String) throws {
        let text = """
            model M {
              dim W = 330
              input x: [4]
              param P: [W, 4]
              state s: real
              u = P @ x
              c = sum[W](tanh(u) * u)
              \(equation)
              output s
              output y = s * u
            }
            """
        try EveryForm(text).expectAgreement([(2, 65, nil), (3, 131, [131, 3, 97])], withGradients: false)
    }

    /// The adjoint of a state with one element runs backwards, beside rows that fill the cache.
    @Test func adjointsHaveTheSameBits() throws {
        let text = """
            model Cell(D) {
              input u: [D]
              param a, b: real
              state r: real
              state q: real = sigmoid(b)
              r = sigmoid(a) * r[t-1] + b
              q = q[t-1] + r[t-1]
              output y = u + 0 * q
            }
            model M(D) {
              input x, z: [D]
              state h: [D] = -1
              layer g = repeat(2, Cell(D))
              h = (1 - sigmoid(min(z, h[t-1]))) * h[t-1] + 0.1
              output y = g(tanh(x) / (1 + abs(h)))
            }
            """
        let model = try Model(Program(text: text), named: "M", dims: ["D": 32])
        var request = GradientRequest(of: model.graph)
        request.seeds = [.output("y")] + model.graph.states.map { .finalState($0.name) }
        request.targets += model.graph.states.map { .initialState($0.name) }
        let gradients = try GradientModel(model, request)
        let random = RandomCase(for: model, batch: 2, length: 65, seed: 3)
        var cotangents = random.cotangents
        for state in model.graph.states { cotangents["final.\(state.name)"] = Tensor([Double](repeating: 1, count: 2 * model.graph[state.value].shape.elementCount), shape: [2] + model.graph[state.value].shape.sizes) }
        let bound = try gradients.bind(random.data, cotangents: cotangents)
        let compiled = try CompiledModel(gradients.compile(.f64, forcing: PlanForms(gradients).all(as: .scan)), parameters: bound.parameters)
        let first = try gradients.run(bound, on: compiled, pool: ThreadPool(count: 1, leastWork: 0))
        for threads in [2, 3] {
            let got = try gradients.run(bound, on: compiled, pool: ThreadPool(count: threads, leastWork: 0))
            for (a, b) in zip(got.gradients, first.gradients) {
                #expect(a.tensor.doubles().map(\.bitPattern) == b.tensor.doubles().map(\.bitPattern), "\(a.name), \(threads) threads")
            }
        }
    }

    /// Rows so wide that one worker takes sequence after sequence: more workers than sequences add up their outer products as it does.
    @Test func sumsOverWideRowsHaveTheSameBits() throws {
        let text = """
            model M(B, C) {
              input x: [B]
              param p: [B, C] = constant(0.3)
              output y = tanh(x) @ p
            }
            """
        let model = try Model(Program(text: text), dims: ["B": 9000, "C": 17])
        let gradients = try GradientModel(model, withRespectTo: ["p"], cotangents: ["y"])
        let random = RandomCase(for: model, batch: 2, length: 5, seed: 3)
        let bound = try gradients.bind(random.data, cotangents: random.cotangents.filter { $0.key == "y" })
        let compiled = try CompiledModel(gradients.compile(.f64), parameters: bound.parameters)
        let first = try gradients.run(bound, on: compiled, pool: ThreadPool(count: 1, leastWork: 0))
        for threads in [2, 3, 5] {
            let got = try gradients.run(bound, on: compiled, pool: ThreadPool(count: threads, leastWork: 0))
            let isSame = got.gradients[0].tensor.doubles() == first.gradients[0].tensor.doubles()
            #expect(isSame, "\(threads) threads")
        }
    }
}
