import Foundation
import RecCodeGen
import RecSource

/// A C compiler of the system.
struct CCompiler {
    private let command: [String]

    /// The compiler for an architecture: the one that `CC` names, or else the first that is there.
    ///
    /// - Throws: `compiler-missing` where there is none.
    init(for architecture: HostMachine.Architecture, _ environment: [String: String] = ProcessInfo.processInfo.environment) throws(Diagnostic) {
        let isHere = architecture == HostMachine.current.architecture
        let machine =
            switch architecture {
            case .x86: "x86_64-linux-gnu"
            case .arm: "aarch64-linux-gnu"
            }
        let named = (environment["CC"] ?? "").split(separator: " ").map(String.init)
        var candidates = isHere ? [["cc"], ["gcc"], ["clang"]] : [["\(machine)-gcc"], ["clang", "--target=\(machine)"]]
        if !named.isEmpty { candidates = [named] }
        let folders = (environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin").split(separator: ":").map(String.init)
        for candidate in candidates {
            guard let path = Self.path(of: candidate[0], in: folders) else { continue }
            command = [path] + candidate.dropFirst()
            return
        }
        throw Diagnostic(
            .compilerMissing, "a library needs a C compiler\(isHere ? "" : " for \(machine)"), and there is no \(candidates.map { "'\($0[0])'" }.joined(separator: ", "))",
            at: nil, help: "install one (apt install \(isHere ? "gcc" : "clang, or gcc-\(machine.replacing("_", with: "-"))")), or name one in CC")
    }

    private static func path(of program: String, in folders: [String]) -> String? {
        if program.contains("/") { return FileManager.default.isExecutableFile(atPath: program) ? program : nil }
        return folders.lazy.map { "\($0)/\(program)" }.first { path in
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && !isFolder.boolValue && FileManager.default.isExecutableFile(atPath: path)
        }
    }

    /// Runs the compiler in a folder.
    ///
    /// - Throws: with the compiler's messages where it fails.
    func run(_ arguments: [String], in folder: URL) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: command[0])
        process.arguments = command.dropFirst() + arguments
        process.currentDirectoryURL = folder
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        let errors = Pipe()
        process.standardError = errors
        do { try process.run() } catch {
            throw Diagnostic(.compilerMissing, "the C compiler '\(command[0])' cannot be run: \(error.localizedDescription)", at: nil)
        }
        let said = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationReason == .exit, process.terminationStatus == 0 else {
            throw Diagnostic(
                .compilerMissing, "the C compiler '\(command[0])' failed: \(said.split(separator: "\n").prefix(5).joined(separator: "; "))", at: nil,
                help: "CC names another one")
        }
    }
}
