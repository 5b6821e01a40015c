import Foundation
import Rec
import TestSupport
import Testing

/// `recc compile --emit library` as a user meets it.
@Suite(.enabled(if: LibraryDriver.hasCompiler && FileManager.default.isExecutableFile(atPath: Project.path(".build/debug/recc"))))
struct CLibraryCommandTests {
    private let recc: ReccCommand

    init() throws { recc = try ReccCommand(Project.path(".build/debug/recc")) }

    private let gru = Project.path("examples/gru.rec")

    @Test("mistakes are told, and leave nothing behind") func mistakes() throws {
        let two = try recc.file("two.rec", "model Two over (i, j) {\n  input x: real\n  state s: real\n  s = 0.5 * s[i-1, j] + x\n  output s\n}\n")
        let back = try recc.file("back.rec", "model Back {\n  input x: real\n  state s: real\n  s = 0.5 * s[t+1] + x\n  output s\n}\n")
        let short = try recc.file("short.rec", "model M {\n  input x: real\n  output y = x\n}\n")
        let signal = try recc.file("signal.rec", "model Signal {\n  input x: real\n  output y = x\n}\n")
        _ = try recc.file("file", "")
        let dims = ["-D", "D=3", "-D", "H=4"]
        let cases: [(arguments: [String], environment: [String: String], status: Int32, text: String)] = [
            ([gru] + dims + ["-o", "out"], [:], 1, "missing-tensor"),
            ([gru] + dims + ["--seed", "1"], [:], 2, "-o"),
            ([gru] + dims + ["--seed", "1", "-o", ""], [:], 2, "-o"),
            ([gru] + dims + ["--seed", "1", "-o", "file"], [:], 1, "file-problem"),
            ([gru] + dims + ["--seed", "1", "-o", "file/out"], [:], 1, "file-problem"),
            ([gru] + dims + ["--seed", "1", "-o", "/proc/out"], [:], 1, "file-problem"),
            ([gru] + dims + ["--seed", "1", "-o", "out", "--name", "2nd"], [:], 1, "library-refused"),
            ([gru] + dims + ["--seed", "1", "-o", "out", "--name", "a b"], [:], 1, "library-refused"),
            ([gru] + dims + ["--seed", "1", "-o", "out", "--name", ""], [:], 1, "library-refused"),
            ([gru] + dims + ["--seed", "1", "-o", "out", "--name", "pthread"], [:], 1, "library-refused"),
            ([short, "-o", "out"], [:], 1, "--name m_model"),
            ([signal, "-o", "out"], [:], 1, "--name signal_model"),
            ([gru] + dims + ["--seed", "1", "-o", "out", "--name", "recc"], [:], 1, "'recc.h'"),
            ([gru] + dims + ["--seed", "1", "-o", "out", "--grad", "--weights", "bf16"], [:], 1, "weights-refused"),
            ([gru] + dims + ["--seed", "1", "-o", "out", "--plan", "h=scan"], [:], 2, "--plan"),
            ([gru] + dims + ["--seed", "1", "-o", "out", "--cpu", "x86-64-v9"], [:], 2, "x86-64-v9"),
            ([gru] + dims + ["--seed", "1", "-o", "out", "--cpu", "native,"], [:], 2, "--cpu"),
            ([gru] + dims + ["--seed", "1", "-o", "out", "--cpu", "native,native"], [:], 2, "twice"),
            ([gru] + dims + ["--seed", "1", "-o", "out", "--cpu", "native", "--cpu", "x86-64-v2,native"], [:], 2, "twice"),
            ([gru] + dims + ["--seed", "1", "-o", "out", "--target", "riscv64-linux"], [:], 2, "aarch64-linux"),
            ([gru] + dims + ["--seed", "1", "-o", "out", "--output-name", "z"], [:], 1, "unknown-name"),
            ([gru] + dims + ["--seed", "1", "-o", "out", "--precision", "f64", "--weights", "bf16"], [:], 1, "weights-refused"),
            ([two, "-o", "out"], [:], 1, "library-refused"),
            ([back, "-o", "out"], [:], 1, "plan-refused"),
            ([gru] + dims + ["--seed", "1", "-o", "out"], ["CC": "/no/such/compiler"], 1, "compiler-missing"),
            ([gru] + dims + ["--seed", "1", "-o", "out"], ["CC": "/bin/false"], 1, "compiler-missing"),
            ([gru] + dims + ["--seed", "1", "-o", "out"], ["CC": "", "PATH": recc.folder.url.path], 1, "compiler-missing"),
        ]
        for (arguments, environment, status, text) in cases {
            let outcome = try recc.run(["compile"] + arguments + ["--emit", "library"], environment: environment)
            #expect(outcome.status == status && outcome.errors.contains(text), "\(arguments.dropFirst()): \(outcome)")
            #expect(!FileManager.default.fileExists(atPath: recc.folder.path("out")), "\(arguments)")
        }
        for option in [["--params", "w.npz"], ["--seed", "1"], ["--name", "a"], ["--cpu", "native"], ["--separate-weights"], ["--pthreads"], ["--allow-unused"], ["--output-name", "h"]] {
            let outcome = try recc.run(["compile", gru] + dims + option)
            #expect(outcome.status == 2 && outcome.errors.contains("\(option[0]) belongs to '--emit library'"), "\(outcome)")
        }
    }

    @Test("weights tell dims, and go by their names") func weights() throws {
        let model = try Model(gru, dims: ["D": 3, "H": 4]).initialized(seed: 7)
        try model.archive(of: model.parameters).write(to: recc.folder.path("w.safetensors"))
        let outcome = try recc("compile", gru, "--params", "w.safetensors", "--emit", "library", "-o", "a/b", "--name", "Cell_2", "--output-name", "h")
        #expect(outcome.status == 0, "\(outcome)")
        let header = try String(contentsOfFile: recc.folder.path("a/b/Cell_2.h"), encoding: .utf8)
        #expect(header.contains("#define CELL_2_DIM_H 4") && header.contains("#define CELL_2_INPUT_x 3"))
        // The same once more, over what is there.
        let first = try Data(contentsOf: URL(fileURLWithPath: recc.folder.path("a/b/libCell_2.a")))
        #expect(try recc("compile", gru, "--params", "w.safetensors", "--emit", "library", "-o", "a/b", "--name", "Cell_2", "--output-name", "h").status == 0)
        #expect(try Data(contentsOf: URL(fileURLWithPath: recc.folder.path("a/b/libCell_2.a"))) == first)
    }

    // MARK: The document

    private func page() throws -> String { try String(contentsOfFile: Project.path("docs/c.md"), encoding: .utf8) }

    private func blocks(_ language: String) throws -> [String] {
        try page().components(separatedBy: "```\(language)\n").dropFirst().map { $0.components(separatedBy: "\n```")[0] }
    }

    /// What `docs/c.md` shows is what happens, but for sizes.
    @Test("the commands of the document do what it shows") func commands() throws {
        let folder = recc.folder.url
        try FileManager.default.createSymbolicLink(at: folder.appendingPathComponent("examples"), withDestinationURL: URL(fileURLWithPath: Project.path("examples")))
        let frames = try #require(try TensorArchive(path: Project.path("examples/data/speech.safetensors")).tensors.first { $0.name == "input.frame" }).tensor
        // Frames of 576 samples, of which the first 64 are the end of the frame before.
        let sound = frames.floats().enumerated().filter { $0.offset % 576 >= 64 }.map(\.element)
        try sound.withUnsafeBytes { Data($0) }.write(to: folder.appendingPathComponent("speech.f32"))
        var count = 0
        for block in try blocks("sh") {
            var lines = block.split(separator: "\n")[...]
            while let line = lines.popFirst() {
                let shown = lines.prefix { !$0.hasPrefix("$ ") }
                lines = lines.dropFirst(shown.count)
                let command = "PATH=\(Project.path(".build/debug")):$PATH; export XDG_CACHE_HOME=cache; \(line.dropFirst(2))"
                if line.contains("c++") && !FileManager.default.isExecutableFile(atPath: "/usr/bin/c++") { return }
                let outcome = try LibraryDriver.shell(command, in: folder)
                #expect(outcome.status == 0, "\(line)\n\(outcome.output)")
                if shown.isEmpty { continue }
                count += 1
                let isOfSizes = line.contains("--emit library")
                func masked(_ text: some StringProtocol) -> String { isOfSizes ? String(text).replacing(/[0-9.]+ ?(kB|bytes|MB) */, with: "# ") : String(text) }
                #expect(shown.map { masked($0) } == outcome.output.split(separator: "\n").map { masked($0) }, "\(line)")
            }
        }
        #expect(count == 5)
    }

    /// A piece of code stands in an example, or compiles in the place of one.
    @Test("the code of the document is that of the examples") func code() throws {
        let example = try ["gru", "tune"].map { try String(contentsOfFile: Project.path("examples/c/\($0).c"), encoding: .utf8) }.joined()
        let (own, others) = (try blocks("c").filter { example.contains($0) }, try blocks("c").filter { !example.contains($0) })
        #expect(own.count == 2 && others.count == 3)
        let folder = recc.folder
        #expect(try recc("compile", gru, "-D", "D=8", "-D", "H=16", "--seed", "1", "--emit", "library", "-o", "out", "--separate-weights", "--grad", "--pthreads").status == 0)
        let text = "#include \"gru.h\"\nvoid check(int code);\nint run(gru_stream *stream, const void *weights, size_t weights_size, size_t steps, const float *x, float *h);\nint run(gru_stream *stream, const void *weights, size_t weights_size, size_t steps, const float *x, float *h) {\n\(others.joined(separator: "\n"))\nreturn 0; }\n"
        try Data(text.utf8).write(to: folder.url.appendingPathComponent("snippets.c"))
        let outcome = try LibraryDriver.shell("cc \(LibraryDriver.flags) -Iout -c snippets.c -o snippets.o", in: folder.url)
        #expect(outcome.status == 0, "\(outcome.output)")
        // Every function of the header is in the table.
        let header = try String(contentsOfFile: folder.path("out/gru.h"), encoding: .utf8)
        for match in header.matches(of: /\b(gru_[a-z_]+)\(/) { #expect(try page().contains("\(match.1)("), "\(match.1)") }
    }
}
