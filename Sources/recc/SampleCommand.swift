import ArgumentParser
import Foundation
import Rec
import RecTyping

/// `recc sample FILE --params w.safetensors --prompt "Once"`
struct Sample: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lets a model go on by itself: what a step gives is what the next one is given.",
        discussion: """
            With an int input and an output of logits, each byte of the prompt is a token, as in 'recc train --text'; tokens are
            drawn, and written as bytes behind the prompt. With a real input and an output of its shape, numbers of a file are the
            prompt, and each output is fed back as it is; -o takes what the model has added, [1, t, …].

            The same seed gives the same text. Temperature 0 always takes the most likely token.

            With --save-state and --state a sample is taken in pieces, which give what it gives whole, draws too: without a prompt
            a piece goes on with what the last step of the one before gave. With a prompt that is fed first. Dims are read off the
            weights, and off a prompt of numbers.

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

    @Option(help: "A case, for once inputs, inputs along a second axis and parameters; its streams are not looked at.", completion: .file(extensions: ["safetensors", "npz"]))
    var data: String?

    @Option(help: "The text to begin with.")
    var prompt: String?

    @Option(help: "A file to begin with: a text, or for a model of numbers a tensor [t, …], as of --input: x.npy, d.npz:frames, t.csv, t.csv:a,b.", completion: .file())
    var promptFile: String?

    @Flag(help: "The prompt and what follows are numbers of tokens, and no text.")
    var tokens = false

    @Option(help: "Steps to add.")
    var length = 200

    @Option(help: "By what logits are divided; 0 for the most likely token.")
    var temperature = 1.0

    @Option(help: "Draws among so many of the most likely tokens.")
    var topK: Int?

    @Option(help: "Of the draws: 1, or with --state those that come next, where nothing is said.")
    var seed: UInt64?

    @Option(help: "The output to feed back, where there are several.")
    var outputName: String?

    @Option(help: "The input to feed, where there are several.")
    var inputName: String?

    @Option(help: "The state to go on from; that of another sample needs no prompt.", completion: .file(extensions: ["safetensors"]))
    var state: String?

    @Option(help: "Where the state behind the last step goes, .safetensors.", completion: .file(extensions: ["safetensors"]))
    var saveState: String?

    @Option(
        name: .customLong("context"), help: "Steps of its past that a model keeps which attends to all of it: those of the prompt and of what follows.")
    var keptSteps: Int?

    @Option(name: .shortAndLong, help: "Where numbers go: .npy, .npz, .safetensors or .csv.")
    var output: String?

    @Option(help: "f32 or f64.")
    var precision: Precision = .f32

    func validate() throws {
        try options.refusePlans("samples are drawn step by step")
        guard temperature >= 0, temperature.isFinite else { throw ValidationError("--temperature is 0 or more") }
        guard topK ?? 1 >= 1 else { throw ValidationError("--top-k is 1 or more") }
        guard length >= 0 else { throw ValidationError("--length is 0 or more") }
        if let keptSteps, !(1...1 << 20).contains(keptSteps) { throw ValidationError("--context is from 1 to \(1 << 20) steps, and not \(keptSteps)") }
        if prompt != nil, promptFile != nil { throw ValidationError("give --prompt or --prompt-file, and not both") }
        if prompt == nil, promptFile == nil, state == nil { throw ValidationError("give --prompt, or --prompt-file, or a --state to go on from") }
        if let saveState, !saveState.hasSuffix(".safetensors") { throw ValidationError("--save-state is a .safetensors file, which says of what program the state is") }
    }

    func run() throws {
        let context = compilation.context()
        let program = try options.program(times: context.times)
        let dims = try options.dimValues()
        try options.reporting(program) {
            let typed = try program.model(named: options.model)
            let files = try DataFiles(case: data, weights: params, for: typed)
            let whole = try weights.applied(to: model(of: program, files, dims, context))
            let loop = try FeedbackLoop(whole, output: outputName, input: inputName)
            let once = files.file.data.inputs.filter { !whole.streamNames.contains($0.key) }
            let model = try whole.computing([loop.output]).withParameters(files.file.data.parameters)
            let start = try state.map { path throws(DiagnosticList) in try ModelState(path: path) } ?? ModelState()
            let sampler = try Sampler(
                model, output: loop.output, input: loop.input, options: SamplingOptions(temperature: temperature, topK: topK, seed: seed), once: once,
                state: start, keeping: keptSteps, precision: precision, context: context)
            if isGoingOn, !sampler.knowsWhatIsNext {
                throw Diagnostic(
                    .badData,
                    "the state does not say what '\(loop.output)' gave last" + (start.lastOutput.map { ", but what '\($0.name)' did" } ?? ""), at: nil,
                    help: start.lastOutput.map { "feed that back, with --output-name \($0.name), or give a prompt" }
                        ?? "give a prompt: what goes on without one is a state that 'recc sample --save-state' has written")
            }
            if sampler.vocabulary == nil { try numbers(sampler, model, typed) } else { try text(sampler) }
            if let saveState { try sampler.state().write(to: saveState) }
        }
        CompileOptions.report(context)
    }

    /// Whether there is no prompt, as a state says what comes next.
    private var isGoingOn: Bool { state != nil && promptFile == nil && (prompt ?? "").isEmpty }

    /// The model, with dims that nothing else says read off a prompt of numbers.
    private func model(of program: Program, _ files: DataFiles, _ dims: [String: Int], _ context: CompileContext) throws -> Model {
        func model(fitting data: ModelData?) throws(DiagnosticList) -> Model {
            try files.model(program, named: options.model, dims: dims, passingOverUnknown: unknown.allowUnused, fitting: data, times: context.times)
        }
        do throws(DiagnosticList) { return try model(fitting: nil) } catch {
            guard promptFile != nil, error.diagnostics.contains(where: { $0.id == .unsolvableDim }) else { throw error }
            let typed = try program.model(named: options.model)
            // Which input is fed is known once the model is: the first that it turns out to be.
            for input in typed.inputs where !input.isOnce && typed[input.value].element == .real && input.name == inputName ?? input.name {
                var data = files.file.data
                guard let prompt = try promptNumbers(input.name, typed) else { continue }
                data.inputs[input.name] = prompt
                if let found = try? model(fitting: data), try FeedbackLoop(found, output: outputName, input: inputName).input == input.name { return found }
            }
            throw error
        }
    }

    /// The prompt of a model of numbers; nil where there is none.
    private func promptNumbers(_ input: String, _ model: TypedModel) throws(DiagnosticList) -> Tensor? {
        try promptFile.flatMap { InputFile("\(input)=\($0)") }.map { file throws(DiagnosticList) in try file.read(for: model) }
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
            if !isGoingOn { try sampler.feed(tokens: list) }
            Terminal.print(list.map(String.init).joined(separator: " "), terminator: "")
            for k in 0..<length { Terminal.print("\(k > 0 || !list.isEmpty ? " " : "")\(try sampler.nextToken())", terminator: "") }
            return Terminal.print("")
        }
        guard let vocabulary = sampler.vocabulary, vocabulary <= 256 else {
            throw Diagnostic(
                .unsupported, "the model knows \(sampler.vocabulary ?? 0) tokens, and a text has 256 bytes", at: nil,
                help: "give and take numbers of tokens with --tokens")
        }
        if !isGoingOn { try sampler.feed(tokens: given.map(Int.init)) }
        Terminal.write(given)
        for _ in 0..<length { Terminal.write([UInt8(try sampler.nextToken())]) }
        Terminal.print("")
    }

    /// Feeds numbers back.
    private func numbers(_ sampler: Sampler, _ model: Model, _ typed: TypedModel) throws {
        let sizes = model.stepSizes(ofInput: sampler.input)
        if let tensor = try promptNumbers(sampler.input, typed) {
            guard tensor.shape.count == sizes.count + 1 || tensor.shape.count == sizes.count + 2 && tensor.shape[0] == 1,
                Array(tensor.shape.suffix(sizes.count)) == sizes
            else {
                throw Diagnostic(.misshapenTensor, "the prompt has the shape \(tensor.shape), and [t] + \(sizes) is expected", at: nil)
            }
            try sampler.feed(tensor.floats())
        } else if !isGoingOn {
            throw Diagnostic(
                .badData, "'\(sampler.input)' takes numbers, and no text", at: nil, help: "give a tensor of steps with --prompt-file x.npy")
        }
        var added: [Float] = []
        for _ in 0..<length { added += try sampler.nextNumbers() }
        let result = NamedTensor(name: sampler.output, tensor: Tensor(added, shape: [1, length] + sizes))
        if let output { try TensorFile.write(TensorArchive(tensors: [result]), to: output) } else { Terminal.print(Summary.line(result)) }
    }
}
