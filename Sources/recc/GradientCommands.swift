import ArgumentParser
import Foundation
import Rec

/// `recc gradcheck FILE -D H=6`
struct GradCheck: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gradcheck",
        abstract: "Holds the gradients of a model against differences of its results, in f64.",
        discussion: """
            The data are random, with sequences of different length where the model runs over one axis. Losses, outputs and
            last values of states are differentiated together. Keep dims small: every number is computed by the interpreter.

            EXAMPLE
              recc gradcheck examples/gru.rec -D D=3 -D H=5
            """)

    @OptionGroup var options: ModelOptions

    @Option(help: "Sequences.")
    var batch = 2

    @Option(help: "Steps.")
    var length = 7

    @Option(help: "Of the random data.")
    var seed: UInt64 = 1

    @Option(help: "The relative error allowed.")
    var tolerance = 1e-6

    @Option(help: "Gradients by compiled code of this precision, rather than by the interpreter: f32 or f64.")
    var precision: Precision?

    func validate() throws {
        guard batch > 0, length >= 0 else { throw ValidationError("--batch is 1 or more, --length 0 or more") }
    }

    func run() throws {
        let program = try options.program()
        let dims = try options.dimValues()
        let check = try options.reporting(program) {
            let model = try Model(program, named: options.model, dims: dims)
            // Differences are computed by the interpreter, which keeps every value.
            try model.checkMemory(batch: batch, extents: model.graph.axes.map { $0.length ?? length }, on: .interpreter)
            let lengths = model.graph.axes.count == 1 ? (0..<batch).map { max(0, length - 2 * $0) } : nil
            let generated = RandomCase(for: model, batch: batch, length: length, lengths: lengths, seed: seed)
            return try GradientCheck(model, generated, engine: precision.map { .compiled($0) } ?? .interpreter, seed: seed)
        }
        let width = max(8, check.rows.map(\.name.count).max() ?? 0)
        print("\("tensor".padded(width))  error     by gradient     by difference")
        for row in check.rows {
            let mark = row.error <= tolerance ? "" : "  too large"
            print("\(row.name.padded(width))  \(String(format: "%.1e   %13.6e   %13.6e", row.error, row.slope, row.difference))\(mark)")
        }
        guard let worst = check.worst else { return print("there is nothing to differentiate by") }
        print(String(format: "the worst is %@: %.1e, %.1e allowed", worst.name, worst.error, tolerance))
        if !(worst.error <= tolerance) { throw ExitCode(1) }
    }
}
