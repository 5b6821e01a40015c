import Rec
import Testing

/// Well-typed programs made at random: compiled code and the interpreter must agree.
struct RandomProgram {
    private var generator: SeededGenerator
    private(set) var text = ""
    let dims = ["D": 5, "H": 7, "K": 3]

    init(seed: UInt64) {
        generator = SeededGenerator(seed: seed)
        var vectors = ["x", "s[t-1]"]
        var lines = [
            "model M(D, H, K) {", "input x: [H]", "input u: [D]", "input c: [H] once", "input b: bool", "param W: [H, D] = normal(0.5)",
            "param U: [H, H] = normal(0.3)", "param p: [H] = normal(1)", "param A: [K, H] = normal(0.4)", "state s: [H] = c",
            "state m: [K, H]",
        ]
        vectors += ["p", "W @ u", "U @ s[t-1]", "x[t-1]", "k @ m[t-1]"]
        lines.append("k = A @ tanh(x)")
        for n in 0..<Int(generator.next() % 4) + 2 {
            let name = "v\(n)"
            lines.append("\(name) = \(expression(vectors, depth: 3))")
            vectors.append(name)
            if generator.next() % 3 == 0 { vectors.append("\(name)[t-\(1 + generator.next() % 3)]") }
        }
        lines.append("s = tanh(\(expression(vectors, depth: 2)))")
        lines.append("m = 0.9 * m[t-1] + outer(k, tanh(\(expression(vectors, depth: 1))))")
        lines.append("output y = \(expression(vectors + ["s"], depth: 2))")
        lines.append("output q = \(reduction()) ")
        lines.append("output s")
        lines.append("loss l = mean[t](mean(s * s))")
        text = (lines + ["}"]).joined(separator: "\n") + "\n"
    }

    private mutating func pick(_ items: [String]) -> String { items[Int(generator.next() % UInt64(items.count))] }

    private mutating func reduction() -> String {
        pick(["sum[K](k * (m @ x))", "logsumexp(k)", "max[H](m)", "norm(m)", "softmax(k)", "concat(k, x)", "sum[H](m * x)", "argmax(s)", "mean(m)"])
    }

    private mutating func expression(_ atoms: [String], depth: Int) -> String {
        if depth == 0 { return pick(atoms) }
        let a = expression(atoms, depth: depth - 1)
        let b = expression(atoms, depth: depth - 1)
        switch generator.next() % 9 {
        case 0: return "(\(a) + \(b))"
        case 1: return "(\(a) - \(b))"
        case 2: return "(\(a) * tanh(\(b)))"
        case 3: return "\(pick(["tanh", "sigmoid", "relu", "silu", "sin", "softplus", "gelu", "abs", "logsigmoid"]))(\(a))"
        case 4: return "max(\(a), \(b))"
        case 5: return "(if b then \(a) else \(b))"
        case 6: return "(\(a) / (1 + abs(\(b))))"
        case 7: return "concat((\(a))[3:H], (\(b))[0:3])"
        default: return "clamp(\(a), -1, 1)"
        }
    }
}

@Suite struct RandomProgramTests {
    /// Many more are in `make fuzz`.
    @Test(arguments: 0..<24)
    func enginesAgree(seed: UInt64) throws {
        let program = RandomProgram(seed: seed)
        let parsed = Program(text: program.text)
        try #require(!parsed.hasErrors, "seed \(seed): \(parsed.diagnostics.map(\.message))\n\(program.text)")
        let model = try Model(parsed, dims: program.dims)
        for (batch, length) in [(1, 9), (3, 33)] {
            let data = generated(model, batch: batch, extents: [length], seed: seed)
            let reference = try model.run(data, on: .interpreter)
            for threads in [1, 2] {
                let got = try model.run(data, on: .compiled(.f64), threads: threads, context: .quick)
                for (a, b) in zip(got.outputs + got.losses + got.finalStates, reference.outputs + reference.losses + reference.finalStates) {
                    let error = relativeError(a.tensor, b.tensor)
                    #expect(error < 1e-8, "seed \(seed), \(batch)×\(length), \(a.name): \(error)\n\(program.text)")
                }
            }
        }
    }
}
