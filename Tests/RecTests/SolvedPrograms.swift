import Foundation
import Rec
import TestSupport
import Testing

/// Programs with recurrences of many kinds, and data for them.
enum SolvedPrograms {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var state: String
        var text: String
        var testDescription: String { name }
    }

    /// A run with a recurrence in a form, and what became of that.
    static func run(
        _ model: Model, _ data: ModelData, _ state: String, as form: PlanForm, _ precision: Precision = .f64, threads: Int = 1
    ) throws -> (results: ModelResults, report: SolveReport) {
        let results = try model.run(data, on: .compiled(precision), threads: threads, forcing: [state: form])
        return (results, try #require(results.solves[state]))
    }

    static let cases = [
        Case(
            name: "diagonal", state: "h",
            text: """
                model M(D) {
                  input a, b: [D]
                  param w: [D] = uniform(-1, 1)
                  state h: [D]
                  z = sigmoid(a + w * h[t-1])
                  h = (1 - z) * h[t-1] + z * tanh(b - w * h[t-1])
                  output h
                  output y = 2 * h + a
                }
                """),
        Case(
            name: "a single number", state: "s",
            text: """
                model M(D) {
                  input a, b: [D]
                  state s: real = 0.3
                  s = tanh(0.6 * s[t-1] - 0.2 * s[t-2] + sum(a))
                  output s
                  output late = s[t-3] + mean(b)
                }
                """),
        Case(
            name: "dense, with a start that is given", state: "h",
            text: """
                model M(D) {
                  input a, b: [D]
                  input h0: [D] once
                  param U: [D, D] = normal(0.3)
                  param W: [D, D] = normal(0.5)
                  state h: [D] = tanh(h0)
                  h = tanh(W @ a + b + U @ h[t-1])
                  output y = sum(h * b)
                  output surprise = norm(h - h[t-1])
                }
                """),
        Case(
            name: "from the last step to the first", state: "h",
            text: """
                model M(D) {
                  input a, b: [D]
                  state h: [D] = 0.1
                  state twice: [D]
                  h = sigmoid(a) * tanh(b + 0.5 * h[t+1])
                  twice = 2 * h
                  output h
                  output twice
                  output last = last[t](h)
                }
                """),
        Case(
            name: "two states, with gates of other steps", state: "c",
            text: """
                model M(D) {
                  input a, b: [D]
                  state c, h: [D]
                  state slow: [D]
                  slow = 0.9 * slow[t-1] + 0.1 * a[t-1]
                  c = sigmoid(slow) * c[t-1] + sigmoid(b - h[t-1]) * tanh(a)
                  h = tanh(c) * sigmoid(b)
                  output h
                  output drift = slow - h[t-2]
                }
                """),
        Case(
            name: "a layer on another", state: "g.h",
            text: """
                model Cell(D) {
                  input x: [D]
                  state h: [D]
                  h = tanh(x + 0.5 * h[t-1])
                  output h
                }
                model M(D) {
                  input a, b: [D]
                  layer f = Cell(D)
                  layer g = Cell(D)
                  output y = g(f(a) * b)
                }
                """),
        Case(
            name: "discrete states", state: "n",
            text: """
                model M(D) {
                  input a, b: [D]
                  state n: int
                  state armed: bool
                  armed = if sum(a) > 1.5 then not armed[t-1] else false
                  n = if sum(b) > 1 then 0 else min(n[t-1] + 1, 9)
                  output n
                  output y = if armed then real(n) else mean(a)
                }
                """),
        Case(
            name: "complex", state: "h",
            text: """
                model M(D) {
                  input a, b: [D]
                  state h: complex[D]
                  h = complex(tanh(a + 0.4 * re(h[t-1])), 0.5 * im(h[t-1]) * cos(b))
                  output y = re(h) + im(h)
                }
                """),
    ]

    static func model(_ text: String, _ dims: [String: Int] = ["D": 3]) throws -> Model { try Model(Program(text: text), dims: dims) }

    static func data(_ model: Model, batch: Int = 2, length: Int, lengths: [Int]? = nil) -> ModelData {
        var data = ModelData(inputs: [:], parameters: model.initialParameters(seed: 3), lengths: lengths)
        for input in model.typed.inputs {
            let shape = (input.isOnce ? [batch] : [batch, length]) + [model.dims["D"] ?? 1]
            data.inputs[input.name] = Tensor(
                (0..<shape.reduce(1, *)).map { sin(Double($0 * $0 % 1013) + Double(input.name.utf8.first ?? 0)) }, shape: shape)
        }
        return data
    }

    /// Runs a sequence in two pieces, each in a form of its own, and holds the second one against steps in order.
    static func expectHandedOn(_ own: Case, of length: Int, at cut: Int, _ forms: [(PlanForm, PlanForm)], within tolerance: Double) throws {
        let model = try model(own.text)
        let data = data(model, batch: 1, length: length)
        func part(_ steps: Range<Int>) -> ModelData {
            var result = data
            for input in model.typed.inputs where !input.isOnce {
                result.inputs[input.name] = data.inputs[input.name].map {
                    Tensor(Array($0.doubles()[3 * steps.lowerBound..<3 * steps.upperBound]), shape: [1, steps.count, 3])
                }
            }
            return result
        }
        let whole = try model.run(data, on: .compiled(.f64), forcing: [own.state: .sequential])
        for (before, behind) in forms {
            let first = try model.run(part(0..<cut), state: ModelState(), on: .compiled(.f64), forcing: [own.state: before])
            let second = try model.run(part(cut..<length), state: first.state, on: .compiled(.f64), forcing: [own.state: behind])
            #expect(!second.outputs.isEmpty)
            for (a, b) in zip(whole.outputs, second.outputs) {
                #expect(
                    zip(a.tensor.doubles().suffix(b.tensor.count), b.tensor.doubles()).allSatisfy { abs($0 - $1) < tolerance },
                    "\(own.name) \(before) \(behind)")
            }
        }
    }

    static func distance(_ a: ModelResults, _ b: ModelResults) -> Double {
        var worst = 0.0
        #expect(a.outputs.map(\.name) == b.outputs.map(\.name) && Set(a.finalStates.map(\.name)) == Set(b.finalStates.map(\.name)))
        for (x, others) in a.outputs.map({ ($0, b.outputs) }) + a.finalStates.map({ ($0, b.finalStates) }) {
            guard let y = others.first(where: { $0.name == x.name }), x.tensor.shape == y.tensor.shape else { return .infinity }
            for (p, q) in zip(x.tensor.doubles(), y.tensor.doubles()) where !(p == q || p.isNaN && q.isNaN) {
                worst = (p - q).isNaN ? .infinity : max(worst, abs(p - q))
            }
        }
        return worst
    }

    static func bits(_ results: ModelResults) -> [[Double]] {
        (results.outputs + results.finalStates.sorted { $0.name < $1.name }).map { $0.tensor.doubles() }
    }

    /// Forgets nothing: what a window begins with stays to its end.
    static let remembering = """
        model M(D) {
          input a: [D]
          state h: [D]
          h = h[t-1] + 1e-3 * sin(a + h[t-1])
          output h
        }
        """

    /// A switch keeps the state, so that windows within which it is on do not forget.
    static let switched = """
        model M(D) {
          input a, b: [D]
          state h: [D]
          h = if b > 5 then h[t-1] else tanh(a + 0.5 * h[t-1])
          output h
        }
        """
}
