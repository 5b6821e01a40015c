import ArgumentParser
import Rec

/// `recc library [MODULE]`
struct LibraryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "library", abstract: "Lists the modules of the standard library, or prints one.",
        discussion: """
            The library is part of recc and written in Rec: 'import std.gru' in a program gives it the models of that module (docs/library.md).
            A module can be given in place of a file to every command that takes a program.

            EXAMPLE
              recc library
              recc library std.gru
              recc explain std.gru --model GRU -D D=64 -D H=64
            """)

    @Argument(help: "A module to print, as 'std.gru'.", completion: .list(Library.modules))
    var module: String?

    func run() throws {
        guard let module else {
            for name in Library.modules { Terminal.print(Self.listing(name)) }
            return
        }
        guard let text = Library.text(of: module) else {
            let problem = Diagnostic(
                .importNotFound, "there is no module '\(module)' in the library", at: nil, help: Library.help(forUnknown: module))
            throw Terminal.fail(problem, SourceMap())
        }
        Terminal.print(text, terminator: "")
    }

    /// A module and below it what it defines, each with the first sentence that it says of itself.
    private static func listing(_ module: String) -> String {
        let definitions = Library.contents(of: module)?.definitions ?? []
        let lines = definitions.map { "  \($0.head)\n      \($0.summary)" }
        return ([module] + lines).joined(separator: "\n")
    }
}
