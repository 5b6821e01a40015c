import Foundation
import Rec
import TestSupport
import Testing

/// Data for a model, generated.
func generated(_ model: Model, batch: Int, extents: [Int], seed: UInt64 = 3, lengths: [Int]? = nil) -> ModelData {
    var data = ModelData(parameters: model.initialParameters(seed: seed), lengths: lengths)
    for value in model.graph.values {
        guard case .input(let name, _) = value.operation else { continue }
        var generator = SeededGenerator(seed: seed, for: name)
        var shape = [batch]
        for (k, extent) in extents.enumerated() where value.variance.varies(over: k) { shape.append(extent) }
        shape += value.shape.sizes + (value.element == .complex ? [2] : [])
        let count = shape.reduce(1, *)
        switch value.element {
        case .real, .complex: data.inputs[name] = Tensor((0..<count).map { _ in generator.normal() }, shape: shape)
        case .int: data.inputs[name] = Tensor((0..<count).map { _ in Int(generator.next() % 5) }, shape: shape)
        case .bool: data.inputs[name] = Tensor((0..<count).map { _ in Int(generator.next() % 2) }, shape: shape)
        }
    }
    return data
}

/// Expects that compiled code gives what the interpreter gives.
func expectAgreement(
    _ model: Model, _ data: ModelData, _ what: String, single: Double = 2e-4, double: Double = 1e-9,
    sourceLocation: SourceLocation = #_sourceLocation
) throws {
    try expectAgreement(model, [(data, what)], single: single, double: double, sourceLocation: sourceLocation)
}

/// The same for several data, which have the same parameters.
func expectAgreement(
    _ model: Model, _ cases: [(data: ModelData, what: String)], single: Double = 2e-4, double: Double = 1e-9,
    sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let bound = try cases.map { try BoundData($0.data, for: model.graph) }
    let references = try cases.map { try model.run($0.data, on: .interpreter) }
    guard let first = bound.first else { return }
    for (precision, tolerance) in [(Precision.f64, double), (.f32, single)] {
        let runner = try Runner(model, precision: precision, parameters: first.parameters, context: precision.testContext)
        for (number, reference) in references.enumerated() {
            let expected = reference.outputs + reference.losses + reference.finalStates
            var one: [NamedTensor]?
            for threads in [1, 2] {
                // However little there is to do, threads share it.
                let got = try runner.run(bound[number], pool: ThreadPool(count: threads, leastWork: 0))
                let results = got.outputs + got.losses + got.finalStates
                // What has the same bits is as far off.
                if let one, zip(one, results).allSatisfy({ $0.name == $1.name && haveSameBits($0.tensor, $1.tensor) }) { continue }
                one = results
                for (a, b) in zip(results, expected) {
                    let error = relativeError(a.tensor, b.tensor)
                    #expect(
                        a.name == b.name && a.tensor.shape == b.tensor.shape && error <= tolerance,
                        "\(cases[number].what): \(a.name) under \(precision) with \(threads) threads: \(error)", sourceLocation: sourceLocation)
                }
            }
        }
    }
}

@Suite struct ConformanceTests {
    static let programs = Project.files("../shared/conformance", "rec")

    @Test(.enabled(if: !programs.isEmpty), arguments: programs)
    func resultsAreRight(path: String) throws {
        let file = try CaseFile(path: path.replacing(".rec", with: ".safetensors"))
        let model = try Model(Program(path: path), fitting: file.data)
        // Every form in f64; what f32 gives is looked at in the two that all models and most models have.
        let all = try Verification(model, file, engines: [.interpreter, .compiled(.f64)], threads: 2, context: .quick)
        let single = try Verification(model, file, engines: [.compiled(.f32)], threads: 2, forms: ["sequential", "scan"])
        #expect(!all.rows.isEmpty && all.unknown.isEmpty && !single.rows.isEmpty)
        for row in all.rows + single.rows { #expect(row.isWithin, "\(row.what) under \(row.how): \(row.error)") }
    }

    @Test func dimsInTheFileAgreeWithTheData() throws {
        for path in Self.programs {
            let file = try CaseFile(path: path.replacing(".rec", with: ".safetensors"))
            #expect(try Model(Program(path: path), fitting: file.data).dims == file.dims, "\(path)")
        }
    }
}

@Suite struct ExampleTests {
    /// Small dims for each example.
    static let dims: [String: [String: Int]] = [
        "aaren": ["K": 4, "V": 5], "adaptive_time": ["D": 4, "H": 6, "Y": 3], "equilibrium": ["D": 5, "H": 7], "bidirectional": ["D": 3, "H": 6, "C": 4], "biquad": ["C": 3],
        "attending_decoder": ["S": 5, "V": 6, "D": 4, "H": 3, "A": 2], "byte_patches": ["H": 5, "V": 7, "P": 3], "delta_rule": ["K": 4, "V": 18], "gated_delta_net": ["Y": 9, "D": 6, "H": 2, "K": 3, "V": 5, "F": 7, "L": 1], "grid": ["C": 5],
        "gru": ["D": 5, "H": 20], "hmm": ["S": 6], "kalman": ["C": 3], "kimi_linear": ["Y": 7, "D": 6, "H": 2, "K": 3, "F": 5, "L": 1], "lstm": ["D": 7, "H": 17], "mamba": ["D": 10, "N": 4, "R": 3],
        "mamba2": ["V": 9, "D": 6, "H": 2, "P": 3, "N": 5, "L": 1], "mingru": ["D": 6, "H": 40],
        "momentum_memory": ["K": 4, "V": 5], "parity": [:], "wavenet": ["V": 7, "C": 3, "K": 5],
        "reset_counter": [:], "retention": ["N": 2, "K": 5, "V": 9], "silero_vad": [:], "spiking": ["D": 5, "H": 9, "C": 6], "stack_lm": ["V": 9, "D": 6, "H": 8, "L": 2],
        "griffin": ["V": 7, "D": 6, "H": 2, "B": 3, "K": 4, "W": 5, "F": 7, "L": 1], "rasp_dyck": [:], "rasp_histogram": [:], "rasp_sort": [:],
        "transformer_block": ["V": 7, "H": 2, "K": 4, "F": 9, "L": 2], "titans": ["D": 6, "K": 4, "V": 5], "token_duration": ["F": 3, "G": 2, "J": 4, "V": 5], "transducer": ["F": 4, "G": 3, "J": 5, "V": 6],
        "translation": ["S": 5, "V": 6, "D": 4, "H": 3, "A": 2], "ttt_linear": ["D": 6, "K": 4, "V": 9],
    ]
    static let paths = Project.files("examples", "rec")
    /// Examples with one plan of steps: all but those that attend to other steps, or go on from all of another axis.
    static let planned = paths.filter { !["attending_decoder", "griffin", "kimi_linear", "rasp_dyck", "rasp_histogram", "rasp_sort", "transformer_block"].contains(name($0)) }

    static func name(_ path: String) -> String { URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent }

    @Test(arguments: paths)
    func compiledCodeAgreesWithTheInterpreter(path: String) throws {
        let dims = try #require(Self.dims[Self.name(path)], "the example has dims in this test")
        let model = try Model(Program(path: path), dims: dims)
        let isLarge = Self.name(path) == "silero_vad"
        var cases: [(data: ModelData, what: String)] = []
        for length in isLarge ? [2] : [0, 1, 2, 17, 100] {
            // There is code for each length of an axis that is unfolded, and it is at least 1.
            if model.unfoldedAxis != nil, length == 0 || length > 17 { continue }
            for batch in [1, 3] where length < 100 || batch == 1 {
                let extents = model.graph.axes.map { $0.length ?? length }
                cases.append((generated(model, batch: batch, extents: extents), "\(Self.name(path)) \(batch)×\(length)"))
            }
        }
        try expectAgreement(model, cases)
    }

    @Test(arguments: paths)
    func sequencesOfDifferentLengthAgree(path: String) throws {
        let model = try Model(Program(path: path), dims: try #require(Self.dims[Self.name(path)]))
        guard model.graph.dataAxes.count == 1, Self.name(path) != "silero_vad" else { return }
        var data = generated(model, batch: 4, extents: [21], lengths: [21, 0, 7, 20])
        // What stands behind the end of a sequence must reach nothing.
        for (name, tensor) in data.inputs where tensor.type == .f64 && tensor.shape.count >= 2 && tensor.shape[1] == 21 {
            var numbers = tensor.doubles()
            let width = numbers.count / (4 * 21)
            for k in (2 * 21 + 7) * width..<3 * 21 * width { numbers[k] = .nan }
            data.inputs[name] = Tensor(numbers, shape: tensor.shape)
        }
        let isLossless = model.graph.losses.isEmpty
        if isLossless { try expectAgreement(model, data, Self.name(path)) }
    }

    @Test(arguments: paths)
    func streamsAgreeWithWholeRuns(path: String) throws {
        let model = try Model(Program(path: path), dims: try #require(Self.dims[Self.name(path)]))
        guard model.graph.dataAxes.count == 1 else { return }
        let data = generated(model, batch: 2, extents: [23])
        let whole = try model.run(data, on: .compiled(.f64), context: .quick)
        guard let single = try? StreamRun.run(model, data, precision: .f64, piece: 1, keeping: 23, context: .quick) else {
            #expect(["bidirectional", "gated_delta_net", "griffin", "kimi_linear", "mamba2", "rasp_histogram", "rasp_sort", "spiking", "stack_lm", "transformer_block"].contains(Self.name(path)), "\(path) cannot stream")
            return
        }
        for pieces in [single, try StreamRun.run(model, data, precision: .f64, piece: 5, keeping: 23, context: .quick)] {
            for (a, b) in zip(pieces.outputs, whole.outputs) {
                #expect(relativeError(a.tensor, b.tensor) < 1e-12, "\(Self.name(path)) \(a.name)")
            }
        }
    }

    @Test func examplesInSourcesHold() throws {
        var count = 0
        for path in Self.paths {
            for run in try ExampleRun.all(in: Program(path: path)) {
                count += 1
                #expect(run.difference == nil, "\(path)")
            }
        }
        #expect(count > 0)
    }

    @Test func voiceDetectorAgreesWithItsOrigin() throws {
        var file = try CaseFile(path: Project.path("examples/data/speech.safetensors"))
        try file.data.addParameters(from: [Project.path("examples/data/silero_vad_16k.safetensors")])
        let model = try Model(Program(path: Project.path("examples/silero_vad.rec")), fitting: file.data)
        let got = try model.run(file.data, on: .compiled(.f32), threads: 2)
        let difference = zip(got.outputs[0].tensor.doubles(), file.outputs[0].tensor.doubles()).map { abs($0 - $1) }.max()
        #expect(try #require(difference) < 1e-5)
    }
}
