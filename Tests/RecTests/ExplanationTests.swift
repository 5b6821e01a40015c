import Foundation
import Rec
import RecAnalysis
import RecScheduling
import Testing

/// Times, forms and drawings of `recc explain`.
@Suite struct ExplanationTests {
    private func model(_ text: String, _ dims: [String: Int] = [:]) throws -> Model {
        let program = Program(text: text)
        try #require(!program.hasErrors, "\(program.diagnostics.map(\.message))")
        return try Model(program, dims: dims)
    }

    /// A small recurrence beside a large one.
    private let unequal = """
        model M(D) {
          input x: [D]
          input s: real
          param U: [D, D]
          state h: [D]
          state c: real
          h = tanh(x + U @ h[t-1])
          c = tanh(s + c[t-1])
          output h
          output c
        }
        """

    @Test func timesOfRecurrencesAreTheirOwn() throws {
        let explanation = try Explanation(model(unequal, ["D": 64]), work: Workload(batch: 1, extents: [1000], threads: 1))
        var seconds: [String: Double] = [:]
        for recurrence in explanation.recurrences { seconds[recurrence.states[0]] = try #require(recurrence.forms.first?.seconds) }
        let (h, c) = (try #require(seconds["h"]), try #require(seconds["c"]))
        #expect(c > 0 && h > 4 * c && h + c <= explanation.seconds * 1.001)
        let page = explanation.text(explanation.sources)
        #expect(page.split(separator: "\n").count { $0.contains("an estimate of the whole run: ") } == 1)
        #expect(explanation.json(explanation.sources).contains("\"seconds\":\(explanation.seconds)"))
    }

    @Test(arguments: [
        ("S = a * S[t-1] + outer(k, v)", "output o = S", "nothing sums over dims of 'S'"),
        ("S = a * S[t-1] + a * S[t-2] + outer(k, v)", "output o = k @ S", "'S' looks back several steps"),
    ])
    func chunkwiseIsSpokenOf(equation: String, output: String, reason: String) throws {
        let text = """
            model M(K, V) {
              input a: real
              input k: [K]
              input v: [V]
              state S: [K, V]
              \(equation)
              \(output)
            }
            """
        let model = try model(text, ["K": 3, "V": 4])
        let work = Workload(batch: 1, extents: [50], threads: 1)
        let explanation = try Explanation(model, work: work)
        #expect(explanation.text(explanation.sources).contains("not as       chunkwise: \(reason)"))
        #expect(explanation.json(explanation.sources).contains("\"plan\":\"chunkwise\",\"reason\":\"\(reason)\""))
        // A recurrence of adjoints is none of the equations.
        let gradient = try Explanation(GradientModel(model), work: work)
        #expect(gradient.recurrences.count { $0.forms.contains { $0.name == "chunkwise" && $0.refusal?.reason == reason } } == 1)
    }

    @Test func onlyEquationsAreSteps() throws {
        let several = try model("model M(H) {\n  input x: [H]\n  param a, b: [H]\n  state h: [H] = [a, b]\n  h = 0.9 * h[t-1] - 0.1 * h[t-2] + x\n  output h\n}\n", ["H": 3])
        let explanation = try Explanation(several, work: Workload(batch: 1, extents: [50], threads: 1))
        #expect(explanation.recurrences.map(\.facts.step) == [["h = 0.9 * h[t-1] - 0.1 * h[t-2] + …"]])
    }

    @Test func chunksAreExplained() throws {
        let model = try model(
            "model M(K, V) {\n  input a: real\n  input k: [K]\n  input v: [V]\n  state S: [K, V]\n  S = a * S[t-1] + outer(k, v)\n  output o = k @ S\n}\n",
            ["K": 3, "V": 4])
        let work = Workload(batch: 1, extents: [50], threads: 1)
        let able = try Explanation(model, work: work)
        #expect(able.text(able.sources).contains("could run as chunkwise, about"))
        let chosen = try Explanation(model, work: work, forcing: ["S": .chunkwise(32)])
        let text = chosen.text(chosen.sources)
        #expect(text.contains("runs as      chunkwise, about") && text.contains(": chunks of 32 steps; in all 1 traversal of chunks, 4 products"))
    }

    @Test func chunkwiseIsNotSpokenOfElsewhere() throws {
        let cell = try Explanation(model(unequal, ["D": 3]), work: Workload(batch: 1, extents: [50], threads: 1))
        #expect(!cell.text(cell.sources).contains("chunkwise"))
        let vector = try model("model M(D) {\n  input x: [D]\n  state h: complex[D]\n  h = cis(x) * h[t-1] + x\n  output y = re(h)\n}\n", ["D": 3])
        let complex = try Explanation(vector, work: Workload(batch: 1, extents: [50], threads: 1))
        #expect(complex.text(complex.sources).contains("chunkwise: nothing sums over dims of 'h'"))
    }

    @Test(arguments: [
        ("model M(C) {\n  input a, b: [C]\n  state h: [C]\n  h = a * h[t-1] + b\n  output h\n}\n", ["h, forward over t\\naffine, diagonal[C]", "label=\"t−1\""]),
        ("model M(C) {\n  input a, b: [C]\n  state h: [C]\n  h = a * h[t+1] + b\n  output h\n}\n", ["h, backward over t\\naffine", "label=\"t+1\""]),
        (
            "model M(C) {\n  input a, b: [C]\n  state h: [C]\n  h = a * h[t-1] + a[t+2] * h[t-3] + b\n  output h\n}\n",
            ["label=\"t−1; t−3\"", "label=\"t+2\"", "label=\"a [C = 3]\"", "label=\"h [C = 3]\""]
        ),
        (
            "model M(C) over (i, j) {\n  input x: [C]\n  state h: [C]\n  h = 0.5 * h[i-1, j] + 0.25 * h[i, j+1] + x\n  output h\n}\n",
            ["h, forward over i, backward over j", "label=\"i−1; j+1\""]
        ),
    ])
    func drawingsSayWhichStepsAndSizes(text: String, parts: [String]) throws {
        let dot = GraphDrawing(try model(text, ["C": 3])).dot
        for part in parts { #expect(dot.contains(part), "\(part) in \(dot)") }
        #expect(!dot.contains("other steps"))
    }
}
