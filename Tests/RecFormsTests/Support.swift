import Rec
import RecAnalysis
import RecDifferentiation
import RecForms
import RecInterpreter
import RecStream
import RecTensors
import Testing

/// A program whose recurrences of matrices have a chunkwise form.
struct ChunkwiseProgram: Sendable, CustomTestStringConvertible {
    var name: String
    var text: String
    var dims: [String: Int]
    /// The states that run chunk by chunk.
    var states: [String] = []
    var testDescription: String { name }

    /// Gradients by everything and by initial states, from outputs and last states.
    func gradientRequest(of graph: StreamGraph) -> GradientRequest {
        var request = GradientRequest(of: graph)
        request.seeds += graph.states.map { .finalState($0.name) }
        request.targets += states.map { .initialState($0) }
        return request
    }

    func graph() throws -> StreamGraph {
        let program = Program(text: text)
        try #require(!program.hasErrors, "\(program.diagnostics)")
        return try Model(program, dims: dims).graph.sharingCommonValues().recognizingContractions().splittingComplex()
    }

    /// Small numbers, so that states stay small over hundreds of steps; gates are 0 and 1 at times.
    func data(_ graph: StreamGraph, _ extent: Extent) -> BoundData {
        var data = BoundData(batch: extent.batch, extents: [extent.length], lengths: extent.lengths, inputs: [:], parameters: [:])
        for value in graph.values {
            var shape = value.variance.batch ? [extent.batch] : []
            if value.variance.isStream { shape.append(extent.length) }
            shape += value.shape.sizes
            func tensor(_ name: String) -> Tensor {
                var random = SeededGenerator(seed: 7, for: name)
                let numbers = (0..<shape.reduce(1, *)).map { _ in 0.4 * random.normal() }
                let isGate = name == "a" || name == "g"
                return Tensor(numbers.enumerated().map { isGate && $0 % 7 == 3 ? 0 : isGate && $0 % 7 == 5 ? 1 : $1 }, shape: shape)
            }
            if case .input(let name, _) = value.operation { data.inputs[name] = tensor(name) }
            if case .parameter(let info) = value.operation { data.parameters[info.path] = tensor(info.path) }
        }
        return data
    }
}

struct Extent: Sendable {
    var batch: Int
    var length: Int
    var lengths: [Int]?

    static let few = [Extent(batch: 1, length: 37), Extent(batch: 3, length: 33, lengths: [33, 0, 12])]
    static let all = few + [
        Extent(batch: 1, length: 0), Extent(batch: 2, length: 1), Extent(batch: 1, length: 32), Extent(batch: 1, length: 65),
        Extent(batch: 0, length: 5),
    ]
}

extension StreamGraph {
    /// The recurrences of these states chunk by chunk; others stay as they are.
    func chunkwise(_ states: [String], by count: Int) throws(FormRefusal) -> StreamGraph {
        var graph = self
        var written: Set<String> = []
        for name in states where !written.contains(name) {
            guard let state = graph.states.first(where: { $0.name == name })?.value,
                let members = components(of: graph).first(where: { $0.members.contains(state) })?.members
            else { continue }
            written.formUnion(graph.states.filter { members.contains($0.value) }.map(\.name))
            graph = try graph.chunkwise(members, by: count)
        }
        return graph
    }
}

/// Relative to the norm of what is expected.
func expectSame(
    _ got: ModelResults, _ expected: ModelResults, _ what: String, within tolerance: Double, states: Bool = true,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    let pairs = zip(got.outputs + got.losses, expected.outputs + expected.losses).map { ($0, $1) }
        + (states ? zip(got.finalStates, expected.finalStates).map { ($0, $1) } : [])
    for (a, b) in pairs {
        #expect(a.name == b.name && a.tensor.shape == b.tensor.shape, "\(what)", sourceLocation: sourceLocation)
        let (x, y) = (a.tensor.doubles(), b.tensor.doubles())
        let norm = y.filter { !$0.isNaN }.reduce(0) { $0 + $1 * $1 }.squareRoot()
        // The mean over no steps is NaN in both.
        let differences = zip(x, y).filter { !($0.isNaN && $1.isNaN) }.map { $0 - $1 }
        let error = differences.reduce(0) { $0 + $1 * $1 }.squareRoot()
        #expect(error <= tolerance * max(norm, 1e-3), "\(what): \(a.name) is off by \(error) of \(norm)", sourceLocation: sourceLocation)
    }
}

extension ChunkwiseProgram {
    private static func matrix(_ name: String, _ inputs: String, _ step: String, _ output: String, state: String = "state S: [N, K, V]") -> ChunkwiseProgram {
        ChunkwiseProgram(
            name: name, text: "model \(name)(N, K, V) {\n  input q, k: [N, K]\n  input v: [N, V]\n  \(inputs)\n  \(state)\n  \(step)\n  \(output)\n}\n",
            dims: ["N": 2, "K": 3, "V": 4], states: ["S"])
    }

    private static let read = "output o = sum[K](q * S)"

    static let all = [
        matrix("NoDecay", "input a: [N]", "S = S[t-1] + outer(k, v)", read),
        matrix("Scalar", "input a: [N]", "S = a * S[t-1] + outer(k, v)", read),
        matrix("Given", "input a: [N]\n  input S0: [N, K, V] once", "S = a * S[t-1] + outer(k, v)", read, state: "state S: [N, K, V] = S0"),
        matrix("ByKey", "input a: [N, K]", "S = a * S[t-1] + outer(k, v)", read),
        matrix("ByValue", "input a: [N, V]", "S = a * S[t-1] + outer(k, v)", read),
        matrix("ByBoth", "input a: [N, K]\n  input g: [N, V]", "S = a * (g * S[t-1]) + outer(k, v)", read),
        matrix("Weights", "param a: [N]", "S = sigmoid(a) * S[t-1] + outer(k, v)", read),
        matrix("Before", "input a: [N, K]", "S = a * S[t-1] + outer(k, v)", "output o = sum[K](q * S[t-1]) + v"),
        matrix(
            "Bonus", "input a: [N, K]\n  param u: [N, K]", "S = a * S[t-1] + outer(k, v)",
            "output o = sum[K](q * (S[t-1] + u * outer(k, v)))"),
        matrix("TwoReads", "input a: [N]", "S = a * S[t-1] + outer(k, v)", "output o = sum[K](q * S)\n  output p = tanh(sum[K](k * S)) * v"),
        matrix("Delta", "input b: [N]", "S = S[t-1] + sigmoid(b) * outer(k, v - sum[K](k * S[t-1]))", read),
        matrix(
            "Gated", "input a, b: [N]", "R = a * S[t-1]\n  S = R + sigmoid(b) * outer(k, v - sum[K](k * R))", read),
        matrix(
            "LowRank", "input a, u, w: [N, K]", "S = a * S[t-1] - outer(w * u, sum[K](u * S[t-1])) + outer(k, v)", read),
        matrix(
            "Householder", "input b1, b2, a: [N]\n  input k2: [N, K]\n  input v2: [N, V]",
            "R = a * S[t-1]\n  S1 = R + 2 * sigmoid(b1) * outer(k, v - sum[K](k * R))\n  S = S1 + b2 * outer(k2, v2 - sum[K](k2 * S1))", read),
        matrix("RankTwo", "input a: [N]\n  input g: [N, V]", "S = a * S[t-1] + outer(k, v) - outer(q, g)", read),
        matrix("Whole", "input a: [N]\n  input x: [N, K, V]", "S = a * S[t-1] + x", read),
        matrix("Masked", "input a: [N]\n  input m: real", "S = if m > 0 then a * S[t-1] + outer(k, v) else S[t-1]", read),
        matrix("Divided", "input a: [N]", "S = (a * S[t-1] + outer(k, v)) / 1.5", read),
        matrix("Backwards", "input a: [N]", "S = a * S[t+1] + outer(k, v)", read),
        matrix("Summed", "input a: [N]", "S = a * S[t-1] + outer(k, v)", "output o = sum[K](S)\n  loss l = mean[t](sum(o * o))"),
        ChunkwiseProgram(
            name: "Stabilised",
            text: """
                model Stabilised(N, K, V) {
                  input q, k: [N, K]
                  input v: [N, V]
                  input i, f: [N]
                  input C0: [N, K, V] once
                  state m: [N] = -1
                  state C: [N, K, V] = C0
                  state n: [N, K]
                  m = max(logsigmoid(f) + m[t-1], i)
                  fs = exp(logsigmoid(f) + m[t-1] - m)
                  is = exp(i - m)
                  C = fs * C[t-1] + is * outer(k, v)
                  n = fs * n[t-1] + is * k
                  output h = sum[K](q * C) / max(abs(sum[K](q * n)), exp(-m))
                }
                """, dims: ["N": 2, "K": 3, "V": 3], states: ["C", "n"]),
        ChunkwiseProgram(
            name: "SharedKeys",
            text: """
                model SharedKeys(N, P, S) {
                  input x: [N, P]
                  input dt: [N]
                  input b, c: [S]
                  param A: [N]
                  state h: [N, P, S]
                  d = softplus(dt)
                  h = exp(-d * exp(A)) * h[t-1] + outer(d * x, b)
                  output y = sum[S](h * c)
                }
                """, dims: ["N": 2, "P": 3, "S": 4], states: ["h"]),
        ChunkwiseProgram(
            name: "Plain",
            text: """
                model Plain(K, V) {
                  input q, k: [K]
                  input v: [V]
                  input a, beta: real
                  state S: [K, V]
                  R = sigmoid(a) * S[t-1]
                  S = R + sigmoid(beta) * outer(k, v - k @ R)
                  output o = q @ S
                }
                """, dims: ["K": 3, "V": 2], states: ["S"]),
        ChunkwiseProgram(
            name: "BothWays",
            text: """
                model BothWays(K, V) {
                  input q: [K]
                  input u: [V]
                  state A: [K, V]
                  state B: [K, V]
                  A = A[t+1] + outer(q, u)
                  p = q @ A
                  B = 0.5 * B[t-1] + outer(q, p)
                  output y = q @ B + p
                }
                """, dims: ["K": 2, "V": 3], states: ["A", "B"]),
        ChunkwiseProgram(
            name: "Normed",
            text: """
                model Layer(D, K) {
                  input x: [D]
                  param Wq, Wk: [K, D]
                  state S: [K, D]
                  k = tanh(Wk @ x)
                  S = S[t-1] + outer(k, x - k @ S[t-1])
                  output y = rmsnorm(x + (Wq @ x) @ S)
                }
                model Normed(D, K) {
                  input x: [D]
                  layer a = repeat(2, Layer(D, K))
                  output y = a(x)
                }
                """, dims: ["D": 4, "K": 2], states: ["a.0.S"]),
        matrix("Element", "input a: [N]", "S = a * S[t-1] + outer(k, v)", "o = sum[K](q * S)\n  output y = o[0] + mean[V](o[1])"),
        ChunkwiseProgram(
            name: "Layers",
            text: """
                model Layers(J, K, V) {
                  input q: [J]
                  input k: [K]
                  input v: [V]
                  input a: [K]
                  state S: [J, K]
                  state T: [K, V]
                  S = a * S[t-1] + outer(q, k)
                  o = sum[J](q * S)
                  T = a * T[t-1] + outer(tanh(o), v - sum[K](k * T[t-1]))
                  output y = sum[K](tanh(o) * T)
                }
                """, dims: ["J": 2, "K": 3, "V": 2], states: ["S", "T"]),
    ] + coupled
}
