import ArgumentParser
import Foundation
import Rec

/// How commands talk to the user.
enum Terminal {
    /// Where nobody can be told, nobody is.
    static func error(_ text: String) { _ = write(Array(text.utf8), to: STDERR_FILENO) }

    static func print(_ text: String, terminator: String = "\n") { write(Array((text + terminator).utf8)) }

    /// Writes to standard output; where that fails, as on a full disk, the command ends with status 1.
    static func write(_ bytes: [UInt8]) {
        guard let reason = write(bytes, to: STDOUT_FILENO) else { return }
        error("standard output cannot be written: \(reason)\n")
        exit(1)
    }

    /// Gives what went wrong; nil where all was written.
    private static func write(_ bytes: [UInt8], to descriptor: Int32) -> String? {
        bytes.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = Foundation.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return String(cString: strerror(errno)) }
                rest = rest.dropFirst(count)
            }
            return nil
        }
    }

    /// Up to so many bytes of standard input, empty at its end.
    static func read(_ count: Int) throws(Diagnostic) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        while true {
            let got = bytes.withUnsafeMutableBytes { Foundation.read(STDIN_FILENO, $0.baseAddress, $0.count) }
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else {
                throw Diagnostic(.fileProblem, "standard input cannot be read: \(String(cString: strerror(errno)))", at: nil)
            }
            return Array(bytes.prefix(got))
        }
    }

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
        case .json: Terminal.print(DiagnosticRenderer(sources).json(diagnostics), terminator: "")
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

    @Option(name: .customLong("plan"), help: "The form in which the recurrence of a state runs, as in --plan h=scan. Forms: \(PlanForm.names.joined(separator: ", ")); chunkwise(64) for chunks of 64 steps.")
    var plans: [String] = []

    @Flag(help: "Takes the model as it is while it is trained: dropout drops.")
    var training = false

    @Option(help: "How errors are shown.")
    var diagnostics: DiagnosticForm = .text

    func validate() throws { _ = try planForms() }

    /// The numbers of `-D H=64`.
    func dimValues() throws -> [String: Int] {
        var result: [String: Int] = [:]
        for text in dims {
            let sides = text.split(separator: "=", maxSplits: 1)
            guard sides.count == 2, let value = Int(sides[1]), value > 0 else {
                throw ValidationError("'\(text)' is no dim: write -D H=64")
            }
            guard result.updateValue(value, forKey: String(sides[0])) == nil else {
                throw ValidationError("the dim '\(sides[0])' is given twice")
            }
        }
        return result
    }

    /// The forms of `--plan h=scan`.
    func planForms() throws -> [String: PlanForm] {
        var result: [String: PlanForm] = [:]
        for text in plans {
            let sides = text.split(separator: "=", maxSplits: 1)
            guard sides.count == 2, let form = PlanForm(String(sides[1])) else {
                throw ValidationError("'\(text)' is no plan: write --plan h=\(PlanForm.names.joined(separator: ", or h=")), or h=chunkwise(64) for chunks of 64 steps, \(PlanForm.chunkLengths.lowerBound) to \(PlanForm.chunkLengths.upperBound), or h=shooting(32) for 32 windows, \(PlanForm.windowCounts.lowerBound) to \(PlanForm.windowCounts.upperBound)")
            }
            guard result.updateValue(form, forKey: String(sides[0])) == nil else {
                throw ValidationError("the plan of '\(sides[0])' is given twice")
            }
        }
        return result
    }

    /// The error of a command that runs every form, or only step by step.
    func refusePlans(_ reason: String) throws {
        if !plans.isEmpty { throw ValidationError("--plan has no use here: \(reason)") }
    }

    /// Reads the program; problems are shown, and end the command.
    func program(times: PassTimes? = nil) throws -> Program {
        let program: Program
        do { program = try Program(path: file, times: times) } catch { throw Terminal.fail(error, SourceMap(), diagnostics) }
        if program.hasErrors { throw Terminal.fail(DiagnosticList(program.diagnostics), program.sources, diagnostics) }
        return training ? program.training : program
    }

    /// Runs `body`; what it throws is shown, and ends the command.
    ///
    /// - Parameter fillsMissing: whether the command has a --seed that fills parameters which are missing, as the help then says.
    func reporting<T>(_ program: Program, fillsMissing: Bool = false, _ body: () throws -> T) throws -> T {
        do { return try body() } catch let error as ValidationError { throw error } catch let code as ExitCode { throw code } catch {
            var list = DiagnosticList(error, in: program.sources)
            if fillsMissing {
                let advice = BoundData.adviceOnMissing
                for k in list.diagnostics.indices {
                    list.diagnostics[k].help = list.diagnostics[k].help?.replacing(advice, with: advice + "; --seed 1 fills what is missing from initialisers")
                }
            }
            throw Terminal.fail(list, program.sources, diagnostics)
        }
    }
}
