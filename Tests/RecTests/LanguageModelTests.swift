import Foundation
@testable import Rec
import TestSupport
import Testing

/// Whole language models of the examples: delays of a projection, heads, matrix states
/// in layers on top of each other, and gradients through all of them. `Models/references.py` has computed what they give, step by step.
@Suite struct LanguageModelTests {
    static let programs = ["mamba2", "gated_delta_net"]

    private func file(_ name: String) throws -> CaseFile { try CaseFile(path: Project.path("Tests/RecTests/Models/\(name).safetensors")) }

    private func model(_ name: String, _ file: CaseFile) throws -> Model {
        try Model(Program(path: Project.path("examples/\(name).rec")), dims: file.dims, fitting: file.data)
    }

    @Test("results and gradients are right in every form", arguments: programs) func everyForm(name: String) throws {
        let file = try file(name)
        let verification = try Verification(model(name, file), file, engines: [.interpreter, .compiled(.f64)], threads: 2, context: .quick)
        #expect(verification.isWithin && verification.missing.isEmpty, "\(verification.rows.filter { !$0.isWithin })")
        #expect(verification.rows.contains { $0.what.hasPrefix("grad blocks.1") && $0.form == .chunkwise(16) && !$0.leftChunks })
    }

    @Test("chunks of any length are right", arguments: programs, [7, 64, 128]) func chunks(name: String, count: Int) throws {
        let file = try file(name)
        let model = try model(name, file)
        let forms = ChunkwiseForms(of: model.graph).all(by: count)
        #expect(forms.count == file.dims["L"])
        let gradients = try GradientModel(model)
        // Lengths are the same in both precisions: one of them in f32 is enough.
        for (precision, tolerance) in [(Precision.f64, 1e-9)] + (count == 64 ? [(.f32, 1e-3)] : []) {
            let engine = Engine.compiled(precision)
            let got = try gradients.run(file.data, on: engine, threads: 2, forcing: forms, context: precision.testContext)
            #expect(!got.results.leftChunks && got.gradients.count == file.gradients.count)
            for item in file.gradients {
                let gradient = try #require(got.gradients.first { $0.name == item.name })
                let error = relativeError(gradient.tensor, item.tensor)
                #expect(error < tolerance, "\(item.name) under \(engine.name): \(error)")
            }
        }
    }
}
