import ArgumentParser
import Foundation
import Rec

/// `recc gradcheck FILE -D H=6`
struct GradCheck: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gradcheck",
        abstract: "Holds the gradients of a model against differences of its results, in f64.",
        discussion: """
            The data are random, with sequences of different length where the model runs over one axis: inputs are normal with
            a deviation of 0.7, parameters start from their initialisers and are moved a little. --range makes inputs uniform
            in a range where a model is not finite everywhere, as --range 0.1,2 for one with log(x). --data takes data from a
            case; parameters that it lacks are random.

            Losses, outputs and last values of states are differentiated together. Keep dims small: every number is computed
            by the interpreter.

            Exit status: 0 where every gradient agrees; 1 where one does not, where results, gradients or differences are
            not finite, or where nothing was compared; 2 for mistakes on the command line.

            EXAMPLE
              recc gradcheck examples/gru.rec -D D=3 -D H=5
            """)

    @OptionGroup var options: ModelOptions

    @Option(help: "A case with data: tensors input.NAME, once.NAME, param.PATH, const.PATH, lengths, cotangent.NAME.", completion: .file(extensions: ["safetensors", "npz"]))
    var data: String?

    @Option(help: "Parameters by path.", completion: .file(extensions: ["safetensors", "npz"]))
    var params: [String] = []

    @OptionGroup var unknown: UnknownTensorOptions

    @OptionGroup var generation: RangeOptions

    @Option(help: "Sequences of the random data; by default 2.")
    var batch: Int?

    @Option(help: "Steps of the random data; by default 7.")
    var length: Int?

    @Option(help: "Of the random data.")
    var seed: UInt64 = 1

    @Option(help: "The relative error allowed; by default 1e-6, and 1e-4 of gradients in f32.")
    var tolerance: Double?

    @Option(help: "Gradients by compiled code of this precision, rather than by the interpreter: f32 or f64.")
    var precision: Precision?

    func validate() throws {
        try options.refusePlans("gradients are checked in the simplest form")
        guard batch ?? 1 > 0, length ?? 0 >= 0 else { throw ValidationError("--batch is 1 or more, --length 0 or more") }
        if let tolerance, !(tolerance >= 0) { throw ValidationError("--tolerance is 0 or more") }
    }

    func run() throws {
        let program = try options.program()
        let dims = try options.dimValues()
        let ranges = try generation.ranges()
        let check = try options.reporting(program) {
            let files = try DataFiles(case: data, weights: params, for: program.model(named: options.model))
            if !files.file.data.inputs.isEmpty, batch != nil || length != nil {
                throw ValidationError("--batch and --length are those of random data, and \(data ?? "the case") has inputs")
            }
            let model = try files.model(
                program, named: options.model, dims: dims, passingOverUnknown: unknown.allowUnused, fillingMissing: true,
                usingResults: true)
            try ranges.check(model.typed.inputs.map(\.name) + model.parameterPaths)
            let (batch, length) = (batch ?? 2, length ?? 7)
            // Differences are computed by the interpreter, which keeps every value.
            try model.checkMemory(batch: batch, extents: model.graph.axes.map { $0.length ?? length }, on: .interpreter)
            let lengths = model.graph.dataAxes.count == 1 ? (0..<batch).map { max(0, length - 2 * $0) } : nil
            var random = RandomCase(for: model, batch: batch, length: length, lengths: lengths, ranges: ranges, seed: seed)
            // Code has no gradients by what begins where sequences end along several axes.
            if model.graph.dataAxes.count > 1, precision == nil {
                for (place, axis) in model.graph.dataAxes.enumerated() where model.graph.axes[axis].length == nil {
                    random.data.lengthsByAxis[model.graph.axes[axis].name] = (0..<batch).map { max(0, length - 2 * (($0 + place) % max(1, batch))) }
                }
            }
            let generated = try random.replacing(with: files.file, for: model, ranges: ranges, seed: seed)
            return try GradientCheck(model, generated, engine: precision.map { .compiled($0) } ?? .interpreter, seed: seed)
        }
        let allowed = tolerance ?? (precision == .f32 ? 1e-4 : 1e-6)
        let width = max(8, check.rows.map(\.name.count).max() ?? 0)
        Terminal.print("\("tensor".padded(width))  error     by gradient     by difference")
        for row in check.rows {
            let mark = row.error <= allowed ? "" : "  \(row.note ?? "too large")"
            Terminal.print("\(row.name.padded(width))  \(String(format: "%.1e   %13.6e   %13.6e", row.error, row.slope, row.difference))\(mark)")
        }
        if !check.leftOut.isEmpty {
            let names = check.leftOut.map { "'\($0)'" }.joined(separator: ", ")
            Terminal.print("not compared: \(names), with a gradient of one's own; checked with the derivative of what is computed")
        }
        guard let worst = check.worst, check.emptiness == nil else {
            Terminal.print("failed: nothing was compared, as \(check.emptiness ?? "there is nothing to differentiate by")")
            throw ExitCode(1)
        }
        Terminal.print(String(format: "the worst is %@: %.1e, %.1e allowed", worst.name, worst.error, allowed))
        if !(worst.error <= allowed) { throw ExitCode(1) }
    }
}
