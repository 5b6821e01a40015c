import Foundation
import Rec
import TestSupport
import Testing

/// Expects that compiled gradients are the interpreter's, and that not a bit of them, or of the model's own results, depends on how
/// many threads there are.
func expectGradientAgreement(
    _ model: Model, _ cases: [RandomCase], _ what: String, single: Double = 1e-3, double: Double = 1e-9,
    sourceLocation: SourceLocation = #_sourceLocation
) throws {
    var request = GradientRequest(of: model.graph)
    request.seeds = model.graph.losses.map { .loss($0.name) } + cases[0].cotangents.keys.sorted().map(GradientRequest.Seed.init(cotangent:))
    request.targets += model.graph.states.filter { [.real, .complex].contains(model.graph[$0.value].element) }.map { .initialState($0.name) }
    let gradients = try GradientModel(model, request)
    let bound = try cases.map { try gradients.bind($0.data, cotangents: $0.cotangents) }
    let references = try cases.map { try gradients.run($0.data, cotangents: $0.cotangents, on: .interpreter) }
    func isSame(_ a: Tensor, _ b: Tensor) -> Bool {
        haveSameBits(a, b) || a.shape == b.shape && a.doubles().elementsEqual(b.doubles()) { $0 == $1 || $0.isNaN && $1.isNaN }
    }
    for (precision, tolerance) in [(Precision.f64, double), (.f32, single)] {
        let code = try gradients.compile(precision, context: precision.testContext)
        for (number, reference) in references.enumerated() {
            let compiled = try CompiledModel(code, parameters: bound[number].parameters)
            var one: [NamedTensor]?
            for threads in [1, 2, 3] {
                let got = try gradients.run(bound[number], on: compiled, pool: ThreadPool(count: threads, leastWork: 0))
                let results = got.gradients + got.results.outputs
                if let one {
                    for (a, b) in zip(results, one) {
                        #expect(isSame(a.tensor, b.tensor), "\(a.name) depends on the threads: case \(number) of \(what)", sourceLocation: sourceLocation)
                    }
                    continue
                }
                one = results
                for (a, b) in zip(results, reference.gradients + reference.results.outputs) {
                    let error = relativeError(a.tensor, b.tensor)
                    #expect(
                        a.name == b.name && a.tensor.shape == b.tensor.shape && (isSame(a.tensor, b.tensor) || error <= tolerance),
                        "\(a.name) under \(precision): \(error): case \(number) of \(what)", sourceLocation: sourceLocation)
                }
            }
        }
    }
}

@Suite struct GradientTests {
    /// Many more are in `make fuzz`.
    @Test(arguments: 0..<15 as Range<UInt64>)
    func randomProgramsAgreeWithDifferences(seed: UInt64) throws {
        let program = RandomProgram(seed: seed)
        let model = try Model(Program(text: program.text), dims: program.dims)
        let generated = RandomCase(for: model, batch: 2, length: 6, lengths: [6, 4], seed: seed)
        #expect(try GradientModel(model).graph.violations() == [], "seed \(seed)")
        let worst = try #require(try GradientCheck(model, generated, seed: seed).worst)
        #expect(worst.error < 1e-6, "seed \(seed): \(worst)\n\(program.text)")
        try expectGradientAgreement(model, [generated], "seed \(seed)\n\(program.text)")
    }

    /// Examples that attend to other steps have no one plan: they run in parts.
    @Test(arguments: ExampleTests.paths.filter { !ExampleTests.planned.contains($0) })
    func attendingExamplesAgree(path: String) throws {
        let model = try Model(Program(path: path), dims: try #require(ExampleTests.dims[ExampleTests.name(path)]))
        guard !GradientRequest(of: model.graph).targets.isEmpty else { return }
        for (batch, length, lengths) in [(1, 0, nil), (2, 1, nil), (3, 17, [17, 4, 9])] as [(Int, Int, [Int]?)] {
            // There is code for one step and more of an axis that is unfolded.
            if model.unfoldedAxis != nil, length == 0 { continue }
            let random = RandomCase(for: model, batch: batch, length: length, lengths: lengths, seed: 2)
            let expected = try model.gradients(random.data, cotangents: random.cotangents, on: .interpreter)
            let got = try model.gradients(random.data, cotangents: random.cotangents, on: .compiled(.f64), threads: 2)
            #expect(got.gradients.map(\.name) == expected.gradients.map(\.name) && !got.gradients.isEmpty)
            for (a, b) in zip(got.gradients, expected.gradients) {
                let error = relativeError(a.tensor, b.tensor)
                #expect(a.tensor.shape == b.tensor.shape && (error < 1e-9 || length == 0), "\(path) \(batch)×\(length): \(a.name) \(error)")
            }
        }
    }

    @Test(arguments: ExampleTests.planned)
    func examplesAgree(path: String) throws {
        guard ExampleTests.name(path) != "silero_vad" else { return }
        let model = try Model(Program(path: path), dims: try #require(ExampleTests.dims[ExampleTests.name(path)]))
        let isOneAxis = model.graph.dataAxes.count == 1
        let cases = [(1, 0), (2, 1), (1, 2), (3, 17)].map { batch, length in
            RandomCase(
                for: model, batch: batch, length: length,
                lengths: isOneAxis && batch > 1 ? (0..<batch).map { max(0, length - 5 * $0) } : nil, seed: 2)
        }
        try expectGradientAgreement(model, cases, ExampleTests.name(path))
    }

    /// What stands behind the end of a sequence has no part in a gradient, and its own gradient is 0.
    @Test(arguments: ["gru", "bidirectional", "stack_lm", "mamba"])
    func paddingHasNoPart(name: String) throws {
        let model = try Model(Program(path: Project.path("examples/\(name).rec")), dims: try #require(ExampleTests.dims[name]))
        let generated = RandomCase(for: model, batch: 3, length: 9, lengths: [9, 3, 5], seed: 1)
        var spoilt = generated
        func spoiled(_ tensor: Tensor) -> Tensor {
            guard tensor.type == .f64, tensor.shape.count > 1, tensor.shape[1] == 9 else { return tensor }
            var numbers = tensor.doubles()
            let width = numbers.count / 27
            for (sequence, length) in [9, 3, 5].enumerated() {
                for k in (sequence * 9 + length) * width..<(sequence + 1) * 9 * width { numbers[k] = .nan }
            }
            return Tensor(numbers, shape: tensor.shape)
        }
        spoilt.data.inputs = spoilt.data.inputs.mapValues(spoiled)
        spoilt.cotangents = spoilt.cotangents.mapValues(spoiled)
        for engine in [Engine.interpreter, .compiled(.f64), .compiled(.f32)] {
            let clean = try model.gradients(generated.data, cotangents: generated.cotangents, on: engine, threads: 2)
            let other = try model.gradients(spoilt.data, cotangents: spoilt.cotangents, on: engine, threads: 2)
            for (a, b) in zip(clean.gradients, other.gradients) {
                #expect(a.tensor.doubles() == b.tensor.doubles(), "\(name) \(engine.name) \(a.name)")
                guard a.tensor.shape.count > 1, a.tensor.shape[1] == 9, a.tensor.shape[0] == 3 else { continue }
                let width = a.tensor.count / 27
                #expect(a.tensor.doubles()[(9 + 3) * width..<18 * width].allSatisfy { $0 == 0 }, "\(name) \(engine.name) \(a.name)")
            }
        }
    }

    /// The program of `docs/gradients.md`.
    @Test func whatIsNotChosenLeavesNoNaN() throws {
        let program = Program(
            text: "model M {\n input x: real\n output y = if x > 0 then x * rsqrt(x * x) + log(x) + sqrt(x) else 2 * x\n}\n")
        let model = try Model(program)
        let data = ModelData(inputs: ["x": Tensor([0.0, -1, 4], shape: [1, 3])])
        for engine in [Engine.interpreter, .compiled(.f64), .compiled(.f32)] {
            let results = try model.gradients(data, cotangents: ["y": Tensor([1.0, 1, 1], shape: [1, 3])], on: engine)
            #expect(try results["x"].doubles() == [2, 2, 0.5], "\(engine.name)")
        }
    }

    @Test func unknownNamesAreRefused() throws {
        let model = try Model(Program(path: Project.path("examples/reset_counter.rec")))
        for seed in [GradientRequest.Seed.loss("q"), .output("q"), .finalState("q")] {
            #expect(throws: DiagnosticList.self) { try GradientModel(model, GradientRequest(seeds: [seed], targets: [])) }
        }
        for target in [GradientRequest.Target.parameter("q"), .input("q"), .initialState("q")] {
            #expect(throws: DiagnosticList.self) { try GradientModel(model, GradientRequest(seeds: [], targets: [target])) }
        }
        // What is no real value has no derivative.
        let bools = try Model(Program(text: "model M {\n input b: bool\n input n: int\n output n\n}\n"))
        #expect(throws: DiagnosticList.self) { try GradientModel(bools, GradientRequest(seeds: [.output("n")], targets: [])) }
        #expect(throws: DiagnosticList.self) { try GradientModel(bools, GradientRequest(seeds: [], targets: [.input("b")])) }
    }

    @Test func gradientsAreTimed() throws {
        let model = try Model(Program(path: Project.path("examples/mingru.rec")), dims: ["D": 3, "H": 4])
        let benchmark = try Benchmark(model, batch: 2, length: 5, threads: 2, withGradients: true, leastSeconds: 0)
        #expect(benchmark.seconds.median > 0 && benchmark.runs >= 3)
    }
}
