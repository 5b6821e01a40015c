@testable import Rec
import Testing

@testable import RecRuntime

/// Programs with thousands of states and equations, as programs that write programs make them: no part of the way takes time that
/// grows with the square of their size.
@Suite(.timeLimit(.minutes(30))) struct LargeProgramTests {
    private func text(_ count: Int, _ declare: (Int) -> String, _ equation: (Int) -> String, last: String) -> String {
        let numbers = 0..<count
        return "model M(D) {\n  input x: [D]\n" + numbers.map { declare($0) + equation($0) }.joined() + "  output \(last)\n}\n"
    }

    private func row(_ count: Int) -> String {
        text(
            count, { "  state s\($0): [D]\n" }, { "  s\($0) = 0.5 * s\($0)[t-1] + 0.6 * \($0 == 0 ? "x" : "s\($0 - 1)")\n" }, last: "s\(count - 1)")
    }

    /// Different enough that they are not chosen for together.
    private func mixed(_ count: Int) -> String {
        text(
            count, { "  state s\($0): [\($0 % 40 + 1)]\n" },
            { "  s\($0) = \($0 % 3 == 0 ? "max(s\($0)[t-1], sum(x))" : "0.5 * s\($0)[t-1] + sum(x)")\n" },
            last: "total = \((0..<count).map { "sum(s\($0))" }.joined(separator: " + "))")
    }

    private func ring(_ count: Int) -> String {
        text(
            count, { "  state s\($0): [D]\n" },
            { "  s\($0) = tanh(0.9 * s\($0)[t-1] + \($0 == 0 ? "x + s\(count - 1)[t-1]" : "s\($0 - 1)"))\n" }, last: "s\(count - 1)")
    }

    private func chain(_ count: Int) -> String {
        text(count, { _ in "" }, { "  e\($0) = tanh(\($0 == 0 ? "x" : "e\($0 - 1)") + 0.1)\n" }, last: "e\(count - 1)")
    }

    private func expectSame(_ source: String, scans: Bool, length: Int = 140) throws {
        let model = try Model(Program(text: source), dims: ["D": 3])
        let random = RandomCase(for: model, batch: 1, length: length, seed: 5)
        let reference = try model.run(random.data, on: .interpreter)
        let forms = [[:], scans ? PlanForms(model).all(as: .scan) : [:]]
        for (number, form) in forms.enumerated() where number == 0 || !form.isEmpty {
            let bound = try BoundData(random.data, for: model.graph)
            let code = try CompiledModel(model.compile(.f64, forcing: form, context: .quick), parameters: bound.parameters)
            for threads in [1, 2] {
                let got = try model.run(bound, on: code, pool: ThreadPool(count: threads, leastWork: 0))
                for (a, b) in zip(got.outputs, reference.outputs) { #expect(relativeError(a.tensor, b.tensor) < 1e-9, "\(form.count) scans, \(threads) threads") }
            }
        }
    }

    @Test func aRowOfStates() throws { try expectSame(row(150), scans: true) }
    @Test func statesOfManyKinds() throws { try expectSame(mixed(60), scans: true) }
    @Test func aRingOfStates() throws { try expectSame(ring(200), scans: false) }
    @Test func aChainOfEquations() throws { try expectSame(chain(300), scans: false) }

    @Test func explanations() throws {
        let work = Workload(batch: 1, extents: [1000], threads: 2)
        for source in [row(250), mixed(80), ring(120), chain(300)] {
            let explanation = try Explanation(Model(Program(text: source), dims: ["D": 3]), work: work)
            #expect(explanation.seconds > 0)
        }
    }

    /// Equations that use the one before twice: each part is met on as many ways as two to its depth.
    @Test("parts that are used twice are looked at once", arguments: [
        "# + 0.5 * #", "max(#, # - 1)", "logaddexp(#, #)", "# / (1 + # * #)", "if x > 0 then # else 0.5 * #", "(# + 1) / (# + 2)",
        "log(exp(#) + exp(# - 1))", "sqrt(#) * exp(0.5 * log(#))", "exp(#) * #", "if # > 0 then # else -#",
    ])
    func doubled(_ step: String) throws {
        for start in ["h[t-1]", "h[t-1] + x", "exp(h[t-1])"] {
            var source = "model M {\n  input x: real\n  state h: real\n  p0 = \(start)\n"
            for k in 1...40 { source += "  p\(k) = \(step.replacing("#", with: "p\(k - 1)"))\n" }
            source += "  h = p40\n  output y = h\n}\n"
            let explanation = try Explanation(Model(Program(text: source)), work: Workload(batch: 1, extents: [100], threads: 1))
            #expect(explanation.recurrences.count == 1)
        }
    }

    /// Of many recurrences all that are alike have the form that is chosen for one.
    @Test func alikeAreChosenTogether() throws {
        let forms = PlanForms(try Model(Program(text: mixed(200)), dims: ["D": 3]))
        let groups = forms.chosenTogether(Array(forms.recurrences.indices))
        #expect(groups.count == 32 && groups.joined().sorted() == Array(0..<200))
        #expect(forms.chosenTogether([3, 5, 9]) == [[3], [5], [9]])
    }
}
