import Foundation
import Rec
import RecTraining
import Testing

/// The snippets of `docs/embedding.md`, compiled and run; a test holds the two against each other.
@Suite(.serialized) struct Embedding {
    private let samples = (0..<800).map { Float($0 % 13) / 13 - 0.5 }

    @Test func firstRun() throws {
        let samples = samples
        try inRepository {
            let model = try Model("examples/gru.rec", dims: ["D": 8, "H": 64]).initialized(seed: 1)
            let h = try model(["x": samples])["h"]
            print(h.shape, h.floats().prefix(4))
            #expect(h.shape == [1, 100, 64])
        }
    }

    @Test func data() throws {
        let samples = samples
        try inRepository {
            let model = try Model("examples/gru.rec", dims: ["D": 8, "H": 64]).initialized(seed: 1)
            let x = try Tensor(samples, shape: [2, 50, 8])
            let results = try model(["x": x], lengths: [50, 37], threads: 2)
            for output in results.outputs { print(output.name, output.tensor.shape) }
            for state in results.finalStates { print(state.name, state.tensor.shape) }
            #expect(results.outputs[0].tensor.shape == [2, 50, 64] && results.finalStates[0].tensor.shape == [2, 64])
        }
    }

    @Test func memory() throws {
        let samples = samples
        try inRepository {
            let model = try Model("examples/gru.rec", dims: ["D": 8, "H": 64]).initialized(seed: 1)
            let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: 100 * 8)
            _ = memory.initialize(from: samples)
            let input = try Tensor(over: UnsafeRawBufferPointer(memory), type: .f32, shape: [1, 100, 8])
            var output = [Float](repeating: 0, count: 100 * 64)
            _ = try output.withUnsafeMutableBytes { try Runner(model).run(["x": input], into: ["h": $0]) }
            let largest = try input.withSpan(of: Float.self) { span in span.indices.reduce(0) { max($0, span[$1]) } }
            #expect(try output == model(["x": samples])["h"].floats())
            #expect(largest == samples.max())
            memory.deallocate()
        }
    }

    @Test func parts() throws {
        let samples = samples
        try inRepository {
            let model = try Model("examples/gru.rec", dims: ["D": 8, "H": 64]).initialized(seed: 1)
            let x = try Tensor(samples, shape: [2, 50, 8])
            let part = try model.computing(["h"])
            let h = try part(["x": x])["h"]
            #expect(h.shape == [2, 50, 64])
        }
    }

    @Test func weights() throws {
        try Place.withFolder { folder in
            let weights = folder.appendingPathComponent("gru.safetensors").path
            try inRepository {
                let fresh = try Model("examples/gru.rec", dims: ["D": 8, "H": 64]).initialized(seed: 1)
                let tensors = fresh.parameters.map { NamedTensor(name: $0.key, tensor: $0.value) }
                try TensorArchive(tensors: tensors).write(to: weights)

                let model = try Model("examples/gru.rec", weights: weights)
                print(model.dims)
                #expect(model.dims == ["D": 8, "H": 64])
            }
        }
    }

    @Test func runs() throws {
        let samples = samples
        try inRepository {
            let model = try Model("examples/gru.rec", dims: ["D": 8, "H": 64]).initialized(seed: 1)
            let x = try Tensor(samples, shape: [2, 50, 8])
            let data = ModelData(inputs: ["x": x], parameters: model.parameters)
            let exact = try model.run(data, on: .interpreter)
            let fast = try model.run(data, on: .compiled(.f64), threads: 2, forcing: ["h": .sequential], within: 512_000_000)
            #expect(zip(try exact["h"].doubles(), try fast["h"].doubles()).allSatisfy { abs($0 - $1) < 1e-12 })
            let solved = try model.run(data, forcing: ["h": .shooting(2)])
            for (state, solve) in solved.solves { print(state, solve.method, solve.sweeps, solve.inOrder) }
            let solve = try #require(solved.solves["h"])
            #expect(solve.method == .shooting && solve.windows == 2 && solve.text.hasPrefix("2 windows of 25 steps, ") && exact.solves.isEmpty)
            let half = model.storingWeights(as: .bf16)
            #expect(try half(["x": x])["h"].shape == [2, 50, 64])
        }
    }

    @Test func runner() throws {
        let samples = samples
        try inRepository {
            let model = try Model("examples/gru.rec", dims: ["D": 8, "H": 64]).initialized(seed: 1)
            let x = try Tensor(samples, shape: [2, 50, 8])
            let runner = try Runner(model, precision: .f64, context: CompileContext(cache: .user()))
            let h = try runner.run(["x": x], threads: 2)["h"]
            #expect(h.type == .f64)

            let data = ModelData(inputs: ["x": x])
            let context = CompileContext(cache: .user())
            let results = try model.run(data, context: context)
            #expect(results.outputs.count == 1)
        }
    }

    @Test func streams() throws {
        let frame = Array(samples[0..<8])
        try inRepository {
            let model = try Model("examples/gru.rec", dims: ["D": 8, "H": 64]).initialized(seed: 1)
            let stream = try model.stream()
            let h = try stream.step(["x": frame])["h"]
            let before = stream.savedState()
            try stream.step(["x": frame])
            try stream.restore(before)
            #expect(h.count == 64 && stream.stepCount == 1)

            let session = try model.stream(batch: 2, capacity: 16)
            for sequence in 0..<session.batch {
                try session.withInput("x", sequence: sequence) { bytes in
                    frame.withUnsafeBytes { bytes.copyMemory(from: $0) }
                }
            }
            try session.advance(1)
            let first = try session.withOutput("h", sequence: 1) { $0.load(as: Float.self) }
            #expect(first == h[0])

            try session.withInputSpan("x", of: Float.self) { span in
                for k in 0..<8 { span[k] = frame[k] }
            }
            try session.advance(1)
            let sum = try session.withOutputSpan("h", of: Float.self) { span in (0..<64).reduce(0) { $0 + span[$1] } }
            #expect(try sum == stream.step(["x": frame])["h"].reduce(0, +))
        }
    }

    @Test func states() throws {
        let samples = samples
        let frame = Array(samples[0..<8])
        let drafts = Array(samples[0..<32])
        try inRepository {
            let model = try Model("examples/gru.rec", dims: ["D": 8, "H": 64]).initialized(seed: 1)
            let beginning = try Tensor(Array(samples[0..<320]), shape: [1, 40, 8])
            let rest = try Tensor(Array(samples[320...]), shape: [1, 60, 8])
            let first = try model(["x": beginning], state: ModelState())
            let second = try model.run(ModelData(inputs: ["x": rest]), state: first.state, on: .compiled(.f64))
            if let state = second.state {
                let going = try model.stream(state: state)
                try going.step(["x": frame])
                print(try going.state().tensors.map(\.name))
            }
            let whole = try model(["x": samples])["h"].floats().suffix(64)
            #expect(zip(whole, try second["h"].floats().suffix(64)).allSatisfy { abs($0 - $1) < 1e-5 })

            let trial = try model.stream(capacity: 4, state: ModelState())
            let here = trial.snapshot()
            let results = try trial.verify(["x": drafts])
            print(results.count, try trial.state(after: 2).tensors.map(\.name))
            try trial.accept(2)
            try trial.restore(here)
            #expect(results.count == 4 && trial.stepCount == 0 && here.stepCount == 0)
        }
    }

    @Test func sampling() throws {
        let prompt = Array("The ".utf8).map(Int.init)
        try inRepository {
            let model = try Model("examples/stack_lm.rec", dims: ["V": 256, "D": 8, "H": 8, "L": 1]).initialized(seed: 1)
            let sampler = try Sampler(model, options: SamplingOptions(temperature: 0.8, topK: 40, seed: 1))
            try sampler.feed(tokens: prompt)
            let text = try (0..<20).map { _ in UInt8(try sampler.nextToken()) }
            print(String(decoding: text, as: UTF8.self))
            #expect(text.count == 20)
        }
    }

    @Test func gradients() throws {
        let samples = samples
        try inRepository {
            let model = try Model("examples/gru.rec", dims: ["D": 8, "H": 64]).initialized(seed: 1)
            let x = try Tensor(samples, shape: [2, 50, 8])
            let gradients = try GradientModel(model, withRespectTo: ["Wz", "x"], cotangents: ["h"])
            let ones = try Tensor([Float](repeating: 1, count: 2 * 50 * 64), shape: [2, 50, 64])
            var weights = model.parameters
            for _ in 0..<3 {
                let data = ModelData(inputs: ["x": x], parameters: weights)
                let results = try gradients.run(data, cotangents: ["h": ones], threads: 2)
                let slope = try results["Wz"].doubles()
                let moved = zip(try #require(weights["Wz"]).doubles(), slope).map { $0 - 1e-3 * $1 }
                weights["Wz"] = try Tensor(moved, shape: [64, 8])
            }
            let all = try model.gradients(ModelData(inputs: ["x": x]), cotangents: ["h": ones])
            print(all.gradients.map(\.name), try all.results["h"].shape)
            #expect(try all["Un"].shape == [64, 64])
        }
    }

    @Test func wrappers() throws {
        let samples = samples
        let frame = Array(samples[0..<8])
        let gru = try GRU(seed: 1)
        let h = try gru(GRU.Inputs(x: samples)).h
        let stream = try gru.stream()
        let first = try stream.step(x: frame).h
        print(h.count / GRU.Dims.H, first.count)
        #expect(first == Array(h[0..<64]) && h.count == 100 * 64)
    }

    @Test func training() throws {
        try inRepository {
            let model = try Model("examples/stack_lm.rec", dims: ["V": 256, "D": 8, "H": 8, "L": 1])
            let text = try TextTokens.read(["README.md"])
            let name = "token"
            let data = try TrainingData(ModelData(inputs: [name: text]), for: model, window: 32)
            let (training, heldOut) = try data.holdingOut(0.1)
            let options = TrainingOptions(schedule: Schedule(rate: 5e-3, decay: .cosine, warmup: 2, steps: 4), clip: 1, batch: 4)
            let trainer = try Trainer(model, training, options)
            while trainer.step < 4 { print(try trainer.advance().loss) }
            print(try trainer.loss(on: heldOut.holdingOut(0.2).heldOut))
            let trained = try model.withParameters(trainer.weights)
            #expect(trained.parameters.count == trainer.weights.count)
        }
    }

    @Test func explanations() throws {
        try inRepository {
            let model = try Model("examples/gru.rec", dims: ["D": 8, "H": 64])
            print(try Explanation(model, batch: 8, length: 2048, threads: 2))
            let json = try Explanation(GradientModel(model), length: 512).json
            #expect(json.contains("\"recurrences\""))
        }
    }

    @Test func errors() throws {
        do {
            let program = Program(text: "model M(D, H) {\n  input x: [D]\n  param W: [H, H]\n  output y = W @ x\n}\n", path: "m.rec")
            for problem in program.problems { print(problem.line ?? 0, problem.id, problem.message) }
            _ = try Model(program, dims: ["D": 3, "H": 4])
        } catch {
            print(error)
            print(error.localizedDescription)
            #expect("\(error)".hasPrefix("m.rec:4:") && "\(error)".contains("^"))
            #expect(error.localizedDescription == "\(error)" && String(reflecting: error) == "\(error)")
            #expect(error.problems.first?.file == "m.rec" && error.problems.first?.line == 4)
        }
    }

    @Test func tasks() async throws {
        let samples = samples
        let model = try Model(Place.path("examples/gru.rec"), dims: ["D": 8, "H": 64]).initialized(seed: 1)
        let lasts = try await withThrowingTaskGroup(of: Float.self) { group in
            for _ in 0..<8 {
                group.addTask { try model(["x": samples])["h"].floats().last ?? 0 }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(lasts.count == 8 && Set(lasts).count == 1)
    }

    @Test func theVersionIsStated() {
        print(Rec.version)
        #expect(Rec.version.split(separator: ".").count == 3)
    }

    /// Paths of the document are those from the root of the repository, where tests are run.
    private func inRepository(_ body: () throws -> Void) throws {
        if !FileManager.default.fileExists(atPath: "examples/gru.rec") { _ = FileManager.default.changeCurrentDirectoryPath(Place.root.path) }
        try body()
    }
}
