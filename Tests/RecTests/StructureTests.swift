import Foundation
@testable import Rec
import RecAnalysis
import Testing

/// The analysis finds what recurrences are.
@Suite struct StructureTests {
    private func facts(_ model: Model) -> [RecurrenceFacts] {
        recurrences(of: Pipeline.prepare(model.graph))
    }

    @Test(arguments: RecurrenceKind.all)
    func kindsAreFound(kind: RecurrenceKind) throws {
        let program = Program(text: kind.source)
        try #require(!program.hasErrors, "\(program.diagnostics.map(\.message))")
        let found = facts(try Model(program, dims: kind.dims))
        #expect(found.count == kind.facts.count)
        for (got, expected) in zip(found, kind.facts) {
            #expect(got.states == expected.states)
            #expect(got.kind.description == expected.kind)
            #expect(got.transitionDescription == expected.transition)
            #expect((got.notAffine == nil) == (expected.kind == "affine"))
        }
    }

    /// What the conformance programs are.
    static let conformance: [String: [String]] = [
        "mingru": ["h: affine, diagonal[H]"], "hawk": ["h: affine, diagonal[D]"], "mamba": ["h: affine, diagonal[D,N]"],
        "stack_lm": ["blocks.0.h: affine, diagonal[H]", "blocks.1.h: affine, diagonal[H]", "blocks.2.h: affine, diagonal[H]"],
        "lru": ["h.re, h.im: affine, complex-diagonal"], "retnet": ["S: affine, diagonal[N]"], "gla": ["S: affine, diagonal[N,K]"],
        "ssm_dense": ["h: affine, dense"], "biquad": ["y: affine, companion(2)"],
        "deltanet": ["S: affine, scalar + low-rank(1)"], "deltaproduct": ["S: affine, identity + low-rank(2)"],
        "rwkv7": ["S: affine, diagonal + low-rank(1)"],
        "reset_counter": ["n: affine, diagonal[C]", "peak: semiring max-plus, identity"],
        "mlstm": ["m: semiring max-plus, scalar", "C: affine, scalar", "n: affine, scalar"],
        "rwkv4": ["p: semiring max-plus, diagonal[D]", "a: affine, diagonal[D]", "b: affine, diagonal[D]"],
        "hmm": ["alpha: semiring log-sum-exp, dense", "best: semiring max-plus, dense"],
        "riccati": ["P: fractional-linear, diagonal[C]", "m: affine, diagonal[C]"],
        "aaren": ["acc: associative, declared and checked"], "grid": ["h: affine, diagonal[C]"],
        "indrnn": ["h: nonlinear, Jacobian diagonal"], "paragru": ["h: nonlinear, Jacobian diagonal"],
        "parity": ["odd: nonlinear, Jacobian diagonal"],
        "slstm": ["h, c, n, m: nonlinear, Jacobian block-diagonal over N"],
        "elman": ["h: nonlinear, Jacobian dense"], "gru": ["h: nonlinear, Jacobian dense"],
        "lstm": ["h, c: nonlinear, Jacobian dense"],
        "bigru": ["a: nonlinear, Jacobian dense", "b: nonlinear, Jacobian dense"],
    ]

    @Test(.enabled(if: !ConformanceTests.programs.isEmpty), arguments: ConformanceTests.programs)
    func conformancePrograms(path: String) throws {
        let file = try CaseFile(path: path.replacing(".rec", with: ".safetensors"))
        let model = try Model(Program(path: path), fitting: file.data)
        let found = facts(model).map { "\($0.states.joined(separator: ", ")): \($0.kind), \($0.transitionDescription)" }
        #expect(found == (try #require(Self.conformance[ExampleTests.name(path)])))
    }
}
