import ArgumentParser
import Foundation
import Rec

/// `recc explain FILE -D H=64`
struct Explain: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Says what each recurrence of a model is, and how it will run.",
        discussion: "EXAMPLE\n  recc explain examples/gru.rec -D D=8 -D H=64")

    @OptionGroup var options: ModelOptions

    @OptionGroup var weights: WeightOptions

    @Option(help: "Sequences of the run that plans are chosen for.")
    var batch = 1

    @Option(help: "Steps of that run.")
    var length = 1024

    @Option(help: "Threads of that run.")
    var threads = 1

    @OptionGroup var memory: MemoryOptions

    @Flag(help: "Of a run with the model's gradients, and what it keeps in memory.")
    var grad = false

    @Flag(help: "For tools.")
    var json = false

    @Option(help: "Draws the stream graph: recurrences in boxes, coloured by kind. Graphviz does the layout.")
    var svg: String?

    func validate() throws {
        guard batch > 0, length > 0, threads > 0, threads <= 1024 else { throw ValidationError("batch and length are 1 or more, threads from 1 to 1024") }
        if let svg, let other = Drawing.otherEnding(of: svg) { throw ValidationError("--svg \(svg): the drawing is SVG, and not \(other); end the name in .svg") }
    }

    func run() throws {
        let program = try options.program()
        let dims = try options.dimValues()
        let forms = try options.planForms()
        let text = try options.reporting(program) {
            let model = try weights.applied(to: Model(program, named: options.model, dims: dims))
            if let svg { try Drawing.write(GraphDrawing(model).dot, to: svg) }
            let work = Workload(batch: batch, extents: model.graph.axes.map { $0.length ?? length }, threads: threads)
            let explanation = grad
                ? try Explanation(GradientModel(model), work: work, forcing: forms, within: memory.bound)
                : try Explanation(model, work: work, forcing: forms, within: memory.bound)
            return json ? explanation.json(program.sources) : explanation.text(program.sources)
        }
        Terminal.print(text, terminator: "")
    }
}

/// `recc verify FILE --data CASE.safetensors`
struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Holds a model's results against those in a file, under every engine.",
        discussion: """
            The file has data, tensors input.NAME, once.NAME, param.PATH, const.PATH and lengths, and what they should give:
            output.NAME, loss.NAME, final.STATE, grad.NAME. The last line says what came out.

            The error is the norm of the difference over the norm of what is expected. What is allowed depends on the engine
            and on the numbers of the file: 1e-5 in f32 or against F32, else 1e-11; of gradients 1e-4 and 1e-9.

            Exit status: 0 where all that was compared agrees; 1 where something does not, where nothing was compared, or
            where the file has tensors that the model does not know; 2 for mistakes on the command line.

            EXAMPLE
              recc verify examples/gru.rec --data port.safetensors
            """)

    @OptionGroup var options: ModelOptions

    @OptionGroup var weights: WeightOptions

    @OptionGroup var unknown: UnknownTensorOptions

    @Option(help: "The case: data and expected results.", completion: .file(extensions: ["safetensors", "npz"]))
    var data: String

    @Option(help: "Parameters that are not in the case.", completion: .file(extensions: ["safetensors", "npz"]))
    var params: [String] = []

    @Option(help: "Only this precision of compiled code: f32 or f64.")
    var precision: Precision?

    @Option(help: "The relative error allowed, in place of what is allowed by default.")
    var tolerance: Double?

    @Option(help: "Threads of compiled code.")
    var threads = 1

    func validate() throws {
        try options.refusePlans("every form that is legal is held against the file")
        guard threads > 0, threads <= 1024 else { throw ValidationError("--threads is from 1 to 1024") }
        if let tolerance, !(tolerance >= 0) { throw ValidationError("--tolerance is 0 or more") }
    }

    func run() throws {
        let program = try options.program()
        let dims = try options.dimValues()
        let verification = try options.reporting(program) {
            let files = try DataFiles(case: data, weights: params, for: program.model(named: options.model))
            let model = try weights.applied(
                to: files.model(
                    program, named: options.model, dims: dims, passingOverUnknown: unknown.allowUnused, usingResults: true))
            return try Verification(model, files.file, engines: model.comparedEngines(in: precision), tolerance: tolerance, threads: threads)
        }
        Terminal.print(verification.text)
        if !verification.isWithin { throw ExitCode(1) }
    }
}

/// `recc bench FILE -D H=64 --batch 8 --length 2048`
struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Times a model on generated data, beside the limits of this machine.",
        discussion: "EXAMPLE\n  recc bench examples/gru.rec -D D=64 -D H=64 --batch 8 --length 2048 --threads 2")

    @OptionGroup var options: ModelOptions

    @OptionGroup var weights: WeightOptions

    @OptionGroup var compilation: CompileOptions

    @Option(help: "Sequences.")
    var batch = 1

    @Option(help: "Steps.")
    var length = 1024

    @Option(help: "Threads.")
    var threads = 1

    @OptionGroup var memory: MemoryOptions

    @OptionGroup var data: RangeOptions

    @Option(help: "f32 or f64.")
    var precision: Precision = .f32

    @Flag(help: "Times the gradients along with the results.")
    var grad = false

    @Flag(help: "For tools.")
    var json = false

    func validate() throws {
        guard batch > 0, length > 0, threads > 0, threads <= 1024 else { throw ValidationError("batch and length are 1 or more, threads from 1 to 1024") }
    }

    func run() throws {
        let context = compilation.context()
        let program = try options.program(times: context.times)
        let dims = try options.dimValues()
        let ranges = try data.ranges()
        let forms = try options.planForms()
        let result = try options.reporting(program) {
            try Benchmark(
                weights.applied(to: Model(program, named: options.model, dims: dims, times: context.times)), batch: batch,
                length: length, threads: threads, precision: precision, ranges: ranges, withGradients: grad, forcing: forms, within: memory.bound, context: context)
        }
        CompileOptions.report(context)
        let rate = result.operations / result.seconds.median
        let traffic = result.bytes / result.seconds.median
        if json {
            Terminal.print(
                "{\"median_ms\": \(result.seconds.median * 1e3), \"min_ms\": \(result.seconds.least * 1e3), \"max_ms\": \(result.seconds.most * 1e3), \"runs\": \(result.runs), \"sweeps_left_to_one_thread\": \(result.sweepsLeftToOneThread), \"estimate_ms\": \(result.estimatedSeconds.map { "\($0 * 1e3)" } ?? "null"), \"scans\": [\(result.scans.map { "\"\($0)\"" }.joined(separator: ", "))], \"chunks\": {\(result.chunkCounts.map { "\"\($0.state)\": \($0.count)" }.joined(separator: ", "))}, \"solves\": {\(result.solves.map { "\"\($0.state)\": {\"method\": \"\($0.report.method.rawValue)\", \"windows\": \($0.report.windows), \"sweeps\": \($0.report.sweeps), \"with_derivatives\": \($0.report.sweepsWithDerivatives), \"in_order\": \($0.report.inOrder)}" }.joined(separator: ", "))}, \"stream_us\": \(result.streamSeconds.map { "\($0 * 1e6)" } ?? "null"), \"memory\": \(result.memory.map { "\($0.peakBytes)" } ?? "null"), \"resident\": \(result.residentBytes.map(String.init) ?? "null"), \"compile_ms\": \(result.compileSeconds * 1e3), \"gflops\": \(rate * 1e-9), \"gbytes\": \(traffic * 1e-9), \"peak_gflops\": \(result.limits.operationsPerSecond * 1e-9), \"peak_gbytes\": \(result.limits.bytesPerSecond * 1e-9)}")
            return
        }
        Terminal.print(String(format: "median   %.3f ms  (%.3f … %.3f, %d runs)", result.seconds.median * 1e3, result.seconds.least * 1e3, result.seconds.most * 1e3, result.runs))
        if result.sweepsLeftToOneThread > 0 {
            Terminal.print("disturbed: one thread took \(result.sweepsLeftToOneThread) sweeps that threads should have shared, as other programs had the processors")
        }
        Terminal.print(String(format: "a step   %.2f µs", result.seconds.median * 1e6 / Double(length)))
        if let estimate = result.estimatedSeconds {
            Terminal.print(String(format: "estimate %.3f ms", estimate * 1e3) + (result.scans.isEmpty ? "" : ", scans: \(result.scans.joined(separator: ", "))") + (result.chunkText.map { ", chunks: \($0)" } ?? ""))
        }
        for (state, report) in result.solves { Terminal.print("\(report.method.rawValue) \(state): \(report.text)") }
        if let stream = result.streamSeconds { Terminal.print(String(format: "stream   %.2f µs a step, one sequence, one thread", stream * 1e6)) }
        if let memory = result.memory { Terminal.print("memory   \(ByteCount.text(memory.peakBytes)): \(memory.summary)" + (result.residentBytes.map { "; resident at most \(ByteCount.text($0))" } ?? "")) }
        Terminal.print(String(format: "compile  %.1f ms", result.compileSeconds * 1e3))
        Terminal.print(String(format: "products %.2f GFLOP/s, %.0f %% of this machine's %.0f", rate * 1e-9, 100 * rate / result.limits.operationsPerSecond, result.limits.operationsPerSecond * 1e-9))
        Terminal.print(String(format: "traffic  %.2f GB/s, %.0f %% of this machine's %.1f", traffic * 1e-9, 100 * traffic / result.limits.bytesPerSecond, result.limits.bytesPerSecond * 1e-9))
    }
}

extension String {
    func padded(_ width: Int) -> String { count >= width ? self : self + String(repeating: " ", count: width - count) }
}
