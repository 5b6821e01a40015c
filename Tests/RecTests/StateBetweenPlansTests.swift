import Foundation
@testable import Rec
import TestSupport
import Testing

/// What one plan saves another goes on from: each pair of them, through a file, against the sequence in one piece.
@Suite struct StateBetweenPlansTests {
    /// What takes the steps before a cut, or behind it.
    enum Way: CaseIterable, Sendable { case interpreter, sequential, scan, chunkwise, fastest, steps, stream }

    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var source: String
        var dims: [String: Int] = [:]
        /// Ways beside those that every program has.
        var forms: Set<Way> = []
        var streams = true
        var testDescription: String { name }
    }

    static let cases: [Case] = [
        Case(
            name: "vectors under gates, two layers", source: """
                model Cell(H) {
                  input x: [H]
                  input h0: [H] once = 0.5
                  param Wz, Wn, Uz, Un: [H, H]
                  state h: [H] = h0
                  z = sigmoid(Wz @ x + Uz @ h[t-1])
                  h = z * h[t-1] + (1 - z) * tanh(Wn @ x + Un @ h[t-1])
                  output h
                }

                model M(H) {
                  input x: [H]
                  layer stack = repeat(2, Cell(H))
                  output y = stack(x)
                }
                """, dims: ["H": 5]),
        Case(
            name: "delays of three steps", source: """
                model M(D) {
                  input x: [D]
                  param a: [D] = uniform(0.2, 0.6)
                  state h: [D] = 0.25
                  z = x + 0.5 * x[t-3]
                  h = a * h[t-1] - 0.3 * h[t-3] + z[t-2]
                  output y = h + z[t-1] * h[t-3]
                }
                """, dims: ["D": 3], forms: [.scan]),
        Case(
            name: "gates that see the input alone", source: """
                model M(D, H) {
                  input x: [D]
                  param Wz, Wh: [H, D]
                  state h: [H]
                  z = sigmoid(Wz @ x)
                  h = h[t-1] + z * (Wh @ x - h[t-1])
                  state s: [H] = 1
                  s = tanh(0.5 * s[t-1] + h)
                  output s
                  output before = h[t-1]
                }
                """, dims: ["D": 3, "H": 4], forms: [.scan]),
        Case(
            name: "a matrix under a gate", source: """
                model M(K, V) {
                  input q, k: [K]
                  input v: [V]
                  input a: [K]
                  state S: [K, V]
                  S = sigmoid(a) * S[t-1] + outer(k, v)
                  output o = q @ S
                }
                """, dims: ["K": 4, "V": 3], forms: [.scan, .chunkwise]),
        Case(
            name: "the delta rule", source: """
                model M(K, V) {
                  input q, k: [K]
                  input v: [V]
                  input rate, decay: real
                  state S: [K, V]
                  n = k * rsqrt(sum[K](k * k) + 1)
                  P = sigmoid(decay) * S[t-1]
                  S = P + sigmoid(rate) * outer(n, v - n @ P)
                  output o = q @ S
                }
                """, dims: ["K": 4, "V": 3], forms: [.scan, .chunkwise]),
        Case(
            name: "a matrix and its momentum", source: """
                model M(K, V) {
                  input q, k: [K]
                  input v: [V]
                  input a, b: real
                  state S, P: [K, V]
                  P = sigmoid(b) * P[t-1] + outer(k, v)
                  S = sigmoid(a) * S[t-1] + P
                  output o = q @ S
                }
                """, dims: ["K": 4, "V": 3], forms: [.scan, .chunkwise]),
        Case(
            name: "folds", source: CarriedStateTests.fold, forms: [.scan]),
        Case(
            name: "complex numbers", source: """
                model M(N) {
                  input x: real
                  param w: complex[N]
                  state s: complex[N] = w
                  s = cis(0.3) * 0.9 * s[t-1] + w * x
                  output y = s
                  output late = s[t-2]
                }
                """, dims: ["N": 2], forms: [.scan]),
        Case(
            name: "max-plus", source: """
                model M(N) {
                  input a, x: [N]
                  state m: [N] = -inf
                  m = max(m[t-1] + a, x)
                  output m
                }
                """, dims: ["N": 3], forms: [.scan]),
        Case(
            name: "ints and bools", source: """
                model M {
                  input k: int
                  input on: bool
                  state n: int = 2
                  state was: bool
                  n = if on then n[t-1] + k else k[t-1]
                  was = was[t-1] or on
                  output n
                  output b = was and on[t-1]
                }
                """, forms: [.scan]),
        Case(
            name: "the last step", source: """
                model M(D) {
                  input x: [D]
                  state h: [D]
                  h = 0.9 * h[t-1] + x
                  output h
                  output end = 2 * last[t](h)
                }
                """, dims: ["D": 5], forms: [.scan], streams: false),
    ]

    /// What a way forces in a part; nil where the part has no such form.
    private func forced(_ way: Way, in part: Model) -> [String: PlanForm]? {
        switch way {
        case .interpreter, .fastest, .steps, .stream: return [:]
        case .sequential: return PlanForms(part).all(as: .sequential)
        case .scan:
            let forms = PlanForms(part).all(as: .scan)
            return forms.isEmpty ? nil : forms
        case .chunkwise:
            let forms = ChunkwiseForms(of: part.graph).all(by: 8)
            return forms.isEmpty ? nil : forms
        }
    }

    private func run(_ test: Case, _ way: Way, _ model: Model, _ data: ModelData, _ state: ModelState) throws -> ModelResults? {
        if !test.streams, way == .steps || way == .stream { return nil }
        guard let forms = forced(way, in: try model.carrying(state.isBeginning ? .fresh : .given)) else { return nil }
        switch way {
        case .interpreter: return try model.run(data, state: state, on: .interpreter)
        case .steps: return try StreamRun.run(model, data, state: state, precision: .f64, context: .quick)
        case .stream: return try StreamRun.run(model, data, state: state, precision: .f64, piece: 3, context: .quick)
        case .sequential, .scan, .chunkwise, .fastest: return try model.run(data, state: state, on: .compiled(.f64), threads: 2, forcing: forms, context: .quick)
        }
    }

    private func expectSame(_ got: [NamedTensor], _ expected: [NamedTensor], _ comment: String) {
        for tensor in got {
            guard let other = expected.first(where: { $0.name == tensor.name }) else {
                Issue.record("\(comment): nothing is called '\(tensor.name)'")
                continue
            }
            let error = relativeError(tensor.tensor, other.tensor)
            #expect(error < 1e-10, "\(comment), \(tensor.name): \(error)")
        }
        #expect(got.count == expected.count, "\(comment)")
    }

    @Test(.timeLimit(.minutes(30)), arguments: cases) func everyPlanGoesOnFromEveryOther(test: Case) throws {
        let whole = try Model(Program(text: test.source), dims: test.dims)
        let folder = try TemporaryFolder()
        let (length, batch) = (41, 2)
        let data = RandomCase(for: whole, batch: batch, length: length, seed: 5).data
        let expected = try whole.run(data, state: ModelState(), on: .interpreter)
        let end = try #require(expected.state?.tensors)
        /// Those known at the end alone are the whole sequence's.
        func outputs(_ steps: Range<Int>) throws -> [NamedTensor] {
            try expected.outputs.map { output in
                let isStream = try whole.graph[#require(whole.graph.outputs.first { $0.name == output.name }).value].variance.isStream
                return isStream ? NamedTensor(name: output.name, tensor: output.tensor.steps(steps)) : output
            }
        }
        for cut in [2, 19] {
            let before = try whole.run(data.steps(0..<cut, of: whole), state: ModelState(), on: .interpreter)
            let (first, second) = (data.steps(0..<cut, of: whole), data.steps(cut..<length, of: whole))
            var seen: Set<Way> = []
            for from in Way.allCases {
                guard let saved = try run(test, from, whole, first, ModelState()) else { continue }
                seen.insert(from)
                let state = try #require(saved.state)
                expectSame(state.tensors, try #require(before.state?.tensors), "\(test.name), \(from) to step \(cut)")
                let path = folder.path("\(from).safetensors")
                try state.write(to: path)
                for to in Way.allCases {
                    guard let results = try run(test, to, whole, second, try ModelState(path: path)) else { continue }
                    let comment = "\(test.name), \(from) to step \(cut) and then \(to)"
                    expectSame(results.outputs, try outputs(cut..<length), comment)
                    expectSame(try #require(results.state).tensors, end, comment)
                }
            }
            #expect(seen == test.forms.union([.interpreter, .sequential, .fastest]).union(test.streams ? [.steps, .stream] : []), "\(test.name)")
        }
    }
}
