import Foundation
@testable import Rec
import TestSupport
import Testing

/// Ints are of 64 bits and exact in every engine and form, also where the reals of the analysis are not.
@Suite struct ExactIntTests {
    private static let steps = [
        // Coefficients that no real holds, and that wrap.
        "n[t-1] * 94906267 * 94906267 + k", "3 * n[t-1] + k * 94906267 * 94906267", "n[t-1] * 9007199254740992 * 9007199254740992 + k",
        "n[t-1] + 9223372036854775807", "9223372036854775807 * n[t-1] + k", "n[t-1] + k * 9007199254740993", "(n[t-1] + k) * 9007199254740993",
        "n[t-1] + 94906267 * (94906267 * k + 1) - 94906267 * (94906267 * k)", "max(n[t-1], k * 9007199254740993)", "max(n[t-1], abs(9007199254740993 * k))",
        "n[t-1] + sign(k * 9007199254740993) * 9007199254740993", "if k > 9007199254740993 then 1 else n[t-1] + 1", "-9223372036854775807 - 1 - n[t-1]",
    ]

    @Test(arguments: steps)
    func everyFormIsExact(step: String) throws {
        let model = try Model(Program(text: "model M {\n  input k: int\n  state n: int = 1\n  n = \(step)\n  output n\n  output m = 2 * n - 9007199254740995\n}\n"))
        let numbers = (0..<300).map { $0 % 7 == 3 ? Int.max - $0 : $0 % 5 == 2 ? (1 << 53) + $0 : $0 - 100 }
        let data = ModelData(inputs: ["k": Tensor(numbers, shape: [1, 300])])
        let expected = try model.run(data, on: .interpreter).outputs.map { $0.tensor.ints() }
        for forms in [[:], ["n": PlanForm.sequential], ["n": .scan]] {
            if forms["n"] == .scan, (try? PlanChoice(model, forcing: forms)) == nil { continue }
            for precision in [Precision.f32, .f64] {
                for threads in [1, 2] {
                    let got = try model.run(data, on: .compiled(precision), threads: threads, forcing: forms).outputs.map { $0.tensor.ints() }
                    for (a, b) in zip(got, expected) { #expect(a.elementsEqual(b), "\(step), \(forms), \(precision), \(threads) threads") }
                }
            }
        }
        let streamed = try StreamRun.run(model, data, precision: .f32, piece: 7).outputs.map { $0.tensor.ints() }
        for (a, b) in zip(streamed, expected) { #expect(a.elementsEqual(b), "\(step), streamed") }
    }

    /// The definition, by hand.
    @Test func literalsAreExact() throws {
        let model = try Model(Program(text: """
            monoid Least(m: int) {
              identity (9223372036854775807)
              combine (a, b) {
                m = min(a.m, b.m)
              }
            }
            model M {
              input k: int
              f = fold Least(k)
              output a = k + 9007199254740993
              output b = k * 0 - 9223372036854775807 - 1
              output c = f.m
            }
            """))
        let data = ModelData(inputs: ["k": Tensor([0, 2, Int.max], shape: [1, 3])])
        for engine in [Engine.interpreter, .compiled(.f32), .compiled(.f64)] {
            let results = try model.run(data, on: engine).outputs.map { $0.tensor.ints() }
            #expect(results == [[9_007_199_254_740_993, 9_007_199_254_740_995, Int.max &+ 9_007_199_254_740_993], [.min, .min, .min], [0, 0, 0]])
        }
    }

    /// Where a scan is still one: coefficients that reals hold exactly.
    @Test func smallCoefficientsAreScans() throws {
        for (step, isScan) in [("3 * n[t-1] + k * 5", true), ("n[t-1] + k * 9007199254740993", true), ("n[t-1] * 94906267 * 94906267 + k", false)] {
            let model = try Model(Program(text: "model M {\n  input k: int\n  state n: int\n  n = \(step)\n  output n\n}\n"))
            #expect((try PlanChoice(model).refusal(of: [0]) == nil) == isScan, "\(step)")
        }
    }
}
