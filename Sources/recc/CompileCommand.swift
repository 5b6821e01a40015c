import ArgumentParser
import Foundation
import Rec
import RecExport

/// `recc compile FILE -D H=64 --emit plan`
struct Compile: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compiles a model: shows a stage of it, or writes a library for C programs, or types for Swift.",
        discussion: """
            With '--emit library' the folder of -o gets a static library, a shared one and a C header, with which a program takes steps
            of the model without recc and without LLVM (docs/c.md). The weights are part of the library. '--emit swift' writes a file
            with types for the model's inputs and outputs, for programs that use recc as a library (docs/embedding.md).

            EXAMPLE
              recc compile examples/gru.rec -D D=8 -D H=64 --emit plan
              recc compile examples/gru.rec --params gru.safetensors --emit library -o out
            """)

    @OptionGroup var options: ModelOptions

    @OptionGroup var weights: WeightOptions

    @OptionGroup var compilation: CompileOptions

    @Option(help: "What to show, \(EmittedStage.allCases.map(\.rawValue).joined(separator: ", ")); or library, for C programs; or swift, for Swift's.")
    var emit: Emission = .stage(.plan)

    @Option(help: "f32 or f64.")
    var precision: Precision = .f32

    @Flag(help: "Of the model's gradients; a library gets a function more, NAME_gradient.")
    var grad = false

    @Option(name: .shortAndLong, help: "Where to write; by default standard output. The folder of a library.")
    var output: String?

    @OptionGroup var library: LibraryOptions

    func validate() throws {
        if case .swift = emit {
            if let option = library.givenBesideName { throw ValidationError("\(option) belongs to '--emit library'") }
            if grad { throw ValidationError("'--emit swift' has no gradients: GradientModel takes its 'model'") }
            return
        }
        guard case .stage = emit else {
            if output == nil { throw ValidationError("'--emit library' writes several files: name a folder with -o") }
            if output == "" { throw ValidationError("-o names a folder") }
            return
        }
        if let option = library.given { throw ValidationError("\(option) belongs to '--emit library'") }
    }

    func run() throws {
        let context = compilation.context()
        let program = try options.program(times: context.times)
        let dims = try options.dimValues()
        let forms = try options.planForms()
        if case .library = emit {
            return try options.reporting(program, fillsMissing: true) { try library.write(program, options, weights, precision, grad: grad, to: output ?? "", context) }
        }
        let bytes = try options.reporting(program) { () throws -> [UInt8] in
            guard case .stage(let emit) = emit else {
                try options.refusePlans("the types for Swift run by the plan that should be fastest")
                return Array(try SwiftWrapper(Model(program, named: options.model, dims: dims), named: library.name, precision: precision).text.utf8)
            }
            switch emit {
            case .tree: return Array(program.treeText.utf8)
            case .typed: return Array(try program.model(named: options.model).text.utf8)
            case .graph, .facts, .plan, .llvm, .asm, .object:
                let model = try weights.applied(to: Model(program, named: options.model, dims: dims, times: context.times))
                let gradients = grad ? try GradientModel(model, times: context.times) : nil
                if context.times != nil {
                    _ = try gradients?.compile(precision, forcing: forms, context: context)
                        ?? model.compile(precision, forcing: forms, context: context)
                }
                return try gradients?.emitted(emit, precision: precision, forcing: forms)
                    ?? model.emitted(emit, precision: precision, forcing: forms)
            }
        }
        CompileOptions.report(context)
        guard let output else { return Terminal.write(bytes) }
        do { try Data(bytes).write(to: URL(fileURLWithPath: output), options: isFile(output) ? .atomic : []) } catch {
            Terminal.error("\(output): the file cannot be written\n")
            throw ExitCode(1)
        }
    }

    /// Whether a path is a file, or nothing yet. What is no file, as a device or a pipe, is written to and not replaced.
    private func isFile(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) != 0 || status.st_mode & S_IFMT == S_IFREG
    }
}
