import Foundation
@testable import Rec
import Testing

@testable import RecRuntime

/// A run in chunks gives the bits of one that keeps everything.
@Suite struct ChunkedRunTests {
    /// Runs the model with all gradients, whole and in chunks of so many units.
    private func expectSameBits(
        _ model: Model, _ what: String, forcing form: PlanForm = .sequential, batch: Int, length: Int, lengths: [Int]? = nil,
        precision: Precision = .f32, threads: [Int] = [1, 2], units: [Int] = [1], truncation: Int? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let generated = RandomCase(for: model, batch: batch, length: length, lengths: lengths, seed: 7)
        var request = GradientRequest(of: model.graph, truncation: truncation)
        request.seeds = model.graph.losses.map { .loss($0.name) } + generated.cotangents.keys.sorted().map(GradientRequest.Seed.init(cotangent:))
        request.targets += model.graph.states.filter { [.real, .complex].contains(model.graph[$0.value].element) }.map { .initialState($0.name) }
        let gradients = try GradientModel(model, request)
        let code = try gradients.compile(precision, forcing: form == .scan ? PlanForms(gradients).all(as: .scan) : [:])
        let data = try gradients.bind(generated.data, cotangents: generated.cotangents)
        let compiled = CompiledModel(code, parameters: data.parameters)
        for threads in threads {
            for leastWork in threads == 1 ? [0, ThreadPool.usualLeastWork] : [0] {
                let pool = ThreadPool(count: threads, leastWork: leastWork)
                func run(_ needs: MemoryPlan) -> [String: [Double]] {
                    let results = compiled.run(
                        inputs: data.inputs, batch: data.batch, extents: data.extents, lengths: data.lengths, pool: pool, memory: needs)
                    let all = results.outputs + results.losses + results.finalStates
                    return Dictionary(all.map { ($0.name, $0.tensor.doubles()) }) { $0 + $1 }
                }
                let whole = run(MemoryPlan(code.facts, batch: data.batch, extents: data.extents, workers: threads, leastWork: leastWork))
                for units in units {
                    let needs = try MemoryPlan(code.facts, batch: data.batch, extents: data.extents, pool: pool, units: units)
                    let chunked = run(needs)
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

    /// How many steps the shortest chunks have.
    private func unit(_ model: Model, batch: Int) throws -> Int {
        let gradients = try GradientModel(model)
        let facts = try KernelFacts(gradients.plan(), precision: .f32)
        let extents = model.graph.axes.map { $0.length ?? 1 << 20 }
        return try MemoryPlan(facts, batch: batch, extents: extents, pool: ThreadPool(count: 1), units: 1).chunkSteps ?? 0
    }

    @Test(arguments: ExampleTests.paths)
    func examples(path: String) throws {
        let name = ExampleTests.name(path)
        guard name != "silero_vad" else { return }
        let model = try Model(Program(path: path), dims: try #require(ExampleTests.dims[name]))
        let isOneAxis = model.graph.axes.count == 1
        let unit = try unit(model, batch: 3)
        guard isOneAxis else { return try expectSameBits(model, name, batch: 2, length: 40) }
        let length = 2 * unit + 5
        try expectSameBits(model, name, batch: 3, length: length, lengths: [length, unit - 3, unit + 1])
    }

    /// As many steps as make no chunk, one, one and a little, several.
    @Test(arguments: ["gru", "mingru", "stack_lm", "bidirectional"])
    func lengths(name: String) throws {
        let model = try Model(Program(path: Project.path("examples/\(name).rec")), dims: try #require(ExampleTests.dims[name]))
        for batch in [1, 3] {
            let unit = try unit(model, batch: batch)
            for length in [0, 1, unit - 1, unit, unit + 1, 3 * unit + 5] {
                try expectSameBits(
                    model, name, batch: batch, length: length, lengths: batch == 1 ? nil : [length / 2, length, 0], threads: [2],
                    units: [1, 2])
            }
        }
    }

    @Test func truncatedGradients() throws {
        let model = try Model(Program(path: Project.path("examples/gru.rec")), dims: try #require(ExampleTests.dims["gru"]))
        try expectSameBits(model, "gru, truncated", batch: 2, length: unit(model, batch: 2) + 100, truncation: 70)
    }

    @Test(arguments: RecurrenceKind.all, [PlanForm.sequential, .scan])
    func kinds(kind: RecurrenceKind, form: PlanForm) throws {
        let model = try Model(Program(text: kind.source), dims: kind.dims)
        guard model.graph.axes.count == 1, model.graph.outputs.contains(where: { model.graph[$0.value].element == .real }) else { return }
        try expectSameBits(model, kind.name, forcing: form, batch: 1, length: 2 * unit(model, batch: 1) + 5)
    }

    @Test(arguments: [UInt64](0..<12))
    func randomPrograms(seed: UInt64) throws {
        let program = RandomProgram(seed: seed)
        let model = try Model(Program(text: program.text), dims: program.dims)
        let unit = try unit(model, batch: 1)
        try expectSameBits(model, "seed \(seed)\n\(program.text)", batch: 1, length: unit + 3, threads: [2])
        let length = 2 * unit + 70
        try expectSameBits(
            model, "seed \(seed)\n\(program.text)", batch: 3, length: length, lengths: [length - 1, 0, unit], precision: .f64)
    }
}
