import Foundation

/// Runs a command as a user would, in a folder of its own, keeping nothing among the user's files.
public struct ReccCommand {
    public struct Outcome: Sendable {
        /// Negative for a signal.
        public var status: Int32
        public var output: String
        public var errors: String

        public init(status: Int32, output: String, errors: String) {
            self.status = status
            self.output = output
            self.errors = errors
        }
    }

    public let folder: TemporaryFolder
    public var executable: String

    public init(_ executable: String) throws {
        folder = try TemporaryFolder()
        MachineFile.bring(into: folder.path("cache"))
        self.executable = executable
    }

    public func callAsFunction(_ arguments: String..., environment: [String: String] = [:]) throws -> Outcome {
        try run(arguments, environment: environment)
    }

    public func run(_ arguments: [String], environment: [String: String] = [:]) throws -> Outcome {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = arguments
        process.currentDirectoryURL = folder.url
        process.environment = ProcessInfo.processInfo.environment
            .merging(["XDG_CACHE_HOME": folder.path("cache")]) { $1 }.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        let (output, errors) = (folder.url.appendingPathComponent("out-\(UUID().uuidString)"), folder.url.appendingPathComponent("err-\(UUID().uuidString)"))
        for file in [output, errors] { try Data().write(to: file) }
        process.standardOutput = try FileHandle(forWritingTo: output)
        process.standardError = try FileHandle(forWritingTo: errors)
        try process.run()
        process.waitUntilExit()
        func text(_ file: URL) throws -> String { String(decoding: try Data(contentsOf: file), as: UTF8.self) }
        return Outcome(
            status: process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus,
            output: try text(output), errors: try text(errors))
    }

    /// Writes a text into the folder, and gives its path.
    public func file(_ name: String, _ text: String) throws -> String {
        try Data(text.utf8).write(to: folder.url.appendingPathComponent(name))
        return folder.path(name)
    }
}
