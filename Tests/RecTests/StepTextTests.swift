import Foundation
@testable import Rec
import RecAnalysis
import RecStream
import TestSupport
import Testing

/// What `explain` prints as the step of a recurrence is that step: from the operations, whatever the source calls them.
@Suite struct StepTextTests {
    struct Step: Sendable, CustomTestStringConvertible {
        var equation: String
        /// Of `h`, and of what `h` hands on in the backward pass.
        var lines: [String]
        var adjoint: [String] = []
        var testDescription: String { equation }
    }

    /// In a model with `a, b, x, h: [D]`, `X: [D, K]`, `U: [D, D]`, `W: [2*D, D]`, `m: bool`, `s: real`.
    static let steps: [Step] = [
        Step(equation: "a * h[t-1] + x", lines: ["h = a * h[t-1] + …"], adjoint: ["grad.h = a * grad.h[t+1] + …"]),
        Step(equation: "(1 - a) * h[t-1] + a * x", lines: ["h = (1 - a) * h[t-1] + …"]),
        // Functions of several operations.
        Step(equation: "norm(x) * h[t-1]", lines: ["h = sqrt(x @ x) * h[t-1]"]),
        Step(equation: "mean(x) * h[t-1] + x", lines: ["h = sum(x) * h[t-1] / 3 + …"]),
        Step(equation: "logsumexp[K](X) * h[t-1] + x", lines: ["h = logsumexp[K](X) * h[t-1] + …"]),
        Step(equation: "max[K](X) * h[t-1] + sum[K](X) * h[t-2]", lines: ["h = max[K](X) * h[t-1] + sum[K](X) * h[t-2]"]),
        Step(equation: "softmax(x) * h[t-1]", lines: ["h = exp(x - max(x)) * h[t-1] / sum(exp(x - stop(max(x))))"]),
        Step(equation: "max[t](x) * h[t-1] + x", lines: ["h = max[t](x) * h[t-1] + …"]),
        // Places of factors: other steps, slices, single elements.
        Step(equation: "a[t-1] * h[t-1] + x", lines: ["h = a[t-1] * h[t-1] + …"]),
        Step(equation: "sigmoid(a + b)[t+1] * h[t-1]", lines: ["h = sigmoid(a + b)[t+1] * h[t-1]"]),
        Step(equation: "(W @ x)[D:] * h[t-1] + x", lines: ["h = (W @ x)[3:6] * h[t-1] + …"]),
        Step(equation: "x[2] * h[t-1]", lines: ["h = x[2] * h[t-1]"]),
        Step(
            equation: "a * h[t-1] + b * h[t-2] + x", lines: ["h = a * h[t-1] + b * h[t-2] + …"],
            adjoint: ["grad.h = a[t+1] * grad.h[t+1] + b[t+2] * grad.h[t+2] + …"]),
        // Choices, and how tightly operators bind.
        Step(
            equation: "(if m or s > 0 then a else 1 - b) * h[t-1] + x", lines: ["h = (if m or s > 0 then a else 1 - b) * h[t-1] + …"],
            adjoint: ["grad.h = (if m or s > 0 then a else 1 - b) * grad.h[t+1] + …"]),
        Step(equation: "if m and not (s > 1) then x else h[t-1]", lines: ["h = (if m and not s > 1 then 0 else 1) * h[t-1] + …"]),
        Step(equation: "x / (a * b) * h[t-1] - (b - a) * h[t-2]", lines: ["h = x * h[t-1] / (a * b) + (a - b) * h[t-2]"]),
        Step(equation: "x - a * h[t-1] - exp(-(a + b)) * h[t-2]", lines: ["h = -a * h[t-1] - exp(-a - b) * h[t-2] + …"]),
        Step(equation: "abs(x)^0.5 * h[t-1] + (a + b)^2 * h[t-1]", lines: ["h = (abs(x)^0.5 + 2 * a * b + a^2 + b^2) * h[t-1]"]),
        // Over elements.
        Step(
            equation: "U @ h[t-1] + x", lines: ["h = U @ h[t-1] + …"],
            adjoint: ["grad.h = U.T @ grad.h[t+1] + …"]),
        Step(
            equation: "a * (U @ ((1 - b) * h[t-1])) + x", lines: ["h = a * U @ ((1 - b) * h[t-1]) + …"],
            adjoint: ["grad.h = (1 - b) * U.T @ (a * grad.h[t+1]) + …"]),
        Step(equation: "U.T @ (U @ h[t-1])", lines: ["h = sum[D'](sum[D'']((U.T as [D, D'']) * (U as [D'', D'])) * (h[t-1] as [D']))"]),
        Step(equation: "h[t-1] - a * (b @ h[t-1]) + x", lines: ["h = h[t-1] - a * sum[D](b * h[t-1]) + …"]),
        Step(equation: "max(h[t-1] + x * x, a)", lines: ["h = max(x^2 + h[t-1], …)"]),
        Step(equation: "logaddexp(logaddexp(h[t-1] + a, h[t-2]), x)", lines: ["h = logsumexp([a + h[t-1], h[t-2], …])"]),
        Step(equation: "x / (1 + abs(a) * h[t-1])", lines: ["h = x / (abs(a) * h[t-1] + 1)"]),
        // Slopes without the tests that they carry: what is not finite counts as 0.
        Step(equation: "logaddexp(h[t-1] + x, 0.5)", lines: ["h = logaddexp(x + h[t-1], …)"], adjoint: ["grad.h = sigmoid(h[t-1] + x - 0.5) * grad.h[t+1] + …"]),
        Step(equation: "logaddexp(h[t-1] + x, b - 1)", lines: ["h = logaddexp(x + h[t-1], …)"], adjoint: ["grad.h = sigmoid(1 + h[t-1] + x - b) * grad.h[t+1] + …"]),
        Step(equation: "log(x) * h[t-1] + a", lines: ["h = log(x) * h[t-1] + …"], adjoint: ["grad.h = log(x) * grad.h[t+1] + …"]),
        Step(equation: "exp(x) / a * h[t-1]", lines: ["h = exp(x) * h[t-1] / a"], adjoint: ["grad.h = exp(x) * grad.h[t+1] / a + …"]),
        Step(equation: "h[t-1] - log(a) * (b @ h[t-1])", lines: ["h = h[t-1] - log(a) * sum[D](b * h[t-1])"], adjoint: ["grad.h = grad.h[t+1] - b * sum[D](log(a) * grad.h[t+1]) + …"]),
        // Those of the program are its own.
        Step(equation: "(if abs(x) < inf then x else 0) * h[t-1]", lines: ["h = (if abs(x) < inf then x else 0) * h[t-1]"]),
        // Elements that move.
        Step(equation: "2 * concat(s, h[t-1][0:D-1])", lines: ["h = 2 * (h[t-1] moved by 1) + …"]),
    ]

    private func model(_ equation: String) throws -> Model {
        let text = """
            model M(D, K) {
              input a, b, x: [D]
              input X: [D, K]
              input m: bool
              input s: real
              param U: [D, D]
              param W: [2*D, D]
              state h: [D]
              h = \(equation)
              output h
            }
            """
        let program = Program(text: text)
        try #require(!program.hasErrors, "\(program.diagnostics.map(\.message))")
        return try Model(program, dims: ["D": 3, "K": 2])
    }

    @Test(arguments: steps)
    func stepsAreTheOperations(step: Step) throws {
        let model = try model(step.equation)
        #expect(recurrences(of: Pipeline.prepare(model.graph)).flatMap(\.step) == step.lines)
        guard !step.adjoint.isEmpty else { return }
        let facts = recurrences(of: Pipeline.prepare(try GradientModel(model).graph))
        #expect(facts.filter { $0.states == ["grad.h"] }.flatMap(\.step) == step.adjoint)
    }

    /// Reading a printed step as an equation, with anything added, gives the same step again.
    @Test(arguments: steps.filter { step in !["[…", "(…", "'", "moved", "[3:6]", ", …"].contains { step.lines[0].contains($0) } })
    func printedStepsAreEquations(step: Step) throws {
        let equation = step.lines[0].dropFirst("h = ".count).replacing(" + …", with: " + x")
        let again = try model(String(equation))
        #expect(recurrences(of: Pipeline.prepare(again.graph)).flatMap(\.step) == step.lines)
    }

    /// A state goes by the name of its declaration, though another value is the same; what is kept is written without tests too.
    @Test func adjointsGoByTheirStates() throws {
        for other in ["0.5", "y - 1"] {
            let program = Program(text: "model M {\n input x, y: [3]\n state s: [3]\n s = logaddexp(s[t-1] + x, \(other))\n output s\n}")
            let gradients = try GradientModel(Model(program))
            let facts = recurrences(of: Pipeline.prepare(gradients.graph))
            let step = try #require(facts.first { $0.states == ["grad.s"] }?.step.first)
            #expect(step.hasPrefix("grad.s = sigmoid(") && step.hasSuffix(") * grad.s[t+1] + …") && step.contains("s[t-1] + x"), "\(step)")
            let page = try Explanation(gradients, work: Workload(batch: 1, extents: [1024], threads: 1)).text(program.sources)
            #expect(!page.contains("==") && !page.contains("< inf"), "\(page)")
        }
    }

    /// The gates of a cell whose weights run as one are named one by one in its gradient.
    @Test func gradientsOfCellsReadAsEquations() throws {
        let model = try Model(Program(path: Project.path("examples/gru.rec")), dims: ["D": 5, "H": 7])
        let facts = recurrences(of: Pipeline.prepare(try GradientModel(model).graph))
        let step = try #require(facts.first { $0.states == ["grad.h"] }?.step.first)
        #expect(step.hasPrefix("grad.h = z * grad.h[t+1] + Uz.T @ (z * (1 - z) * (h[t-1] - n) * grad.h[t+1]) + Ur.T @ ("))
    }

    /// No page names a value by its number.
    @Test(arguments: ExampleTests.planned)
    func valuesHaveNames(path: String) throws {
        let model = try Model(Program(path: path), dims: try #require(ExampleTests.dims[ExampleTests.name(path)]))
        let work = Workload(batch: 1, extents: model.graph.axes.map { $0.length ?? 100 }, threads: 2)
        let sources = model.program.sources
        for page in try [Explanation(model, work: work), Explanation(GradientModel(model), work: work)].flatMap({ [$0.text(sources), $0.json(sources)] }) {
            #expect(page.firstMatch(of: /%\d/) == nil, "\(page)")
            #expect(!page.contains("unnamed values"))
        }
    }
}
