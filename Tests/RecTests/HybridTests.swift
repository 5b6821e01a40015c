import RecDifferentiation
import RecInterpreter
import RecSchedule
import RecStream
import TestSupport
import Testing

@testable import Rec

/// Recurrences chunk by chunk beside steps that attend to others: parts that are taken apart in turn.
@Suite struct HybridTests {
    private static let head = "input x: [D]\n param Q, R: [K, D]\n param W: [V, D]\n q = Q @ x\n k = R @ x\n"
    static let programs = [
        // What a memory reads is attended to.
        "state S: [K, V]\n S = sigmoid(x[0]) * S[t-1] + outer(k, W @ x)\n v = q @ S\n o = sum[s <= t](softmax[s](sum(q * k[s])) * v[s])\n output o",
        // What attends writes into a memory, and both are results.
        "v = W @ x\n o = sum[s <= t](softmax[s](sum(q * k[s])) * v[s])\n state S: [K, V]\n S = 0.9 * S[t-1] + outer(k, o)\n output y = q @ S\n output o",
        // In between, with a delta rule behind a window, a recurrence in steps, and a loss.
        "key = k * rsqrt(sum(k^2) + 1)\n state S: [K, V]\n S = S[t-1] + 0.5 * outer(key, W @ x - key @ S[t-1])\n v = q @ S\n o = sum[t-7 < s <= t](softmax[s](sum(q * k[s])) * v[s])\n state Z: [K, V]\n Z = sigmoid(q) * Z[t-1] + outer(k, o)\n state h: [V]\n h = tanh(0.5 * h[t-1] + q @ Z)\n output h\n loss l = mean[t](sum(h^2))",
        // From the last step on, attending to all.
        "state S: [K, V]\n S = 0.8 * S[t+1] + outer(k, W @ x)\n v = q @ S\n o = sum[s in t](softmax[s](sum(q * k[s])) * v[s])\n output o\n output v",
        // Two that attend with a memory between them.
        "v = W @ x\n a = sum[s <= t](softmax[s](sum(q * k[s])) * v[s])\n state S: [K, V]\n S = sigmoid(x[0]) * S[t-1] + outer(k, a)\n b = q @ S\n o = sum[s <= t](softmax[s](sum(b * a[s])) * b[s])\n output o",
    ]

    private func model(_ text: String) throws -> Model {
        let program = Program(text: "model M(D, K, V) {\n \(Self.head) \(text)\n}\n")
        try #require(program.diagnostics.isEmpty, "\(program.diagnostics.map(\.message)) \(text)")
        return try Model(program, named: "M", dims: ["D": 3, "K": 4, "V": 2])
    }

    private func expectSame(_ got: ModelResults, _ expected: ModelResults, _ what: String, within tolerance: Double) {
        let (got, expected) = (got.outputs + got.losses, expected.outputs + expected.losses)
        #expect(got.map(\.name) == expected.map(\.name), "\(what)")
        for (a, b) in zip(got, expected) {
            let error = Deviation(of: a.tensor, from: b.tensor).error
            #expect(a.tensor.shape == b.tensor.shape && error <= tolerance, "\(what): \(a.name) \(error)")
        }
    }

    @Test(arguments: programs) func chunksBesideAttentionAgree(text: String) throws {
        let model = try model(text)
        var request = GradientRequest(of: model.graph)
        let cotangents = model.graph.outputs.map(\.name)
        request.seeds = model.graph.losses.map { .loss($0.name) } + cotangents.map(GradientRequest.Seed.init(cotangent:))
        let forms = ChunkwiseForms(of: model.graph)
        var runs: [ModelData] = []
        for (steps, lengths) in [(37, nil), (16, [16, 5]), (3, [0, 3])] as [(Int, [Int]?)] {
            var data = generated(model, batch: 2, extents: [steps])
            data.lengths = lengths
            let results = try model.run(data, on: .interpreter)
            for name in cotangents { data.inputs["cotangent.\(name)"] = try results[name] }
            runs.append(data)
        }
        for (count, precision) in [(4, Precision.f64), (16, .f32)] {
            let states = forms.all(by: count)
            #expect(!states.isEmpty, "\(text)")
            // Results stand beside gradients.
            guard precision == .f64 || !model.graph.losses.isEmpty else { continue }
            let plain = try model.rewritten([:], request)
            let divided = try model.divided(states, request, times: nil)
            #expect(divided.leaves.contains { if case .traversal = $0 { true } else { false } })
            #expect(divided.leaves.contains { if case .pairs = $0 { true } else { false } })
            let what = "\(text) by \(count) \(precision.rawValue)"
            let code = try PartitionedModel(divided, precision: precision, forcing: [:], context: CompileContext(effort: .quick))
            for data in runs {
                let bound = try BoundData(data, for: plain)
                let expected = Interpreter(plain).run(bound)
                expectSame(PartitionEvaluation(divided.graph.partition).run(bound), expected, "parts of \(what)", within: 1e-10)
                let first = try #require(try code.run(bound, pool: ThreadPool(count: 1)))
                expectSame(first, expected, what, within: precision == .f64 ? 1e-10 : 2e-4)
                let second = try #require(try code.run(bound, pool: ThreadPool(count: 2, leastWork: 0)))
                expectSame(second, first, "\(what), threads", within: 0)
            }
        }
    }
}
