import Foundation
import Rec
import TestSupport
import Testing

/// `recc gradcheck` on models that are not finite everywhere, and with data of the user's.
@Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: Project.path(".build/debug/recc"))))
struct GradientCheckTests {
    private let recc: ReccCommand

    init() throws { recc = try ReccCommand(Project.path(".build/debug/recc")) }

    @Test(arguments: [
        ("k + log(x)", "nan"), ("k + sqrt(x)", "nan"), ("k / (x - x)", "inf"), ("k * exp(exp(exp(9 + x * x)))", "inf"), ("log(x - x) * k", "inf"),
        ("h[t-1] * 1e200 + 1e200 * k", "inf"),
    ])
    func whatIsNotFiniteFails(expression: String, number: String) throws {
        let state = expression.contains("h[t-1]")
        let path = try recc.file(
            "bad.rec", "model M {\n  input x: real\n  param k: real = ones\n\(state ? "  state h: real\n  h" : "  output y") = \(expression)\(state ? " + x\n  output h" : "")\n}\n")
        let outcome = try recc("gradcheck", path)
        #expect(outcome.status == 1 && outcome.errors.contains("[not-finite]") && outcome.errors.contains(number), "\(outcome)")
        #expect(outcome.errors.contains("bad.rec:") && outcome.errors.contains("--range"), "\(outcome.errors)")
    }

    @Test func rangesKeepModelsFinite() throws {
        let path = try recc.file("log.rec", "model M {\n  input x, z: real\n  param k: real\n  output y = k + log(x) * z\n}\n")
        for range in [["--range", "0.1,2"], ["--range", "x=0.1,2"], ["--range", "x=0.5,0.5", "--range", "1,2"], ["--range", "x=0.1,2", "--range", "k=3,4"]] {
            let outcome = try recc.run(["gradcheck", path] + range)
            #expect(outcome.status == 0, "\(range): \(outcome)")
        }
        for bad in ["x", "2,1", "x=1,", "=1,2", "1,2,3", "nan,1"] { #expect(try recc("gradcheck", path, "--range", bad).status == 2, "\(bad)") }
        #expect(try recc("gradcheck", path, "--range", "1,2", "--range", "2,3").status == 2)
        let unknown = try recc("gradcheck", path, "--range", "xx=1,2")
        #expect(unknown.status == 1 && unknown.errors.contains("no input 'xx'"), "\(unknown)")
    }

    @Test func dataAreTakenFromAFile() throws {
        let path = try recc.file("log.rec", "model M(D) {\n  input x: [D]\n  param k: [D]\n  output y = k * log(x)\n}\n")
        func file(_ name: String, _ numbers: [Double]) throws -> String {
            let tensors = [NamedTensor(name: "input.x", tensor: Tensor(numbers, shape: [1, numbers.count / 2, 2]))]
            try TensorFile.write(TensorArchive(tensors: tensors), to: recc.folder.path(name))
            return recc.folder.path(name)
        }
        let good = try recc("gradcheck", path, "--data", file("good.npz", [1, 2, 3, 4]))
        #expect(good.status == 0 && good.output.contains("k "), "\(good)")
        let bad = try recc("gradcheck", path, "--data", file("bad.npz", [1, 2, 3, -4]))
        #expect(bad.status == 1 && bad.errors.contains("at step 1"), "\(bad)")
        let missing = try recc("gradcheck", path, "--data", file("nan.npz", [1, 2, .nan, 4]))
        #expect(missing.status == 1 && missing.errors.contains("'x', nan at step 1"), "\(missing)")
        #expect(try recc("gradcheck", path, "--data", file("good.npz", [1, 2, 3, 4]), "--length", "3").status == 2)
    }

    /// A gradient of one's own is no derivative: the rest of the model is compared, and the function is named.
    @Test func gradientsOfOnesOwnAreLeftOut() throws {
        let path = try recc.file(
            "own.rec", "func spike(v) = step(v)\n  gradient (dy) = dy / (1 + v * v)\nmodel M(D) {\n  input x: [D]\n  param W: [D, D]\n  output y = spike(W @ x) * tanh(x)\n}\n")
        let outcome = try recc("gradcheck", path, "-D", "D=3")
        #expect(outcome.status == 0 && outcome.output.contains("not compared") && outcome.output.contains("'spike'"), "\(outcome)")
    }

    /// What is left where terms cancel each other is rounding, in single precision; a small gradient that is wrong is wrong all the same.
    @Test func roundingIsNoMistake() throws {
        let key = "model M {\n  input x: real\n  input y: real over s\n  param b: real = constant(0.3)\n  state h: real = 0.3\n  h = tanh(x + sum[s](softmax[s](y * h[t-1] + b) * y))\n  output h\n}\n"
        let outcome = try recc("gradcheck", recc.file("key.rec", key), "--precision", "f32")
        #expect(outcome.status == 0, "\(outcome)")
        let small = "model M {\n  input x: real\n  param a, b: real\n  output y = a * x + 0.001 * (b * x + stop(b * b))\n}\n"
        let wrong = try recc("gradcheck", recc.file("small.rec", small), "--precision", "f32")
        #expect(wrong.status == 1 && wrong.output.contains("too large"), "\(wrong)")
    }

    /// Large and small gradients are no reason to call wrong ones right.
    @Test(arguments: [1e-200, 1e-30, 1, 1e30, 1e150])
    func noSizeHidesAMistake(scale: Double) throws {
        let path = try recc.file("stop.rec", "model M {\n  input x: real\n  param a: real\n  output y = \(scale) * (a * x + stop(a * a))\n}\n")
        #expect(try recc("gradcheck", path).status == 1)
        let good = try recc.file("good.rec", "model M {\n  input x: real\n  param a: real\n  output y = \(scale) * (a * x + a * a)\n}\n")
        let outcome = try recc("gradcheck", good)
        #expect(outcome.status == 0, "\(outcome)")
    }
}
