import Foundation
@testable import Rec
import TestSupport
import Testing

/// A sequence that is run in pieces, with the state carried between them, gives what it gives whole.
@Suite struct CarriedStateTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var source: String
        var dims: [String: Int] = [:]
        var testDescription: String { name }
    }

    /// The sum of exponentials on the way, by a monoid of the program.
    static let fold = """
        monoid SoftmaxSum(m, s) {
          identity (-inf, 0)
          combine (a, b) {
            m = max(a.m, b.m)
            s = a.s * exp(a.m - m) + b.s * exp(b.m - m)
          }
        }

        model M {
          input x: real
          f = fold SoftmaxSum(x, 1)
          output y = f.m + log(f.s)
        }
        """

    /// What reaches over a border in ways of its own.
    static let own: [Case] = [
        Case(
            name: "delays of inputs, values and states",
            source: """
                model M(D) {
                  input x: [D]
                  input h0: [D] once
                  param a: [D] = uniform(0.2, 0.9)
                  state h: [D] = h0
                  z = 2 * x + x[t-1]
                  h = a * h[t-1] + z[t-2] + 0.5 * x[t-3]
                  output y = h + z[t-1] * h[t-4]
                }
                """, dims: ["D": 3]),
        Case(
            name: "several steps back in one recurrence",
            source: "model M {\n input x: real\n state h: real = 0.5\n h = 0.5 * h[t-1] - 0.3 * h[t-3] + x\n output h\n output late = h[t-2]\n}\n"),
        Case(
            name: "several steps back of one number, beside its recurrence",
            source: "model M {\n input x: real\n state h: real\n h = 0.5 * h[t-1] + x\n output y = h[t-2]\n output z = exp(-h[t-3])[t-1]\n}\n"),
        Case(
            name: "several steps back of a greatest number",
            source: "model M {\n input x: real\n state h: real = -inf\n h = max(h[t-1] - 0.1, x)\n output y = max(h[t-5], 0)\n}\n"),
        Case(
            name: "nonlinear, several steps back",
            source: "model M(H) {\n input x: [H]\n param U: [H, H]\n state h: [H]\n h = tanh(x + U @ h[t-2])\n output h\n}\n", dims: ["H": 4]),
        Case(
            name: "a name that stands for a state",
            source: "model M {\n input x: real\n state h: real = 3\n h = 0.5 * h[t-1] + x\n z = h\n output y = z[t-1] + h[t-1]\n}\n"),
        Case(
            name: "folds", source: fold),
        Case(
            name: "layers that are repeated and called twice",
            source: """
                model Cell(D) {
                  input x: [D]
                  param U: [D, D]
                  state h: [D]
                  h = tanh(x[t-1] + U @ h[t-1])
                  output y = x + h
                }

                model M(D) {
                  input x: [D]
                  layer c = Cell(D)
                  layer stack = repeat(3, Cell(D))
                  output y = c(x) + c(2 * x) |> stack
                }
                """, dims: ["D": 3]),
        Case(
            name: "complex numbers",
            source: "model M(N) {\n input x: real\n param w: complex[N]\n state s: complex[N] = w\n s = cis(0.3) * 0.9 * s[t-1] + w * x\n output y = s\n output late = s[t-2]\n}\n",
            dims: ["N": 2]),
        Case(
            name: "ints and bools",
            source: "model M {\n input k: int\n input on: bool\n state n: int = 2\n state was: bool\n n = if on then n[t-1] + k else k[t-1]\n was = was[t-1] or on\n output n\n output y = real(n[t-2])\n output b = was and on[t-1]\n}\n"),
        Case(
            name: "steps that see no data",
            source: "model M {\n input x: real\n state n: int\n n = n[t-1] + 1\n state b: real = 7\n b = 2 * x\n output y = x * real(n)\n output c = b\n}\n"),
        Case(
            name: "the last step",
            source: "model M(D) {\n input x: [D]\n state h: [D]\n h = 0.9 * h[t-1] + x\n output h\n output end = 2 * last[t](h)\n}\n", dims: ["D": 5]),
        Case(
            name: "the number of the step",
            source: "model M(D) {\n input x: [D]\n state h: [D]\n h = (if t.first then 1 else 0.5) * h[t-1] + x * sin(0.3 * t)\n output h\n output n = t\n n2 = t\n output late = n2[t-3]\n}\n",
            dims: ["D": 2]),
        Case(
            name: "several initial values",
            source: "model M(D) {\n input x: [D]\n input a, b: [D] once\n state h: [D] = [a, b]\n h = 0.5 * h[t-1] - 0.3 * h[t-2] + x\n output h\n output late = h[t-4]\n z = h[t-1]\n output y = z[t-1]\n}\n",
            dims: ["D": 2]),
        Case(
            name: "running extremes",
            source: "model M {\n input x: real\n state m: real = -inf\n m = max(m[t-1] - 0.1, x)\n output m\n}\n"),
        Case(
            name: "a matrix",
            source: """
                model M(K, V) {
                  input k, q: [K]
                  input v: [V]
                  state S: [K, V]
                  S = 0.9 * S[t-1] + outer(k, v - sum[K](k * S[t-1]))
                  output y = sum[K](q * S)
                }
                """, dims: ["K": 3, "V": 2]),
    ]

    static let kinds = RecurrenceKind.all.map { Case(name: $0.name, source: $0.source, dims: $0.dims) }

    static let examples: [Case] = [
        ("gru", ["D": 3, "H": 4]), ("lstm", ["D": 3, "H": 4]), ("biquad", [:]), ("mamba", [:]), ("delta_rule", [:]), ("hmm", [:]),
        ("kalman", [:]), ("parity", [:]), ("reset_counter", [:]), ("retention", [:]), ("aaren", [:]), ("mingru", ["D": 3, "H": 4]),
    ].map { name, dims in Case(name: name, source: Project.path("examples/\(name).rec"), dims: dims) }

    enum Way: CaseIterable { case interpreter, sequential, scans, fastest, chunks, stream }

    private func run(_ runner: Way, _ model: Model, _ data: ModelData, _ state: ModelState, _ precision: Precision) throws -> ModelResults {
        switch runner {
        case .interpreter: return try model.run(data, state: state, on: .interpreter)
        case .sequential, .scans:
            let plans = PlanForms(try model.carrying(state.isBeginning ? .fresh : .given))
            return try model.run(
                data, state: state, on: .compiled(precision), threads: 2, forcing: plans.all(as: runner == .scans ? .scan : .sequential),
                context: precision.testContext)
        case .fastest: return try model.run(data, state: state, on: .compiled(precision), threads: 2, context: precision.testContext)
        case .chunks:
            // The smallest bound that the run admits.
            var bound = 60_000
            while true {
                do { return try model.run(data, state: state, on: .compiled(precision), within: bound, context: precision.testContext) } catch {
                    guard error.diagnostics.first?.id == .memoryBound, bound < 1 << 34 else { throw error }
                    bound *= 2
                }
            }
        case .stream: return try StreamRun.run(model, data, state: state, precision: precision, piece: 3, context: precision.testContext)
        }
    }

    /// Cuts sequences at random places, runs each piece by something else, and holds the pieces against the whole.
    private func expectPiecesToEqualTheWhole(_ test: Case, lengths: [Int], precision: Precision, seed: UInt64) throws {
        let program = test.source.hasSuffix(".rec") ? try Program(path: test.source) : Program(text: test.source)
        var dims = test.dims
        for dim in try program.model().dims where dims[dim] == nil { dims[dim] = 4 }
        let model = try Model(program, dims: dims)
        do { _ = try model.carrying(.fresh) } catch {
            #expect(error.diagnostics.allSatisfy { $0.id == .stateRefused }, "\(error)")
            return
        }
        let part = try model.computing(model.graph.outputs.map(\.name))
        let allowed = precision == .f64 ? 1e-9 : 2e-3
        let folder = try TemporaryFolder()
        var random = SeededGenerator(seed: seed, for: test.name)
        for (number, length) in lengths.enumerated() {
            for batch in [number % 2 == 0 ? 3 : 1] {
                let data = RandomCase(for: model, batch: batch, length: length, seed: seed).data
                let whole = try part.run(data, state: ModelState(), on: .interpreter)
                var cuts = [0, length]
                for _ in 0..<2 { cuts.append(Int(random.uniform(in: 0...1) * Double(length))) }
                cuts.sort()
                var state = ModelState()
                var how: [String] = []
                for (from, to) in zip(cuts, cuts.dropFirst()) {
                    let runners = Way.allCases.filter { $0 != .stream || isStreamable(part) }
                    let runner = runners[min(runners.count - 1, Int(random.uniform(in: 0...1) * Double(runners.count)))]
                    how.append("\(runner) \(from)..<\(to)")
                    let results = try run(runner, part, data.steps(from..<to, of: model), state, precision)
                    for output in results.outputs where from < to {
                        guard let expected = whole.outputs.first(where: { $0.name == output.name })?.tensor else { continue }
                        let isStream = try part.graph[#require(part.graph.outputs.first { $0.name == output.name }).value].variance.isStream
                        // What is known at the end of a sequence is that of the last piece.
                        guard isStream || to == length else { continue }
                        let error = relativeError(output.tensor, isStream ? expected.steps(from..<to) : expected)
                        #expect(error < allowed, "\(test.name): \(output.name), \(how), batch \(batch): \(error)")
                    }
                    state = try #require(results.state)
                    if !state.isBeginning {
                        try state.write(to: folder.path("s.safetensors"))
                        state = try ModelState(path: folder.path("s.safetensors"))
                    }
                }
                for item in state.tensors {
                    guard let expected = whole.state?.tensors.first(where: { $0.name == item.name })?.tensor else {
                        Issue.record("\(test.name): no \(item.name)")
                        continue
                    }
                    let error = relativeError(item.tensor, expected)
                    #expect(error < allowed, "\(test.name): state \(item.name), \(how), batch \(batch): \(error)")
                }
            }
        }
    }

    private func isStreamable(_ model: Model) -> Bool { (try? model.withParameters(model.initialParameters(seed: 1)).stream(once: once(of: model))) != nil }

    private func once(of model: Model) -> [String: Tensor] {
        RandomCase(for: model, batch: 1, length: 1, seed: 1).data.inputs.filter { !model.streamNames.contains($0.key) }
    }

    @Test(.timeLimit(.minutes(30)), arguments: own, [Precision.f64, .f32])
    func whatReachesOverABorder(test: Case, precision: Precision) throws {
        try expectPiecesToEqualTheWhole(test, lengths: precision == .f64 ? [2, 5, 64, 129] : [65], precision: precision, seed: 1)
    }

    @Test(.timeLimit(.minutes(30)), arguments: kinds)
    func everyKindOfRecurrence(test: Case) throws {
        try expectPiecesToEqualTheWhole(test, lengths: [2, 129, 64], precision: .f64, seed: 2)
    }

    @Test(.timeLimit(.minutes(30)), arguments: examples)
    func everyExample(test: Case) throws {
        try expectPiecesToEqualTheWhole(test, lengths: [65, 129], precision: .f64, seed: 3)
    }

    /// Forms that a recurrence can have from the beginning it can have from a given state.
    @Test(arguments: own + kinds) func noFormIsLost(test: Case) throws {
        let program = Program(text: test.source)
        let model = try Model(program, dims: test.dims)
        guard let given = try? model.carrying(.given), let fresh = try? model.carrying(.fresh) else { return }
        let (before, after) = (PlanForms(fresh).all(as: .scan), PlanForms(given).all(as: .scan))
        #expect(Set(before.keys).isSubset(of: after.keys), "\(test.name): \(before.keys) and \(after.keys)")
        #expect(given.graph.violations() == [] && fresh.graph.violations() == [])
    }

    /// What is carried goes by the names of the program: a fold by its fields, what begins with something else by what that is.
    @Test func statesAreNamedAsInTheProgram() throws {
        func names(_ source: String) throws -> Set<String> {
            let model = try Model(Program(text: source))
            let results = try model.run(ModelData(inputs: ["x": Tensor([1.0, 2], shape: [1, 2])]), state: ModelState(), on: .interpreter)
            return Set(try #require(results.state).tensors.map(\.name))
        }
        #expect(try names(Self.fold) == ["f.m", "f.s"])
        let alias = Self.fold.replacing("  output y", with: "  v = f.m\n  output late = v[t-1]\n  output y")
        #expect(try names(alias) == ["f.m", "f.m from 0", "f.s"])
        #expect(try names("model M {\n input x: real\n output y = (2 * x)[t-1]\n}\n") == ["2 * x"])
    }

    /// Files of versions that called what begins with a number by the number of its value.
    @Test func formerNamesAreRead() throws {
        let model = try Model(Program(text: Self.fold))
        func run(_ numbers: [Double], _ state: ModelState) throws -> ModelResults {
            try model.run(ModelData(inputs: ["x": Tensor(numbers, shape: [1, numbers.count])]), state: state, on: .compiled(.f64), context: .quick)
        }
        let state = try #require(try run([1, 2], ModelState()).state)
        let former = ModelState(state.tensors.map { NamedTensor(name: "\($0.name) from %\($0.name.count)", tensor: $0.tensor) }, program: state.program, dims: state.dims)
        let (expected, got) = (try run([0.5, 3], state), try run([0.5, 3], former))
        #expect(got.outputs[0].tensor.doubles() == expected.outputs[0].tensor.doubles())
        let stream = try model.stream(state: former, precision: .f64)
        try stream.resume(from: former)
    }
}
