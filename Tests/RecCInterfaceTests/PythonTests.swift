import Foundation
import TestSupport
import Testing

/// What there is of other languages on this machine.
private enum Machine {
    /// A program along the path.
    static func program(_ name: String) -> String? {
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/\(name)" }.first(where: FileManager.default.isExecutableFile)
    }

    /// Python, where it has NumPy and the library was built.
    static let python: String? = {
        guard FileManager.default.fileExists(atPath: Project.library), let python = program("python3"), let command = try? ReccCommand(python) else { return nil }
        return (try? command("-c", "import numpy, sys; assert sys.version_info >= (3, 9)"))?.status == 0 ? python : nil
    }()
}

/// The Python package, tested by its own tests.
@Suite struct PythonTests {
    @Test(.enabled(if: Machine.python != nil, "python3 with NumPy, or the library, is not there"), .timeLimit(.minutes(30)))
    func thePackageHolds() throws {
        let python = try ReccCommand(#require(Machine.python))
        let outcome = try python.run(
            ["-m", "unittest", "discover", "-v", "-s", Project.path("python"), "-t", Project.path("python")],
            environment: ["RECC_LIBRARY": Project.library, "PYTHONDONTWRITEBYTECODE": "1"])
        #expect(outcome.status == 0, "\(outcome.errors)\(outcome.output)")
        #expect(outcome.errors.contains("OK") && !outcome.errors.contains("Ran 0 tests"))
    }
}

/// The documents of the interface.
@Suite struct CDocumentTests {
    /// The first fenced block of a language.
    private func block(_ language: String) throws -> String {
        let text = try Project.text("docs/capi.md")
        let start = try #require(text.range(of: "```\(language)\n"))
        let end = try #require(text.range(of: "```\n", range: start.upperBound..<text.endIndex))
        return String(text[start.upperBound..<end.lowerBound])
    }

    @Test(.enabled(if: Machine.program("cc") != nil && FileManager.default.fileExists(atPath: Project.library), "cc, or the library, is not there"))
    func theProgramShownRuns() throws {
        let compiler = try ReccCommand(#require(Machine.program("cc")))
        let source = try compiler.file("program.c", block("c"))
        let program = compiler.folder.path("program")
        let built = try compiler.run([
            "-std=c99", "-Wall", "-Wextra", "-Werror", source, "-I" + Project.path("Sources/CRecc/include"), Project.library,
            "-Wl,-rpath," + Project.path(".build/debug"), "-o", program,
        ])
        #expect(built.status == 0, "\(built.errors)")
        // Paths of the document are those from the root.
        let outcome = try ReccCommand("/bin/sh").run(["-c", "cd '\(Project.root.path)' && exec '\(program)'"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(try outcome.output == block("text"))
    }

    /// C++ takes the header, and every function of it is in the library.
    @Test func theHeaderIsWhatTheLibraryHas() throws {
        let header = try Project.text("Sources/CRecc/include/recc.h")
        let declared = Set(header.matches(of: /\b(recc_[a-z_]+)\(/).map { String($0.1) })
        let sources = try FileManager.default.contentsOfDirectory(atPath: Project.path("Sources/CInterface")).map { try Project.text("Sources/CInterface/\($0)") }
        let defined = Set(sources.joined().matches(of: /@_cdecl\("(recc_[a-z_]+)"\)/).map { String($0.1) })
        #expect(declared == defined)
        guard let compiler = Machine.program("c++") else { return }
        let command = try ReccCommand(compiler)
        let source = try command.file("program.cpp", "#include <recc.h>\nint main() { return recc_interface_version() != RECC_INTERFACE_VERSION; }\n")
        let built = try command.run(["-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I" + Project.path("Sources/CRecc/include"), source])
        #expect(built.status == 0, "\(built.errors)")
    }
}
