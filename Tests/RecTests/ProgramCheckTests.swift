import Foundation
@testable import Rec
import TestSupport
import Testing

/// `recc check` finds what `recc explain` finds, as far as that needs neither data nor the sizes of a run.
@Suite struct ProgramCheckTests {
    private static let sound = [
        "model M(D) {\n  input x: [D]\n  state h: [D]\n  h = 0.5 * h[t-1] + x\n  require affine(h)\n  require diagonal(h)\n  require plan(h) in (scan)\n  output h\n}\n",
        // Sizes that some dims do not have are no mistake.
        "model M(D, N = 3) {\n  input x: [D]\n  output y = reshape(x, [N, D/N])\n}\n", "model M(D) {\n  input x: [D]\n  output y = x[7]\n}\n",
        "model M(D) {\n  input x: [D]\n  dim J = D / 5\n  output y = reshape(x, [J, 5])\n}\n",
        "model M(K, V) {\n  input k: [K]\n  input v: [V]\n  state S: [K, V]\n  S = S[t-1] + outer(k, v)\n  require plan(S) in (chunkwise)\n  output o = k @ S\n}\n",
    ]

    @Test(arguments: sound)
    func soundProgramsPass(text: String) { #expect(Program(text: text).findUnsound().isEmpty) }

    @Test(arguments: [
        ("model M(D) {\n  input x: [D]\n  state h: [D]\n  h = tanh(h[t-1] + x)\n  require affine(h)\n  output h\n}\n", DiagnosticID.requireFailed),
        ("model M {\n  input x: real\n  state h: real\n  h = tanh(h[t-1] + x)\n  require plan(h) in (scan)\n  output h\n}\n", .requireFailed),
        ("model M(D) {\n  input x: [D]\n  param U: [D, D]\n  state h: [D]\n  h = U @ h[t-1] + x\n  require diagonal(h)\n  output h\n}\n", .requireFailed),
        ("model M(K, V) {\n  input k: [K]\n  input v: [V]\n  state S: [K, V]\n  S = tanh(S[t-1]) + outer(k, v)\n  require plan(S) in (chunkwise)\n  output o = k @ S\n}\n", .planRefused),
        ("monoid Minus(m) {\n  identity (0)\n  combine (a, b) {\n    m = a.m - b.m\n  }\n}\nmodel M {\n  input x: real\n  f = fold Minus(x)\n  output y = f.m\n}\n", .falseMonoid),
        ("model B(D) {\n  input x: [D]\n  output y = x\n}\nmodel M(D, L = 3000000) {\n  input x: [D]\n  layer b = repeat(L, B(D))\n  output y = b(x)\n}\n", .tooLarge),
        ("model M(D = 3) {\n  input x: [D]\n  output y = x[7]\n}\n", .badSlice), ("model M(D = 3) {\n  input x: [D]\n  output y = reshape(x, [2, D/2])\n}\n", .unsolvableDim),
    ])
    func unsoundProgramsAreTold(text: String, id: DiagnosticID) {
        let program = Program(text: text)
        #expect(!program.hasErrors)
        #expect(program.findUnsound().map(\.id) == [id])
    }

    @Test func layersAreToldOnce() {
        let text = """
            model L(D) {
              input x: [D]
              state h: [D]
              h = tanh(h[t-1] + x)
              require affine(h)
              output h
            }
            model M(D) {
              input x: [D]
              layer a, b = L(D)
              output y = a(x) + b(x)
            }
            """.replacing("layer a, b = L(D)", with: "layer a = L(D)\n  layer b = L(D)")
        #expect(Program(text: text).findUnsound().map(\.id) == [.requireFailed])
    }

    @Test func copiesAreCounted() {
        let program = Program(text: "model B(D) {\n  input x: [D]\n  output y = x\n}\nmodel M(D) {\n  input x: [D]\n  layer b = repeat(3000000, B(D))\n  output y = b(x)\n}\n")
        #expect(program.diagnostics.map(\.id) == [.tooLarge])
        #expect(program.diagnostics.first?.message.contains("from 1 to 200000, not 3000000") ?? false)
    }

    @Test func examplesPass() throws {
        for path in Project.files("examples", "rec") { #expect(try Program(path: path).findUnsound().isEmpty, "\(path)") }
    }

    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: Project.path(".build/debug/recc"))))
    func theCommandFails() throws {
        let recc = try ReccCommand(Project.path(".build/debug/recc"))
        let path = try recc.file("m.rec", "model M(D) {\n  input x: [D]\n  state h: [D]\n  h = tanh(h[t-1] + x)\n  require affine(h)\n  output h\n}\n")
        let outcome = try recc("check", path)
        #expect(outcome.status == 1 && outcome.errors.contains("m.rec:5:3: error: 'h' is not affine"), "\(outcome)")
    }
}
