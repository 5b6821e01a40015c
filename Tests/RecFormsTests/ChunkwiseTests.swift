import Rec
import RecAnalysis
import RecDifferentiation
import RecForms
import RecInterpreter
import RecStream
import RecTensors
import Testing

/// Chunkwise forms against the recurrence, both in the interpreter.
struct ChunkwiseTests {
    @Test("every program gives the same chunk by chunk", arguments: ChunkwiseProgram.all)
    func agrees(_ program: ChunkwiseProgram) throws {
        let graph = try program.graph()
        let chunked = try [1, 3, 16, 32].map { count in (count: count, graph: try graph.chunkwise(program.states, by: count)) }
        for (_, chunked) in chunked {
            #expect(chunked.violations() == [], "\(program.name)")
            #expect(try StreamGraph(text: chunked.text).text == chunked.text)
        }
        for (number, extent) in Extent.all.enumerated() {
            let data = program.data(graph, extent)
            let expected = Interpreter(graph).run(data)
            // All extents by one length of chunks, and by the others those that end within one.
            for (count, chunked) in chunked where count == 16 || number == 1 {
                expectSame(Interpreter(chunked).run(data), expected, "\(program.name) by \(count), \(extent)", within: 1e-11)
            }
        }
    }

    @Test("gradients are those of the recurrence", arguments: ChunkwiseProgram.all)
    func gradientsAgree(_ program: ChunkwiseProgram) throws {
        let graph = try program.graph()
        let request = program.gradientRequest(of: graph)
        let plain = try gradient(of: graph, request)
        for (count, extent) in zip([16, 4], Extent.few) {
            let chunked = try gradient(of: graph.chunkwise(program.states, by: count), request)
            #expect(chunked.violations() == [], "\(program.name)")
            let data = program.data(plain, extent)
            expectSame(
                Interpreter(chunked).run(data), Interpreter(plain).run(data), "\(program.name) by \(count), \(extent)", within: 1e-9,
                states: false)
        }
    }

    @Test("tangents are those of the recurrence", arguments: ChunkwiseProgram.all)
    func tangentsAgree(_ program: ChunkwiseProgram) throws {
        let graph = try program.graph()
        let targets = GradientRequest(of: graph).targets
        let plain = try tangent(of: graph, along: targets)
        let chunked = try tangent(of: graph.chunkwise(program.states, by: 8), along: targets)
        #expect(chunked.violations() == [], "\(program.name)")
        for extent in Extent.few {
            let data = program.data(plain, extent)
            expectSame(Interpreter(chunked).run(data), Interpreter(plain).run(data), "\(program.name), \(extent)", within: 1e-9, states: false)
        }
    }

    @Test("what has no chunkwise form is refused, with the reason", arguments: Refused.all)
    func refuses(_ refused: Refused) throws {
        let graph = try ChunkwiseProgram(name: "Refused", text: refused.text, dims: ["K": 2, "V": 3]).graph()
        do {
            _ = try graph.chunkwise(["S"], by: 4)
            Issue.record("not refused: \(refused.reason)")
        } catch { #expect(error.reason == refused.reason) }
    }
}

struct Refused: Sendable, CustomTestStringConvertible {
    var text: String
    var reason: String
    var testDescription: String { reason }

    private static func program(_ step: String, _ output: String = "output o = q @ S") -> String {
        """
        model Refused(K, V) {
          input q, k: [K]
          input v: [V]
          input a: real
          state S: [K, V]
          \(step)
          \(output)
        }
        """
    }

    static let all = [
        Refused(text: program("S = tanh(S[t-1]) + outer(k, v)"), reason: "'S' enters tanh, and goes back into the state"),
        Refused(text: program("S = a * S[t-1] + outer(k, v)", "output S"), reason: "nothing sums over dims of 'S'"),
        Refused(text: program("S = a * S[t-1] + outer(k, v)", "output o = q @ S\n  output S"), reason: "'S' is an output"),
        Refused(
            text: program("S = a * S[t-1] + outer(k, v)", "output o = q @ S\n  output u = S @ v"),
            reason: "the state is summed over different dims"),
        Refused(text: program("S = a * S[t-1] + outer(k, tanh(k @ S[t-1]))"), reason: "what is linear in the state enters tanh, and goes back into the state"),
        Refused(text: program("S = a * S[t-2] + outer(k, v)"), reason: "'S' looks back several steps"),
        Refused(text: program("S = a * S[t-1] + outer(k, v)", "output o = q @ tanh(S)"), reason: "'S' as a whole enters tanh"),
        Refused(
            text: program("state T: [K, V]\n  S = a * S[t-1] + outer(k, v)\n  T = 0.5 * T[t-1] + S", "output o = q @ S\n  output p = q @ T"),
            reason: "'S' as a whole is added to what has no such form"),
        Refused(
            text: program("state n: [K]\n  n = n[t-1] + k * sum(k @ S[t-1])\n  S = a * S[t-1] + outer(n[t-1], v)"),
            reason: "the recurrence carries 'S' as well as 'n', which has other dims"),
    ]
}
