import Foundation
import Rec
import TestSupport
import Testing

/// The command line as a user meets it.
@Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: Project.path(".build/debug/recc"))))
struct CommandTests {
    private struct Outcome {
        var status: Int32
        var output: String
        var errors: String
    }

    private let temporary: TemporaryFolder
    private var folder: URL { temporary.url }

    init() throws {
        temporary = try TemporaryFolder()
        MachineFile.bring(into: temporary.path("cache"))
    }

    /// Commands of these tests keep nothing among the user's files.
    private var environment: [String: String] { ["XDG_CACHE_HOME": folder.appendingPathComponent("cache").path] }

    private func recc(_ arguments: String..., input: Data? = nil) throws -> Outcome { try run(arguments, input: input) }

    private func run(_ arguments: [String], input: Data? = nil) throws -> Outcome {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Project.path(".build/debug/recc"))
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let (out, err, pipe) = (Pipe(), Pipe(), Pipe())
        process.standardOutput = out
        process.standardError = err
        process.standardInput = pipe
        try process.run()
        if let input { pipe.fileHandleForWriting.write(input) }
        try pipe.fileHandleForWriting.close()
        let output = out.fileHandleForReading.readDataToEndOfFile()
        let errors = err.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Outcome(
            status: process.terminationStatus, output: String(decoding: output, as: UTF8.self),
            errors: String(decoding: errors, as: UTF8.self))
    }

    private func file(_ name: String, _ text: String) throws -> String {
        let url = folder.appendingPathComponent(name)
        try Data(text.utf8).write(to: url)
        return url.path
    }

    private func tensor(_ name: String, _ shape: [Int]) throws -> String {
        let path = folder.appendingPathComponent(name).path
        let count = shape.reduce(1, *)
        let archive = TensorArchive(tensors: [NamedTensor(name: "", tensor: Tensor((0..<count).map { Float($0 % 5) }, shape: shape))])
        try TensorFile.write(archive, to: path)
        return path
    }

    private let gru = Project.path("examples/gru.rec")

    @Test func exitStatusSaysWhoIsAtFault() throws {
        #expect(try recc("check", gru).status == 0)
        #expect(try recc("check", try file("bad.rec", "model M {\n y = 1 +\n}\n")).status == 1)
        #expect(try recc("check", "/nowhere.rec").status == 1)
        #expect(try recc("run", gru, "--threads", "many").status == 2)
        #expect(try recc("run", gru, "-D", "H").status == 2)
        #expect(try recc("nonsense").status == 2)
        for (wrong, message) in [
            (["--plan", "h=scan", "--plan", "h=sequential"], "the plan of 'h' is given twice"),
            (["--plan", "h=scan", "--interpret"], "--plan has no use here: the interpreter takes one step after another"),
            (["--noise-seed", "4294967296"], "a whole number from 0 to 4294967295"),
            (["--noise-seed", "-1"], "a whole number from 0 to 4294967295"),
        ] {
            let outcome = try run(["run", gru] + wrong)
            #expect(outcome.status == 2 && outcome.errors.contains(message), "\(outcome)")
        }
        #expect(try recc("--help").status == 0)
    }

    @Test func gradientsAreChecked() throws {
        let good = try recc("gradcheck", gru, "-D", "D=2", "-D", "H=3")
        #expect(good.status == 0 && good.output.contains("the worst is"), "\(good.output)\(good.errors)")
        // Differences see through a gradient that is stopped.
        let stopped = try file("stopped.rec", "model M {\n input x: real\n param a, b: real\n output y = b * sin(x) + stop(a * x)\n}\n")
        let bad = try recc("gradcheck", stopped)
        #expect(bad.status == 1 && (bad.output.contains("the worst is x") || bad.output.contains("the worst is a")), "\(bad.output)")
        let empty = try recc("gradcheck", gru, "-D", "D=2", "-D", "H=3", "--precision", "f64", "--length", "0")
        #expect(empty.status == 1 && (empty.output + empty.errors).contains("nothing was compared"), "\(empty.output)")
    }

    @Test func backwardPassesAreExplained() throws {
        let mingru = Project.path("examples/mingru.rec")
        let outcome = try recc("explain", mingru, "-D", "D=4", "-D", "H=5", "--grad", "--length", "100")
        #expect(outcome.status == 0 && outcome.errors.isEmpty)
        for text in ["recurrence of grad.h, backward over t", "affine, diagonal[H]", "from one pass for another, ", "recomputed   nothing"] {
            #expect(outcome.output.contains(text), "\(outcome.output)")
        }
        #expect(try !recc("explain", mingru, "-D", "D=4", "-D", "H=5").output.contains("grad.h"))
        #expect(try recc("compile", mingru, "-D", "D=4", "-D", "H=5", "--grad", "--emit", "graph").output.contains("output \"grad.Wz\""))
    }

    @Test func weightsAreStoredInHalves() throws {
        let explained = try recc("explain", gru, "-D", "D=4", "-D", "H=5", "--weights", "bf16")
        #expect(explained.status == 0 && explained.output.contains("in every step (Uz, Ur, Un as one), weights in bf16"), "\(explained.output)")
        #expect(try recc("bench", gru, "-D", "D=4", "-D", "H=5", "--length", "10", "--weights", "bf16").status == 0)
        for refused in ["--grad", "--precision=f64"] {
            let outcome = try recc("bench", gru, "-D", "D=4", "-D", "H=5", "--length", "10", "--weights", "bf16", refused)
            #expect(outcome.status == 1 && outcome.errors.contains("[weights-refused]"), "\(outcome.errors)")
        }
    }

    @Test func gradientsAreWritten() throws {
        let program = try file("square.rec", "model M {\n input x: real\n param a: real\n output y = a * x\n loss l = sum[t](y * y)\n}\n")
        let plain = try file("plain.rec", "model M {\n input x: real\n param a: real\n output y = a * x\n}\n")
        let out = folder.appendingPathComponent("g.safetensors").path
        let case_ = folder.appendingPathComponent("case.safetensors").path
        let tensors = [("input.x", [1.0, 2, 3], [1, 3]), ("param.a", [2.0], []), ("cotangent.y", [1.0, 10, 100], [1, 3]), ("grad.a", [321.0], [])]
        try TensorFile.write(
            TensorArchive(tensors: tensors.map { NamedTensor(name: $0.0, tensor: Tensor($0.1, shape: $0.2)) }), to: case_)
        #expect(try recc("run", plain, "--data", case_, "--grad", out).status == 0)
        #expect(try TensorFile.read(out)["grad.a"]?.doubles() == [321])
        #expect(try TensorFile.read(out)["grad.x"]?.doubles() == [2, 20, 200])
        let verified = try recc("verify", plain, "--data", case_)
        #expect(verified.status == 0 && verified.output.contains("grad a"), "\(verified.output)")
        // Of the loss, without cotangents.
        let given = ["--input", "x=\(try tensor("x.npy", [1, 3]))", "--params", case_]
        #expect(try recc("run", program, given[0], given[1], given[2], given[3], "--grad", out).status == 0)
        #expect(try TensorFile.read(out)["grad.a"]?.doubles() == [20])
        let missing = try recc("run", plain, given[0], given[1], given[2], given[3], "--grad", out)
        #expect(missing.status == 1 && missing.errors.contains("cotangent.y"))
        #expect(try recc("run", plain, "--truncate", "3").status == 2)
        #expect(try recc("run", plain, "--wrt", "a").status == 2)
    }

    @Test func gradientsAreTakenByWhatIsAskedFor() throws {
        let program = try file("decay.rec", "model M {\n input x: real\n param a: real\n state h: real\n h = a * h[t-1] + x\n output h\n}\n")
        let case_ = folder.appendingPathComponent("decay.safetensors").path
        let out = folder.appendingPathComponent("decay-g.npz").path
        let tensors = [("input.x", [1.0, 2, 3], [1, 3]), ("param.a", [2.0], []), ("cotangent.h", [0.0, 0, 1], [1, 3])]
        try TensorFile.write(
            TensorArchive(tensors: tensors.map { NamedTensor(name: $0.0, tensor: Tensor($0.1, shape: $0.2)) }), to: case_)
        #expect(try recc("run", program, "--data", case_, "--grad", out, "--wrt", "initial.h", "--wrt", "x").status == 0)
        let gradients = try TensorFile.read(out)
        #expect(gradients.tensors.map(\.name) == ["grad.initial.h", "grad.x"])
        #expect(gradients["grad.initial.h"]?.doubles() == [8] && gradients["grad.x"]?.doubles() == [4, 2, 1])
        #expect(try recc("run", program, "--data", case_, "--grad", out, "--wrt", "x", "--wrt", "x").status == 2)
        let unknown = try recc("run", program, "--data", case_, "--grad", out, "--wrt", "initial.k")
        #expect(unknown.status == 1 && unknown.errors.contains("there is no state 'k'") && unknown.errors.contains("the model has h"))
    }

    @Test(arguments: ["check", "fmt", "compile", "explain", "run", "sample", "verify", "gradcheck", "train", "plot", "bench", "test"])
    func everyCommandShowsAnExample(command: String) throws {
        let help = try recc(command, "--help")
        #expect(help.status == 0 && help.output.contains("EXAMPLE"))
    }

    @Test func diagnosticsAreDrawn() throws {
        let path = try file("bad.rec", "model M(D, H) {\n  input x: [D]\n  param W: [D, H]\n  output y = tanh(W @ x)\n}\n")
        let shown = try recc("check", path)
        #expect(
            shown.errors.hasPrefix(
                """
                \(path):4:19: error: 'W @ x' contracts H with D [shape-mismatch]
                     output y = tanh(W @ x)
                                     ^~~~~ W: [D, H], x: [D]
                help: did you mean W.T @ x
                """))
        let json = try recc("check", "--diagnostics", "json", path)
        let parsed = try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [[String: Any]]
        #expect(parsed?.first?["id"] as? String == "shape-mismatch" && parsed?.first?["line"] as? Int == 4)
    }

    @Test func runsReadDimsOffData() throws {
        let x = try tensor("x.npy", [2, 7, 3])
        let out = folder.appendingPathComponent("h.npy").path
        let outcome = try recc("run", gru, "--input", "x=\(x)", "-D", "H=5", "--seed", "1", "--output", out)
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(try TensorFile.read(out).tensors[0].tensor.shape == [2, 7, 5])
        let interpreted = try recc("run", gru, "--input", "x=\(x)", "-D", "H=5", "--seed", "1", "--interpret")
        #expect(interpreted.status == 0 && interpreted.output.hasPrefix("h [2, 7, 5]"))
        let streamed = try recc("run", gru, "--input", "x=\(x)", "-D", "H=5", "--seed", "1", "--stream", "steps")
        #expect(streamed.status == 0, "\(streamed.errors)")
    }

    @Test func missingAndMisshapenTensorsAreNamed() throws {
        let x = try tensor("x.npy", [2, 7, 3])
        let missing = try recc("run", gru, "--input", "x=\(x)", "-D", "H=5")
        #expect(missing.status == 1 && missing.errors.contains("'Wz' is missing; expected [H=5, D=3]"), "\(missing.errors)")
        let wrong = try recc("run", gru, "--input", "x=\(x)", "-D", "H=5", "-D", "D=4", "--seed", "1")
        #expect(wrong.status == 1 && wrong.errors.contains("'x' has the shape [2, 7, 3]"), "\(wrong.errors)")
        let flat = try recc("run", gru, "--input", "x=\(try tensor("flat.npy", [4]))", "-D", "H=5", "--seed", "1")
        #expect(flat.status == 1 && !flat.errors.isEmpty)
    }

    @Test(arguments: [[0, 5, 3], [2, 0, 3], [1, 1, 3]])
    func emptyDataRun(shape: [Int]) throws {
        let x = try tensor("x.npy", shape)
        let outcome = try recc("run", gru, "--input", "x=\(x)", "-D", "H=5", "-D", "D=3", "--seed", "1")
        #expect(outcome.status == 0, "\(outcome.errors)")
    }

    @Test func standardInputIsStreamed() throws {
        let program = try file("sum.rec", "model M(D) {\n  input x: [D]\n  state s: real\n  s = s[t-1] + sum(x)\n  output s\n}\n")
        let numbers: [Float] = [1, 2, 3, 4]
        let process = try recc("run", program, "-D", "D=2", "--stream", "-", input: numbers.withUnsafeBytes { Data($0) })
        #expect(process.status == 0, "\(process.errors)")
        #expect(process.output.utf8.count > 0)
    }

    @Test func formattingReadsStandardInput() throws {
        let outcome = try recc("fmt", "-", input: Data("model M{\n input x:real\n output y=x+1 }".utf8))
        #expect(outcome.output == "model M {\n  input x: real\n  output y = x + 1\n}\n")
        #expect(try recc("fmt", "--check", try file("raw.rec", "model M{\n}")).status == 1)
    }

    @Test func stagesAreShown() throws {
        for stage in EmittedStage.allCases {
            let outcome = try recc("compile", gru, "-D", "D=3", "-D", "H=5", "--emit", stage.rawValue)
            #expect(outcome.status == 0 && !outcome.output.isEmpty, "\(stage)")
        }
        #expect(try recc("compile", gru, "--emit", "plan").errors.contains("unsolvable-dim"))
    }

    @Test func explanationsNameThePlace() throws {
        let text = try recc("explain", gru, "-D", "D=3", "-D", "H=5")
        #expect(text.output.contains("nonlinear") && text.output.contains("gru.rec:"))
        let json = try recc("explain", gru, "-D", "D=3", "-D", "H=5", "--json")
        #expect((try? JSONSerialization.jsonObject(with: Data(json.output.utf8))) != nil)
    }

    @Test func benchmarksTakeRanges() throws {
        let program = Project.path("Benchmarks/programs/affine.rec")
        let timed = try recc("bench", program, "-D", "D=2", "--length", "8", "--range", "a=0.9,1", "--json")
        let parsed = try JSONSerialization.jsonObject(with: Data(timed.output.utf8)) as? [String: Any]
        #expect(timed.status == 0 && (parsed?["median_ms"] as? Double ?? 0) > 0, "\(timed.errors)")
        for bad in ["a", "a=1", "a=1,0", "a=0,nan", "a=0,1,2", "=0,1"] {
            #expect(try recc("bench", program, "-D", "D=2", "--range", bad).status == 2, "\(bad)")
        }
        let unknown = try recc("bench", program, "-D", "D=2", "--range", "aa=0,1")
        #expect(unknown.status == 1 && unknown.errors.contains("did you mean 'a'?"), "\(unknown.errors)")
    }

    /// The plan of a program, and so the key of its code, does not change from process to process.
    @Test func theSecondStartFindsItsCode() throws {
        let scan = try file("scan.rec", "model M(D) {\n  input x, a: [D]\n  state h, g: [D]\n  h = a * h[t-1] + x\n  g = 0.5 * g[t-1] + h\n  output h\n  output g\n}\n")
        let silero = Project.path("examples/silero_vad.rec")
        let lines = [[gru, "-D", "D=3", "-D", "H=5"], [silero, "--precision", "f32", "--emit", "plan"], [scan, "-D", "D=3", "--plan", "h=scan"]]
        for line in lines {
            func compile() throws -> Outcome { try recc("compile", line[0], line[1], line[2], line[3], line[4], "--time-passes") }
            let first = try compile()
            #expect(first.status == 0 && first.errors.contains("kernel cache: miss") && first.errors.contains("generate code"), "\(first.errors)")
            let second = try compile()
            #expect(second.status == 0 && second.errors.contains("kernel cache: hit") && !second.errors.contains("generate code"), "\(second.errors)")
            #expect(first.output == second.output)
        }
        let off = try recc("compile", gru, "-D", "D=3", "-D", "H=5", "--no-cache", "--time-passes")
        #expect(off.status == 0 && off.errors.contains("kernel cache: off"))
    }

    @Test func processesShareTheCache() throws {
        let x = try tensor("x.npy", [2, 7, 3])
        let arguments = ["run", gru, "--input", "x=\(x)", "-D", "H=5", "--seed", "1"]
        let processes = (0..<4).map { _ in (Process(), Pipe()) }
        for (process, pipe) in processes {
            process.executableURL = URL(fileURLWithPath: Project.path(".build/debug/recc"))
            process.arguments = arguments
            process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
            process.standardOutput = pipe
            try process.run()
        }
        var outputs: Set<Data> = []
        for (process, pipe) in processes {
            outputs.insert(pipe.fileHandleForReading.readDataToEndOfFile())
            process.waitUntilExit()
            #expect(process.terminationStatus == 0)
        }
        #expect(outputs.count == 1 && outputs.first?.isEmpty == false)
        let kept = try FileManager.default.contentsOfDirectory(atPath: folder.appendingPathComponent("cache/recc/kernels").path)
        #expect(kept.count == 1 && kept.allSatisfy { $0.hasSuffix(".kernel") }, "\(kept)")
    }

    @Test func timesArePrintedForCommandsThatCompile() throws {
        let x = try tensor("x.npy", [2, 7, 3])
        let ran = try recc("run", gru, "--input", "x=\(x)", "-D", "H=5", "--seed", "1", "--time-passes")
        for pass in ["read", "parse", "type", "lower", "share-common-values", "schedule", "emit", "optimise", "generate code", "pack", "run", "total"] {
            #expect(ran.errors.split(separator: "\n").contains { $0.hasPrefix(pass + " ") }, "\(pass): \(ran.errors)")
        }
        #expect(ran.output == (try recc("run", gru, "--input", "x=\(x)", "-D", "H=5", "--seed", "1").output))
        let timed = try recc("bench", gru, "-D", "D=2", "-D", "H=3", "--length", "8", "--json", "--time-passes")
        #expect(timed.status == 0 && timed.errors.contains("first run"))
    }

    @Test func failingExamplesAreShown() throws {
        let path = try file("wrong.rec", "model M {\n  input x: real\n  output y = x\n  example x = [1, 2] -> y = [1, 3]\n}\n")
        let outcome = try recc("test", path)
        #expect(outcome.status == 1 && outcome.errors.contains("at step 1") && outcome.errors.contains("expected 3.0, got 2.0"))
    }
}
