import RecLowering
import RecRuntime
import RecSource
import RecTensors
import RecTyping

/// An `example` of a source file, run under an engine.
package struct ExampleRun: Sendable {
    /// Where the results differ from those in the source.
    package struct Difference: Sendable {
        package var output: String
        /// Whether the numbers of elements differ: `expected` and `got` are those.
        package var isOfCount = false
        /// The first step that differs; nil for a value without steps.
        package var step: Int?
        package var expected: Double
        package var got: Double
        package var span: SourceSpan
    }

    package var model: String
    package var example: TypedExample
    package var engine: Engine
    /// Nil where all is as it should be.
    package var difference: Difference?

    /// Allowed where the source says `~`; `=` allows the rounding of f32 only.
    private static let approximate = 1e-5
    private static let exact = 1e-6

    /// Runs every example of every model of the main file under every engine.
    package static func all(
        in program: Program, engines: [Engine] = [.interpreter, .compiled(.f64), .compiled(.f32)]
    ) throws -> [ExampleRun] {
        if program.hasErrors { throw DiagnosticList(program.diagnostics) }
        var runs: [ExampleRun] = []
        for name in program.typed.mainFileModels {
            guard let typed = program.typed.models[name] else { continue }
            for example in typed.examples {
                for engine in engines {
                    if let run = try run(example, of: typed, in: program, engine) { runs.append(run) }
                }
            }
        }
        return runs
    }

    /// Nil where only the interpreter can run the model, and `engine` is another.
    private static func run(
        _ example: TypedExample, of typed: TypedModel, in program: Program, _ engine: Engine
    ) throws -> ExampleRun? {
        var dims: [String: Int] = [:]
        var data = ModelData()
        for binding in example.given {
            let tensor = Tensor(binding.numbers, shape: binding.shape)
            if typed.dims.contains(binding.name) {
                guard binding.numbers.count == 1, let size = Int(exactly: binding.numbers[0]) else {
                    throw DiagnosticList([
                        Diagnostic(.unsolvableDim, "the dim '\(binding.name)' is a whole number of 1 or more", at: binding.span)
                    ])
                }
                dims[binding.name] = size
            } else if typed.inputs.contains(where: { $0.name == binding.name }) {
                data.inputs[binding.name] = tensor
            } else {
                data.parameters[binding.name] = tensor
            }
        }
        let model = try Model(program, named: typed.name, dims: dims, fitting: data)
        if engine != .interpreter, (try? checkCode(of: model.graph)) == nil { return nil }
        for (path, tensor) in model.initialParameters(seed: 0) where data.parameters[path] == nil { data.parameters[path] = tensor }
        let results = try model.run(data, on: engine)
        var result = ExampleRun(model: typed.name, example: example, engine: engine)
        for binding in example.expected where result.difference == nil {
            guard let got = (results.outputs + results.losses).first(where: { $0.name == binding.name }) else { continue }
            result.difference = difference(got.tensor, binding)
        }
        return result
    }

    private static func difference(_ tensor: Tensor, _ binding: TypedExample.Binding) -> Difference? {
        let got = tensor.doubles()
        let steps = binding.shape.first
        let perStep = max(1, binding.numbers.count / max(1, steps ?? 1))
        if got.count != binding.numbers.count {
            return Difference(
                output: binding.name, isOfCount: true, step: nil, expected: Double(binding.numbers.count), got: Double(got.count),
                span: binding.span)
        }
        let allowed = binding.isApproximate ? approximate : exact
        for (k, (x, y)) in zip(got, binding.numbers).enumerated() where x != y && !(x.isNaN && y.isNaN) {
            if abs(x - y) <= allowed * max(1, abs(y)) { continue }
            return Difference(
                output: binding.name, step: steps == nil ? nil : k / perStep, expected: y, got: x, span: binding.span)
        }
        return nil
    }
}
