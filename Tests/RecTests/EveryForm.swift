import Foundation
@testable import Rec
import Testing

@testable import RecRuntime

/// Holds a program in every form that it can run in against the interpreter: results and gradients, each form in f64 and f32, with 1, 2 and 3
/// threads bit for bit, with sequences of different length, in bounded memory and step by step.
struct EveryForm {
    let model: Model
    private let gradients: GradientModel?
    private let what: String
    private let location: SourceLocation

    /// Sequences, steps, and the length of each sequence where they differ.
    typealias Size = (batch: Int, length: Int, lengths: [Int]?)

    /// One step and none, and lengths around those of time blocks and vectors.
    static let sizes: [Size] = [
        (1, 0, nil), (1, 1, nil), (1, 63, nil), (2, 65, nil), (1, 129, nil), (0, 3, nil),
        (5, 300, [300, 0, 64, 129, 1]),
    ]

    /// - Parameter main: which model of several; nil for the one that no other uses as a layer.
    init(
        _ source: String, dims: [String: Int] = [:], main: String? = nil, isTraining: Bool = false, name: String = "", sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let program = Program(text: source)
        try #require(!program.hasErrors, "\(program.diagnostics.map(\.message))\n\(source)", sourceLocation: sourceLocation)
        let model = try Model(isTraining ? program.training : program, named: main, dims: dims)
        self.model = model
        what = "\(name)\n\(source)\n\(dims)"
        location = sourceLocation
        let example = RandomCase(for: model, batch: 1, length: 1, seed: 7)
        var request = GradientRequest(of: model.graph)
        request.seeds = model.graph.losses.map { .loss($0.name) } + example.cotangents.keys.sorted().map(GradientRequest.Seed.init(cotangent:))
        request.targets += model.graph.states.filter { [.real, .complex].contains(model.graph[$0.value].element) }.map { .initialState($0.name) }
        gradients = request.targets.isEmpty || request.seeds.isEmpty ? nil : try GradientModel(model, request)
    }

    /// Forms of some recurrences: none, all, and each alone as a scan.
    private func forms(_ plans: PlanForms) -> [[String: PlanForm]] {
        let all = plans.all(as: .scan)
        let legal = plans.recurrences.filter { $0.refusal == nil }.map(\.facts.states)
        let alone = legal.map { states in Dictionary(states.map { ($0, PlanForm.scan) }) { first, _ in first } }
        var result: [[String: PlanForm]] = [plans.all(as: .sequential)]
        for form in [all] + alone where !form.isEmpty && !result.contains(form) { result.append(form) }
        return result
    }

    private func note(_ words: Any...) -> Comment {
        Comment(rawValue: words.map { "\($0)" }.joined(separator: " ") + "\n" + what)
    }

    // MARK: Results

    func expectAgreement(_ sizes: [Size] = Self.sizes, single: Double = 3e-4, withGradients: Bool = true) throws {
        try expectResults(sizes, single, withGradients: withGradients)
        if withGradients { try expectGradients(sizes, single) }
        try expectDefaults()
        try expectStreams()
    }

    private func cases(_ sizes: [Size]) -> [(size: Size, random: RandomCase)] {
        let isOneAxis = model.graph.axes.count == 1
        return sizes.filter { isOneAxis || $0.lengths == nil && $0.length < 150 }.map { size in
            (size, RandomCase(for: model, batch: size.batch, length: size.length, lengths: size.lengths, seed: 11))
        }
    }

    private func expectResults(_ sizes: [Size], _ single: Double, withGradients: Bool) throws {
        let cases = cases(sizes)
        let references = try cases.map { try model.run($0.random.data, on: .interpreter) }
        // Gradients give the results as well: together with theirs, every form is held in both precisions.
        for (number, form) in forms(PlanForms(model)).prefix(withGradients && gradients != nil ? 2 : .max).enumerated() {
            let precisions: [Precision] = withGradients && gradients != nil ? (number == 0 ? [.f32] : [.f64]) : number < 2 ? [.f64, .f32] : [.f64]
            for precision in precisions {
                let tolerance = precision == .f64 ? 1e-9 : single
                let code = try model.compile(precision, forcing: form, context: precision.testContext)
                for ((size, random), reference) in zip(cases, references) {
                    let bound = try BoundData(random.data, for: model.graph)
                    let compiled = try CompiledModel(code, parameters: bound.parameters)
                    try expectSame(reference, tolerance, "\(form) \(size) \(precision)") { pool in
                        try model.run(bound, on: compiled, pool: pool)
                    }
                }
            }
        }
    }

    private func expectGradients(_ sizes: [Size], _ single: Double) throws {
        guard let gradients else { return }
        let cases = cases(sizes)
        let references = try cases.map { try gradients.run($0.random.data, cotangents: $0.random.cotangents, on: .interpreter) }
        for (number, form) in forms(PlanForms(gradients)).enumerated() {
            for (precision, tolerance) in number == 1 ? [(Precision.f32, 4 * single)] : [(.f64, 1e-8)] {
                let code = try gradients.compile(precision, forcing: form, context: precision.testContext)
                for ((size, random), reference) in zip(cases, references) {
                    let bound = try gradients.bind(random.data, cotangents: random.cotangents)
                    let compiled = try CompiledModel(code, parameters: bound.parameters)
                    try expectSame(all(reference), tolerance, "gradients, \(form) \(size) \(precision)") { pool in
                        all(try gradients.run(bound, on: compiled, pool: pool))
                    }
                }
                if number < 2, model.graph.axes.count == 1 { try expectChunks(gradients, code, form) }
            }
        }
    }

    private func all(_ results: GradientResults) -> ModelResults {
        var joined = results.results
        joined.outputs += results.gradients.map { NamedTensor(name: "grad.\($0.name)", tensor: $0.tensor) }
        return joined
    }

    private func tensors(_ results: ModelResults) -> [NamedTensor] { results.outputs + results.losses + results.finalStates }

    private func expectSame(_ reference: ModelResults, _ tolerance: Double, _ how: String, _ run: (ThreadPool) throws -> ModelResults) throws {
        var first: [NamedTensor]?
        for threads in [1, 2, 3] {
            let got = tensors(try run(ThreadPool(count: threads, leastWork: 0)))
            if let first {
                expectBits(got, first, "\(threads) threads, \(how)")
                continue
            }
            first = got
            let expected = tensors(reference)
            #expect(got.map(\.name) == expected.map(\.name), note(how), sourceLocation: location)
            for (a, b) in zip(got, expected) {
                let error = relativeError(a.tensor, b.tensor)
                #expect(
                    a.tensor.shape == b.tensor.shape && error <= tolerance, note(a.name, error, threads, "threads", how),
                    sourceLocation: location)
            }
        }
    }

    private func expectBits(_ got: [NamedTensor], _ expected: [NamedTensor], _ how: String) {
        for (a, b) in zip(got, expected) {
            #expect(haveSameBits(a.tensor, b.tensor), note(a.name, "has other bits with", how), sourceLocation: location)
        }
    }

    // MARK: Other ways to run

    /// With one chunk of kept streams in memory at a time nothing changes.
    private func expectChunks(_ gradients: GradientModel, _ code: CompiledPlan, _ form: [String: PlanForm]) throws {
        let pool = ThreadPool(count: 2, leastWork: 0)
        guard let unit = try? MemoryPlan(code.facts, batch: 2, extents: [80], pool: pool, units: 1).chunkSteps, unit < 2000 else { return }
        let length = 2 * unit + 5
        let random = RandomCase(for: model, batch: 2, length: length, lengths: [length, unit + 1], seed: 5)
        let bound = try gradients.bind(random.data, cotangents: random.cotangents)
        let compiled = try CompiledModel(code, parameters: bound.parameters)
        func run(_ memory: MemoryPlan) throws -> [NamedTensor] {
            tensors(
                try compiled.run(
                    inputs: bound.inputs, batch: bound.batch, extents: bound.extents, lengths: bound.lengths, pool: pool, memory: memory))
        }
        let whole = MemoryPlan(code.facts, batch: 2, extents: bound.extents, workers: 2, leastWork: 0)
        guard let cut = try? MemoryPlan(code.facts, batch: 2, extents: bound.extents, pool: pool, units: 1), cut.chunkCount > 1 else { return }
        expectBits(try run(cut), try run(whole), "chunks of \(unit) of \(length) steps, \(form)")
    }

    /// What is chosen where nobody asks for a form.
    private func expectDefaults() throws {
        guard model.graph.axes.count == 1 else { return }
        let random = RandomCase(for: model, batch: 1, length: 300, seed: 3)
        let reference = try model.run(random.data, on: .interpreter)
        for threads in [1, 2] {
            let got = try model.run(random.data, on: .compiled(.f64), threads: threads, context: .quick)
            for (a, b) in zip(tensors(got), tensors(reference)) {
                let error = relativeError(a.tensor, b.tensor)
                #expect(a.name == b.name && error < 1e-8, note(a.name, error, "as chosen,", threads, "threads"), sourceLocation: location)
            }
        }
    }

    private func expectStreams() throws {
        guard model.graph.axes.count == 1 else { return }
        let random = RandomCase(for: model, batch: 2, length: 130, seed: 3)
        let reference = try model.run(random.data, on: .interpreter)
        for piece in [1, 7, 65] {
            // Models that look ahead or need a whole sequence do not stream.
            guard let got = try? StreamRun.run(model, random.data, precision: .f64, piece: piece, context: .quick) else { return }
            for (a, b) in zip(got.outputs, reference.outputs) where b.tensor.shape.count > 1 {
                let error = relativeError(a.tensor, b.tensor)
                #expect(a.name == b.name && error < 1e-9, note(a.name, error, "in pieces of", piece), sourceLocation: location)
            }
        }
    }
}
