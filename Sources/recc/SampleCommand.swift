import ArgumentParser
import Foundation
import Rec

/// `recc sample FILE --params w.safetensors --prompt "Once"`
struct Sample: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lets a model go on by itself: what a step gives is what the next one is given.",
        discussion: """
            With an int input and an output of logits, each byte of the prompt is a token, as in 'recc train --text'; tokens are
            drawn, and written as bytes behind the prompt. With a real input and an output of its shape, numbers of a file are the
            prompt, and each output is fed back as it is; -o takes what the model has added, [1, t, …].

            The same seed gives the same text. Temperature 0 always takes the most likely token.

            EXAMPLE
              recc sample examples/stack_lm.rec -D V=256 -D D=64 -D H=128 -D L=2 --params lm.safetensors --prompt "The state " \\
                --length 200 --temperature 0.8 --top-k 40 --seed 1
            """)

    @OptionGroup var options: ModelOptions

    @OptionGroup var compilation: CompileOptions

    @OptionGroup var weights: WeightOptions

    @OptionGroup var unknown: UnknownTensorOptions

    @Option(help: "Parameters by path.", completion: .file(extensions: ["safetensors", "npz"]))
    var params: [String] = []

    @Option(help: "A case, for once inputs and parameters; its streams are not looked at.", completion: .file(extensions: ["safetensors", "npz"]))
    var data: String?

    @Option(help: "The text to begin with.")
    var prompt: String?

    @Option(help: "A file to begin with: a text, or for a model of numbers a tensor [t, …].", completion: .file())
    var promptFile: String?

    @Flag(help: "The prompt and what follows are numbers of tokens, and no text.")
    var tokens = false

    @Option(help: "Steps to add.")
    var length = 200

    @Option(help: "By what logits are divided; 0 for the most likely token.")
    var temperature = 1.0

    @Option(help: "Draws among so many of the most likely tokens.")
    var topK: Int?

    @Option(help: "Of the draws.")
    var seed: UInt64 = 1

    @Option(help: "The output to feed back, where there are several.")
    var outputName: String?

    @Option(help: "The input to feed, where there are several.")
    var inputName: String?

    @Option(help: "The state to go on from.", completion: .file(extensions: ["safetensors"]))
    var state: String?

    @Option(help: "Where the state behind the last step goes, .safetensors.", completion: .file(extensions: ["safetensors"]))
    var saveState: String?

    @Option(name: .shortAndLong, help: "Where numbers go: .npy, .npz, .safetensors or .csv.")
    var output: String?

    @Option(help: "f32 or f64.")
    var precision: Precision = .f32

    func validate() throws {
        try options.refusePlans("samples are drawn step by step")
        guard temperature >= 0, temperature.isFinite else { throw ValidationError("--temperature is 0 or more") }
        guard topK ?? 1 >= 1 else { throw ValidationError("--top-k is 1 or more") }
        guard length >= 0 else { throw ValidationError("--length is 0 or more") }
        guard (prompt == nil) != (promptFile == nil) else { throw ValidationError("give --prompt, or --prompt-file") }
        if let saveState, !saveState.hasSuffix(".safetensors") { throw ValidationError("--save-state is a .safetensors file, which says of what program the state is") }
    }

    func run() throws {
        let context = compilation.context()
        let program = try options.program(times: context.times)
        let dims = try options.dimValues()
        try options.reporting(program) {
            let files = try DataFiles(case: data, weights: params, for: program.model(named: options.model))
            let whole = try weights.applied(
                to: files.model(program, named: options.model, dims: dims, passingOverUnknown: unknown.allowUnused, times: context.times))
            let loop = try FeedbackLoop(whole, output: outputName, input: inputName)
            let once = files.file.data.inputs.filter { !whole.streamNames.contains($0.key) }
            let model = try whole.computing([loop.output]).withParameters(files.file.data.parameters)
            let start = try state.map { path throws(DiagnosticList) in try ModelState(path: path) } ?? ModelState()
            let sampler = try Sampler(
                model, output: loop.output, input: loop.input, options: SamplingOptions(temperature: temperature, topK: topK, seed: seed), once: once,
                state: start, precision: precision, context: context)
            if sampler.vocabulary == nil { try numbers(sampler, model) } else { try text(sampler) }
            if let saveState { try sampler.state().write(to: saveState) }
        }
        CompileOptions.report(context)
    }

    /// Draws tokens, and writes each when it is there.
    private func text(_ sampler: Sampler) throws {
        if output != nil { throw ValidationError("-o is for models of numbers: text goes to standard output") }
        let given: [UInt8]
        if let promptFile {
            do { given = try Array(Data(contentsOf: URL(fileURLWithPath: promptFile))) } catch {
                throw Diagnostic(.fileProblem, "\(promptFile): the text cannot be read", at: nil, help: "is it there, and no folder?")
            }
        } else {
            given = Array((prompt ?? "").utf8)
        }
        guard !tokens else {
            let words = String(decoding: given, as: UTF8.self).split(whereSeparator: { $0 == "," || $0.isWhitespace })
            let list = try words.map { word throws in
                guard let token = Int(word) else { throw Diagnostic(.badData, "'\(word)' in the prompt is the number of no token", at: nil) }
                return token
            }
            try sampler.feed(tokens: list)
            Terminal.print(list.map(String.init).joined(separator: " "), terminator: "")
            for _ in 0..<length { Terminal.print(" \(try sampler.nextToken())", terminator: "") }
            return Terminal.print("")
        }
        guard let vocabulary = sampler.vocabulary, vocabulary <= 256 else {
            throw Diagnostic(
                .unsupported, "the model knows \(sampler.vocabulary ?? 0) tokens, and a text has 256 bytes", at: nil,
                help: "give and take numbers of tokens with --tokens")
        }
        try sampler.feed(tokens: given.map(Int.init))
        Terminal.write(given)
        for _ in 0..<length { Terminal.write([UInt8(try sampler.nextToken())]) }
        Terminal.print("")
    }

    /// Feeds numbers back.
    private func numbers(_ sampler: Sampler, _ model: Model) throws {
        guard let promptFile else {
            throw Diagnostic(
                .badData, "'\(sampler.input)' takes numbers, and no text", at: nil, help: "give a tensor of steps with --prompt-file x.npy")
        }
        let archive = try TensorArchive(path: promptFile)
        guard let tensor = archive.tensors.count == 1 ? archive.tensors[0].tensor : archive[sampler.input] else {
            throw Diagnostic(.missingTensor, "\(promptFile) has no tensor '\(sampler.input)'", at: nil)
        }
        let sizes = model.stepSizes(ofInput: sampler.input)
        guard tensor.shape.count == sizes.count + 1 || tensor.shape.count == sizes.count + 2 && tensor.shape[0] == 1,
            Array(tensor.shape.suffix(sizes.count)) == sizes
        else {
            throw Diagnostic(.misshapenTensor, "the prompt has the shape \(tensor.shape), and [t] + \(sizes) is expected", at: nil)
        }
        try sampler.feed(tensor.floats())
        var added: [Float] = []
        for _ in 0..<length { added += try sampler.nextNumbers() }
        let result = NamedTensor(name: sampler.output, tensor: Tensor(added, shape: [1, length] + sizes))
        if let output { try TensorFile.write(TensorArchive(tensors: [result]), to: output) } else { Terminal.print(Summary.line(result)) }
    }
}
