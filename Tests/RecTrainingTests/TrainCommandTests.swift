import Foundation
import Rec
import TestSupport
import Testing

/// `recc train` as a user meets it, and as a power cut does.
@Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: Project.path(".build/debug/recc"))), .timeLimit(.minutes(30)))
struct TrainCommandTests {
    private let temporary: TemporaryFolder
    private var folder: URL { temporary.url }

    init() throws { temporary = try TemporaryFolder() }

    private func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    private func process(_ arguments: [String]) -> (process: Process, pipe: Pipe) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Project.path(".build/debug/recc"))
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        return (process, pipe)
    }

    private func recc(_ arguments: [String]) throws -> (status: Int32, text: String) {
        let (process, pipe) = process(arguments)
        try process.run()
        let text = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: text, as: UTF8.self))
    }

    private func training(_ more: [String]) -> [String] {
        [
            "train", Project.path("examples/stack_lm.rec"), "-D", "V=256", "-D", "D=6", "-D", "H=8", "-D", "L=2",
            "--text", Project.path("docs/gradients.md"), "--window", "16", "--batch", "4", "--lr", "0.01", "--clip", "1", "--warmup", "5",
            "--schedule", "linear",
        ] + more
    }

    @Test func aRunLearnsAndIsDrawn() throws {
        let outcome = try recc(training(["--steps", "60", "--every", "20", "--hold-out", "0.2", "--log", path("log.csv"), "-o", path("w.safetensors")]))
        #expect(outcome.status == 0 && outcome.text.contains("step 60 of 60") && outcome.text.contains("tokens/s"), "\(outcome.text)")
        let rows = try String(contentsOfFile: path("log.csv"), encoding: .utf8).split(separator: "\n")
        #expect(rows.count == 4 && rows[0].hasPrefix("step,loss,valid"))
        #expect(try recc(["plot", path("log.csv"), "-o", path("log.svg")]).status == 0)
        #expect(try String(contentsOfFile: path("log.svg"), encoding: .utf8).contains("validation loss"))
        let weights = try TensorFile.read(path("w.safetensors"))
        #expect(weights["blocks.0.Wz"]?.shape == [8, 6] && weights["E"]?.type == .f32)
    }

    /// Killed again and again at moments that nobody chose, a run ends with the same bits.
    @Test func killedRunsGoOn() throws {
        let steps = ["--steps", "400", "--every", "1"]
        let whole = try recc(training(steps + ["-o", path("whole.safetensors")]))
        #expect(whole.status == 0, "\(whole.text)")
        let again = training(steps + ["--checkpoint", path("c"), "--log", path("log.csv"), "-o", path("killed.safetensors")])
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<5 {
            let (process, pipe) = process(again)
            try process.run()
            // After some rows, and then at any moment: between steps, or amid a checkpoint.
            var rows = Int.random(in: 1...60, using: &generator)
            while rows > 0 {
                let some = pipe.fileHandleForReading.availableData
                if some.isEmpty { break }
                rows -= some.count { $0 == UInt8(ascii: "\n") }
            }
            usleep(UInt32.random(in: 0..<30_000, using: &generator))
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            #expect(process.terminationReason == .uncaughtSignal)
        }
        let last = try recc(again)
        #expect(last.status == 0 && last.text.contains("going on after step"), "\(last.text)")
        #expect(try Data(contentsOf: folder.appendingPathComponent("killed.safetensors")) == Data(contentsOf: folder.appendingPathComponent("whole.safetensors")))
        #expect(try FileManager.default.contentsOfDirectory(atPath: path("c")) == ["checkpoint.safetensors"])
        let rows = try String(contentsOfFile: path("log.csv"), encoding: .utf8).split(separator: "\n").dropFirst()
        #expect(rows.compactMap { $0.split(separator: ",").first.flatMap { Int($0) } } == Array(1...400))
    }

    /// The commands of `docs/training.md` on a task of its own: what is read is said backwards.
    @Test func anEncoderAndADecoderAreOneModel() throws {
        let section = try #require(Project.text("docs/training.md").components(separatedBy: "## An encoder and a decoder\n").last)
        let blocks = section.components(separatedBy: "```")
        try blocks[1].dropFirst("rec\n".count).write(toFile: path("translation.rec"), atomically: true, encoding: .utf8)
        var generator = SeededGenerator(seed: 1, for: "pairs")
        let read = (0..<64).map { _ in (0..<5).map { _ in Int(generator.next() % 4) } }
        let said = read.map { $0.reversed().map { $0 + 1 } }
        func tensor(_ rows: [[Int]]) -> Tensor { Tensor(rows.flatMap(\.self), shape: [rows.count, rows[0].count]) }
        func write(_ name: String, _ tensors: [String: Tensor]) throws {
            try TensorFile.write(TensorArchive(tensors: tensors.map { NamedTensor(name: "input.\($0.key)", tensor: $0.value) }), to: path(name))
        }
        try write("pairs.npz", ["source": tensor(read), "token": tensor(said.map { [0] + $0.dropLast() }), "target": tensor(said)])
        try write("read.npz", ["source": tensor([read[0]])])
        let commands = blocks[3].split(separator: "\n").map { $0.split(separator: " ").dropFirst(2).map(String.init) }
        #expect(commands.map(\.first) == ["train", "sample"])
        var last = ""
        for command in commands {
            let outcome = try recc(command.map { $0.contains(".") && !$0.hasPrefix("0") ? path($0) : $0 })
            try #require(outcome.status == 0, "\(outcome.text)")
            last = outcome.text
        }
        #expect(last.split(whereSeparator: \.isWhitespace).compactMap { Int($0) } == [0] + said[0], "\(last)")
    }

    @Test func mistakesAreNamed() throws {
        let gru = Project.path("examples/gru.rec")
        #expect(try recc(["train", gru]).status == 2)
        #expect(try recc(training(["--lr", "0"])).status == 2 && recc(training(["--hold-out", "1"])).status == 2)
        #expect(try recc(training(["--batch", "0"])).status == 2 && recc(training(["--optimizer", "adam"])).status == 2)
        let long = try recc(training(["--window", "1000000"]))
        #expect(long.status == 1 && long.text.contains("too few for a window"), "\(long.text)")
        let first = try recc(training(["--steps", "2", "--checkpoint", path("c")]))
        #expect(first.status == 0, "\(first.text)")
        let other = try recc(training(["--steps", "2", "--checkpoint", path("c"), "--seed", "9"]))
        #expect(other.status == 1 && other.text.contains("the seed was 1, and is now 9 [checkpoint-mismatch]"), "\(other.text)")
        try Data("no checkpoint".utf8).write(to: folder.appendingPathComponent("c/checkpoint.safetensors"))
        let broken = try recc(training(["--steps", "2", "--checkpoint", path("c")]))
        #expect(broken.status == 1 && broken.text.contains("file-problem"), "\(broken.text)")
        let wild = try recc(training(["--steps", "50", "--lr", "1e38", "--optimizer", "sgd", "--schedule", "constant", "--warmup", "0"]))
        #expect(wild.status == 1 && wild.text.contains("[not-finite]") && wild.text.contains("at step"), "\(wild.text)")
        #expect(try recc(["plot", gru, "-o", path("x.svg")]).text.contains("columns 'step' and 'loss'"))
        #expect(try recc(["plot", "/nowhere.csv", "-o", path("x.svg")]).status == 1)
    }
}
