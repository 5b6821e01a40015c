import ArgumentParser
import Foundation
import Rec

/// How commands talk to the user.
enum Terminal {
    static func error(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }

    static func write(_ bytes: [UInt8]) { FileHandle.standardOutput.write(Data(bytes)) }

    /// Colours on terminals only, and not where `NO_COLOR` is set.
    static var errorHasColor: Bool {
        isatty(STDERR_FILENO) != 0 && (ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty
            && ProcessInfo.processInfo.environment["TERM"] != "dumb"
    }

    /// Reports what went wrong and gives the exit status of a user's error.
    static func fail(_ problem: any Error, _ sources: SourceMap, _ form: DiagnosticForm = .text) -> ExitCode {
        let diagnostics: [Diagnostic]
        switch problem {
        case let list as DiagnosticList: diagnostics = list.diagnostics
        case let single as Diagnostic: diagnostics = [single]
        default: diagnostics = [Diagnostic(.unsupported, "\(problem)", at: nil)]
        }
        report(diagnostics, sources, form)
        return ExitCode(1)
    }

    static func report(_ diagnostics: [Diagnostic], _ sources: SourceMap, _ form: DiagnosticForm) {
        switch form {
        case .text: error(DiagnosticRenderer(sources, usesColor: errorHasColor).text(diagnostics))
        case .json: print(DiagnosticRenderer(sources).json(diagnostics), terminator: "")
        }
    }
}

enum DiagnosticForm: String, ExpressibleByArgument, CaseIterable { case text, json }

extension Precision: ExpressibleByArgument {}
extension EmittedStage: ExpressibleByArgument {}

/// The model that a command works on.
struct ModelOptions: ParsableArguments {
    @Argument(help: "The program.", completion: .file(extensions: ["rec"]))
    var file: String

    @Option(help: "The model of the file; by default the one that no other uses as a layer.")
    var model: String?

    @Option(name: [.customShort("D"), .customLong("dim")], help: "A dim, as in -D H=64.")
    var dims: [String] = []

    @Option(name: .customLong("plan"), help: "The form in which the recurrence of a state runs, as in --plan h=scan. Forms: \(PlanForm.allCases.map(\.rawValue).joined(separator: ", ")).")
    var plans: [String] = []

    @Option(help: "How errors are shown.")
    var diagnostics: DiagnosticForm = .text

    /// The numbers of `-D H=64`.
    func dimValues() throws -> [String: Int] {
        var result: [String: Int] = [:]
        for text in dims {
            let sides = text.split(separator: "=", maxSplits: 1)
            guard sides.count == 2, let value = Int(sides[1]), value > 0 else {
                throw ValidationError("'\(text)' is no dim: write -D H=64")
            }
            result[String(sides[0])] = value
        }
        return result
    }

    /// The forms of `--plan h=scan`.
    func planForms() throws -> [String: PlanForm] {
        var result: [String: PlanForm] = [:]
        for text in plans {
            let sides = text.split(separator: "=", maxSplits: 1)
            guard sides.count == 2, let form = PlanForm(rawValue: String(sides[1])) else {
                throw ValidationError("'\(text)' is no plan: write --plan h=\(PlanForm.allCases.map(\.rawValue).joined(separator: ", or h="))")
            }
            result[String(sides[0])] = form
        }
        return result
    }

    /// Reads the program; problems are shown, and end the command.
    func program() throws -> Program {
        let program: Program
        do { program = try Program(path: file) } catch { throw Terminal.fail(error, SourceMap(), diagnostics) }
        if program.hasErrors { throw Terminal.fail(DiagnosticList(program.diagnostics), program.sources, diagnostics) }
        return program
    }

    /// Runs `body`; what it throws is shown, and ends the command.
    func reporting<T>(_ program: Program, _ body: () throws -> T) throws -> T {
        do { return try body() } catch let error as ValidationError { throw error } catch let code as ExitCode { throw code } catch {
            throw Terminal.fail(error, program.sources, diagnostics)
        }
    }
}
