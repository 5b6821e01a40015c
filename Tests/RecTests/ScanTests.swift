import Foundation
@testable import Rec
import Testing

/// Every recurrence that can run as a scan gives, as a scan, what the interpreter gives.
@Suite struct ScanTests {
    static let conformance = ConformanceTests.programs

    /// Forces every legal scan of a model.
    private func scans(of model: Model) -> [String: PlanForm] {
        var result: [String: PlanForm] = [:]
        for recurrence in PlanForms(model).recurrences where recurrence.refusal == nil {
            for state in recurrence.facts.states { result[state] = .scan }
        }
        return result
    }

    /// Code of a model with every legal scan, compiled once; the parameters are those of `data`.
    private struct Compiled {
        var model: Model
        var code: [(precision: Precision, tolerance: Double, compiled: CompiledModel)] = []

        init?(_ model: Model, _ forms: [String: PlanForm], _ data: ModelData) throws {
            guard !forms.isEmpty else { return nil }
            self.model = model
            let bound = try BoundData(data, for: model.graph)
            for (precision, tolerance) in [(Precision.f64, 1e-9), (.f32, 2e-4)] {
                let plan = try model.compile(precision, forcing: forms, context: precision.testContext)
                code.append((precision, tolerance, try CompiledModel(plan, parameters: bound.parameters)))
            }
        }
    }

    private func compiled(_ model: Model) throws -> Compiled? {
        try Compiled(model, scans(of: model), generated(model, batch: 1, extents: model.graph.axes.map { $0.length ?? 1 }))
    }

    private func expectAgreement(_ compiled: Compiled, _ data: ModelData, _ what: String) throws {
        let bound = try BoundData(data, for: compiled.model.graph)
        let reference = try compiled.model.run(data, on: .interpreter)
        for (precision, tolerance, code) in compiled.code {
            var first: ModelResults?
            for threads in [1, 2, 3] {
                let got = try compiled.model.run(bound, on: code, pool: ThreadPool(count: threads, leastWork: 0))
                for (a, b) in zip(got.outputs + got.losses + got.finalStates, reference.outputs + reference.losses + reference.finalStates) {
                    let error = relativeError(a.tensor, b.tensor)
                    #expect(
                        a.name == b.name && a.tensor.shape == b.tensor.shape && error <= tolerance,
                        "\(what): \(a.name) under \(precision) with \(threads) threads: \(error)")
                }
                // Not a bit depends on how many threads there are.
                if let first {
                    for (a, b) in zip(got.outputs + got.finalStates, first.outputs + first.finalStates) {
                        let isSame = haveSameBits(a.tensor, b.tensor)
                        #expect(isSame, "\(what): \(a.name) differs with \(threads) threads")
                    }
                }
                first = first ?? got
            }
        }
    }

    @Test(.enabled(if: !conformance.isEmpty), arguments: conformance)
    func conformancePrograms(path: String) throws {
        let file = try CaseFile(path: path.replacing(".rec", with: ".safetensors"))
        let model = try Model(Program(path: path), fitting: file.data)
        let forms = scans(of: model)
        for precision in [Precision.f32, .f64] {
            let results = try model.run(file.data, on: .compiled(precision), threads: 2, forcing: forms)
            for item in file.outputs {
                guard let got = results.outputs.first(where: { $0.name == item.name }) else { continue }
                let error = relativeError(got.tensor, item.tensor)
                #expect(error <= Verification.tolerance(of: .compiled(precision)), "\(item.name) under \(precision): \(error)")
            }
        }
    }

    @Test(arguments: ExampleTests.planned)
    func examples(path: String) throws {
        let name = ExampleTests.name(path)
        guard name != "silero_vad" else { return }
        let model = try Model(Program(path: path), dims: try #require(ExampleTests.dims[name]))
        guard let compiled = try compiled(model) else { return }
        for length in [0, 1, 2, 15, 16, 17, 64, 65, 1000] {
            for batch in model.graph.axes.count > 1 && length > 100 ? [] : [1, 3] {
                let data = generated(model, batch: batch, extents: model.graph.axes.map { $0.length ?? length })
                try expectAgreement(compiled, data, "\(name) \(batch)×\(length)")
            }
        }
        guard model.graph.axes.count == 1, model.graph.losses.isEmpty else { return }
        let data = generated(model, batch: 4, extents: [150], lengths: [150, 0, 70, 64])
        try expectAgreement(compiled, data, "\(name), different lengths")
    }

    @Test(arguments: ViewedRecurrences.all)
    func views(kind: RecurrenceKind) throws {
        let refusals = PlanForms(try Model(Program(text: kind.source), dims: kind.dims)).recurrences.compactMap(\.refusal)
        #expect(refusals.isEmpty, "\(kind.name): \(refusals)")
        try kinds(kind: kind)
    }

    @Test(arguments: RecurrenceKind.all)
    func kinds(kind: RecurrenceKind) throws {
        var widths: [[String: Int]] = [kind.dims]
        if kind.dims.keys.contains("C") { widths += [1, 4, 8, 20].map { kind.dims.merging(["C": $0]) { $1 } } }
        for dims in widths {
            let model = try Model(Program(text: kind.source), dims: dims)
            guard let compiled = try compiled(model) else { continue }
            for (batch, length) in [(1, 0), (1, 1), (3, 2), (1, 15), (1, 16), (3, 17), (1, 65), (2, 200)] {
                let data = generated(model, batch: batch, extents: model.graph.axes.count > 1 ? [min(length, 40), 37] : [length])
                try expectAgreement(compiled, data, "\(kind.name) \(dims) \(batch)×\(length)")
            }
            guard model.graph.axes.count == 1 else { continue }
            let data = generated(model, batch: 4, extents: [150], lengths: [150, 0, 70, 64])
            try expectAgreement(compiled, data, "\(kind.name) \(dims), different lengths")
        }
    }
}
