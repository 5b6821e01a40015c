import Foundation
import Rec
import TestSupport
import Testing

/// LLVM's library is large: only commands that compile may load it.
@Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: Project.path(".build/debug/recc"))))
struct StartTests {
    private let temporary: TemporaryFolder
    private var folder: URL { temporary.url }

    init() throws { temporary = try TemporaryFolder() }

    private struct Outcome {
        var status: Int32
        var errors: String
        /// By the dynamic loader's own account.
        var loadsLLVM: Bool
    }

    private func recc(_ arguments: [String], _ variables: [String: String] = [:]) throws -> Outcome {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Project.path(".build/debug/recc"))
        process.arguments = arguments
        let loaded = folder.appendingPathComponent("loaded-\(UUID().uuidString)")
        let added = ["XDG_CACHE_HOME": folder.path, "LD_DEBUG": "files", "LD_DEBUG_OUTPUT": loaded.path]
        process.environment = ProcessInfo.processInfo.environment.merging(added) { $1 }.merging(variables) { $1 }
        let errors = Pipe()
        process.standardOutput = FileHandle.nullDevice
        process.standardError = errors
        try process.run()
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        let account = try String(contentsOfFile: "\(loaded.path).\(process.processIdentifier)", encoding: .utf8)
        #expect(account.contains("libc.so"))
        return Outcome(status: process.terminationStatus, errors: text, loadsLLVM: account.contains("libLLVM"))
    }

    private let gru = Project.path("examples/gru.rec")

    /// A run of the model, of little.
    private func runArguments() throws -> [String] {
        let x = folder.appendingPathComponent("x.npy").path
        try TensorFile.write(
            TensorArchive(tensors: [NamedTensor(name: "", tensor: Tensor((0..<28).map { Float($0 % 5) }, shape: [1, 7, 4]))]), to: x)
        return ["run", gru, "--input", "x=\(x)", "--seed", "1", "-D", "H=6", "--time-passes"]
    }

    @Test func keptCodeRunsWithoutLLVM() throws {
        let arguments = try runArguments()
        let first = try recc(arguments)
        #expect(first.status == 0 && first.loadsLLVM && first.errors.contains("load LLVM"), "\(first.errors)")
        let second = try recc(arguments)
        #expect(second.status == 0 && !second.loadsLLVM && !second.errors.contains("load LLVM"), "\(second.errors)")
        #expect(second.errors.contains("kernel cache: hit"))
        #expect(try recc(arguments + ["--no-cache"]).loadsLLVM)
    }

    @Test func whatCompilesNothingRunsWithoutLLVM() throws {
        for arguments in [
            ["--version"], ["--help"], ["check", gru], ["fmt", "--check", gru], ["compile", gru, "-D", "D=4", "-D", "H=6"],
            ["compile", gru, "-D", "D=4", "-D", "H=6", "--emit", "facts"],
        ] {
            let outcome = try recc(arguments)
            #expect(outcome.status == 0 && !outcome.loadsLLVM, "\(arguments): \(outcome.errors)")
        }
    }

    /// When a compiled program runs, LLVM's code is no longer in memory: most of its 50 MB were for compiling.
    @Test func memoryOfLLVMIsGivenBack() throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Project.path(".build/debug/recc"))
        process.arguments = ["run", gru, "--seed", "1", "-D", "D=4", "-D", "H=6", "--stream", "-", "--no-cache"]
        process.environment = ProcessInfo.processInfo.environment.merging(["XDG_CACHE_HOME": folder.path]) { $1 }
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        input.fileHandleForWriting.write(Data(count: 4 * 4))
        // A step is done, and the process waits for the next.
        #expect(try output.fileHandleForReading.read(upToCount: 4 * 6)?.count == 4 * 6)
        let account = try FileHandle(forReadingAtPath: "/proc/\(process.processIdentifier)/smaps")?.readToEnd() ?? Data()
        try input.fileHandleForWriting.close()
        process.waitUntilExit()
        var isCode = false
        var kilobytes: [Int] = []
        for row in String(decoding: account, as: UTF8.self).split(separator: "\n") {
            let words = row.split(separator: " ")
            if row.contains("-"), words.count >= 5 { isCode = words[1] == "r-xp" && row.contains("libLLVM") }
            if isCode, words.first == "Rss:" { kilobytes += words.dropFirst().prefix(1).compactMap { Int($0) } }
        }
        #expect(!kilobytes.isEmpty && kilobytes.reduce(0, +) < 20_000, "\(kilobytes)")
    }

    @Test func whereLLVMIsMissingItIsSaid() throws {
        let nowhere = ["RECC_LLVM": "/nowhere/libLLVM.so.19.1"]
        let run = try recc(runArguments(), nowhere)
        #expect(run.status == 1 && run.errors.contains("[llvm-missing]"), "\(run.errors)")
        #expect(run.errors.contains("/nowhere/libLLVM.so.19.1") && run.errors.contains("help: install it"), "\(run.errors)")
        #expect(try recc(["check", gru], nowhere).status == 0)
        let listing = try recc(["compile", gru, "-D", "D=4", "-D", "H=6", "--emit", "asm"], nowhere)
        #expect(listing.status == 1 && listing.errors.contains("[llvm-missing]"), "\(listing.errors)")
    }
}
