import ArgumentParser
import Foundation
import Rec
import RecTraining
import RecTyping

/// `recc run FILE --input x=x.npy --params w.safetensors`
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs a model on data.",
        discussion: """
            Dims are read off the data where they can be. Without --output a short account of the results is printed.
            All outputs and losses are computed for which there are inputs; what is left out is said on standard error. With
            --output-name only those that are named, and neither inputs nor parameters that only others need are asked for.

            With --stream the model runs step by step; '--stream -' reads raw little-endian f32 steps from standard input
            and writes the first output, or the one that is named, in the same form.

            With --save-state the state behind the last step is written, from which --state goes on: what is run in pieces so
            gives what it gives whole, whichever plans, engines and streams run them.

            A tensor that the model has no use for is an error, as it is mostly one whose name was misspelt.

            A table goes to the inputs as in 'recc train', and --predict x has what x is some steps --ahead as the targets, so that
            the losses tell how well weights forecast other data.

            EXAMPLE
              recc run examples/gru.rec --input x=x.npy --params gru.safetensors --output h.npy
              recc run forecast.rec --data other.csv --predict x --ahead 1 --params forecast.safetensors
            """)

    @OptionGroup var options: ModelOptions

    @OptionGroup var compilation: CompileOptions

    @OptionGroup var memory: MemoryOptions

    @OptionGroup var weights: WeightOptions

    @OptionGroup var unknown: UnknownTensorOptions

    @Option(help: "An input, as in x=x.npy; with a name behind a colon a tensor of an archive, x=data.npz:frames, or columns of a table, x=table.csv:a,b.")
    var input: [String] = []

    @Option(help: "Parameters by path.", completion: .file(extensions: ["safetensors", "npz"]))
    var params: [String] = []

    @Option(help: "A case: tensors input.NAME, once.NAME, param.PATH, const.PATH, lengths; dims in its metadata. Or a table, .csv.", completion: .file(extensions: ["safetensors", "npz", "csv"]))
    var data: String?

    @OptionGroup var table: TableOptions

    @Option(name: .shortAndLong, help: "Where results go: .npz, .safetensors, or .npy for one output.")
    var output: String?

    @Option(help: "An output or loss to compute, in place of all that the data suffice for; may be given several times.")
    var outputName: [String] = []

    @Option(help: "Fills parameters that are not given from their initialisers.")
    var seed: UInt64?

    @Option(
        parsing: .unconditional, help: "The number from which chance draws: noise, uniform, bernoulli, categorical and, with --training, dropout.",
        transform: { text in
            guard let seed = UInt32(text) else { throw ValidationError("it is a whole number from 0 to \(UInt32.max)") }
            return seed
        })
    var noiseSeed: UInt32?

    @Option(help: "Threads.")
    var threads = 1

    @Option(help: "f32 or f64.")
    var precision: Precision = .f32

    @Flag(help: "Uses the interpreter, the reference, in f64.")
    var interpret = false

    @Option(help: "Runs step by step: 'steps' over the given data, '-' over standard input. Inputs along a second axis are given whole.")
    var stream: String?

    @Option(
        name: .customLong("context"),
        help: "With --stream: steps of its past that a model keeps which attends to all of it; the stream takes no more.")
    var keptSteps: Int?

    @Option(help: "The state to go on from, as --save-state wrote it.", completion: .file(extensions: ["safetensors"]))
    var state: String?

    @Option(help: "Where the state behind the last step goes, .safetensors.", completion: .file(extensions: ["safetensors"]))
    var saveState: String?

    @Option(
        help: "Where gradients go, .npz or .safetensors: of the losses, or of sum(output * cotangent) with inputs or tensors cotangent.NAME.")
    var grad: String?

    @Option(
        help: "With --grad: what gradients are taken with respect to, a parameter, an input, or initial.STATE; may be given several times. By default all parameters and inputs.")
    var wrt: [String] = []

    @Option(help: "With --grad: gradients do not pass between blocks of so many steps.")
    var truncate: Int?

    @Option(help: "Draws an output with one number a step over time.")
    var draw: String?

    func validate() throws {
        guard threads > 0, threads <= 1024 else { throw ValidationError("--threads is from 1 to 1024") }
        if let stream, stream != "-", stream != "steps" { throw ValidationError("--stream is 'steps' or '-'") }
        if let twice = outputName.indices.first(where: { outputName[..<$0].contains(outputName[$0]) }) {
            throw ValidationError("--output-name \(outputName[twice]) is given twice")
        }
        if stream == "-", GivenInputs.isTable(data) || table.areGiven { throw ValidationError("'--stream -' reads standard input: leave tables, --predict and --skip out") }
        if stream != nil, grad != nil { throw ValidationError("--stream gives no gradients") }
        if truncate ?? 1 < 1 { throw ValidationError("--truncate is 1 or more") }
        if let twice = wrt.indices.first(where: { wrt[..<$0].contains(wrt[$0]) }) { throw ValidationError("--wrt \(wrt[twice]) is given twice") }
        if !wrt.isEmpty, grad == nil { throw ValidationError("--wrt belongs to --grad") }
        if truncate != nil, grad == nil { throw ValidationError("--truncate belongs to --grad") }
        if let saveState, !saveState.hasSuffix(".safetensors") { throw ValidationError("--save-state is a .safetensors file, which says of what program the state is") }
        if grad != nil, state != nil || saveState != nil { throw ValidationError("--grad takes whole sequences: leave --state and --save-state out") }
        if stream != nil, let form = try options.planForms().values.first(where: \.isOfWholeRuns) {
            throw ValidationError("--stream takes one step after another: leave --plan \(form.name) out")
        }
        if interpret { try options.refusePlans("the interpreter takes one step after another") }
        if let keptSteps {
            guard stream != nil else { throw ValidationError("--context is of streams: give --stream with it") }
            guard (1...1 << 20).contains(keptSteps) else { throw ValidationError("--context is from 1 to \(1 << 20) steps, and not \(keptSteps)") }
        }
        if stream != nil, interpret { throw ValidationError("--stream runs compiled code: leave --interpret out") }
        if memory.bound != nil, interpret || stream != nil { throw ValidationError("--memory bounds whole runs of compiled code") }
    }

    func run() throws {
        let context = compilation.context()
        let program = try options.program(times: context.times)
        let dims = try options.dimValues()
        try options.reporting(program, fillsMissing: true) {
            let typed = try program.model(named: options.model)
            let files = try context.times.measure("read data") { () throws in try DataFiles(case: GivenInputs.isTable(self.data) ? nil : self.data, weights: params, for: typed) }
            let inputs = table.inputs(areStreams: true, allowsUnused: unknown.allowUnused)
            var columns: [String] = []
            var data = try gather(files.file, for: typed, skipping: inputs.skipped, &columns)
            let ahead = try inputs.add(to: &data, from: self.data, [], of: typed, seen: columns) { Terminal.error($0 + "\n") }
            let whole = try weights.applied(
                to: files.model(
                    program, named: options.model, dims: dims, passingOverUnknown: unknown.allowUnused, fillingMissing: seed != nil, usingResults: grad != nil,
                    fitting: data, needingInputs: stream != "-", times: context.times))
            data = try data.reading(ahead, for: whole)
            if !unknown.allowUnused, let note = files.unknownResults(of: whole) { Terminal.error("passed over: \(note)\n") }
            let model = try asked(of: whole, data)
            if let seed {
                try model.checkMemory()
                data.parameters = context.times.measure("initialise") { model.parameters(data.parameters, else: model.initialParameters(seed: seed)) }
            }
            if data.inputs[DrawSeed.name] != nil {
                guard model.graph.drawsByChance else {
                    throw Diagnostic(.unknownName, "'\(typed.name)' leaves nothing to chance, and '\(DrawSeed.name)' has no use", at: nil, help: "leave it out")
                }
                guard noiseSeed == nil else { throw ValidationError("the data have '\(DrawSeed.name)': leave --noise-seed out") }
            }
            if let noiseSeed {
                let batch = model.batch(of: data) ?? 1
                data.inputs[DrawSeed.name] = Tensor(DrawSeed.values(noiseSeed, batch: batch), shape: [batch])
            }
            let start = try self.state.map { path throws(DiagnosticList) in try ModelState(path: path) } ?? (saveState == nil ? nil : ModelState())
            if stream == "-" { return try streamStandardInput(model, data, start, context) }
            let results: ModelResults
            if let grad {
                results = try writeGradients(of: model, data, names: model.fileNames(readFrom: files.file.data.parameters), to: grad, context)
            } else if stream == "steps" {
                results = try StreamRun.run(model, data, state: start, precision: precision, context: context)
            } else {
                let progress = Progress("running")
                defer { progress.end() }
                results = try model.run(data, state: start, on: interpret ? .interpreter : .compiled(precision), threads: threads, forcing: model.forms(options.planForms(), of: whole), within: memory.bound, context: context)
            }
            for (state, report) in results.solves.sorted(by: { $0.key < $1.key }) where report.isLeft {
                Terminal.error("\(state): \(report.text)\n")
            }
            if results.leftChunks { Terminal.error("chunks gave numbers that are not finite: the recurrences went step by step\n") }
            try context.times.measure("give results") { () throws in try give(results) }
            if let saveState { try results.state?.write(to: saveState) }
        }
        CompileOptions.report(context)
    }

    /// The part of a model that is to be run. What is left out for want of data is said.
    private func asked(of whole: Model, _ data: ModelData) throws -> Model {
        let given = Set(data.inputs.keys)
        let cotangents = given.filter { $0.hasPrefix("cotangent.") }.map { String($0.dropFirst("cotangent.".count)) }
        if grad != nil, cotangents.isEmpty {
            // The losses are differentiated, and lack nothing.
            return outputName.isEmpty ? whole : try whole.computing(outputName + whole.graph.losses.map(\.name))
        }
        let states = cotangents.filter { $0.hasPrefix("final.") }.map { String($0.dropFirst("final.".count)) }
        let seeds = cotangents.filter { !$0.hasPrefix("final.") }
        let named = outputName.isEmpty ? whole : try whole.computing(outputName + seeds, finalStates: states)
        let there = stream == "-" ? given.union(named.streamNames) : given
        var leftOut = named.leftOut(given: there).map(\.text)
        if stream != nil {
            let part = try named.streaming(given: there, context: keptSteps)
            let whole = try named.answering(there)
            leftOut += whole.graph.losses.map { "loss '\($0.name)', which is known only when the sequence has ended" }
            if whole.mayLeaveOut { leftOut += whole.outputsApart.map { "output '\($0)', which a run over whole sequences gives" } }
            tell(leftOut)
            return part
        }
        tell(leftOut)
        return grad != nil ? try named.answering(given) : try named.answering(given, keepsStates: false)
    }

    /// Says in a line what a run leaves out.
    private func tell(_ leftOut: [String]) {
        if !leftOut.isEmpty { Terminal.error("left out: \(leftOut.joined(separator: "; "))\n") }
    }

    /// Writes gradients; gives the results of the same run.
    ///
    /// - Parameter names: what the tensors of parameters are called, by path.
    private func writeGradients(of model: Model, _ data: ModelData, names: [String: String], to path: String, _ context: CompileContext) throws -> ModelResults {
        var request = GradientRequest(of: model.graph, truncation: truncate)
        if !wrt.isEmpty { request.targets = try wrt.map { try target($0, of: model.graph) } }
        let cotangents = data.inputs.keys.filter { $0.hasPrefix("cotangent.") }.map { String($0.dropFirst("cotangent.".count)) }
        if !cotangents.isEmpty { request.seeds = cotangents.sorted().map(GradientRequest.Seed.init(cotangent:)) }
        if cotangents.isEmpty, model.graph.losses.isEmpty {
            throw Diagnostic(
                .missingTensor, "'\(model.graph.name)' has no loss, and there is no cotangent of an output", at: nil,
                help: "give one of the output's shape: --input cotangent.\(model.graph.outputs.first?.name ?? "y")=c.npy")
        }
        guard !request.targets.isEmpty else {
            throw Diagnostic(
                .wrongElementType, "'\(model.graph.name)' has nothing to differentiate by: no parameters that are trained, and no inputs that are real or complex", at: nil,
                help: "int and bool have no derivative; leave --grad out\(model.graph.states.first.map { ", or name an initial state: --wrt initial.\($0.name)" } ?? "")")
        }
        let progress = Progress("running")
        defer { progress.end() }
        let all = try GradientModel(model, request, times: context.times).run(
            data, on: interpret ? .interpreter : .compiled(precision), threads: threads, forcing: options.planForms(), within: memory.bound,
            context: context)
        let named = all.gradients.map { NamedTensor(name: "grad.\(names[$0.name] ?? $0.name)", tensor: $0.tensor) }
        try TensorFile.write(TensorArchive(tensors: named), to: path)
        return all.results
    }

    /// What a name of `--wrt` stands for.
    private func target(_ name: String, of graph: StreamGraph) throws -> GradientRequest.Target {
        let parts = name.split(separator: ".", maxSplits: 1).map(String.init)
        if parts.count == 2, parts[0] == "initial" { return .initialState(parts[1]) }
        return graph.ids.contains { if case .input(name, _) = graph[$0].operation { true } else { false } } 
            ? .input(name) : .parameter(graph.parameterPath(name) ?? name)
    }

    /// All data of the command line: those of its files, and inputs one by one.
    ///
    /// - Parameter columns: is given those of tables.
    private func gather(_ file: CaseFile, for model: TypedModel, skipping skipped: Set<String>, _ columns: inout [String]) throws -> ModelData {
        var result = file.data
        let known = model.inputs.map(\.name) + [DrawSeed.name]
        // Those that the model does not have have been told, or are to be passed over.
        result.inputs = result.inputs.filter { known.contains($0.key) }
        var given: Set<String> = []
        if grad != nil { for (name, tensor) in file.cotangents { result.inputs["cotangent.\(name)"] = tensor } }
        for text in input {
            guard let file = InputFile(text) else { throw ValidationError("'\(text)' is no input: write --input x=x.npy") }
            let name = file.name
            guard given.insert(name).inserted else { throw ValidationError("the input '\(name)' is given twice") }
            guard known.contains(name) || (grad != nil && name.hasPrefix("cotangent.")) else {
                throw Diagnostic(
                    .unknownName, "'\(model.name)' has no input '\(name)'", at: nil,
                    help: nearest(name, among: known).map { "did you mean '\($0)'?" }
                        ?? (model.inputs.isEmpty ? "it has none" : "its inputs are \(model.inputs.map(\.name).joined(separator: ", "))"))
            }
            result.inputs[name] = try file.read(for: model, skipping: skipped) { columns += $0 }
        }
        return result
    }

    private func give(_ results: ModelResults) throws {
        if let draw {
            guard let item = results.outputs.first(where: { $0.name == draw }) else {
                throw Diagnostic(
                    .unknownName, "there is no output '\(draw)'", at: nil,
                    help: "outputs are \(results.outputs.map(\.name).joined(separator: ", "))")
            }
            guard let chart = Chart.text(item) else {
                throw Diagnostic(.unsupported, "'\(draw)' \(item.tensor.shape) is not one number a step", at: nil)
            }
            Terminal.print(chart)
            if output == nil { return }
        }
        guard let output else {
            for item in results.outputs { Terminal.print(Summary.line(item)) }
            for loss in results.losses { Terminal.print("loss \(loss.name) = \(loss.tensor.doubles().first ?? .nan)") }
            return
        }
        var tensors = results.outputs
        if output.hasSuffix(".npy") || output.hasSuffix(".csv") {
            guard tensors.count == 1 else {
                throw Diagnostic(
                    .fileProblem, "\(output): this format holds one tensor, and there are \(tensors.count) outputs", at: nil,
                    help: "use .npz or .safetensors, or name one with --output-name")
            }
        } else {
            // As exact as the run was: a file is held against by what its numbers allow.
            let isSingle = !interpret && precision == .f32
            tensors += results.losses.map { NamedTensor(name: $0.name, tensor: isSingle ? Tensor($0.tensor.floats(), shape: $0.tensor.shape) : $0.tensor) }
        }
        try TensorFile.write(TensorArchive(tensors: tensors), to: output)
    }

    /// Raw f32 steps from standard input to standard output.
    private func streamStandardInput(_ model: Model, _ data: ModelData, _ start: ModelState?, _ context: CompileContext) throws {
        let session = try StreamRun.session(model, data, state: start, precision: .f32, context: context)
        guard session.inputNames.count == 1, let name = session.inputNames.first, let result = session.outputNames.first else {
            throw Diagnostic(
                .unsupported, "'--stream -' feeds one input stream, the model has \(session.inputNames.count)", at: nil,
                help: "run it over files with --stream steps")
        }
        let (count, size) = (try session.stepByteCount(name), try session.stepByteCount(result))
        var rest: [UInt8] = []
        while true {
            let chunk = try Terminal.read(1 << 16)
            rest += chunk
            var place = 0
            while rest.count - place >= count {
                try session.withInput(name) { target in target.copyBytes(from: rest[place..<place + count]) }
                place += count
                try session.advance()
                try session.withOutput(result) { bytes in Terminal.write(Array(bytes[0..<size])) }
            }
            rest.removeFirst(place)
            if chunk.isEmpty { break }
        }
        if !rest.isEmpty {
            throw Diagnostic(.badData, "standard input ended within a step: \(rest.count) of \(count) bytes", at: nil)
        }
        if let saveState { try session.state().write(to: saveState) }
    }
}

/// One line about a tensor.
enum Summary {
    static func line(_ item: NamedTensor) -> String {
        let count = item.tensor.count
        let shape = "[\(item.tensor.shape.map(String.init).joined(separator: ", "))]"
        guard count > 0 else { return "\(item.name) \(shape) is empty" }
        var (sum, bad) = (0.0, 0)
        var last: [Double] = []
        item.tensor.forEach { k, number in
            if number.isFinite { sum += number } else { bad += 1 }
            if k >= count - 6 { last.append(number) }
        }
        let mean = sum / Double(max(1, count - bad))
        let shown = last.map { String(format: "%.5g", $0) }.joined(separator: " ")
        return "\(item.name) \(shape) mean \(String(format: "%.5g", mean)), last \(shown)\(bad > 0 ? ", \(bad) not finite" : "")"
    }
}

/// Says on a terminal that work goes on, once it has taken two seconds.
final class Progress: @unchecked Sendable {
    private let timer: (any DispatchSourceTimer)?

    init(_ what: String) {
        guard isatty(STDERR_FILENO) != 0 else {
            timer = nil
            return
        }
        let start = Date()
        let timer = DispatchSource.makeTimerSource()
        timer.schedule(deadline: .now() + 2, repeating: 1)
        timer.setEventHandler { Terminal.error("\r\(what) … \(Int(Date().timeIntervalSince(start))) s ") }
        timer.resume()
        self.timer = timer
    }

    func end() {
        guard let timer else { return }
        timer.cancel()
        Terminal.error("\r\u{1B}[K")
    }
}
