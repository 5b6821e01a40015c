import Foundation
import Rec
import Testing

@Suite struct StreamSessionTests {
    private func session(_ text: String, dims: [String: Int] = [:], capacity: Int = 1) throws -> StreamSession {
        let model = try Model(Program(text: text), dims: dims)
        let compiled = try CompiledModel(model.compile(.f64), parameters: model.initialParameters(seed: 1))
        return try StreamSession(compiled, capacity: capacity)
    }

    private func step(_ session: StreamSession, _ x: Double) throws -> Double {
        try session.withInput("x") { $0.storeBytes(of: x, as: Double.self) }
        try session.advance()
        return try session.withOutput("y") { $0.load(as: Double.self) }
    }

    private let filter = "model M { input x: real\n state s: real = 1\n s = 0.5 * s[t-1] + x[t-2]\n z = 2 * s\n output y = z + z[t-1] }"

    @Test func savedStatesGoOn() throws {
        let inputs = (0..<20).map { Double($0 % 7) - 3 }
        let whole = try session(filter)
        let expected = try inputs.map { try step(whole, $0) }
        let first = try session(filter)
        for (k, x) in inputs.prefix(9).enumerated() { #expect(try step(first, x) == expected[k]) }
        let second = try session(filter)
        try second.restore(first.savedState())
        #expect(second.stepCount == 9)
        for k in 9..<20 { #expect(try step(second, inputs[k]) == expected[k]) }
    }

    @Test("a model that no input drives runs on by itself") func withoutInputs() throws {
        let model = try Model(Program(text: "model M {\n  input n0: int once = 3\n  state n: int = n0\n  n = n[t-1] + 1\n  output n\n}\n"))
        for batch in [1, 3] {
            let stream = try model.stream(batch: batch)
            #expect(stream.inputNames.isEmpty)
            #expect(try stream.step()["n"] == [Float](repeating: 4, count: batch))
            #expect(try stream.step()["n"] == [Float](repeating: 5, count: batch))
        }
        let given = try model.stream(batch: 2, once: ["n0": Tensor([10, 20], shape: [2])], state: ModelState())
        #expect(try given.step()["n"] == [11, 21])
        try given.resume(from: given.state())
        #expect(try given.step()["n"] == [12, 22])
        #expect(throws: DiagnosticList.self) { try model.stream(batch: 3, once: ["n0": Tensor([10, 20], shape: [2])]) }
    }

    @Test func foreignStatesAreRefused() throws {
        let other = try session("model M(H) { input x: real\n state h: [H]\n h = h[t-1] + x\n output y = sum(h) }", dims: ["H": 3])
        #expect(throws: DiagnosticList.self) { try session(filter).restore(other.savedState()) }
        #expect(throws: DiagnosticList.self) { try session(filter).restore([]) }
    }

    @Test func whatNeedsTheWholeSequenceIsRefused() {
        for body in ["output y = x[t+1]", "output y = x - mean[t](x)", "state s: real\n s = s[t+1] + x\n output y = s"] {
            #expect(throws: DiagnosticList.self) { try session("model M { input x: real\n \(body) }") }
        }
    }

    /// Of what does not vary over time there is one value for each sequence, as in a run of whole sequences.
    @Test(arguments: [1, 3, 8])
    func outputsGivenOnceHaveNoSteps(piece: Int) throws {
        let text = "model M { input x: real\n input c: [2] once\n param p: complex\n output y = 2 * x\n output z = c + 1\n output w = p\n }"
        let model = try Model(Program(text: text))
        let data = RandomCase(for: model, batch: 3, length: 7, seed: 4).data
        let whole = try model.run(data, on: .interpreter)
        let streamed = try StreamRun.run(model, data, precision: .f64, piece: piece)
        for (a, b) in zip(streamed.outputs, whole.outputs) {
            #expect(a.tensor.shape == b.tensor.shape && a.tensor.doubles() == b.tensor.doubles(), "\(a.name)")
        }
    }
}
