import ArgumentParser
import CMalloc
import Foundation
import Rec
import RecTraining

/// `recc train FILE --text notes.md --steps 500`
struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Trains the parameters of a model for its losses.",
        discussion: """
            Data are a file with tensors input.NAME, [N, t, …] for sequences; or, with --window, one long stream [t, …] that is
            cut into windows, the targets of a token model being the next tokens; or text, whose bytes are tokens; or a table
            with a row of words on top, whose columns go to the inputs of their names, and all that are left to the one input of
            vectors that has none. With --predict x the targets are x some steps --ahead.

            With --checkpoint the same command goes on from where it was stopped, bit for bit as if it had not been.

            EXAMPLE
              recc train examples/stack_lm.rec -D V=256 -D D=64 -D H=128 -D L=2 --text docs/language.md --window 128 \\
                --hold-out 0.1 --steps 500 --lr 3e-3 --schedule cosine --clip 1 --log train.csv -o lm.safetensors
              recc train forecast.rec --data weather.csv --predict x --ahead 1 --window 96 --hold-out 0.2 -o forecast.safetensors
            """)

    @OptionGroup var options: ModelOptions

    @Option(help: "Data to train on.", completion: .file(extensions: ["safetensors", "npz", "csv"]))
    var data: String?

    @Option(help: "An input, as in x=x.npy; with a name behind a colon a tensor of an archive, x=data.npz:frames, or columns of a table, x=table.csv:a,b.")
    var input: [String] = []

    @OptionGroup var compilation: CompileOptions

    @OptionGroup var table: TableOptions

    @Option(help: "A text to train on, in place of --data; several are put one behind the other.", completion: .file())
    var text: [String] = []

    @Option(help: "Cuts a stream into windows of so many steps.")
    var window: Int?

    @Option(help: "Data for validation: a file like that of --data, or a text where --text is given.", completion: .file())
    var valid: String?

    @Option(help: "Holds out the last share of the data for validation, as in 0.1.")
    var holdOut: Double?

    @OptionGroup var unknown: UnknownTensorOptions

    @Option(help: "Weights to start from; other parameters start from their initialisers.", completion: .file(extensions: ["safetensors", "npz"]))
    var params: [String] = []

    @Option(help: "The step to stop after.")
    var steps = 1000

    @Option(help: "Stops once the loss is this or less: that of validation, where there is one.")
    var until: Double?

    @Option(help: "Sequences or windows in a minibatch.")
    var batch = 16

    @Option(help: "adamw or sgd.")
    var optimizer: OptimizerName = .adamw

    @Option(help: "The learning rate.")
    var lr = 1e-3

    @Option(help: "What becomes of the rate: \(Schedule.Decay.allCases.map(\.rawValue).joined(separator: ", ")).")
    var schedule: Schedule.Decay = .constant

    @Option(help: "Steps over which the rate rises at first.")
    var warmup = 0

    @Option(help: "Weight decay; by default 0.01 with adamw, 0 with sgd.")
    var decay: Double?

    @Option(help: "Of sgd.")
    var momentum = 0.9

    @Option(help: "The most that the norm of all gradients together may be.")
    var clip: Double?

    @Option(help: "Gradients do not pass between blocks of so many steps.")
    var truncate: Int?

    @Option(help: "Of initial parameters and minibatches.")
    var seed: UInt64 = 1

    @Option(help: "Threads.")
    var threads = 1

    @Option(help: "f32 or f64.")
    var precision: Precision = .f32

    @OptionGroup var memory: MemoryOptions

    @Option(help: "A folder for checkpoints; where it has one, the run goes on from it.", completion: .directory)
    var checkpoint: String?

    @Option(help: "Steps between lines, validations and checkpoints.")
    var every = 100

    @Option(help: "A CSV file for the course of the run.", completion: .file(extensions: ["csv"]))
    var log: String?

    @Option(name: .shortAndLong, help: "Where the weights go: .safetensors or .npz.", completion: .file(extensions: ["safetensors", "npz"]))
    var output: String?

    func validate() throws {
        guard (data == nil && input.isEmpty) != text.isEmpty else { throw ValidationError("give --data, or --input x=x.npy, or --text") }
        if table.predict != nil, !text.isEmpty { throw ValidationError("--predict is for --data and --input: targets of a text are the next tokens") }
        if let wrong = input.first(where: { InputFile($0) == nil }) { throw ValidationError("'\(wrong)' is no input: write --input x=x.npy") }
        let names = input.compactMap { InputFile($0)?.name }
        if let twice = names.indices.first(where: { names[..<$0].contains(names[$0]) }) { throw ValidationError("the input '\(names[twice])' is given twice") }
        if !text.isEmpty, window == nil { throw ValidationError("--text is cut into windows: give --window 128, say") }
        if valid != nil, holdOut != nil { throw ValidationError("--valid and --hold-out exclude each other") }
        if let holdOut, !(holdOut > 0 && holdOut < 1) { throw ValidationError("--hold-out lies between 0 and 1") }
        guard threads > 0, threads <= 1024 else { throw ValidationError("--threads is from 1 to 1024") }
        guard steps >= 0, batch > 0, batch <= 1 << 20, every > 0, warmup >= 0, window ?? 1 > 0, truncate ?? 1 > 0 else {
            throw ValidationError("--steps and --warmup are 0 or more; --every, --window and --truncate 1 or more; --batch is from 1 to 1048576")
        }
        guard lr > 0, lr.isFinite, clip ?? 1 > 0, decay ?? 0 >= 0, (0..<1).contains(momentum) else {
            throw ValidationError("--lr and --clip are more than 0, --decay is 0 or more, --momentum is 0 or more and less than 1")
        }
    }

    func run() throws {
        keepMemory()
        let program = try options.program()
        let dims = try options.dimValues()
        let forms = try options.planForms()
        try options.reporting(program) {
            let typed = try program.model(named: options.model)
            let files = try DataFiles(case: GivenInputs.isTable(data) ? nil : data, weights: params, for: typed)
            var given = files.file.data
            let inputs = table.inputs(areStreams: window != nil, allowsUnused: unknown.allowUnused)
            func note(_ text: String) { Terminal.error(text + "\n") }
            var shifts: [String: Int] = [:]
            if text.isEmpty {
                shifts = try inputs.add(to: &given, from: data, input.compactMap(InputFile.init), of: typed, note: note)
            } else {
                given.inputs = try read(text, in: program)
            }
            let model = try files.model(
                program, named: options.model, dims: dims, passingOverUnknown: unknown.allowUnused, fillingMissing: true,
                fitting: given)
            try model.checkMemory()
            var training = try TrainingData(given, for: model, window: window, ahead: shifts)
            var validation: TrainingData?
            if let holdOut { (training, validation) = try training.holdingOut(holdOut) }
            if let valid {
                if text.isEmpty {
                    var other = try GivenInputs.isTable(valid) ? ModelData() : validationData(valid, program, model)
                    let shifts = try inputs.add(to: &other, from: valid, [], of: typed, seen: nil, note: note)
                    validation = try TrainingData(other, for: model, window: window, ahead: shifts)
                } else {
                    validation = try TrainingData(ModelData(inputs: read([valid], in: program)), for: model, window: window)
                }
            }
            let context = compilation.context()
            defer { CompileOptions.report(context) }
            let trainer = try Trainer(
                model, training, trainingOptions(forms), weights: given.parameters,
                resuming: checkpoint.flatMap { folder throws(DiagnosticList) in try Checkpoint.read(from: folder) }, context: context)
            if trainer.step > 0 { Terminal.print("going on after step \(trainer.step)") }
            let course = TrainingRun(
                steps: steps, every: every, validation: validation, checkpoints: checkpoint, log: log, goal: until)
            let unit = text.isEmpty ? "time steps/s" : "tokens/s"
            try course.run(trainer) { row in Terminal.print(line(row, unit)) }
            guard let output else { return }
            try TensorFile.write(model.archive(of: trainer.weights, readFrom: given.parameters), to: output)
        }
    }

    /// Every step takes the same memory again: given back to the system in between, it would cost up to a third of the time
    /// to have its pages made anew.
    private func keepMemory() {
        #if canImport(Glibc)
            _ = mallopt(M_MMAP_MAX, 0)
            _ = mallopt(M_TRIM_THRESHOLD, -1)
            _ = mallopt(M_TOP_PAD, 64 << 20)
        #endif
    }

    private func trainingOptions(_ forms: [String: PlanForm]) -> TrainingOptions {
        let chosen: Optimizer =
            switch optimizer {
            case .adamw: .adamW(decay: decay ?? 0.01)
            case .sgd: .sgd(momentum: momentum, decay: decay ?? 0)
            }
        return TrainingOptions(
            optimizer: chosen, schedule: Schedule(rate: lr, decay: schedule, warmup: warmup, steps: steps), clip: clip, batch: batch,
            seed: seed, threads: threads, precision: precision, truncation: truncate, forms: forms,
            memory: memory.bound)
    }

    /// The tensors of a file for validation.
    private func validationData(_ path: String, _ program: Program, _ model: Model) throws -> ModelData {
        let files = try DataFiles(case: path, for: program.model(named: options.model))
        _ = try files.model(program, named: options.model, dims: model.dims, passingOverUnknown: unknown.allowUnused)
        return files.file.data
    }

    /// Text as the model's one stream of tokens that is not named like a target.
    private func read(_ text: [String], in program: Program) throws -> [String: Tensor] {
        let typed = try program.model(named: options.model)
        let streams = typed.inputs.filter { !$0.isOnce && typed[$0.value].element == .int && typed[$0.value].shape.isEmpty }
        guard let tokens = streams.first else {
            throw Diagnostic(
                .missingTensor, "'\(typed.name)' has no input of tokens for a text", at: nil, help: "write one: input token, target: int")
        }
        return [tokens.name: try TextTokens.read(text)]
    }

    private func line(_ row: TrainingLog.Row, _ unit: String) -> String {
        let validation = row.validation.map { String(format: "  valid %.4f", $0) } ?? ""
        return String(format: "step %d of %d  loss %.4f%@  %.0f %@", row.step, steps, row.loss, validation, row.speed, unit)
    }
}

enum OptimizerName: String, ExpressibleByArgument, CaseIterable { case adamw, sgd }

extension Schedule.Decay: ExpressibleByArgument {}

/// `recc plot train.csv -o train.svg`
struct Plot: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Draws the logs of training runs.",
        discussion: """
            The loss of each run over its steps, and, dashed, that of validation. Runs are called as their files are.

            EXAMPLE
              recc plot small.csv large.csv -o runs.svg --log-scale --title "Two sizes"
            """)

    @Argument(help: "What 'recc train --log' wrote, of one run or several.", completion: .file(extensions: ["csv"]))
    var logs: [String]

    @Option(help: "What stands above the drawing.")
    var title: String?

    @Flag(help: "Losses on a logarithmic scale.")
    var logScale = false

    @Option(name: .shortAndLong, help: "The SVG file.", completion: .file(extensions: ["svg"]))
    var output: String

    func validate() throws {
        if let other = Drawing.otherEnding(of: output) {
            throw ValidationError("-o \(output): the drawing is SVG, and not \(other); end the name in .svg")
        }
    }

    func run() throws {
        do {
            let runs = try zip(LossChart.names(of: logs), logs).map { (name: $0, log: try TrainingLog(path: $1)) }
            try LossChart(runs, title: title, isLogarithmic: logScale).write(to: output)
        } catch { throw Terminal.fail(error, SourceMap()) }
    }
}
