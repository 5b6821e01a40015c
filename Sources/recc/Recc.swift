import ArgumentParser
import Rec

@main
struct Recc: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recc",
        abstract: "Compiles sequence models that are written as the equations of one step.",
        discussion: """
            EXAMPLE
              recc run examples/gru.rec --seed 1 --input x=x.npy -D H=64

            Exit status: 0 for success, 1 where the program or the data are at fault, 2 where the command is.
            """,
        version: "recc \(Rec.version)",
        subcommands: [
            Check.self, Format.self, Compile.self, Explain.self, Run.self, Sample.self, Verify.self, GradCheck.self, Train.self, Plot.self, Bench.self,
            Test.self, LibraryCommand.self,
        ])

    static func main() {
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch let code as ExitCode {
            exit(withError: code)
        } catch {
            let isHelp = exitCode(for: error) == .success
            let text = fullMessage(for: error)
            if isHelp { Terminal.print(text) } else { Terminal.error(text + "\n") }
            exit(withError: isHelp ? ExitCode.success : ExitCode(2))
        }
    }
}
