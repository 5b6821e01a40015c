@testable import Rec
import RecInterpreter
import Testing

/// Forward mode is the transpose of reverse mode: ⟨J v, w⟩ = ⟨v, Jᵀ w⟩ for any direction v and any cotangents w.
@Suite struct TangentTests {
    func expectTransposed(_ model: Model, _ item: RandomCase, _ what: String, seed: UInt64) throws {
        var request = GradientRequest(of: model.graph)
        let cotangents = item.cotangents.filter { !$0.key.hasPrefix("final.") }
        request.seeds = model.graph.losses.map { .loss($0.name) } + cotangents.keys.sorted().map(GradientRequest.Seed.init(cotangent:))
        let backward = try GradientModel(model, request).run(item.data, cotangents: cotangents, on: .interpreter)

        let graph = try tangent(of: model.graph, along: request.targets)
        #expect(graph.violations() == [], "\(what)")
        var data = item.data
        var (left, right, scale) = (0.0, 0.0, 1.0)
        for (target, gradient) in zip(request.targets, backward.gradients) {
            var random = SeededGenerator(seed: seed, for: "direction of \(gradient.name)")
            let direction = Tensor((0..<gradient.tensor.count).map { _ in random.normal() }, shape: gradient.tensor.shape)
            switch target {
            case .parameter(let path): data.parameters["tangent.\(path)"] = direction
            case .input(let name): data.inputs["tangent.\(name)"] = direction
            case .initialState: continue
            }
            for (a, b) in zip(gradient.tensor.doubles(), direction.doubles()) {
                right += a * b
                scale += a * a
            }
        }
        let forward = Interpreter(graph).run(try BoundData(data, for: graph))
        for item in forward.losses where item.name.hasPrefix("tangent.") { left += item.tensor.doubles()[0] }
        for item in forward.outputs where item.name.hasPrefix("tangent.") {
            guard let cotangent = cotangents[String(item.name.dropFirst("tangent.".count))] else { continue }
            for (a, b) in zip(item.tensor.doubles(), cotangent.doubles()) { left += a * b }
        }
        #expect(abs(left - right) <= 1e-9 * scale.squareRoot(), "⟨Jv, w⟩ = \(left), ⟨v, Jᵀw⟩ = \(right): \(what)")
    }

    @Test(arguments: 100..<130 as Range<UInt64>)
    func randomProgramsAreTransposed(seed: UInt64) throws {
        let program = RandomProgram(seed: seed)
        let model = try Model(Program(text: program.text), dims: program.dims)
        for lengths in [nil, [8, 3, 0]] {
            let length = 8
            // Without a step a mean over time is NaN.
            guard lengths == nil || model.graph.losses.isEmpty else { continue }
            try expectTransposed(model, RandomCase(for: model, batch: 3, length: length, lengths: lengths, seed: seed), program.text, seed: seed)
        }
        try expectTransposed(model, RandomCase(for: model, batch: 2, length: 6, lengths: [6, 1], seed: seed), program.text, seed: seed)
    }

    @Test(arguments: ExampleTests.paths)
    func examplesAreTransposed(path: String) throws {
        let name = ExampleTests.name(path)
        guard name != "silero_vad" else { return }
        let model = try Model(Program(path: path), dims: try #require(ExampleTests.dims[name]))
        // What has a gradient of its own has no tangent.
        guard model.graph.ownGradients.isEmpty else { return }
        let lengths = model.graph.dataAxes.count == 1 ? [9, 4] : nil
        try expectTransposed(model, RandomCase(for: model, batch: 2, length: 9, lengths: lengths, seed: 3), name, seed: 3)
    }
}
