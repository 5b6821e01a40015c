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

    private func expectScansAgree(
        _ model: Model, _ data: ModelData, _ what: String, single: Double = 2e-4, double: Double = 1e-9
    ) throws {
        let forms = scans(of: model)
        guard !forms.isEmpty else { return }
        let reference = try model.run(data, on: .interpreter)
        for (precision, tolerance) in [(Precision.f64, double), (.f32, single)] {
            var first: ModelResults?
            for threads in [1, 2] {
                let got = try model.run(data, on: .compiled(precision), threads: threads, forcing: forms)
                for (a, b) in zip(got.outputs + got.losses + got.finalStates, reference.outputs + reference.losses + reference.finalStates) {
                    let error = relativeError(a.tensor, b.tensor)
                    #expect(
                        a.name == b.name && a.tensor.shape == b.tensor.shape && error <= tolerance,
                        "\(what): \(a.name) under \(precision) with \(threads) threads: \(error)")
                }
                // Not a bit depends on how many threads there are.
                if let first {
                    for (a, b) in zip(got.outputs + got.finalStates, first.outputs + first.finalStates) {
                        #expect(a.tensor.withUnsafeBytes { x in b.tensor.withUnsafeBytes { y in x.elementsEqual(y) } }, "\(what): \(a.name) differs with \(threads) threads")
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

    @Test(arguments: ExampleTests.paths)
    func examples(path: String) throws {
        let name = ExampleTests.name(path)
        guard name != "silero_vad" else { return }
        let model = try Model(Program(path: path), dims: try #require(ExampleTests.dims[name]))
        for length in [0, 1, 2, 15, 16, 17, 64, 65, 200] {
            for batch in [1, 3] {
                let data = generated(model, batch: batch, extents: model.graph.axes.map { $0.length ?? length })
                try expectScansAgree(model, data, "\(name) \(batch)×\(length)")
            }
        }
        guard model.graph.axes.count == 1, model.graph.losses.isEmpty else { return }
        let data = generated(model, batch: 4, extents: [150], lengths: [150, 0, 70, 64])
        try expectScansAgree(model, data, "\(name), different lengths")
    }
}
