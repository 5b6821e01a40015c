import Rec
import RecAnalysis
import Testing

/// A random recurrence of a kind: its weights and rests are random expressions in what the step does not change.
private struct RandomRecurrence {
    var source: String
    var kind: RecurrenceKind
    private var generator: SeededGenerator

    enum RecurrenceKind: Int, CaseIterable { case affine, lags, pair, maxPlus, minPlus, logSumExp, fraction, pipeline }

    init(seed: UInt64) {
        generator = SeededGenerator(seed: seed, for: "recurrences")
        kind = RecurrenceKind.allCases[Int(seed) % RecurrenceKind.allCases.count]
        source = ""
        let back = pick(3) == 0 ? "t+" : "t-"
        func at(_ lag: Int) -> String { "\(back)\(lag)" }
        let step: String
        switch kind {
        case .affine: step = "h = \(gate()) * h[\(at(1))] + \(known(2))"
        case .lags: step = "h = 0.4 * \(gate()) * h[\(at(1))] - 0.3 * h[\(at(2))] + \(known(2))"
        case .pair: step = "h = 0.5 * k[\(at(1))] + \(known(2))\n  k = \(gate()) * k[\(at(1))] - 0.4 * h[\(at(1))]"
        case .maxPlus: step = "h = max(h[\(at(1))] - \(gate()), \(known(2)))"
        case .minPlus: step = "h = min(\(known(2)), \(gate()) + h[\(at(1))])"
        case .logSumExp: step = "h = logaddexp(h[\(at(1))] - \(gate()), \(known(2)))"
        case .fraction: step = "h = (\(gate()) * h[\(at(1))] + 1) / (0.2 * h[\(at(1))] + 1 + \(gate()))"
        case .pipeline:
            step = "k = \(gate()) * k[\(at(1))] + \(known(1))\n  h = sigmoid(k) * h[\(at(1))] + \(known(1)) * k[\(at(1))]"
        }
        let states = kind == .pair || kind == .pipeline ? "h, k" : "h"
        source = """
            model M(C) {
              input a, b: [C]
              input g: real
              param p: [C] = uniform(-1, 1)
              state \(states): [C] = 0.5
              \(step)
              output y = h + \(known(1)) * h[\(at(1))]
            }
            """
    }

    private mutating func pick(_ count: Int) -> Int { Int(generator.next() % UInt64(count)) }

    /// Between 0 and 1.
    private mutating func gate() -> String { "sigmoid(\(known(2)))" }

    private mutating func known(_ depth: Int) -> String {
        let leaf = ["a", "b", "g", "p", "0.5"][pick(5)]
        guard depth > 0 else { return leaf }
        switch pick(6) {
        case 0: return "(\(known(depth - 1)) + \(known(depth - 1)))"
        case 1: return "(\(known(depth - 1)) * \(known(depth - 1)))"
        case 2: return "tanh(\(known(depth - 1)))"
        case 3: return "(if a > \(known(0)) then \(known(depth - 1)) else \(known(depth - 1)))"
        case 4: return "(\(known(depth - 1)) - \(known(0)))"
        default: return leaf
        }
    }
}

@Suite struct RandomRecurrenceTests {
    @Test(arguments: 0..<64)
    func scansAgree(seed: UInt64) throws {
        let random = RandomRecurrence(seed: seed)
        let program = Program(text: random.source)
        try #require(!program.hasErrors, "\(program.diagnostics.map(\.message))\n\(random.source)")
        let width = [1, 2, 4, 8, 3, 17][Int(seed / 8) % 6]
        let model = try Model(program, dims: ["C": width])
        let kinds = recurrences(of: Pipeline.prepare(model.graph)).map(\.kind)
        switch random.kind {
        case .affine, .lags, .pair: #expect(kinds == [.affine], "\(random.source)")
        case .pipeline: #expect(kinds == [.affine, .affine], "\(random.source)")
        case .maxPlus: #expect(kinds == [.semiring(.maxPlus)], "\(random.source)")
        case .minPlus: #expect(kinds == [.semiring(.minPlus)], "\(random.source)")
        case .logSumExp: #expect(kinds == [.semiring(.logSumExp)], "\(random.source)")
        case .fraction: #expect(kinds == [.fractionalLinear], "\(random.source)")
        }
        for (batch, length) in [(1, 130), (3, 19)] {
            let data = generated(model, batch: batch, extents: [length], seed: seed)
            let reference = try model.run(data, on: .interpreter)
            for (precision, tolerance) in [(Precision.f64, 1e-10), (.f32, 1e-4)] {
                let got = try model.run(data, on: .compiled(precision), threads: 2, forcing: ["h": .scan], context: precision.testContext)
                for (a, b) in zip(got.outputs + got.finalStates, reference.outputs + reference.finalStates) {
                    let error = relativeError(a.tensor, b.tensor)
                    #expect(error < tolerance, "\(a.name), \(precision), \(batch)×\(length)×\(width): \(error)\n\(random.source)")
                }
            }
        }
    }
}
