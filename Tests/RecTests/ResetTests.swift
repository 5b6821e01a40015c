import Foundation
@testable import Rec
import Testing

@testable import RecRuntime

/// What a step does not read is forgotten, also where it is NaN or infinite and the recurrence runs as a scan; and where infinities and
/// NaN are read, as factors too, a scan gives what steps give.
@Suite struct ResetTests {
    struct Case: CustomTestStringConvertible {
        var name: String
        var source: String
        var dims: [String: Int] = [:]
        /// False where f32 misses a pole by a rounding, behind which nothing is the same.
        var isForSingle = true
        var testDescription: String { name }
    }

    static let cases: [Case] = [
        Case(name: "reset", source: "model M(D) {\n input x, q: [D]\n input m: bool\n state h: [D] = 0\n h = if m then 0.9 * h[t-1] + x else q\n output y = h }"),
        Case(name: "reset by data of elements", source: "model M(D) {\n input x, a: [D]\n state h: [D] = 0\n h = if x > -0.5 then a * h[t-1] + x else 0.1\n output y = h }"),
        Case(name: "backwards", source: "model M(D) {\n input x, q: [D]\n input m: bool\n state h: [D] = 0\n h = if m then 0.9 * h[t+1] + x else q\n output y = h }"),
        Case(name: "choice within a sum", source: "model M(D) {\n input x, a: [D]\n input m: bool\n state h: [D] = 0\n h = a * (if m then h[t-1] else 0) + x\n output y = h }"),
        Case(name: "two weights and a reset", source: "model M(D) {\n input x, a: [D]\n input m, n: bool\n state h: [D] = 0\n h = if m then (if n then a * h[t-1] else 0.5 * h[t-1]) else (if n then h[t-1] + x else x)\n output y = h }"),
        Case(name: "max-plus", source: "model M(D) {\n input x, a: [D]\n input m: bool\n state h: [D] = 0\n h = if m then max(h[t-1] + a, x) else x\n output y = h }"),
        Case(name: "min-plus", source: "model M(D) {\n input x, a: [D]\n input m: bool\n state h: [D] = 0\n h = if m then min(h[t-1] + a, x) else x\n output y = h }"),
        Case(name: "log-sum-exp", source: "model M(D) {\n input x, a: [D]\n input m: bool\n state h: [D] = 0\n h = if m then logaddexp(h[t-1] + a, x) else x\n output y = h }"),
        Case(name: "fraction", source: "model M(D) {\n input x, a: [D]\n input m: bool\n state h: [D] = 0\n h = if m then (h[t-1] + x) / (0.1 * h[t-1] + a + 2) else x\n output y = h }"),
        Case(name: "two steps back", source: "model M(D) {\n input x: [D]\n state h: [D] = 0\n h = 0.5 * h[t-2] + x\n output y = h }"),
        Case(name: "one and three steps back, chosen", source: "model M(D) {\n input x, a: [D]\n input m: bool\n state h: [D] = 0\n h = (if m then a * h[t-1] else 0) + 0.4 * h[t-3] + x\n output y = h }"),
        Case(name: "in turn", source: "model M(D) {\n input x: [D]\n state a, b: [D] = 0\n a = 0.5 * b[t-1] + x\n b = 0.9 * a[t-1]\n output y = a + 2 * b }"),
        Case(name: "pair, chosen", source: "model M(D) {\n input x, w: [D]\n input m: bool\n state p, q: [D] = 0\n p = if m then 0.6 * p[t-1] - 0.4 * q[t-1] + x else x\n q = if m then 0.4 * p[t-1] + 0.6 * q[t-1] else w\n output y = p - q }"),
        Case(name: "shift register", source: "model M(D) {\n input x: [D]\n state h: [5, D] = 0\n h = concat(reshape(x, [1, D]), h[t-1][0:4])\n output y = h }", dims: ["D": 3]),
        Case(name: "permutation", source: "model M(D) {\n input x: [D]\n state h: [D] = 0\n h = 0.5 * concat(h[t-1][2:D], h[t-1][0:2]) + x\n output y = h }", dims: ["D": 6]),
        Case(name: "dense, reset", source: "model M(D) {\n input x: [D]\n input m: bool\n param U: [D, D]\n state h: [D] = 0\n h = if m then 0.2 * (U @ h[t-1]) + x else x\n output y = h }", dims: ["D": 6]),
        Case(name: "dense, chosen elements", source: "model M(D) {\n input x, w: [D]\n param U: [D, D]\n state h: [D] = 0\n h = 0.2 * (U @ (if w > 0 then h[t-1] else 0)) + x\n output y = h }", dims: ["D": 6]),
        Case(name: "delta rule, reset", source: "model M(D, V) {\n input k: [D]\n input v: [V]\n input m: bool\n state S: [V, D] = 0\n S = if m then S[t-1] - 0.1 * outer(S[t-1] @ k, k) + outer(v, k) else outer(v, k)\n output y = S @ k }", dims: ["D": 4, "V": 3]),
        Case(name: "three resets", source: "model M(D) {\n input x, a: [D]\n input r, s: bool\n state h, m, l: [D]\n h = if r then (if s then x else h[t-1]) else sigmoid(a) * h[t-1] + x\n m = if s then max(m[t-1] + a, x) else (if r then m[t-1] + 1 else x)\n l = if r and not s then logaddexp(l[t-1], x) else a + l[t-1]\n output h\n output m\n output l }", dims: ["D": 5]),
        Case(name: "pair of two steps, chosen", source: "model M(D) {\n input x, a: [D]\n input r, s: bool\n state p, q: [D]\n p = if r then 0.5 * p[t-1] + 0.1 * q[t-2] + x else q[t-1]\n q = if s then 0.2 * p[t-1] - 0.3 * q[t-1] else (if r then a else p[t-2] * 0.5)\n output p\n output q }", dims: ["D": 5]),
        Case(name: "backwards from the end, two steps", source: "model M(D) {\n input x: [D]\n input r: bool\n state p: [D] = last[t](x)\n p = if r[t+1] then 0.5 * p[t+1] + 0.1 * p[t+3] + x else x[t-1]\n output p }", dims: ["D": 2]),
        Case(name: "complex", source: "model M(N) {\n input x, u, th: [N]\n input r: bool\n state h: complex[N]\n h = if r then cis(th) * h[t-1] * 0.9 + complex(x, u) else complex(u, x)\n output y = re(h) + im(h) }", dims: ["N": 2]),
        Case(name: "delta rule, chosen before", source: "model M(K, V) {\n input k: [K]\n input v: [V]\n input r: bool\n state S: [V, K]\n S = (if r then S[t-1] else 0) - 0.1 * outer((if r then S[t-1] else 0) @ k, k) + outer(v, k)\n output y = S @ k }", dims: ["K": 4, "V": 3]),
        Case(name: "affine", source: "model M(D) {\n input x, a: [D]\n state h: [D] = 1\n h = a * h[t-1] + x\n output y = h }"),
        Case(name: "between two numbers", source: "model M(D) {\n input x, a: [D]\n state h: [D] = 1\n h = h[t-1] + a * (x - h[t-1])\n output y = h }"),
        Case(name: "between two numbers, backwards", source: "model M(D) {\n input x, a: [D]\n state h: [D] = 1\n h = h[t+1] + a * (x - h[t+1])\n output y = h\n output z = 2 * h[t+1] }"),
        Case(name: "two that meet", source: "model M(D) {\n input x, a: [D]\n state p, q: [D] = 1\n p = a * p[t-1] + x * q[t-1]\n q = 0.5 * q[t-1] + a * p[t-1] + 1\n output y = p\n output z = q }"),
        Case(name: "max-plus, always", source: "model M(D) {\n input x, a: [D]\n state h: [D] = -inf\n h = max(a + h[t-1], x)\n output y = h }"),
        Case(name: "min-plus, always", source: "model M(D) {\n input x, a: [D]\n state h: [D] = 0\n h = min(a + h[t-1], x)\n output y = h }"),
        Case(name: "log-sum-exp, always", source: "model M(D) {\n input x, a: [D]\n state h: [D] = -inf\n h = logaddexp(a + h[t-1], x)\n output y = h }"),
        Case(name: "fraction with poles", source: "model M(D) {\n input x, a: [D]\n state h: [D] = 0\n h = (h[t-1] + floor(2 * a)) / (h[t-1] + floor(2 * x))\n output y = h }", isForSingle: false),
        Case(name: "parameters", source: "model M(D) {\n input x: [D]\n state h: [D] = 0\n h = (if x > 1 then inf else 0.5) * h[t-1] + (if x > 0.9 then 0 else x)\n output y = h }"),
        Case(name: "element of the state", source: "model M(D) {\n input x: [D]\n input n: int\n state h: [D]\n h = 0.5 * h[t-1] + 0.2 * (h[t-1])[n] + x\n output h }", dims: ["D": 5]),
    ]

    /// Numbers of which some are NaN, infinite and zero.
    private func data(_ model: Model, length: Int, seed: Int, inFactors: Bool = true) -> RandomCase {
        let special = [Double.nan, .infinity, -.infinity]
        var random = RandomCase(for: model, batch: 2, length: length, lengths: length > 70 ? [length, length - 9] : nil, seed: UInt64(seed))
        var state = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 | 1
        func draw(_ n: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % n
        }
        for (name, tensor) in random.data.inputs.sorted(by: { $0.key < $1.key }) {
            guard name == "x" || name == "v" || inFactors && !["m", "n", "r", "s"].contains(name) else { continue }
            var values = tensor.doubles()
            for k in values.indices where draw(19) == 0 { values[k] = special[draw(special.count)] }
            random.data.inputs[name] = Tensor(values, shape: tensor.shape)
        }
        return random
    }

    private func isSame(_ a: Double, _ b: Double, _ tolerance: Double) -> Bool {
        a.isNaN || b.isNaN ? a.isNaN && b.isNaN : a == b || abs(a - b) <= tolerance * max(1, abs(b))
    }

    @Test(arguments: cases) func forgetsAsTheInterpreterDoes(test: Case) throws {
        for width in test.dims.isEmpty ? [1, 2, 4, 7, 20] : [0] {
            let dims = test.dims.isEmpty ? (["D": width]) : test.dims
            let model = try Model(Program(text: test.source), dims: dims)
            let plans = PlanForms(model)
            #expect(plans.recurrences.compactMap(\.refusal).isEmpty, "\(test.name): \(plans.recurrences.compactMap(\.refusal))")
            let form = plans.all(as: .scan)
            let cases = try [1, 3, 63, 64, 65, 130, 300].map { length in
                let random = data(model, length: length, seed: length + width)
                return (length: length, bound: try BoundData(random.data, for: model.graph), reference: try model.run(random.data, on: .interpreter))
            }
            for (precision, tolerance) in [(Precision.f64, 1e-9), (.f32, 1e-3)] where precision == .f64 || test.isForSingle {
                let code = try model.compile(precision, forcing: form, context: precision.testContext)
                for (length, bound, reference) in cases {
                    let compiled = try CompiledModel(code, parameters: bound.parameters)
                    var one: [NamedTensor]?
                    for threads in [1, 2, 3] {
                        let got = try model.run(bound, on: compiled, pool: ThreadPool(count: threads, leastWork: 0))
                        // What has the same bits is as far off.
                        if let one, zip(one, got.outputs + got.finalStates).allSatisfy({ haveSameBits($0.tensor, $1.tensor) }) { continue }
                        one = got.outputs + got.finalStates
                        for (a, b) in zip(got.outputs + got.finalStates, reference.outputs + reference.finalStates) {
                            let (x, y) = (a.tensor.doubles(), b.tensor.doubles())
                            let first = x.indices.first { !isSame(x[$0], y[$0], tolerance) }
                            #expect(first == nil, "\(test.name) \(dims) \(precision) \(length) steps, \(threads) threads: \(a.name)[\(first ?? 0)] is \(x[first ?? 0]), not \(y[first ?? 0])")
                        }
                    }
                }
            }
        }
    }

    /// Slopes too: what is not chosen has none, whatever it is.
    @Test(arguments: cases) func gradients(test: Case) throws {
        let dims = test.dims.isEmpty ? ["D": 3] : test.dims
        let model = try Model(Program(text: test.source), dims: dims)
        var request = GradientRequest(of: model.graph)
        let example = RandomCase(for: model, batch: 1, length: 1, seed: 7)
        request.seeds = example.cotangents.keys.sorted().map(GradientRequest.Seed.init(cotangent:))
        let gradients = try GradientModel(model, request)
        let form = PlanForms(gradients).all(as: .scan)
        let code = try gradients.compile(.f64, forcing: form, context: .quick)
        for length in [1, 64, 130] {
            let random = data(model, length: length, seed: length, inFactors: false)
            let reference = try gradients.run(random.data, cotangents: random.cotangents, on: .interpreter)
            let bound = try gradients.bind(random.data, cotangents: random.cotangents)
            let compiled = try CompiledModel(code, parameters: bound.parameters)
            for threads in [1, 2] {
                let got = try gradients.run(bound, on: compiled, pool: ThreadPool(count: threads, leastWork: 0))
                for (a, b) in zip(got.gradients, reference.gradients) {
                    let (x, y) = (a.tensor.doubles(), b.tensor.doubles())
                    let first = x.indices.first { !isSame(x[$0], y[$0], 1e-8) }
                    #expect(first == nil, "\(test.name) \(length) steps, \(threads) threads: \(a.name)[\(first ?? 0)] is \(x[first ?? 0]), not \(y[first ?? 0])")
                }
            }
        }
    }
}
