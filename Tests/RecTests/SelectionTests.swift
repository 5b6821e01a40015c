import Foundation
import Rec
import TestSupport
import Testing

/// A run computes what it is asked for, and asks for no more data than that needs.
@Suite struct SelectionTests {
    static let source = """
        model LM(V, H) {
          input token: int
          input target: int
          input h0: [H] once
          param E: [V, H] = normal(1)
          param U: [H, H]
          param W: [V, H] = normal(1)
          param weight: [V]
          state h: [H] = h0
          state missed: real
          state idle: real
          h = tanh(E[token] + U @ h[t-1])
          logits = W @ h
          nll = crossentropy(logits, target)
          missed = missed[t-1] + nll
          idle = idle[t-1] + sum(h)
          output logits
          output hidden = h
          output error = missed
          output count = steps
          state steps: int
          steps = steps[t-1] + 1
          loss l = mean[t](nll + sum(weight * logits))
        }

        """

    private func model() throws -> Model { try Model(Program(text: Self.source), dims: ["V": 7, "H": 3]) }

    private func data(_ model: Model, without names: String...) -> ModelData {
        var data = RandomCase(for: model, batch: 2, length: 9, seed: 3).data
        for name in names {
            data.inputs[name] = nil
            data.parameters[name] = nil
        }
        return data
    }

    @Test(arguments: [Engine.interpreter, .compiled(.f32), .compiled(.f64)])
    func whatLacksDataIsLeftOut(engine: Engine) throws {
        let model = try model()
        let whole = try model.run(data(model), on: engine)
        let some = try model.run(data(model, without: "target", "weight"), on: engine)
        #expect(some.outputs.map(\.name) == ["logits", "hidden", "count"] && some.losses.isEmpty)
        #expect(some.finalStates.map(\.name) == ["h", "idle", "steps"])
        for output in some.outputs {
            let expected = try whole[output.name]
            #expect(output.tensor.shape == expected.shape && relativeError(output.tensor, expected) < 1e-6, "\(output.name)")
        }
        #expect(model.leftOut(given: ["token", "h0"]).map(\.text) == [
            "output 'error', which needs the input 'target'", "loss 'l', which needs the input 'target'",
        ])
        #expect(throws: DiagnosticList.self) { try model.run(data(model, without: "target", "U"), on: engine) }
        // With all inputs, all parameters are needed.
        #expect(throws: DiagnosticList.self) { try model.run(data(model, without: "weight"), on: engine) }
    }

    @Test func partsNeedWhatTheyNeed() throws {
        let model = try model()
        let hidden = try model.computing(["hidden"])
        #expect(hidden.graph.violations() == [])
        let results = try hidden.run(data(model, without: "target", "W", "weight"))
        #expect(results.outputs.map(\.name) == ["hidden"] && results.finalStates.map(\.name) == ["h"])
        // What nothing needs is not in the graph: neither values nor inputs nor states.
        #expect(!hidden.graph.text.contains("target") && !hidden.graph.text.contains("idle") && !hidden.graph.text.contains("missed"))
        let withState = try model.computing(["hidden"], finalStates: ["idle"])
        #expect(try withState.run(data(model, without: "target", "W", "weight")).finalStates.map(\.name) == ["h", "idle"])
        // How long a sequence is must still be told.
        let count = try model.computing(["count"])
        #expect(try count.run(data(model, without: "target", "h0", "E", "U", "W", "weight"))["count"].shape == [2, 9])
        #expect(try count.computing(["count"]).graph == count.graph)
        #expect(throws: DiagnosticList.self) { try hidden.computing(["logits"]) }
    }

    @Test func aModelWithALossStreams() throws {
        let model = try model()
        let weighted = try model.withParameters(model.initialParameters(seed: 1))
        let once = ["h0": Tensor([0.1, 0.2, 0.3] as [Float], shape: [1, 3])]
        let stream = try weighted.stream(once: once)
        #expect(stream.outputNames == ["logits", "hidden", "error", "count"])
        let part = try weighted.computing(["logits"]).stream(once: once)
        #expect(part.inputNames == ["token"])
        let both = try stream.step(["token": [3], "target": [2]])
        #expect(try part.step(["token": [3]])["logits"] == both["logits"])
        #expect(throws: DiagnosticList.self) { try model.computing(["l"]).stream(once: once) }
        #expect(throws: DiagnosticList.self) { try Model(Program(text: "model M {\n input x: real\n loss l = mean[t](x)\n}\n")).stream() }
        let data = data(model, without: "target")
        let streamed = try StreamRun.run(model, data, precision: .f64)
        #expect(streamed.outputs.map(\.name) == ["logits", "hidden", "count"])
        for output in streamed.outputs { #expect(try relativeError(output.tensor, model.run(data, on: .interpreter)[output.name]) < 1e-12) }
    }

    @Test func promisesOfWhatIsLeftOutDoNotCount() throws {
        let text = "model M {\n input x, u: real\n state s, r: real\n s = s[t-1] + x\n r = tanh(r[t-1] + u)\n output s\n output r\n require affine(s)\n require plan(r) in (sequential)\n}\n"
        let model = try Model(Program(text: text))
        let x = Tensor([1, 2, 3] as [Float], shape: [1, 3])
        #expect(try model.run(ModelData(inputs: ["x": x])).outputs.map(\.name) == ["s"])
        #expect(try model.run(ModelData(inputs: ["x": x]), forcing: ["r": .sequential, "s": .scan])["s"].floats() == [1, 3, 6])
    }

    // MARK: Command line

    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: Project.path(".build/debug/recc"))))
    func theCommandRunsWhatIsAskedFor() throws {
        let recc = try ReccCommand(Project.path(".build/debug/recc"))
        let file = try recc.file("lm.rec", Self.source)
        func write(_ name: String, _ tensors: [NamedTensor]) throws -> String {
            try TensorArchive(tensors: tensors).write(to: recc.folder.path(name))
            return recc.folder.path(name)
        }
        let model = try model()
        let all = data(model)
        let weights = try write("w.safetensors", all.parameters.filter { $0.key != "weight" }.map { NamedTensor(name: $0.key, tensor: $0.value) })
        let token = try write("token.npy", [NamedTensor(name: "", tensor: try #require(all.inputs["token"]))])
        let h0 = try write("h0.npy", [NamedTensor(name: "", tensor: try #require(all.inputs["h0"]))])
        let given = ["run", file, "--params", weights, "--input", "token=\(token)", "--input", "h0=\(h0)"]
        let some = try recc.run(given)
        #expect(some.status == 0 && some.output.contains("logits [2, 9, 7]") && !some.output.contains("loss"), "\(some.errors)")
        #expect(some.errors == "left out: output 'error', which needs the input 'target'; loss 'l', which needs the input 'target'\n")
        let named = try recc.run(given + ["--output-name", "hidden", "--output-name", "count", "-o", recc.folder.path("o.npz")])
        #expect(named.status == 0 && named.errors.isEmpty)
        #expect(try TensorArchive(path: recc.folder.path("o.npz")).tensors.map(\.name) == ["hidden", "count"])
        #expect(try recc.run(given + ["--output-name", "hidden", "-o", recc.folder.path("o.npy")]).status == 0)
        let asked = try recc.run(given + ["--output-name", "l"])
        #expect(asked.status == 1 && asked.errors.contains("the input 'target' is missing, and 'l'") && asked.errors.contains("[missing-tensor]"))
        let unknown = try recc.run(given + ["--output-name", "hiden"])
        #expect(unknown.status == 1 && unknown.errors.contains("did you mean 'hidden'?"))
        #expect(try recc.run(given + ["--output-name", "l", "--output-name", "l"]).status == 2)
        let streamed = try recc.run(given + ["--stream", "steps"])
        #expect(streamed.status == 0 && streamed.output == some.output && streamed.errors.hasPrefix("left out: output 'error'"))
        let none = try recc.run(["run", file, "--params", weights, "--input", "h0=\(h0)"])
        #expect(none.status == 1 && none.errors.contains("the input 'token' is missing"))
    }

    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: Project.path(".build/debug/recc"))))
    func theCommandCarriesState() throws {
        let recc = try ReccCommand(Project.path(".build/debug/recc"))
        let file = try recc.file("m.rec", "model M(D) {\n  input x: [D]\n  state h: [D]\n  h = 0.9 * h[t-1] + x[t-2]\n  output h\n  loss l = mean[t](sum(h))\n}\n")
        func path(_ name: String) -> String { recc.folder.path(name) }
        let numbers = (0..<60).map { Float($0 % 7) - 3 }
        func write(_ name: String, _ steps: Range<Int>) throws {
            let part = Array(numbers[3 * steps.lowerBound..<3 * steps.upperBound])
            try TensorArchive(tensors: [NamedTensor(name: "", tensor: Tensor(part, shape: [1, steps.count, 3]))]).write(to: path(name))
        }
        try write("x.npy", 0..<20)
        try write("a.npy", 0..<1)
        try write("b.npy", 1..<8)
        try write("c.npy", 8..<20)
        #expect(try recc("run", file, "--input", "x=x.npy", "--output-name", "h", "-o", "whole.npy").status == 0)
        #expect(try recc("run", file, "--input", "x=a.npy", "--save-state", "s.safetensors").status == 0)
        #expect(try recc("run", file, "--input", "x=b.npy", "--state", "s.safetensors", "--save-state", "s.safetensors", "--stream", "steps").status == 0)
        let last = try recc("run", file, "--input", "x=c.npy", "--state", "s.safetensors", "--plan", "h=scan", "--output-name", "h", "-o", "end.npy")
        #expect(last.status == 0, "\(last.errors)")
        let whole = try #require(try TensorArchive(path: path("whole.npy"))[""]).floats()
        let end = try #require(try TensorArchive(path: path("end.npy"))[""]).floats()
        #expect(zip(whole.suffix(36), end).allSatisfy { abs($0 - $1) < 1e-5 } && end.count == 36)
        #expect(try TensorArchive(path: path("s.safetensors")).metadata["dims"] == "D=3")
        #expect(try recc("run", file, "--input", "x=a.npy", "--save-state", "s.npz").status == 2)
        #expect(try recc("run", file, "--input", "x=a.npy", "--state", "s.safetensors", "--grad", "g.npz").status == 2)
        let foreign = try recc("run", file, "--input", "x=a.npy", "--state", "whole.npy")
        #expect(foreign.status == 1 && foreign.errors.contains("no state of a model"))
        let reversed = try recc.file("r.rec", "model M {\n  input x: [3]\n  state h: [3]\n  h = h[t+1] + x\n  output h\n}\n")
        let refused = try recc("run", reversed, "--input", "x=a.npy", "--save-state", "r.safetensors")
        #expect(refused.status == 1 && refused.errors.contains("r.rec:4:7: error") && refused.errors.contains("[state-refused]"), "\(refused.errors)")
        let other = try recc.file("o.rec", "model M(D) {\n  input x: [D]\n  state h: [D]\n  h = 0.8 * h[t-1] + x[t-2]\n  output h\n}\n")
        let mismatch = try recc("run", other, "--input", "x=a.npy", "--state", "s.safetensors")
        #expect(mismatch.status == 1 && mismatch.errors.contains("[state-mismatch]"), "\(mismatch.errors)")
    }
}
