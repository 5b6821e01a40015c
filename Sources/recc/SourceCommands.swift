import ArgumentParser
import Foundation
import Rec

/// `recc check FILE…`
struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks programs without compiling them.",
        discussion: """
            Shapes are checked whatever the sizes of dims are. Operators, and what a model requires of its states, are checked
            with some sizes where the program gives none; 'recc explain' checks those that are given to it.

            EXAMPLE
              recc check examples/*.rec
            """)

    @Argument(help: "Programs.", completion: .file(extensions: ["rec"]))
    var files: [String]

    @Option(help: "How errors are shown.")
    var diagnostics: DiagnosticForm = .text

    func run() throws {
        var failed = false
        for file in files {
            do {
                let program = try Program(path: file)
                let unsound = program.findUnsound()
                let found = program.diagnostics + unsound + program.warnings
                if !found.isEmpty || diagnostics == .json {
                    Terminal.report(found, program.sources, diagnostics)
                }
                if program.hasErrors || !unsound.isEmpty { failed = true }
            } catch {
                _ = Terminal.fail(error, SourceMap(), diagnostics)
                failed = true
            }
        }
        if failed { throw ExitCode(1) }
    }
}

/// `recc fmt FILE…`
struct Format: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fmt", abstract: "Formats programs in place.",
        discussion: "EXAMPLE\n  recc fmt gru.rec\n  recc fmt --check examples/*.rec\n  recc fmt - < gru.rec")

    @Argument(help: "Programs; '-' reads standard input and writes standard output.", completion: .file(extensions: ["rec"]))
    var files: [String]

    @Flag(help: "Change nothing; name the files that are not formatted, and exit with 1 if there are any.")
    var check = false

    func run() throws {
        var failed = false
        for file in files {
            let isStandard = file == "-"
            let text: String
            do {
                text = try isStandard ? ProgramText.read(STDIN_FILENO, named: "standard input") : ProgramText.read(file)
            } catch {
                _ = Terminal.fail(error, SourceMap())
                failed = true
                continue
            }
            let result: String
            do { result = try formatted(text, path: isStandard ? "standard input" : file) } catch {
                Terminal.report(error.diagnostics, error.sources, .text)
                failed = true
                continue
            }
            if isStandard {
                Terminal.print(result, terminator: "")
            } else if result != text {
                if check {
                    Terminal.print(file)
                    failed = true
                } else if !Self.replace(file, by: result) {
                    Terminal.error("\(file): the file cannot be written\n")
                    failed = true
                }
            }
        }
        if failed { throw ExitCode(1) }
    }
}

extension Format {
    /// Writes a file whole or not at all. Behind a link the file it stands for is written; permissions stay.
    private static func replace(_ path: String, by text: String) -> Bool {
        let place = URL(fileURLWithPath: path).resolvingSymlinksInPath()
        let permissions = try? FileManager.default.attributesOfItem(atPath: place.path)[.posixPermissions]
        guard (try? Data(text.utf8).write(to: place, options: .atomic)) != nil else { return false }
        if let permissions { try? FileManager.default.setAttributes([.posixPermissions: permissions], ofItemAtPath: place.path) }
        return true
    }
}

/// `recc test FILE…`
struct Test: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs the examples that stand in programs, under every engine.",
        discussion: "EXAMPLE\n  recc test examples/parity.rec")

    @Argument(help: "Programs.", completion: .file(extensions: ["rec"]))
    var files: [String]

    func run() throws {
        var failures = 0
        var successes = 0
        for file in files {
            let program: Program
            do { program = try Program(path: file) } catch {
                _ = Terminal.fail(error, SourceMap())
                failures += 1
                continue
            }
            do {
                let runs = try ExampleRun.all(in: program)
                let wrong = runs.filter { $0.difference != nil }
                successes += runs.count - wrong.count
                failures += wrong.count
                Terminal.report(Self.differences(wrong), program.sources, .text)
            } catch {
                _ = Terminal.fail(error, program.sources)
                failures += 1
            }
        }
        Terminal.print("\(successes) passed, \(failures) failed")
        if failures > 0 { throw ExitCode(1) }
    }
}

extension Test {
    /// One message for each example that fails, with the engines under which it does.
    private static func differences(_ runs: [ExampleRun]) -> [Diagnostic] {
        var places: [SourceSpan] = []
        var groups: [SourceSpan: [(run: ExampleRun, difference: ExampleRun.Difference)]] = [:]
        for run in runs {
            guard let difference = run.difference else { continue }
            if groups[difference.span] == nil { places.append(difference.span) }
            groups[difference.span, default: []].append((run, difference))
        }
        return places.compactMap { place in
            guard let group = groups[place], let first = group.first else { return nil }
            let engines = group.map(\.run.engine.name).joined(separator: ", ")
            let (run, difference) = first
            let what: String
            if difference.isOfCount {
                what = "'\(difference.output)' of '\(run.model)' has \(Int(difference.got)) numbers, the example \(Int(difference.expected)) (\(engines))"
            } else {
                let step = difference.step.map { " at step \($0)" } ?? ""
                what = "'\(difference.output)' of '\(run.model)' differs\(step) (\(engines)): expected \(difference.expected), got \(difference.got)"
            }
            return Diagnostic(.exampleFailed, what, at: place)
        }
    }
}
