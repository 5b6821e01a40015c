import Foundation
@testable import Rec
import TestSupport
import Testing

@testable import RecRuntime

/// A run in chunks gives the bits of one that keeps everything.
@Suite struct ChunkedRunTests {
    /// The code of a model with all its gradients.
    private struct Compiled {
        let model: Model
        let gradients: GradientModel
        let code: CompiledPlan
        let form: PlanForm

        init(_ model: Model, forcing form: PlanForm = .sequential, precision: Precision = .f32, truncation: Int? = nil, effort: CodeEffort = .full) throws {
            var request = GradientRequest(of: model.graph, truncation: truncation)
            let names = RandomCase(for: model, batch: 1, length: 1, seed: 7).cotangents.keys.sorted()
            request.seeds = model.graph.losses.map { .loss($0.name) } + names.map(GradientRequest.Seed.init(cotangent:))
            request.targets += model.graph.states.filter { [.real, .complex].contains(model.graph[$0.value].element) }.map { .initialState($0.name) }
            (self.model, self.form) = (model, form)
            gradients = try GradientModel(model, request)
            code = try gradients.compile(precision, forcing: form == .scan ? PlanForms(gradients).all(as: .scan) : [:], context: CompileContext(effort: effort))
        }
    }

    private func expectSameBits(
        _ model: Model, _ what: String, batch: Int, length: (_ unit: Int) -> Int, lengths: ((_ unit: Int) -> [Int])? = nil, threads: [Int] = [1, 2],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try expectSameBits(Compiled(model), what, batch: batch, length: length, lengths: lengths, threads: threads, sourceLocation: sourceLocation)
    }

    /// Runs the code whole and in chunks of so many units.
    ///
    /// - Parameters:
    ///   - length: by the steps of the shortest chunks.
    ///   - isCut: whether there are to be several chunks.
    private func expectSameBits(
        _ compiled: Compiled, _ what: String, batch: Int, length: (_ unit: Int) -> Int, lengths: ((_ unit: Int) -> [Int])? = nil,
        threads: [Int] = [1, 2], units: [Int] = [1], isCut: Bool = true, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let (model, code) = (compiled.model, compiled.code)
        let unit = try threads.map { threads in
            let pool = ThreadPool(count: threads, leastWork: 0)
            let extents = model.graph.axes.map { $0.length ?? 80 }
            return try MemoryPlan(code.facts, batch: batch, extents: extents, pool: pool, units: 1).chunkSteps ?? 0
        }.max() ?? 0
        let (length, lengths) = (length(unit), lengths?(unit))
        let generated = RandomCase(for: model, batch: batch, length: length, lengths: lengths, seed: 7)
        let data = try compiled.gradients.bind(generated.data, cotangents: generated.cotangents)
        let bound = try CompiledModel(code, parameters: data.parameters)
        for threads in threads {
            for leastWork in threads == 1 ? [0, ThreadPool.usualLeastWork] : [0] {
                let pool = ThreadPool(count: threads, leastWork: leastWork)
                func run(_ needs: MemoryPlan) throws -> [NamedTensor] {
                    let results = try bound.run(
                        inputs: data.inputs, batch: data.batch, extents: data.extents, lengths: data.lengths, pool: pool, memory: needs)
                    return results.outputs + results.losses + results.finalStates
                }
                let whole = try run(MemoryPlan(code.facts, batch: data.batch, extents: data.extents, workers: threads, leastWork: leastWork))
                for units in units {
                    let needs = try MemoryPlan(code.facts, batch: data.batch, extents: data.extents, pool: pool, units: units)
                    #expect(!isCut || needs.chunkCount > 1, "\(what) is not cut", sourceLocation: sourceLocation)
                    let chunked = try run(needs)
                    #expect(chunked.map(\.name) == whole.map(\.name), sourceLocation: sourceLocation)
                    for (a, b) in zip(chunked, whole) {
                        #expect(
                            isSame(a.tensor, b.tensor), "\(a.name) off by \(relativeError(a.tensor, b.tensor)) of \(what), \(compiled.form), \(batch)×\(length), \(threads) threads, chunks of \(needs.chunkSteps ?? 0)",
                            sourceLocation: sourceLocation)
                    }
                }
            }
        }
    }

    /// Whether numbers are the same; NaN is NaN.
    private func isSame(_ a: Tensor, _ b: Tensor) -> Bool {
        haveSameBits(a, b) || a.shape == b.shape && zip(a.doubles(), b.doubles()).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN }
    }

    @Test(arguments: ExampleTests.planned)
    func examples(path: String) throws {
        let name = ExampleTests.name(path)
        guard name != "silero_vad" else { return }
        let model = try Model(Program(path: path), dims: try #require(ExampleTests.dims[name]))
        guard model.graph.axes.count == 1 else { return try expectSameBits(model, name, batch: 2, length: { $0 + 9 }) }
        try expectSameBits(model, name, batch: 3, length: { 2 * $0 + 5 }, lengths: { [2 * $0 + 5, $0 - 3, $0 + 1] })
    }

    /// As many steps as make no chunk, one, one and a little, several.
    @Test(arguments: ["gru", "mingru", "stack_lm", "bidirectional"])
    func lengths(name: String) throws {
        let model = try Model(Program(path: Project.path("examples/\(name).rec")), dims: try #require(ExampleTests.dims[name]))
        let compiled = try Compiled(model)
        let all: [(Int) -> Int] = [{ _ in 0 }, { _ in 1 }, { $0 - 1 }, { $0 }, { $0 + 1 }, { 3 * $0 + 5 }]
        for length in all {
            try expectSameBits(compiled, name, batch: 1, length: length, threads: [2], units: [1, 2], isCut: false)
            try expectSameBits(
                compiled, name, batch: 3, length: length, lengths: { [length($0) / 2, length($0), 0] }, threads: [2], units: [1, 2], isCut: false)
        }
    }

    @Test func truncatedGradients() throws {
        let model = try Model(Program(path: Project.path("examples/gru.rec")), dims: try #require(ExampleTests.dims["gru"]))
        try expectSameBits(Compiled(model, truncation: 70), "gru, truncated", batch: 2, length: { $0 + 100 })
    }

    @Test(arguments: RecurrenceKind.all, [PlanForm.sequential, .scan])
    func kinds(kind: RecurrenceKind, form: PlanForm) throws {
        let model = try Model(Program(text: kind.source), dims: kind.dims)
        guard model.graph.outputs.contains(where: { model.graph[$0.value].element == .real }) else { return }
        // Where nothing is a scan, its plan is that of steps.
        guard form == .sequential || !PlanForms(model).all(as: .scan).isEmpty else { return }
        let isOneAxis = model.graph.axes.count == 1
        try expectSameBits(Compiled(model, forcing: form, effort: .quick), kind.name, batch: 1, length: { isOneAxis ? 2 * $0 + 5 : $0 + 9 })
    }

    @Test(arguments: [UInt64](0..<12))
    func randomPrograms(seed: UInt64) throws {
        let program = RandomProgram(seed: seed)
        let model = try Model(Program(text: program.text), dims: program.dims)
        let what = "seed \(seed)\n\(program.text)"
        guard seed % 2 == 0 else { return try expectSameBits(Compiled(model, effort: .quick), what, batch: 1, length: { $0 + 3 }, threads: [2]) }
        try expectSameBits(Compiled(model, precision: .f64, effort: .quick), what, batch: 3, length: { 2 * $0 + 70 }, lengths: { [2 * $0 + 69, 0, $0] })
    }
}
