import Foundation
import Rec
import TestSupport
import Testing

/// Checkpoints in the layouts of other libraries (`docs/pytorch.md`), both ways: what they hold gives what those libraries give, and
/// what is trained goes back under the same names and in the same shapes.
@Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: Project.path(".build/debug/recc"))))
struct CheckpointTests {
    private let recc: ReccCommand

    init() throws { recc = try ReccCommand(Project.path(".build/debug/recc")) }

    static let programs = ["torch_lstm", "mamba_lm", "mamba2_lm", "rwkv7_lm"]

    private func program(_ name: String) -> String { Project.path("examples/checkpoints/\(name).rec") }
    private func weights(_ name: String) -> String { Project.path("Tests/RecTests/Checkpoints/\(name).safetensors") }
    private func data(_ name: String) -> String { Project.path("Tests/RecTests/Checkpoints/\(name)_case.safetensors") }
    private func dims(_ name: String) -> [String] { name == "mamba2_lm" ? ["-D", "G=2"] : [] }

    /// A program with a loss; that of torch.nn.LSTM gets one around it, as a layer whose names are its own.
    private func trained(_ name: String) throws -> String {
        guard name == "torch_lstm" else { return program(name) }
        _ = try recc.file("torch_lstm.rec", String(contentsOfFile: program(name), encoding: .utf8))
        return try recc.file(
            "lstm_loss.rec",
            """
            import "torch_lstm.rec"
            model Squares(D, H) {
              input x: [D]
              layer net = BiLSTM(D, H) from "{}"
              output y = net(x)
              loss l = mean[t](sum(y * y))
            }
            """)
    }

    @Test(arguments: programs) func whatIsTrainedGoesBackUnderTheSameNames(name: String) throws {
        let source = try trained(name)
        let original = try TensorArchive(path: weights(name))
        let (same, moved) = (recc.folder.path("same.safetensors"), recc.folder.path("moved.safetensors"))
        let command = ["train", source, "--data", data(name), "--params", weights(name), "--batch", "2"] + dims(name)
        #expect(try recc.run(command + ["--steps", "0", "-o", same]).status == 0)
        #expect(try recc.run(command + ["--steps", "2", "-o", moved]).status == 0)
        let (kept, changed) = try (TensorArchive(path: same), TensorArchive(path: moved))
        #expect(Set(kept.tensors.map(\.name)) == Set(original.tensors.map(\.name)))
        for tensor in original.tensors {
            #expect(kept[tensor.name]?.doubles() == tensor.tensor.doubles() && kept[tensor.name]?.shape == tensor.tensor.shape)
            #expect(changed[tensor.name]?.shape == tensor.tensor.shape && changed[tensor.name]?.doubles() != tensor.tensor.doubles(), "\(tensor.name)")
        }
        #expect(kept.metadata["program"]?.count == 64 && kept.metadata["program"] == changed.metadata["program"])
        // The dims that the tensors leave open are in the file. Gradients go by the names by which the parameters were read.
        let gradients = recc.folder.path("gradients.safetensors")
        #expect(try recc("run", source, "--data", data(name), "--params", same, "--grad", gradients, "--allow-unused").status == 0)
        let names = Set(try TensorArchive(path: gradients).tensors.map(\.name))
        #expect(names.isSuperset(of: original.tensors.map { "grad.\($0.name)" }), "\(names)")
    }

    private static let page = (try? Project.text("docs/pytorch.md")) ?? ""

    /// The examples of the page, of which those with commands.
    private static let blocks = page.components(separatedBy: "```").enumerated().filter { $0.offset % 2 == 1 && $0.element.contains("$ recc ") }.map(\.element)

    /// Every program is held against what its library gives: outputs, losses, last states and gradients, which go by the names of the library.
    @Test(arguments: programs) func thePageVerifiesEachProgram(name: String) throws {
        #expect(Self.page.contains("$ recc verify examples/checkpoints/\(name).rec") && Self.page.contains("--data Tests/RecTests/Checkpoints/\(name)_case.safetensors\nverified: "))
        let file = try TensorArchive(path: data(name))
        #expect(file.tensors.contains { $0.name.hasPrefix("grad.") && $0.name.contains("weight") })
    }

    /// What a command of the page does. Models are verified here, as the command does it but with less work for LLVM's code generator; that of
    /// Mamba-2 by the command.
    private func recc(_ arguments: [String]) throws -> ReccCommand.Outcome {
        func values(_ option: String) -> [String] { zip(arguments, arguments.dropFirst()).filter { $0.0 == option }.map(\.1) }
        guard arguments[0] == "verify", !arguments[1].contains("mamba2"), let data = values("--data").first else { return try recc.run(arguments) }
        let program = try Program(path: arguments[1])
        let files = try DataFiles(case: data, weights: values("--params"), for: program.model())
        let model = try files.model(program, named: nil, dims: [:], passingOverUnknown: false, usingResults: true)
        let verification = try Verification(model, files.file, engines: model.comparedEngines(in: nil), context: .quick)
        return ReccCommand.Outcome(status: verification.isWithin ? 0 : 1, output: verification.text + "\n", errors: "")
    }

    /// The commands of the page, in its order, with what they print; errors of sums depend on the machine.
    @Test(arguments: blocks) func commandsOfThePageRun(block: String) throws {
        let lines = block.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        func steady(_ line: String) -> String { line.components(separatedBy: ", worst ")[0].components(separatedBy: "  loss ")[0] }
        for (k, line) in lines.enumerated() where line.hasPrefix("$ recc ") {
            var words: [String] = []
            var end = k
            repeat {
                words += lines[end].split(separator: " ").filter { $0 != "\\" }.map(String.init)
                end += 1
            } while lines[end - 1].hasSuffix("\\")
            let shown = lines[end...].prefix { !$0.hasPrefix("$ ") }.filter { !$0.isEmpty }.map(steady)
            let arguments = words.dropFirst(2).map { word in
                word.hasPrefix("examples/") || word.hasPrefix("Tests/") ? Project.path(word) : word
            }
            let outcome = try recc(Array(arguments))
            let printed = (outcome.output + outcome.errors).split(separator: "\n").map(String.init).map(steady)
            let root = Project.path("examples").dropLast("examples".count)
            #expect(printed.map { $0.replacing(root, with: "") }.suffix(shown.count) == shown[...], "\(line): \(outcome)")
            #expect(!outcome.output.contains("not compared") || line.contains("torch_lstm"), "\(outcome.output)")
        }
    }

    @Test func thePageHasCommands() { #expect(Self.blocks.count > 2) }
}
