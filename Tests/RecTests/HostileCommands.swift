import Foundation
import Rec
import TestSupport
import Testing

/// Commands given what nobody should give them: they say what is wrong, with status 1 or 2, and never die of a signal.
@Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: Project.path(".build/debug/recc"))), .timeLimit(.minutes(30)))
struct HostileCommands {
    private let temporary: TemporaryFolder
    private var folder: URL { temporary.url }

    init() throws {
        temporary = try TemporaryFolder()
        MachineFile.bring(into: temporary.path("cache"))
        try file("gru.rec", String(contentsOfFile: Project.path("examples/gru.rec"), encoding: .utf8))
        try file("pick.rec", "model M(V, H) {\n  input k: int\n  param E: [V, H]\n  output y = E[k]\n}\n")
        try file("flag.rec", "model M {\n  input b: bool\n  param n: int\n  output y = if b then 1 else n\n}\n")
        try file("one.rec", "model M {\n  input x: real\n  output y = x\n}\n")
        try file("count.rec", "model M {\n  input k: int\n  output y = k + 1\n}\n")
        try file("open.csv", "a\n1\n\"2\n")
        try file("ab.csv", "a,b\n1,2\n3,4\n")
        try tensor("x", Tensor([Float](repeating: 0.5, count: 42), shape: [2, 7, 3]))
        try tensor("nan", Tensor([Double](repeating: .nan, count: 42), shape: [2, 7, 3]))
        try tensor("flat", Tensor([1.0, 2], shape: [2]))
        try tensor("none", Tensor([Double](), shape: [2, 7, 0]))
        try tensor("wide", Tensor([-1.7e308, 1.7e308, .nan, -.infinity], shape: [1, 4]))
        try tensor("ints", Tensor([0, Int.max, Int.min], shape: [1, 3]))
        try tensor("half", Tensor([0, 0.5], shape: [1, 2]))
        try tensor("bools", Tensor(type: .bool, shape: [1, 2]) { $0.copyBytes(from: [1, 2] as [UInt8]) })
        for (name, lengths) in [("nan", [Double.nan, 1]), ("huge", [1e300, 1]), ("long", [8, 1]), ("many", [1, 1, 1]), ("less", [-1, 1])] {
            let tensors = [
                NamedTensor(name: "input.x", tensor: Tensor([Double](repeating: 0, count: 42), shape: [2, 7, 3])),
                NamedTensor(name: "lengths", tensor: Tensor(lengths, shape: [lengths.count])),
            ]
            try TensorFile.write(TensorArchive(tensors: tensors), to: folder.appendingPathComponent("\(name)-lengths.npz").path)
        }
        try TensorFile.write(
            TensorArchive(tensors: [NamedTensor(name: "n", tensor: Tensor([Double.nan], shape: []))]),
            to: folder.appendingPathComponent("n.npz").path)
    }

    private func file(_ name: String, _ text: String) throws { try Data(text.utf8).write(to: folder.appendingPathComponent(name)) }

    private func tensor(_ name: String, _ tensor: Tensor) throws {
        let archive = TensorArchive(tensors: [NamedTensor(name: "", tensor: tensor)])
        try TensorFile.write(archive, to: folder.appendingPathComponent(name + ".npy").path)
    }

    /// Runs a line of the shell in the folder, with `recc` for the command.
    private func shell(_ line: String) throws -> (status: Int32, text: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", "recc() { \(Project.path(".build/debug/recc")) \"$@\"; }; \(line)"]
        process.currentDirectoryURL = folder
        process.environment = ProcessInfo.processInfo.environment.merging(["XDG_CACHE_HOME": "\(folder.path)/cache"]) { $1 }
        process.standardInput = FileHandle.nullDevice
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let text = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus, String(decoding: text, as: UTF8.self))
    }

    @Test(arguments: [
        ("bench gru.rec -D D=3 -D H=4 --batch 1000000000 --length 1000000000", 1, "too-large"),
        ("bench gru.rec -D D=3 -D H=4 --batch 9223372036854775807", 1, "too-large"),
        ("bench gru.rec -D D=40000 -D H=40000", 1, "too-large"),
        ("bench gru.rec -D D=3 -D H=4 --batch=-1", 2, "1 or more"), ("bench gru.rec -D D=3 -D H=4 --length 0", 2, "1 or more"),
        ("bench gru.rec -D D=3 -D H=4 --grad --memory 1MB", 1, "memory-bound"), ("bench gru.rec --memory lots", 2, "--memory"),
        ("run gru.rec --input x=x.npy --seed 1 -D H=3 --memory 2MB", 1, "give --memory"),
        ("run gru.rec --input x=x.npy --interpret --memory 2GB", 2, "compiled code"),
        ("explain gru.rec -D D=3 -D H=4 --memory 1kB", 1, "memory-bound"),
        ("run gru.rec --input x=x.npy --seed 1 -D H=1000000000", 1, "too-large"),
        ("run gru.rec --input x=x.npy --seed 1 -D H=40000", 1, "too-large"),
        ("run gru.rec --input x=x.npy -D H=99999999999999999999", 2, "is no dim"), ("run gru.rec -D H=-3", 2, "is no dim"),
        ("run gru.rec -D =", 2, "is no dim"), ("run gru.rec -D H=3 -D H=4", 2, "given twice"),
        ("run gru.rec -D Q=3", 1, "its dims are D, H"), ("run one.rec -D Q=3", 1, "it has none"),
        ("run gru.rec --input x=x.npy --input x=nan.npy -D H=3", 2, "given twice"),
        ("run gru.rec --input y=x.npy -D H=3", 1, "its inputs are x, h0"), ("run gru.rec --input x -D H=3", 2, "is no input"),
        ("run gru.rec --input x=flat.npy -D H=3", 1, "expected [batch, t, D]"),
        ("run gru.rec --input x=none.npy -D H=3", 1, "dims are 1 or more"), ("run gru.rec --input x=. -D H=3", 1, "file-problem"),
        ("run gru.rec --input x=x.npy:a -D H=3", 1, "has no name"), ("run gru.rec --input x=nan.npy -D H=3 --seed 1", 0, "42 not finite"),
        ("run gru.rec --data x.npy -D H=3", 1, "a case has tensors with names"),
        ("run gru.rec --params x.npy -D H=3", 1, "parameters have names"), ("run gru.rec --model Q", 1, "models are GRU"),
        ("run gru.rec --data nan-lengths.npz -D H=3", 1, "no length"), ("run gru.rec --data huge-lengths.npz -D H=3", 1, "no length"),
        ("run gru.rec --data less-lengths.npz -D H=3", 1, "no length"), ("run gru.rec --data long-lengths.npz -D H=3", 1, "0 … 7"),
        ("run gru.rec --data many-lengths.npz -D H=3", 1, "batch of 2"), ("verify gru.rec --data x.npy --threads 0", 2, "from 1 to 1024"),
        ("verify gru.rec --data x.npy --tolerance nan", 2, "0 or more"), ("run one.rec --input x=wide.npy --draw y --precision f64", 0, "over 4 steps"),
        ("run pick.rec --input k=ints.npy -D V=2 -D H=2 --seed 1", 1, "has 2 rows"),
        ("run pick.rec --input k=half.npy -D V=2 -D H=2 --seed 1", 1, "0.5 is none"),
        ("run flag.rec --input b=bools.npy --seed 1", 1, "neither 0 nor 1"), ("run flag.rec --input b=half.npy --seed 1", 1, "neither 0 nor 1"),
        ("run flag.rec --input b=half.npy --params n.npz", 1, "nan is none"),
        ("run gru.rec --input x=x.npy -D H=3 --seed 1 --output /nowhere/y.npy", 1, "cannot be written"),
        ("run gru.rec --input x=x.npy -D H=3 --seed 1 --output .", 1, "file-problem"),
        ("run one.rec --input x=open.csv", 1, "line 3 ends within quotes"), ("run one.rec --input x=ab.csv:", 1, "nothing is named behind the colon"),
        ("run one.rec --input x=x.npy:", 1, "nothing is named behind the colon"), ("run one.rec --input x=:a", 1, "no file is named"),
        ("run one.rec --input x=ab.csv:a,,b", 1, "write x=ab.csv:a,b"), ("run one.rec --input x=ab.csv:a,", 1, "has no name"),
        ("run one.rec --input x=ab.csv:a,a", 1, "named twice"), ("run one.rec --input x=", 2, "is no input"), ("run one.rec --input =x.npy", 2, "is no input"),
        ("run one.rec --input x=ab.csv:a", 0, "last 1 3"), ("run gru.rec --data ''", 1, "is not empty"), ("run gru.rec --params ''", 1, "is not empty"),
        ("run one.rec --input x=wide.npy --output ''", 1, "is not empty"),
        ("run gru.rec -D H=3 --seed 1", 1, "the input 'x', which would tell D, is missing"), ("run gru.rec -D H=3", 1, "the input 'x', which would tell D"),
        ("run gru.rec -D H=3 -D D=2 --seed 1", 1, "the input 'x' is missing"), ("run gru.rec -D H=3 --seed 1 --stream steps", 1, "the input 'x', which"),
        ("gradcheck gru.rec -D D=2 -D H=3 --length 0", 1, "nothing was compared"), ("gradcheck one.rec --length 0", 1, "have no steps"),
        ("gradcheck count.rec", 1, "nothing to differentiate by"), ("check .", 1, "this is a folder"), ("fmt .", 1, "this is a folder"), ("check ''", 1, "no such file"),
        ("check /dev/zero", 1, "too large"), ("fmt /dev/zero", 1, "too large"), ("check nowhere.rec", 1, "no such file"),
    ])
    func oddArguments(arguments: String, status: Int, words: String) throws {
        let outcome = try shell("recc \(arguments)")
        #expect(outcome.status == status && outcome.text.contains(words), "\(outcome)")
    }

    @Test(arguments: ["0", "-1", "1.5", "1e300", "inf", "0/0", "9223372036854775807", "1e20", "[1, 2]"])
    func dimsOfExamples(size: String) throws {
        try file("dim.rec", "model M(D) {\n  input x: [D]\n  output y = sum(x)\n  example x = [[1]], D = \(size) -> y = [1]\n}\n")
        let outcome = try shell("recc test dim.rec")
        #expect(outcome.status == 1 && outcome.text.contains("unsolvable-dim") && outcome.text.contains("0 passed, 1 failed"), "\(outcome)")
    }

    /// Standard streams that are closed, full, or no files.
    @Test(arguments: [
        "recc compile gru.rec -D D=3 -D H=4 --emit asm > /dev/full", "recc explain gru.rec -D D=3 -D H=4 > /dev/full",
        "recc compile gru.rec -D D=3 -D H=4 --emit asm >&-", "recc fmt - <&-", "recc fmt - < /", "recc fmt - < gru.rec > /dev/full",
        "recc check . 2> /dev/full", "recc check . 2>&-", "recc run gru.rec -D D=3 -D H=3 --seed 1 --stream - <&-",
        "recc run gru.rec -D D=3 -D H=3 --seed 1 --stream - < /",
        "head -c 1200 /dev/zero | recc run gru.rec -D D=3 -D H=3 --seed 1 --stream - > /dev/full", "recc --help > /dev/full",
    ])
    func brokenStreams(line: String) throws {
        let outcome = try shell(line)
        #expect(outcome.status == 1, "\(outcome)")
    }

    /// A reader that has seen enough ends the command in silence.
    @Test func closedPipesAreNoErrors() throws {
        let outcome = try shell("recc compile gru.rec -D D=3 -D H=4 --emit asm | head -1; head -c 120000 /dev/zero | recc run gru.rec -D D=3 -D H=3 --seed 1 --stream - | head -c 0")
        #expect(outcome.status == 0 && outcome.text.trimmingCharacters(in: .whitespacesAndNewlines) == ".text", "\(outcome)")
    }

    @Test func programsComeFromPipes() throws {
        #expect(try shell("cat gru.rec | recc check /dev/stdin").status == 0)
        // A pipe, or a device, is written to and not replaced by a file.
        let piped = "mkfifo p; timeout 30 cat p > got & recc compile gru.rec -D D=3 -D H=4 -o p && wait && test -p p && test -s got"
        #expect(try shell(piped).status == 0)
        #expect(try shell("mkfifo f; cat gru.rec > f & recc check f").status == 0)
    }

    /// A file is one file, by whatever name; what is there and cannot be read is said to be so.
    @Test func imports() throws {
        try file("lib.rec", "func twice(x) = x + x\n")
        let folderName = folder.lastPathComponent
        try file("twice.rec", "import \"lib.rec\"\nimport \"./lib.rec\"\nimport \"../\(folderName)/lib.rec\"\nmodel M {\n  input x: real\n  output y = twice(x)\n}\n")
        #expect(try shell("recc check twice.rec ./twice.rec ../\(folderName)/twice.rec").status == 0)
        try file("self.rec", "import \"../\(folderName)/self.rec\"\nmodel M {\n  input x: real\n  output x\n}\n")
        let circle = try shell("recc check self.rec")
        #expect(circle.status == 1 && circle.text.contains("self.rec → self.rec") && circle.text.split(separator: "error:").count == 2, "\(circle)")
        for (name, words) in [("", "no file"), (".", "folder"), ("none.rec", "no file"), ("/dev/zero", "too large"), ("x.npy", "UTF-8")] {
            try file("bad.rec", "import \"\(name)\"\nmodel M {\n  input x: real\n  output x\n}\n")
            let outcome = try shell("recc check bad.rec")
            #expect(outcome.status == 1 && outcome.text.contains(words) && outcome.text.contains("bad.rec:1:8"), "\(outcome)")
        }
    }

    @Test func encodings() throws {
        let text = "model M {\n  // caf\u{E9}\n  input x: real\n  output x\n}\n"
        try Data([0xEF, 0xBB, 0xBF] + Array(text.utf8)).write(to: folder.appendingPathComponent("mark.rec"))
        #expect(try shell("recc check mark.rec").status == 0)
        try Data(text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }).write(to: folder.appendingPathComponent("latin.rec"))
        let outcome = try shell("recc fmt latin.rec")
        #expect(outcome.status == 1 && outcome.text.contains("line 2 is not UTF-8"), "\(outcome)")
    }

    /// What stands behind a link is formatted, and keeps its permissions.
    @Test func formattingKeepsLinksAndPermissions() throws {
        try file("raw.rec", "model M{\n}")
        #expect(try shell("ln -s raw.rec link.rec; chmod 640 raw.rec; recc fmt link.rec; test -L link.rec && stat -c %a raw.rec && cat raw.rec").text == "640\nmodel M {\n}\n")
    }
}
