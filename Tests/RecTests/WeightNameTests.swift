import Foundation
import Rec
import TestSupport
import Testing

/// What is said of weights that are not there, and under which names weights are written.
@Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: Project.path(".build/debug/recc"))))
struct WeightNameTests {
    private let recc: ReccCommand
    private let program: String
    private let data: String

    init() throws {
        recc = try ReccCommand(Project.path(".build/debug/recc"))
        program = try recc.file(
            "m.rec",
            """
            model Cell(D, H) {
              input x: [D]
              param weight: [H, D]
              param bias: [H] from "b"
              output y = tanh(weight @ x + bias)
            }
            model M(D, H, P = 3) {
              input x: [D]
              layer f = Cell(D, H) from "net.{}_0"
              param head: [H, P]
              const scale: [P] = ones from "s"
              output y = (head.T @ f(x)) * scale
              loss l = mean[t](sum(y * y))
            }
            """)
        data = recc.folder.path("x.safetensors")
        try write(data, [("input.x", [1, 4, 2])])
    }

    private func write(_ path: String, _ tensors: [(String, [Int])], _ metadata: [String: String] = [:]) throws {
        try TensorArchive(
            tensors: tensors.map { name, shape in
                NamedTensor(name: name, tensor: Tensor((0..<shape.reduce(1, *)).map { 0.1 * Double($0 + 1) }, shape: shape))
            }, metadata: metadata
        ).write(to: path)
    }

    private func run(_ tensors: [(String, [Int])], _ more: String...) throws -> ReccCommand.Outcome {
        let path = recc.folder.path("w.npz")
        try write(path, tensors)
        return try recc.run(["run", program, "--data", data, "--params", path] + more)
    }

    private static let all: [(String, [Int])] = [("net.weight_0", [5, 2]), ("net.b_0", [5]), ("head", [5, 3]), ("s", [3])]

    @Test func eitherNameDoes() throws {
        let byTensor = try run(Self.all)
        #expect(byTensor.status == 0, "\(byTensor)")
        #expect(try run([("f.weight", [5, 2]), ("f.bias", [5]), ("head", [5, 3]), ("scale", [3])]).output == byTensor.output)
        #expect(try run([("param.net.weight_0", [5, 2]), ("param.f.bias", [5]), ("head", [5, 3]), ("const.s", [3])]).output == byTensor.output)
    }

    @Test func aMissingTensorIsTold() throws {
        let lost = try run([("net.wieght_0", [5, 2]), ("net.b_0", [5]), ("head", [5, 3])])
        #expect(lost.status == 1, "\(lost)")
        #expect(lost.errors.contains("the parameter 'f.weight' is missing; expected [H=5, D=2]; looked for 'net.weight_0' and 'f.weight' [missing-tensor]"), "\(lost.errors)")
        #expect(lost.errors.contains("there is 'net.wieght_0' [5, 2], which nothing uses: it fits; unused: 'net.wieght_0' [5, 2]"), "\(lost.errors)")
        #expect(lost.errors.contains("[unknown-tensor]"), "\(lost.errors)")
        // The same without the complaint about what is unused.
        let allowed = try run([("net.wieght_0", [5, 2]), ("net.b_0", [5]), ("head", [5, 3])], "--allow-unused")
        #expect(allowed.status == 1 && allowed.errors.contains("[missing-tensor]") && !allowed.errors.contains("[unknown-tensor]"), "\(allowed)")
        let turned = try run([("net.weight", [2, 5]), ("net.b_0", [5]), ("head", [5, 3])], "--allow-unused")
        #expect(turned.errors.contains("there is 'net.weight' [2, 5], which nothing uses: it fits when transposed"), "\(turned.errors)")
        let other = try run([("net.weight_0", [5, 2]), ("net.b_0", [5]), ("decoder", [3, 5]), ("k", [9])], "--allow-unused")
        #expect(other.errors.contains("the parameter 'head' is missing; expected [H=5, P=3] [missing-tensor]"), "\(other.errors)")
        #expect(other.errors.contains("there is 'decoder' [3, 5], which nothing uses: it fits when transposed; unused: 'decoder' [3, 5], 'k' [9]"), "\(other.errors)")
        // Nothing is missing where the initialisers stand in.
        #expect(try run([("net.weight_0", [5, 2])], "--seed", "1").status == 0)
        let filled = try run([("net.weight_0", [5, 2]), ("q", [1])], "--seed", "1")
        #expect(filled.errors.contains("[unknown-tensor]") && !filled.errors.contains("[missing-tensor]"), "\(filled)")
    }

    @Test func aTensorOfAnotherShapeIsTold() throws {
        let turned = try run([("net.weight_0", [5, 2]), ("net.b_0", [5]), ("head", [3, 5])], "-D", "P=3")
        #expect(turned.errors.contains("the parameter 'head' has the shape [3, 5], expected [H=5, P=3] = [5, 3] [misshapen-tensor]"), "\(turned.errors)")
        #expect(turned.errors.contains("it fits when transposed: declare it [P, H], and write head.T"), "\(turned.errors)")
        let flat = try run([("net.weight_0", [5, 1, 2]), ("net.b_0", [5]), ("head", [5, 3])])
        #expect(flat.errors.contains("the parameter 'f.weight', \"net.weight_0\", has the shape [5, 1, 2]"), "\(flat.errors)")
        #expect(flat.errors.contains("axes of size 1 alone: declare it [5, 1, 2], and reshape it"), "\(flat.errors)")
    }

    @Test func dimsThatNothingTellsNameTheTensors() throws {
        let lost = try run([("net.w", [5, 2]), ("q", [9])])
        #expect(lost.status == 1 && lost.errors.contains("the dim 'H' of 'M' is not known"), "\(lost.errors)")
        #expect(lost.errors.contains("the parameter 'f.weight', which may tell dims, is missing; looked for 'net.weight_0' and 'f.weight'"), "\(lost.errors)")
        #expect(lost.errors.contains("unused: 'net.w' [5, 2], 'q' [9]"), "\(lost.errors)")
    }

    private func trained(_ weights: [(String, [Int])], _ ending: String = "safetensors") throws -> TensorArchive {
        let (path, out) = (recc.folder.path("w.safetensors"), recc.folder.path("out.\(ending)"))
        try write(path, weights)
        let outcome = try recc("train", program, "--data", data, "--params", path, "-D", "H=5", "--steps", "1", "-o", out)
        #expect(outcome.status == 0, "\(outcome)")
        return try TensorArchive(path: out)
    }

    @Test func weightsAreWrittenUnderTheNamesThatWereRead() throws {
        #expect(try trained(Self.all).tensors.map(\.name).sorted() == ["head", "net.b_0", "net.weight_0", "s"])
        #expect(try trained([]).tensors.map(\.name).sorted() == ["head", "net.b_0", "net.weight_0", "s"])
        #expect(try trained(Self.all, "npz").tensors.map(\.name).sorted() == ["head", "net.b_0", "net.weight_0", "s"])
        #expect(try trained([("f.weight", [5, 2]), ("net.b_0", [5])]).tensors.map(\.name).sorted() == ["f.weight", "head", "net.b_0", "s"])
        // Names that say what they are do not say what others call them.
        #expect(try trained([("param.f.weight", [5, 2])]).tensors.map(\.name).sorted() == ["head", "net.b_0", "net.weight_0", "s"])
    }

    @Test func theFileSaysWhichProgramAndDims() throws {
        let written = try trained(Self.all)
        #expect(written.metadata["dims"] == "D=2,H=5,P=3")
        #expect(written.metadata["program"] == (try Program(path: program)).hash)
        let checkpoint = recc.folder.path("run")
        #expect(try recc("train", program, "--data", data, "-D", "H=5", "--steps", "1", "--checkpoint", checkpoint).status == 0)
        let stopped = try TensorArchive(path: checkpoint + "/checkpoint.safetensors")
        #expect(stopped.metadata["dims"] == "D=2,H=5,P=3" && stopped.metadata["program"] == written.metadata["program"])
        // Those of the file are taken, and those of the command line go before them.
        let places = try recc.file("p.rec", "model P(N) {\n  input x: real\n  param a: real\n  output y = a * x * N\n}\n")
        let (x, w) = (recc.folder.path("s.npy"), recc.folder.path("p.safetensors"))
        try TensorArchive(tensors: [NamedTensor(name: "", tensor: Tensor([1.0, 2], shape: [2]))]).write(to: x)
        try TensorArchive(tensors: [NamedTensor(name: "a", tensor: Tensor([2.0], shape: []))], metadata: ["dims": "N=3,Other=4"]).write(to: w)
        #expect(try recc("run", places, "--input", "x=\(x)", "--params", w).output == "y [1, 2] mean 9, last 6 12\n")
        #expect(try recc("run", places, "--input", "x=\(x)", "--params", w, "-D", "N=1").output == "y [1, 2] mean 3, last 2 4\n")
        #expect(try Model(places, weights: w).dims["N"] == 3)
    }

    /// Parameters that share a tensor are one in the file as long as they are the same.
    @Test func sharedTensorsAreWrittenOnce() throws {
        let shared = try recc.file(
            "s.rec",
            """
            model S(D) {
              input x: [D]
              param a: [D] from "w"
              param b: [D] from "w"
              param c: [D] from "a"
              output y = a * x + stop(b) * c
              loss l = mean[t](sum(y * y))
            }
            """)
        let (path, out) = (recc.folder.path("w.safetensors"), recc.folder.path("out.safetensors"))
        try write(path, [("w", [2]), ("c", [2])])
        func written(_ steps: Int) throws -> [String] {
            let outcome = try recc("train", shared, "--data", data, "--params", path, "--steps", "\(steps)", "-o", out)
            #expect(outcome.status == 0, "\(outcome)")
            return try TensorArchive(path: out).tensors.map(\.name).sorted()
        }
        #expect(try written(0) == ["c", "w"])
        #expect(try written(1) == ["a", "b", "c"])
    }

    @Test func gradientsGoByEitherName() throws {
        let (weights, gradients) = (recc.folder.path("w.npz"), recc.folder.path("g.npz"))
        try write(weights, Self.all)
        #expect(try recc("run", program, "--data", data, "--params", weights, "--grad", gradients, "--precision", "f64").status == 0)
        let written = try TensorArchive(path: gradients).tensors
        #expect(Set(written.map(\.name)) == ["grad.net.weight_0", "grad.net.b_0", "grad.head", "grad.x"])
        let x = try TensorArchive(path: data).tensors
        let byPath = ["grad.net.weight_0": "grad.f.weight", "grad.net.b_0": "grad.f.bias"]
        for renamed in [written, written.map { NamedTensor(name: byPath[$0.name] ?? $0.name, tensor: $0.tensor) }] {
            let path = recc.folder.path("case.safetensors")
            try TensorArchive(tensors: x + renamed).write(to: path)
            let outcome = try recc("verify", program, "--data", path, "--params", weights)
            #expect(outcome.status == 0 && outcome.output.contains("verified: 4 tensors"), "\(outcome)")
        }
        let one = try recc("run", program, "--data", data, "--params", weights, "--grad", gradients, "--wrt", "net.b_0")
        #expect(one.status == 0, "\(one)")
        #expect(try TensorArchive(path: gradients).tensors.map(\.name) == ["grad.net.b_0"])
    }

    /// A file in which no name says of what kind it is has the names of the model.
    @Test func namesWithoutKinds() throws {
        let path = recc.folder.path("plain.npz")
        try write(path, Self.all + [("x", [1, 4, 2])])
        let outcome = try recc("run", program, "--data", path)
        #expect(outcome.status == 0, "\(outcome)")
        let out = recc.folder.path("y.npz")
        #expect(try recc("run", program, "--data", path, "-o", out, "--precision", "f64").status == 0)
        try TensorArchive(tensors: TensorArchive(path: path).tensors + TensorArchive(path: out).tensors).write(to: path)
        let verified = try recc("verify", program, "--data", path)
        #expect(verified.status == 0 && verified.output.contains("verified: 2 tensors"), "\(verified)")
        try write(path, Self.all + [("X", [1, 4, 2])])
        let wrong = try recc("run", program, "--data", path)
        #expect(wrong.status == 1 && wrong.errors.contains("no use for the tensor 'X'") && wrong.errors.contains("did you mean 'x'?"), "\(wrong)")
        // Where one name says it, all do.
        try write(path, [("input.x", [1, 4, 2]), ("head", [5, 3])])
        #expect(try recc("run", program, "--data", path, "-D", "H=5").errors.contains("did you mean 'param.head'?"))
    }
}
