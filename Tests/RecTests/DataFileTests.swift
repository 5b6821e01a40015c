import Foundation
import Rec
import TestSupport
import Testing

/// Tensors of files by name, as commands take them: what is misspelt is told, and not passed over.
@Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: Project.path(".build/debug/recc"))))
struct DataFileTests {
    private let recc: ReccCommand
    private let program: String

    init() throws {
        recc = try ReccCommand(Project.path(".build/debug/recc"))
        program = try recc.file(
            "p.rec",
            """
            model P(D) {
              input x: [D]
              input h0: [D] once = 0
              param U: [D, D]
              param b: [D] = zeros from "bias"
              const scale: [D] = ones
              state h: [D] = h0
              h = tanh(x + U @ h[t-1] + b) * scale
              output h
              loss l = mean[t](sum(h * h))
            }
            """)
    }

    private static let x = ("input.x", Tensor([Double](repeating: 1, count: 6), shape: [1, 3, 2]))
    private static let u = ("param.U", Tensor([1.0, 0, 0, 1], shape: [2, 2]))
    private static let b = ("param.b", Tensor([0.0, 0], shape: [2]))

    private func file(_ name: String, _ tensors: [(String, Tensor)], _ metadata: [String: String] = [:]) throws -> String {
        let path = recc.folder.path(name)
        try TensorFile.write(
            TensorArchive(tensors: tensors.map { NamedTensor(name: $0.0, tensor: $0.1) }, metadata: metadata), to: path)
        return path
    }

    @Test(arguments: [
        ("once.h_0", "did you mean 'once.h0'?"), ("param.h0", "did you mean 'once.h0'?"), ("input.xx", "did you mean 'input.x'?"), ("h0", "did you mean 'once.h0'?"),
        ("params.U", "did you mean 'param.U'?"), ("const.scales", "did you mean 'const.scale'?"), ("length", "did you mean 'lengths'?"), ("flags.q", "it knows input.x, "),
    ])
    func misspeltNamesAreErrors(name: String, words: String) throws {
        let data = try file("case.safetensors", [Self.x, Self.u, Self.b, (name, Tensor([5.0, 5], shape: [1, 2]))])
        for command in [["run"], ["verify"], ["gradcheck"], ["train", "--steps", "1"]] {
            let outcome = try recc.run(command + [program, "--data", data])
            #expect(outcome.status == 1 && outcome.errors.contains("[unknown-tensor]") && outcome.errors.contains("'\(name)'"), "\(command): \(outcome)")
            #expect(outcome.errors.contains(words), "\(command): \(outcome.errors)")
        }
        #expect(try recc("run", program, "--data", data, "--allow-unused").status == 0)
        #expect(try recc("train", program, "--data", data, "--allow-unused", "--steps", "1").status == 0)
    }

    @Test func unknownResultsMatterWhereResultsAreUsed() throws {
        let data = try file("case.safetensors", [Self.x, Self.u, Self.b, ("output.hh", Tensor([0.0], shape: [1])), ("grad.V", Tensor([0.0], shape: [1]))])
        #expect(try recc("run", program, "--data", data).status == 0)
        let verified = try recc("verify", program, "--data", data)
        #expect(verified.status == 1 && verified.errors.contains("2 tensors: 'output.hh', 'grad.V'"), "\(verified)")
        #expect(verified.errors.contains("did you mean 'output.h' by 'output.hh'?"), "\(verified.errors)")
    }

    @Test func filesOfWeightsMayHoldMoreWhereThatIsAllowed() throws {
        let data = try file("x.safetensors", [Self.x])
        let weights = try file("w.npz", [("U", Self.u.1), ("bias", Self.b.1), ("head.W", Self.u.1)])
        let refused = try recc("run", program, "--data", data, "--params", weights)
        #expect(refused.status == 1 && refused.errors.contains("w.npz: 'P' has no use for the tensor 'head.W'"), "\(refused)")
        let run = try recc("run", program, "--data", data, "--params", weights, "--allow-unused")
        #expect(run.status == 0, "\(run)")
        // A file that says what its parameters are may have other things beside them, as checkpoints do.
        let checkpoint = try file("c.safetensors", [Self.u, Self.b, ("moment.0.U", Self.u.1), ("input.x", Self.x.1)])
        #expect(try recc("run", program, "--data", data, "--params", checkpoint).output == run.output)
    }

    /// A tensor that goes by the name of `from "…"` is not replaced by an initialiser.
    @Test func weightsByTheirOwnNameAreNotInitialised() throws {
        let data = try file("x.safetensors", [Self.x])
        let weights = try file("w.npz", [("U", Self.u.1), ("bias", Tensor([0.5, -0.5], shape: [2]))])
        let plain = try recc("run", program, "--data", data, "--params", weights)
        let seeded = try recc("run", program, "--data", data, "--params", weights, "--seed", "7")
        #expect(plain.status == 0 && plain.output == seeded.output, "\(plain) \(seeded)")
        let cases = try file("case.safetensors", [("input.x", Self.x.1)])
        let trained = recc.folder.path("trained.safetensors")
        #expect(try recc("train", program, "--data", cases, "--params", weights, "--steps", "0", "-o", trained).status == 0)
        #expect(try TensorFile.read(trained)["bias"]?.doubles() == [0.5, -0.5])
    }

    /// A run does not use expected results; those that the model does not have are said.
    @Test func resultsThatThereAreNotAreSaid() throws {
        let program = try recc.file("r.rec", "model R {\n  input x: real\n  output y = 2 * x\n}\n")
        let x = ("input.x", Tensor([1.0, 2], shape: [1, 2]))
        let data = try file("r.safetensors", [x, ("output.z", Tensor([1.0, 2], shape: [1, 2]))])
        let outcome = try recc("run", program, "--data", data)
        #expect(outcome.status == 0 && outcome.errors.contains("passed over: ") && outcome.errors.contains("'output.z'"), "\(outcome)")
        #expect(try recc("run", program, "--data", data, "--allow-unused").errors == "")
        let right = try file("right.safetensors", [x, ("output.y", Tensor([2.0, 4], shape: [1, 2]))])
        #expect(try recc("run", program, "--data", right).errors == "")
    }

    /// Where there is nothing to differentiate by, no file of nothing is written; such a file is one that NumPy reads.
    @Test func noGradients() throws {
        let program = try recc.file("g.rec", "model G {\n  input n: int\n  state h: real\n  h = 0.5 * h[t-1] + n\n  output y = h\n  loss l = sum[t](h)\n}\n")
        let data = try file("g.npz", [("input.n", Tensor([1, 2, 3], shape: [1, 3]))])
        let gradients = recc.folder.path("e.npz")
        let outcome = try recc("run", program, "--data", data, "--grad", gradients)
        #expect(outcome.status == 1 && outcome.errors.contains("nothing to differentiate by") && outcome.errors.contains("--wrt initial.h"), "\(outcome)")
        #expect(!FileManager.default.fileExists(atPath: gradients))
        #expect(try recc("run", program, "--data", data, "--grad", gradients, "--wrt", "initial.h").status == 0)
        let empty = recc.folder.path("empty.npz")
        try TensorFile.write(TensorArchive(tensors: []), to: empty)
        #expect(try Data(contentsOf: URL(fileURLWithPath: empty)) == Data([0x50, 0x4B, 5, 6] + [UInt8](repeating: 0, count: 18)))
        #expect(try TensorArchive(path: empty).tensors.isEmpty)
    }

    @Test func dimsOfTheFileAreTaken() throws {
        let places = try recc.file("n.rec", "model N(N) {\n  input x: real\n  const place: [N] = linspace(0, 3)\n  output y = sum[N](place * x)\n}\n")
        let x = ("input.x", Tensor([1.0, 2], shape: [1, 2]))
        let data = try file("n.safetensors", [x], ["dims": "N=4"])
        #expect(try recc("run", places, "--data", data).output == "y [1, 2] mean 9, last 6 12\n")
        #expect(try recc("run", places, "--data", data, "-D", "N=2").output == "y [1, 2] mean 4.5, last 3 6\n")
        #expect(try recc("gradcheck", places, "--data", data).status == 0)
        let near = try recc("run", places, "--data", file("near.safetensors", [x], ["dims": "n=4"]), "-D", "N=2")
        #expect(near.status == 1 && near.errors.contains("'N' has no dim 'n', which the metadata of the case give") && near.errors.contains("did you mean 'N'?"))
        let other = try file("other.safetensors", [x, ("output.y", Tensor([6.0, 12], shape: [1, 2]))], ["dims": "N=4, Other=3"])
        for command in ["run", "verify", "gradcheck"] {
            let outcome = try recc(command, places, "--data", other)
            #expect(outcome.status == 1 && outcome.errors.contains("'N' has no dim 'Other'") && outcome.errors.contains("its dims are N"), "\(command): \(outcome)")
            #expect(try recc(command, places, "--data", other, "--allow-unused").status == 0, "\(command)")
        }
        let twice = try recc("run", places, "--data", file("twice.safetensors", [x], ["dims": "N=4,N=2"]))
        #expect(twice.status == 1 && twice.errors.contains("give 'N' twice"))
        for dims in ["N=four", "N", "N=-1", "N=0", "N=99999999999999999999"] {
            let outcome = try recc("run", places, "--data", file("bad.safetensors", [x], ["dims": dims]))
            #expect(outcome.status == 1 && outcome.errors.contains("in the metadata 'dims' is no dim"), "\(dims): \(outcome)")
        }
    }

    /// Constants that say what they are need not be given; those that leave it to chance, or say nothing, do.
    @Test func constantsFillThemselves() throws {
        let x = try file("x.safetensors", [("input.x", Tensor([2.0], shape: [1, 1]))])
        for (initializer, value) in [(" = 3", "6"), (" = ones", "2"), (" = linspace(4, 5)", "8"), (" = zeros", "0")] {
            let path = try recc.file("c.rec", "model C {\n  input x: real\n  const c: real\(initializer)\n  output y = c * x\n}\n")
            let outcome = try recc("run", path, "--data", x)
            #expect(outcome.status == 0 && outcome.output == "y [1, 1] mean \(value), last \(value)\n", "\(initializer): \(outcome)")
            let given = try recc("run", path, "--data", x, "--params", file("c.npz", [("c", Tensor([0.5], shape: []))]))
            #expect(given.output == "y [1, 1] mean 1, last 1\n")
        }
        for declaration in ["const c: real", "const c: real = normal(1)", "param c: real = ones"] {
            let path = try recc.file("c.rec", "model C {\n  input x: real\n  \(declaration)\n  output y = c * x\n}\n")
            let outcome = try recc("run", path, "--data", x)
            #expect(outcome.status == 1 && outcome.errors.contains("[missing-tensor]") && outcome.errors.contains("--seed"), "\(declaration): \(outcome)")
            #expect(try recc("run", path, "--data", x, "--seed", "1").status == 0)
        }
    }

    @Test func verdictsCloseTheTable() throws {
        let good = try recc("verify", program, "--data", file("v.safetensors", [Self.x, Self.u, Self.b, ("output.h", Tensor([0.0], shape: [1]))]))
        #expect(good.status == 1 && good.output.contains("is expected"), "\(good)")
        let lines = try recc("verify", program, "--data", file("v.safetensors", [Self.x, Self.u, Self.b])).output.split(separator: "\n")
        #expect(lines.last?.hasPrefix("failed: nothing was compared") == true && lines.count == 2, "\(lines)")
    }

    /// A case of what a run gives in f32 holds for every engine: losses are as exact there as outputs.
    @Test func whatARunGivesIsVerified() throws {
        let program = try recc.file("loss.rec", "model M {\n  input x: [3]\n  param w: [3]\n  output y = w * x\n  loss l = mean[t](sum(sin(y)))\n}\n")
        let x = Tensor((0..<30).map { Float($0) / 7 }, shape: [1, 10, 3])
        try TensorArchive(tensors: [NamedTensor(name: "x", tensor: x), NamedTensor(name: "w", tensor: Tensor([0.3, -0.7, 1.1] as [Float], shape: [3]))])
            .write(to: recc.folder.path("data.npz"))
        #expect(try recc("run", program, "--data", "data.npz", "-o", "results.npz").status == 0)
        let results = try TensorArchive(path: recc.folder.path("results.npz")).tensors
        #expect(results.map(\.name).sorted() == ["l", "y"] && results.allSatisfy { $0.tensor.type == .f32 })
        let data = try TensorArchive(path: recc.folder.path("data.npz")).tensors
        try TensorArchive(tensors: data + results).write(to: recc.folder.path("case.npz"))
        let outcome = try recc("verify", program, "--data", "case.npz")
        #expect(outcome.status == 0, "\(outcome)")
    }
}
