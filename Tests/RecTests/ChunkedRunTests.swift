import Foundation
@testable import Rec
import TestSupport
import Testing

@testable import RecRuntime

/// A run in chunks gives the bits of one that keeps everything.
@Suite struct ChunkedRunTests {
    /// Runs the model with all gradients, whole and in chunks of so many units.
    ///
    /// - Parameters:
    ///   - length: by the steps of the shortest chunks.
    ///   - isCut: whether there are to be several chunks.
    private func expectSameBits(
        _ model: Model, _ what: String, forcing form: PlanForm = .sequential, batch: Int, length: (_ unit: Int) -> Int,
        lengths: ((_ unit: Int) -> [Int])? = nil, precision: Precision = .f32, threads: [Int] = [1, 2], units: [Int] = [1],
        truncation: Int? = nil, isCut: Bool = true, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        var request = GradientRequest(of: model.graph, truncation: truncation)
        let names = RandomCase(for: model, batch: 1, length: 1, seed: 7).cotangents.keys.sorted()
        request.seeds = model.graph.losses.map { .loss($0.name) } + names.map(GradientRequest.Seed.init(cotangent:))
        request.targets += model.graph.states.filter { [.real, .complex].contains(model.graph[$0.value].element) }.map { .initialState($0.name) }
        let gradients = try GradientModel(model, request)
        let code = try gradients.compile(precision, forcing: form == .scan ? PlanForms(gradients).all(as: .scan) : [:])
        let unit = try threads.map { threads in
            let pool = ThreadPool(count: threads, leastWork: 0)
            let extents = model.graph.axes.map { $0.length ?? 80 }
            return try MemoryPlan(code.facts, batch: batch, extents: extents, pool: pool, units: 1).chunkSteps ?? 0
        }.max() ?? 0
        let (length, lengths) = (length(unit), lengths?(unit))
        let generated = RandomCase(for: model, batch: batch, length: length, lengths: lengths, seed: 7)
        let data = try gradients.bind(generated.data, cotangents: generated.cotangents)
        let compiled = try CompiledModel(code, parameters: data.parameters)
        for threads in threads {
            for leastWork in threads == 1 ? [0, ThreadPool.usualLeastWork] : [0] {
                let pool = ThreadPool(count: threads, leastWork: leastWork)
                func run(_ needs: MemoryPlan) throws -> [String: [Double]] {
                    let results = try compiled.run(
                        inputs: data.inputs, batch: data.batch, extents: data.extents, lengths: data.lengths, pool: pool, memory: needs)
                    let all = results.outputs + results.losses + results.finalStates
                    return Dictionary(all.map { ($0.name, $0.tensor.doubles()) }) { $0 + $1 }
                }
                let whole = try run(MemoryPlan(code.facts, batch: data.batch, extents: data.extents, workers: threads, leastWork: leastWork))
                for units in units {
                    let needs = try MemoryPlan(code.facts, batch: data.batch, extents: data.extents, pool: pool, units: units)
                    #expect(!isCut || needs.chunkCount > 1, "\(what) is not cut", sourceLocation: sourceLocation)
                    let chunked = try run(needs)
                    for (name, numbers) in whole {
                        let isSame = chunked[name]?.elementsEqual(numbers) { $0 == $1 || $0.isNaN && $1.isNaN } == true
                        #expect(
                            isSame, "\(name) off by \(zip(chunked[name] ?? [], numbers).map { abs($0 - $1) }.max() ?? 0) of \(what), \(form), \(batch)×\(length), \(threads) threads, chunks of \(needs.chunkSteps ?? 0)",
                            sourceLocation: sourceLocation)
                    }
                }
            }
        }
    }

    @Test(arguments: ExampleTests.paths)
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
        let all: [(Int) -> Int] = [{ _ in 0 }, { _ in 1 }, { $0 - 1 }, { $0 }, { $0 + 1 }, { 3 * $0 + 5 }]
        for length in all {
            try expectSameBits(model, name, batch: 1, length: length, threads: [2], units: [1, 2], isCut: false)
            try expectSameBits(
                model, name, batch: 3, length: length, lengths: { [length($0) / 2, length($0), 0] }, threads: [2], units: [1, 2], isCut: false)
        }
    }

    @Test func truncatedGradients() throws {
        let model = try Model(Program(path: Project.path("examples/gru.rec")), dims: try #require(ExampleTests.dims["gru"]))
        try expectSameBits(model, "gru, truncated", batch: 2, length: { $0 + 100 }, truncation: 70)
    }

    @Test(arguments: RecurrenceKind.all, [PlanForm.sequential, .scan])
    func kinds(kind: RecurrenceKind, form: PlanForm) throws {
        let model = try Model(Program(text: kind.source), dims: kind.dims)
        guard model.graph.outputs.contains(where: { model.graph[$0.value].element == .real }) else { return }
        let isOneAxis = model.graph.axes.count == 1
        try expectSameBits(model, kind.name, forcing: form, batch: 1, length: { isOneAxis ? 2 * $0 + 5 : $0 + 9 })
    }

    @Test(arguments: [UInt64](0..<12))
    func randomPrograms(seed: UInt64) throws {
        let program = RandomProgram(seed: seed)
        let model = try Model(Program(text: program.text), dims: program.dims)
        let what = "seed \(seed)\n\(program.text)"
        try expectSameBits(model, what, batch: 1, length: { $0 + 3 }, threads: [2])
        try expectSameBits(
            model, what, batch: 3, length: { 2 * $0 + 70 }, lengths: { [2 * $0 + 69, 0, $0] }, precision: .f64)
    }
}
