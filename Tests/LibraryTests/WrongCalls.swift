import Foundation
import Rec
import RecTraining
import TestSupport
import Testing

/// Every public call with what it cannot take: it throws, and says what is wrong.
@Suite struct WrongCalls {
    private func model() throws -> Model { try Model(Program(text: everything), dims: ["D": 3, "H": 4]).initialized(seed: 1) }

    private func inputs(batch: Int = 2, steps: Int = 5) throws -> [String: Tensor] {
        [
            "x": try Tensor((0..<batch * steps * 3).map { Float($0 % 7) / 7 }, shape: [batch, steps, 3]),
            "k": try Tensor((0..<batch * steps).map { $0 % 5 }, shape: [batch, steps]),
            "on": try Tensor((0..<batch * steps).map { $0 % 2 }, shape: [batch, steps]),
        ]
    }

    // MARK: Tensors and files

    @Test func tensors() throws {
        for shape in [[3], [-2], [2, -1], [.max, .max], [0], [2, 0], [.max, 0, .max], [Int.min]] {
            expectProblem("misshapen-tensor") { _ = try Tensor([Float](repeating: 0, count: 2), shape: shape) }
            expectProblem("misshapen-tensor") { _ = try Tensor([Double](repeating: 0, count: 2), shape: shape) }
            expectProblem("misshapen-tensor") { _ = try Tensor([Int](repeating: 0, count: 2), shape: shape) }
            [UInt8](repeating: 0, count: 9).withUnsafeBytes { bytes in
                expectProblem("misshapen-tensor") { _ = try Tensor(copying: bytes, type: .f32, shape: shape) }
            }
        }
        [Float](repeating: 0, count: 4).withUnsafeBytes { bytes in
            for shape in [[3], [-4], [.max, .max]] { expectProblem("misshapen-tensor") { _ = try Tensor(over: bytes, type: .f32, shape: shape) } }
            expectProblem("bad-call", "multiple of 4") { _ = try Tensor(over: UnsafeRawBufferPointer(rebasing: bytes[1..<9]), type: .f32, shape: [2]) }
        }
        expectProblem("bad-call", "f32") { try Tensor([Float](), shape: [0]).withSpan(of: Double.self) { _ in } }
        #expect(try Tensor([1, 2], shape: [2]).withSpan(of: Int.self) { $0[1] } == 2)
        #expect(try Tensor(over: UnsafeRawBufferPointer(start: nil, count: 0), type: .f64, shape: [0, 2]).doubles() == [])
        #expect(try Tensor([Float](), shape: [0, 3]).floats() == [])
        #expect(try Tensor([1.5, 2.5], shape: [2]).floats() == [1.5, 2.5])
    }

    @Test func files() throws {
        try Place.withFolder { folder in
            func path(_ name: String) -> String { folder.appendingPathComponent(name).path }
            expectProblem("file-problem", "no such file") { _ = try TensorArchive(path: path("none.npz")) }
            expectProblem("file-problem") { _ = try TensorArchive(path: "") }
            expectProblem("file-problem") { _ = try TensorArchive(path: path("x.txt")) }
            expectProblem("file-problem") { try TensorArchive(tensors: []).write(to: path("x.npy")) }
            expectProblem("file-problem") { try TensorArchive(tensors: []).write(to: path("no/folder/x.npz")) }
            expectProblem("file-problem") { _ = try CaseFile(path: path("none.safetensors")) }
            let one = TensorArchive(tensors: [NamedTensor(name: "", tensor: try Tensor([1.0], shape: [1]))])
            try one.write(to: path("one.npy"))
            expectProblem("file-problem", "names") { _ = try CaseFile(path: path("one.npy")) }
            var data = ModelData()
            expectProblem("file-problem", "names") { try data.addParameters(from: [path("one.npy")]) }
            expectProblem("file-problem") { try data.addParameters(from: [path("none.npz")]) }
            #expect(one["y"] == nil)
        }
    }

    /// What was read stays as it was, whatever becomes of the file.
    @Test(arguments: ["w.safetensors", "w.npz", "w.npy"]) func filesMayChangeOnceTheyAreRead(name: String) throws {
        try Place.withFolder { folder in
            let path = folder.appendingPathComponent(name).path
            let numbers = (0..<200_000).map { Float($0) }
            let tensor = NamedTensor(name: name == "w.npy" ? "" : "w", tensor: try Tensor(numbers, shape: [numbers.count]))
            try TensorArchive(tensors: [tensor]).write(to: path)
            let archive = try TensorArchive(path: path)
            #expect(truncate(path, 16) == 0)
            #expect(archive.tensors[0].tensor.floats() == numbers)
            expectProblem("file-problem") { _ = try TensorArchive(path: path) }
        }
    }

    // MARK: Programs and models

    @Test func programs() throws {
        expectProblem("file-problem") { _ = try Program(path: "/nowhere/x.rec") }
        expectProblem("file-problem") { _ = try Program(path: "") }
        let broken = Program(text: "model M { output y = }")
        #expect(broken.hasErrors && broken.problems.first?.severity == .error && broken.problems.first?.line == 1)
        expectProblem("unexpected-token") { _ = try Model(broken) }
        #expect(Program(text: everything).modelNames == ["M"] && Program(text: "\u{0}").hasErrors)
        expectProblem("no-main-model") { _ = try Model(Program(text: "")) }
    }

    @Test func models() throws {
        let program = Program(text: everything)
        expectProblem("unknown-name", "did you mean") { _ = try Model(Program(text: sum), named: "Sun") }
        expectProblem("unknown-dim") { _ = try Model(program, dims: ["D": 3, "H": 4, "Q": 1]) }
        expectProblem("unsolvable-dim") { _ = try Model(program, dims: ["D": 3]) }
        for size in [0, -1, .min, .max, 1 << 40] {
            expectProblem("unsolvable-dim") { _ = try Model(program, dims: ["D": 3, "H": size]) }
            expectProblem("unsolvable-dim") { _ = try Model(program, dims: ["H": size], fitting: ModelData()) }
        }
        expectProblem("misshapen-tensor") {
            _ = try Model(program, dims: ["H": 4], fitting: ModelData(inputs: ["x": Tensor([1.0], shape: [])]))
        }
        expectProblem("file-problem") { _ = try Model("/nowhere/x.rec") }
        expectProblem("file-problem") { _ = try Model("/nowhere/x.rec", weights: "/nowhere/w.npz") }
        expectProblem("file-problem") { _ = try Model(Place.path("examples/gru.rec"), weights: "/nowhere/w.npz") }
        let bare = try Model(program, dims: ["D": 3, "H": 4])
        expectProblem("missing-tensor", "parameter") { _ = try bare.withParameters([:]) }
        expectProblem("misshapen-tensor") {
            var wrong = try model().parameters
            wrong["U"] = try Tensor([1.0], shape: [1])
            _ = try bare.withParameters(wrong)
        }
        expectProblem("missing-tensor") { _ = try bare(inputs()) }
        expectProblem("missing-tensor") { _ = try bare.stream() }
        expectProblem("too-large") { _ = try Model(Program(text: "model M(H) {\n input x: [H]\n param W: [H, H]\n output y = x\n}\n"), dims: ["H": 40_000_000]).initialized() }
    }

    // MARK: Runs

    /// What every way to run whole sequences refuses.
    private func expectRefusals(_ run: ([String: Tensor], [Int]?, Int) throws -> Void) throws {
        let good = try inputs()
        try run(good, [5, 0], 3)
        func with(_ name: String, _ tensor: Tensor?) -> [String: Tensor] {
            var result = good
            result[name] = tensor
            return result
        }
        expectProblem("missing-tensor", "'x'") { try run(with("x", nil), nil, 1) }
        expectProblem("missing-tensor") { try run([:], nil, 1) }
        expectProblem("unknown-name", "h0") { try run(with("h_0", Tensor([1.0], shape: [1])), nil, 1) }
        for shape in [[2, 5, 4], [2, 4, 3], [3, 5, 3], [2, 5], [], [0], [2, 5, 3, 1]] {
            let numbers = [Float](repeating: 0, count: shape.reduce(1, *))
            expectProblem("misshapen-tensor") { try run(with("x", Tensor(numbers, shape: shape)), nil, 1) }
        }
        expectProblem("bad-data", "table") { try run(with("k", Tensor([Int](repeating: 5, count: 10), shape: [2, 5])), nil, 1) }
        expectProblem("bad-data", "table") { try run(with("k", Tensor([Int](repeating: .min, count: 10), shape: [2, 5])), nil, 1) }
        for number in [0.5, .nan, .infinity, 1e300] {
            expectProblem("bad-data") { try run(with("k", Tensor([Double](repeating: number, count: 10), shape: [2, 5])), nil, 1) }
            expectProblem("bad-data") { try run(with("on", Tensor([Double](repeating: number, count: 10), shape: [2, 5])), nil, 1) }
        }
        for lengths in [[5], [5, 5, 5], []] { expectProblem("misshapen-tensor", "lengths") { try run(good, lengths, 1) } }
        for length in [-1, 6, .max, .min] { expectProblem("bad-data", "length") { try run(good, [5, length], 1) } }
        for threads in [0, -1, 1025, 1_000_000_000, .max, .min] { expectProblem("bad-call", "threads") { try run(good, nil, threads) } }
        // A NaN is a number; empty data are data.
        try run(with("x", Tensor([Float](repeating: .nan, count: 30), shape: [2, 5, 3])), nil, 1)
        try run(inputs(batch: 0), nil, 2)
        try run(inputs(steps: 0), nil, 2)
    }

    @Test func calls() throws {
        let model = try model()
        try expectRefusals { inputs, lengths, threads in _ = try model(inputs, lengths: lengths, threads: threads) }
        let results = try model(inputs())
        expectProblem("unknown-name", "did you mean 'size'") { _ = try results["siza"] }
        #expect(try results["size"].count == 1)
        let sum = try Model(Program(text: sum))
        #expect(try sum(["x": [1, 2, 3.5]])["y"].floats() == [1, 3, 6.5])
        expectProblem("unknown-name") { _ = try sum(["z": [1]]) }
        expectProblem("misshapen-tensor") { _ = try model(["x": [1, 2]]) }
        expectProblem("bad-call") { _ = try sum(["x": [1]], threads: 0) }
    }

    @Test(arguments: [Engine.interpreter, .compiled(.f32), .compiled(.f64)]) func runs(engine: Engine) throws {
        let model = try model()
        try expectRefusals { inputs, lengths, threads in
            _ = try model.run(ModelData(inputs: inputs, lengths: lengths), on: engine, threads: threads)
        }
        expectProblem("misshapen-tensor") { _ = try model.run(ModelData(inputs: inputs(), parameters: ["W": Tensor([1.0], shape: [1])]), on: engine) }
        guard engine != .interpreter else { return }
        let data = ModelData(inputs: try inputs())
        expectProblem("unknown-name") { _ = try model.run(data, on: engine, forcing: ["q": .scan]) }
        expectProblem("plan-refused") { _ = try model.run(data, on: engine, forcing: ["h": .scan]) }
        expectProblem("unknown-name") { _ = try model.run(data, on: engine, forcing: ["q": .newton]) }
        expectProblem("plan-refused") { _ = try model.run(data, on: engine, forcing: ["h": .newton], within: 1 << 40) }
        for bound in [0, -1, .min] { expectProblem("bad-call", "bytes") { _ = try model.run(data, on: engine, within: bound) } }
        expectProblem("memory-bound") { _ = try model.run(data, on: engine, within: 1) }
    }

    @Test func runners() throws {
        let model = try model()
        let runner = try Runner(model)
        try expectRefusals { inputs, lengths, threads in _ = try runner.run(inputs, lengths: lengths, threads: threads) }
        let bare = try Model(Program(text: everything), dims: ["D": 3, "H": 4])
        expectProblem("missing-tensor") { _ = try Runner(bare) }
        try expectRefusals { inputs, lengths, threads in try runner.run(inputs, into: [:], lengths: lengths, threads: threads) }
        let (given, name) = (try inputs(), "h")
        let expected = try runner.run(given)
        var memory = [Float](repeating: -1, count: try expected[name].count + 1)
        let size = 4 * (memory.count - 1)
        try memory.withUnsafeMutableBytes { bytes in
            let whole = UnsafeMutableRawBufferPointer(rebasing: bytes[..<size])
            expectProblem("unknown-name", "did you mean 'h'") { try runner.run(given, into: ["hh": whole]) }
            expectProblem("misshapen-tensor", "\(size + 4) bytes") { try runner.run(given, into: [name: bytes]) }
            expectProblem("misshapen-tensor") { try runner.run(given, into: [name: UnsafeMutableRawBufferPointer(start: nil, count: 0)]) }
            expectProblem("bad-call", "multiple of 4") { try runner.run(given, into: [name: UnsafeMutableRawBufferPointer(rebasing: bytes[1..<size + 1])]) }
            #expect(bytes.allSatisfy { $0 == bytes[size] || $0 == bytes[size + 1] || $0 == bytes[size + 2] || $0 == bytes[size + 3] })
            let others = try runner.run(given, into: [name: whole])
            #expect(!others.outputs.contains { $0.name == name } && others.outputs.count == expected.outputs.count - 1)
        }
        #expect(try Array(memory.dropLast()) == expected[name].floats() && memory.last == -1)
        expectProblem("misshapen-tensor") { _ = try Runner(model, parameters: ["W": Tensor([1.0], shape: [1])]) }
        expectProblem("unknown-name") { _ = try Runner(model, forcing: ["q": .scan]) }
        expectProblem("plan-refused") { _ = try Runner(model, forcing: ["h": .scan]) }
        expectProblem("bad-call") { _ = try Runner(model, within: 0) }
        expectProblem("memory-bound") { _ = try Runner(model, within: 1).run(inputs()) }
        expectProblem("weights-refused") { _ = try Runner(model.storingWeights(as: .bf16), precision: .f64).run(inputs()) }
        expectProblem("weights-refused") { _ = try model.storingWeights(as: .bf16).run(ModelData(inputs: inputs()), on: .interpreter) }
    }

    @Test func gradients() throws {
        let model = try model()
        let gradients = try GradientModel(model)
        try expectRefusals { inputs, lengths, threads in
            _ = try gradients.run(ModelData(inputs: inputs, lengths: lengths), threads: threads)
        }
        let data = ModelData(inputs: try inputs())
        let results = try model.gradients(data)
        expectProblem("unknown-name", "gradient") { _ = try results["V"] }
        #expect(try results["W"].shape == [4, 3])
        expectProblem("unknown-name") { _ = try GradientModel(model, withRespectTo: ["V"]) }
        expectProblem("unknown-name") { _ = try GradientModel(model, withRespectTo: ["initial.q"]) }
        expectProblem("unknown-name") { _ = try GradientModel(model, withRespectTo: nil, cotangents: ["q"]) }
        for steps in [0, -1, .min] { #expect(throws: DiagnosticList.self) { try GradientModel(model, withRespectTo: nil, truncation: steps) } }
        expectProblem("unknown-name", "cotangent") { _ = try gradients.run(data, cotangents: ["h": Tensor([1.0], shape: [1])]) }
        expectProblem("misshapen-tensor") { _ = try model.gradients(data, cotangents: ["h": Tensor([1.0], shape: [1])]) }
        expectProblem("missing-tensor") { _ = try GradientModel(model, withRespectTo: ["W"], cotangents: ["h"]).run(data) }
        expectProblem("weights-refused") { _ = try GradientModel(model.storingWeights(as: .bf16)) }
        expectProblem("bad-call") { _ = try gradients.run(data, within: -5) }
        expectProblem("memory-bound") { _ = try gradients.run(data, within: 5) }
        expectProblem("unknown-name") { _ = try gradients.run(data, forcing: ["q": .scan]) }
        expectProblem("bad-call") { _ = try model.gradients(data, threads: 0) }
    }

    // MARK: Streams

    @Test func parts() throws {
        let model = try model()
        expectProblem("unknown-name", "did you mean 'h'") { _ = try model.computing(["hh"]) }
        expectProblem("unknown-name", "no state 'k'") { _ = try model.computing(["h"], finalStates: ["k"]) }
        expectProblem("bad-call") { _ = try model.computing([]) }
        var some = try inputs()
        some["k"] = nil
        expectProblem("missing-tensor") { _ = try model(some) }
        let loss = try model.computing(["size"])
        expectProblem("missing-tensor", "'size', which was asked for") { _ = try loss(some) }
        expectProblem("plan-refused", "the loss 'size'") { _ = try loss.stream() }
        #expect(try loss(inputs()).outputs.isEmpty && loss(inputs()).losses.count == 1)
        let states = try model.computing([], finalStates: ["h"])
        #expect(try states(inputs()).finalStates.map(\.name) == ["h"])
    }

    @Test func states() throws {
        let model = try model()
        let state = try #require(try model(inputs(), state: ModelState()).state)
        #expect(state.tensors.map(\.name) == ["h"] && !state.isBeginning && ModelState().isBeginning)
        expectProblem("state-mismatch", "2 sequences, and the run has 3") { _ = try model(inputs(batch: 3), state: state) }
        let larger = try Model(Program(text: everything), dims: ["D": 3, "H": 5]).initialized(seed: 1)
        expectProblem("state-mismatch", "H = 4") { _ = try larger(inputs(), state: state) }
        let other = try Model(Program(text: sum))
        expectProblem("state-mismatch", "another program") { _ = try other(["x": Tensor([1.0], shape: [1, 1])], state: state) }
        expectProblem("state-mismatch", "another program") { _ = try other.stream(batch: 2, state: state) }
        let whole = try Model(Program(text: "model M {\n  input x: real\n  output y = x - mean[t](x)\n}\n"))
        expectProblem("state-refused", "mean[t](x)") { _ = try whole(["x": Tensor([1.0], shape: [1, 1])], state: ModelState()) }
        try Place.withFolder { folder in
            func path(_ name: String) -> String { folder.appendingPathComponent(name).path }
            expectProblem("file-problem") { try state.write(to: path("s.npz")) }
            expectProblem("file-problem") { try state.write(to: path("no/folder/s.safetensors")) }
            expectProblem("file-problem") { _ = try ModelState(path: path("none.safetensors")) }
            try TensorArchive(tensors: state.tensors).write(to: path("plain.safetensors"))
            expectProblem("file-problem", "no state") { _ = try ModelState(path: path("plain.safetensors")) }
            try TensorArchive(tensors: state.tensors, metadata: ["state": "3"]).write(to: path("new.safetensors"))
            expectProblem("file-problem", "version 3") { _ = try ModelState(path: path("new.safetensors")) }
            try state.write(to: path("s.safetensors"))
            #expect(try ModelState(path: path("s.safetensors")).tensors[0].tensor.floats() == state.tensors[0].tensor.floats())
        }
        let plain = try model.stream(batch: 2, capacity: 3)
        let values: [String: [Float]] = ["x": [1, 2, 3, 4, 5, 6], "k": [0, 4], "on": [1, 0]]
        expectProblem("bad-call", "without its state") { _ = try plain.state() }
        expectProblem("bad-call", "without its state") { _ = try plain.state(after: 1) }
        expectProblem("bad-call", "without its state") { try plain.resume(from: state) }
        expectProblem("bad-call", "without its state") { try plain.verify(values) }
        expectProblem("bad-call", "no drafts") { try plain.accept(0) }
        let stream = try model.stream(batch: 2, capacity: 3, state: state)
        expectProblem("bad-call") { try stream.restore(plain.snapshot()) }
        expectProblem("state-mismatch", "another program") { try stream.resume(from: larger.stream(batch: 2, state: ModelState()).stateAfterAStep()) }
        expectProblem("bad-call") { _ = try stream.state(after: 1) }
        try stream.step(values)
        for count in [0, 2, -1, .max] { expectProblem("bad-call") { _ = try stream.state(after: count) } }
        expectProblem("misshapen-tensor") { try stream.verify(["x": [1], "k": [0, 4], "on": [1, 0]]) }
        expectProblem("misshapen-tensor") { try stream.verify(["x": [1, 2, 3, 4, 5, 6], "k": [0, 4, 1, 1], "on": [1, 0]]) }
        expectProblem("bad-call", "0 steps") { try stream.verify(["x": [], "k": [], "on": []]) }
        expectProblem("bad-call", "4 steps") {
            try stream.verify(["x": [Float](repeating: 0, count: 24), "k": [Float](repeating: 0, count: 8), "on": [Float](repeating: 0, count: 8)])
        }
        try stream.verify(values)
        for count in [-1, 2, .min, .max] { expectProblem("bad-call") { try stream.accept(count) } }
        try stream.accept(1)
        expectProblem("bad-call", "no drafts") { try stream.accept(1) }
        #expect(stream.stepCount == 2)
    }

    @Test func samplers() throws {
        let model = try Model(Program(text: sum))
        for temperature in [-1, Double.nan, .infinity] {
            expectProblem("bad-call", "temperature") { _ = try Sampler(model, options: SamplingOptions(temperature: temperature)) }
        }
        for count in [0, -3, .min] { expectProblem("bad-call") { _ = try Sampler(model, options: SamplingOptions(topK: count)) } }
        expectProblem("unsupported") { _ = try Sampler(self.model()) }
        expectProblem("unknown-name") { _ = try Sampler(model, output: "z") }
        expectProblem("unknown-name") { _ = try Sampler(model, input: "z") }
        let numbers = try Sampler(model)
        expectProblem("bad-call", "nothing was fed") { _ = try numbers.nextNumbers() }
        expectProblem("bad-call", "nothing was fed") { _ = try numbers.nextToken() }
        expectProblem("bad-call", "takes numbers") { try numbers.feed(tokens: [1]) }
        expectProblem("bad-data") { try numbers.feed([]) }
        #expect(try numbers.state().isBeginning)
        try numbers.feed([1, 2])
        #expect(try numbers.nextNumbers() == [3] && numbers.nextNumbers() == [6])
        expectProblem("bad-call", "takes numbers") { _ = try numbers.nextToken() }
        let words = try Sampler(Model(Program(text: "model M {\n  input k: int\n  param w: [3]\n  output y = w * real(k)\n}\n")).initialized(seed: 1))
        for tokens in [[], [3], [-1], [.max]] { expectProblem("bad-data") { try words.feed(tokens: tokens) } }
        expectProblem("bad-call", "takes tokens") { try words.feed([1]) }
        try words.feed(tokens: [1])
        expectProblem("bad-call", "takes tokens") { _ = try words.nextNumbers() }
        #expect(try (0..<3).contains(words.nextToken()))
    }

    @Test func streams() throws {
        let text = everything.split(separator: "\n").filter { !$0.contains("loss") }.joined(separator: "\n")
        let model = try Model(Program(text: text), dims: ["D": 3, "H": 4]).initialized(seed: 1)
        for batch in [0, -1, .min, .max] { expectProblem("bad-call") { _ = try model.stream(batch: batch) } }
        for capacity in [0, -1, .min] { expectProblem("bad-call") { _ = try model.stream(capacity: capacity) } }
        expectProblem("too-large") { _ = try model.stream(capacity: .max) }
        expectProblem("too-large") { _ = try model.stream(batch: 1 << 31, capacity: 1 << 20) }
        expectProblem("misshapen-tensor") { _ = try model.stream(once: ["h0": Tensor([1.0], shape: [1])]) }
        expectProblem("misshapen-tensor") { _ = try model.stream(batch: 2, once: ["h0": Tensor([1.0, 2, 3, 4], shape: [1, 4])]) }
        expectProblem("unknown-name") { _ = try model.stream(once: ["h_0": Tensor([1.0], shape: [1])]) }
        expectProblem("bad-call") { _ = try model.stream(once: ["x": Tensor([1.0], shape: [1])]) }
        expectProblem("plan-refused") { _ = try Model(Program(text: "model M { input x: real\n output y = x[t+1] }")).stream() }
        expectProblem("weights-refused") { _ = try model.storingWeights(as: .bf16).stream(precision: .f64) }

        let stream = try model.stream(batch: 2, capacity: 3)
        expectProblem("unknown-name") { try stream.withInput("y") { _ in } }
        expectProblem("unknown-name") { try stream.withOutput("x") { _ in } }
        expectProblem("unknown-name") { _ = try stream.stepByteCount("q") }
        for sequence in [-1, 2, .max, .min] {
            expectProblem("bad-call", "sequence") { try stream.withInput("x", sequence: sequence) { _ in } }
            expectProblem("bad-call", "sequence") { try stream.withOutput("h", sequence: sequence) { _ in } }
            expectProblem("bad-call", "sequence") { try stream.withInputSpan("x", sequence: sequence, of: Float.self) { _ in } }
            expectProblem("bad-call", "sequence") { try stream.withOutputSpan("h", sequence: sequence, of: Float.self) { _ in } }
        }
        expectProblem("unknown-name") { try stream.withInputSpan("y", of: Float.self) { _ in } }
        expectProblem("unknown-name") { try stream.withOutputSpan("x", of: Float.self) { _ in } }
        expectProblem("bad-call", "f32") { try stream.withInputSpan("x", of: Double.self) { _ in } }
        expectProblem("bad-call", "i64") { try stream.withInputSpan("k", of: Float.self) { _ in } }
        expectProblem("bad-call", "f32") { try stream.withOutputSpan("h", of: Int.self) { _ in } }
        for steps in [-1, 4, .max, .min] { expectProblem("bad-call", "steps") { try stream.advance(steps) } }
        let values: [String: [Float]] = ["x": [1, 2, 3, 4, 5, 6], "k": [0, 4], "on": [1, 0]]
        let results = try stream.step(values)
        #expect(try results["h"].count == 8 && results.outputs.count == 1)
        expectProblem("unknown-name") { _ = try results["q"] }
        func with(_ name: String, _ numbers: [Float]?) -> [String: [Float]] {
            var result = values
            result[name] = numbers
            return result
        }
        expectProblem("missing-tensor") { try stream.step(with("x", nil)) }
        expectProblem("unknown-name") { try stream.step(with("y", [1])) }
        for count in [0, 1, 5, 7] { expectProblem("misshapen-tensor") { try stream.step(with("x", [Float](repeating: 0, count: count))) } }
        for number in [0.5, Float.nan, .infinity, 1e30] {
            expectProblem("bad-data") { try stream.step(with("k", [0, number])) }
            expectProblem("bad-data") { try stream.step(with("on", [0, number])) }
        }
        // Beyond a table the nearest row is taken, as everywhere in compiled code.
        try stream.step(with("k", [-3, 1000]))

        let state = stream.savedState()
        expectProblem("misshapen-tensor") { try stream.restore([]) }
        expectProblem("misshapen-tensor") { try model.stream(batch: 1, capacity: 3).restore(state) }
        expectProblem("missing-tensor", "steps") { try stream.restore(state.filter { $0.name != "steps" }) }
        for steps in [[-1, 0], [1, 2], [0, -1], [.max, 0], [1]] {
            expectProblem("missing-tensor", "steps") {
                try stream.restore(state.map { $0.name == "steps" ? NamedTensor(name: "steps", tensor: try Tensor(steps, shape: [steps.count])) : $0 })
            }
        }
        try stream.restore(state)
        #expect(stream.stepCount == 2)
    }

    // MARK: Explanations and verification

    @Test func explanations() throws {
        let model = try model()
        for number in [0, -1, .min, .max] {
            #expect(throws: DiagnosticList.self) { try Explanation(model, batch: number) }
            #expect(throws: DiagnosticList.self) { try Explanation(model, length: number) }
            #expect(throws: DiagnosticList.self) { try Explanation(model, threads: number) }
            #expect(throws: DiagnosticList.self) { try Explanation(GradientModel(model), batch: number, length: number) }
        }
        expectProblem("too-large") { _ = try Explanation(model, batch: 1 << 40, length: 1 << 40) }
        expectProblem("unknown-name") { _ = try Explanation(model, forcing: ["q": .scan]) }
        expectProblem("plan-refused") { _ = try Explanation(model, forcing: ["h": .scan]) }
        expectProblem("memory-bound") { _ = try Explanation(model, within: 1) }
        expectProblem("bad-call") { _ = try Explanation(model, within: 0) }
        #expect(try Explanation(model, batch: 1000, length: 100_000).text.contains("model M"))
    }

    // MARK: Training

    @Test func training() throws {
        let model = try Model(Program(text: "model L {\n input x, y: real\n param a: real\n loss l = mean[t]((a * x - y) * (a * x - y))\n}\n"))
        let x = try Tensor((0..<20).map { Float($0) / 20 }, shape: [4, 5])
        let good = ModelData(inputs: ["x": x, "y": x])
        let data = try TrainingData(good, for: model)
        _ = try Trainer(model, data, TrainingOptions(batch: 2)).advance()
        expectProblem("missing-tensor") { _ = try TrainingData(ModelData(inputs: ["x": x]), for: model) }
        expectProblem("misshapen-tensor") { _ = try TrainingData(ModelData(inputs: ["x": x, "y": Tensor([1.0], shape: [1])]), for: model) }
        expectProblem("misshapen-tensor") { _ = try TrainingData(ModelData(inputs: ["x": x, "y": x], lengths: [1]), for: model) }
        for window in [0, -1, .min, .max] { #expect(throws: DiagnosticList.self) { try TrainingData(good, for: model, window: window) } }
        for share in [0, 1, -1, 2, .nan, .infinity] { expectProblem("bad-call") { _ = try data.holdingOut(share) } }
        func options(_ change: (inout TrainingOptions) -> Void) -> TrainingOptions {
            var result = TrainingOptions(batch: 2)
            change(&result)
            return result
        }
        for number in [0, -1, .min, .max] {
            expectProblem("bad-call") { _ = try Trainer(model, data, options { $0.batch = number }) }
            expectProblem("bad-call") { _ = try Trainer(model, data, options { $0.threads = number }) }
        }
        for number in [0, -1, .min] {
            expectProblem("bad-call") { _ = try Trainer(model, data, options { $0.truncation = number }) }
            expectProblem("bad-call") { _ = try Trainer(model, data, options { $0.memory = number }) }
            expectProblem("bad-call") { _ = try Trainer(model, data, options { $0.clip = Double(number) }) }
        }
        for number in [-1, .nan, .infinity] {
            expectProblem("bad-call") { _ = try Trainer(model, data, options { $0.schedule.rate = number }) }
            expectProblem("bad-call") { _ = try Trainer(model, data, options { $0.optimizer = .sgd(momentum: number) }) }
        }
        expectProblem("bad-call") { _ = try Trainer(model, data, options { $0.schedule.warmup = -1 }) }
        expectProblem("unknown-name") { _ = try Trainer(model, data, options { $0.forms = ["q": .scan] }) }
        expectProblem("misshapen-tensor") { _ = try Trainer(model, data, weights: ["a": Tensor([1.0, 2], shape: [2])]) }
        expectProblem("missing-tensor") { _ = try Trainer(Model(Program(text: sum)), TrainingData(ModelData(inputs: ["x": x]), for: Model(Program(text: sum)))) }
        expectProblem("missing-tensor") { _ = try Trainer(model, TrainingData(ModelData(inputs: ["x": x]), for: Model(Program(text: sum)))) }
        let wild = try Trainer(model, TrainingData(ModelData(inputs: ["x": Tensor([Float.nan], shape: [1, 1]), "y": Tensor([Float(1)], shape: [1, 1])]), for: model))
        expectProblem("not-finite") { try wild.advance() }
        #expect(wild.step == 0)
        let schedule = Schedule(rate: 1, decay: .cosine, warmup: .max, steps: .max)
        #expect(schedule.rate(at: .min) == 0 && schedule.rate(at: .max).isFinite && Schedule(rate: 1, decay: .linear, steps: -5).rate(at: .max).isFinite)
        expectProblem("file-problem") { try TextTokens.read(["/nowhere"]).withUnsafeBytes { _ in } }
        expectProblem("file-problem") { _ = try TrainingLog(path: "/nowhere") }
        expectProblem("file-problem") { try TrainingLog().write(to: "/nowhere/x/log.csv") }
        expectProblem("file-problem") { try Trainer(model, data).checkpoint.write(to: "/proc/none") }
        #expect(try Checkpoint.read(from: "/nowhere") == nil)
        try Place.withFolder { folder in
            try Data("step".utf8).write(to: folder.appendingPathComponent("checkpoint.safetensors"))
            expectProblem("file-problem") { _ = try Checkpoint.read(from: folder.path) }
            let run = TrainingRun(steps: 2, every: .min, log: "/nowhere/log.csv")
            expectProblem("file-problem") { try run.run(Trainer(model, data)) }
            let trainer = try Trainer(model, data, TrainingOptions(batch: 2))
            try trainer.advance()
            expectProblem("checkpoint-mismatch") { _ = try Trainer(model, data, TrainingOptions(batch: 3), resuming: trainer.checkpoint) }
        }
    }
}

extension StreamSession {
    /// A state that belongs to this model for sure.
    fileprivate func stateAfterAStep() throws -> ModelState {
        try step(["x": [Float](repeating: 0, count: 3 * batch), "k": [Float](repeating: 0, count: batch), "on": [Float](repeating: 0, count: batch)])
        return try state()
    }
}
