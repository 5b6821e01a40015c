import RecInterpreter
import RecLowering
import RecStream
import RecTensors
import RecTyping
import Testing

@Suite struct InterpreterTests {
    private func run(_ text: String, dims: [String: Int] = [:], _ data: ModelData) throws -> ModelResults {
        let loader = ProgramLoader(path: "test.rec", text: text) { _, _ in nil }
        let (program, problems) = typeProgram(loader.program, sources: loader.sources)
        try #require(loader.diagnostics.isEmpty && problems.isEmpty, "\(problems.map(\.message))")
        let graph = try lower(program, model: program.mainModel ?? "", dims: dims)
        return Interpreter(graph).run(try BoundData(data, for: graph))
    }

    private func first(_ text: String, dims: [String: Int] = [:], _ data: ModelData) throws -> [Double] {
        try run(text, dims: dims, data).outputs[0].tensor.doubles()
    }

    @Test func delaysStartFromInitialValues() throws {
        let x = Tensor([1.0, 2, 3], shape: [1, 3])
        #expect(try first("model M { input x: real\n output y = x[t-1] + 10 * x[t-2] }", ModelData(inputs: ["x": x])) == [0, 1, 12])
        #expect(try first("model M { input x: real\n state s: real = 5\n s = s[t-1] + x\n output y = s[t-1] }", ModelData(inputs: ["x": x])) == [5, 6, 8])
        #expect(try first("model M { input x: real\n state s: real\n s = s[t+1] + x\n output s }", ModelData(inputs: ["x": x])) == [6, 5, 3])
        #expect(try first("model M { input x: real\n output y = x[t+1] }", ModelData(inputs: ["x": x])) == [2, 3, 0])
    }

    @Test func timeIsReduced() throws {
        let data = ModelData(inputs: ["x": Tensor([1.0, 4, 2], shape: [1, 3])])
        for (kind, expected) in [("sum", 7.0), ("mean", 7.0 / 3), ("max", 4), ("min", 1), ("first", 1), ("last", 2)] {
            #expect(try first("model M { input x: real\n output y = \(kind)[t](x) }", data) == [expected])
        }
        #expect(try first("model M { input x: real\n output y = x - mean[t](x) }", ModelData(inputs: ["x": Tensor([1.0, 3], shape: [1, 2])])) == [-1, 1])
    }

    @Test func sequencesEndByThemselves() throws {
        let data = ModelData(inputs: ["x": Tensor([1.0, 2, 3, 10, 20, .nan], shape: [2, 3])], lengths: [3, 2])
        let results = try run("model M { input x: real\n state s: real\n s = s[t-1] + x\n output s\n output r = sum[t](x) }", data)
        #expect(results.outputs[0].tensor.doubles() == [1, 3, 6, 10, 30, 0])
        #expect(results.outputs[1].tensor.doubles() == [6, 30])
        #expect(results.finalStates[0].tensor.doubles() == [6, 30])
        let back = try run("model M { input x: real\n state s: real\n s = s[t+1] + x\n output s }", data)
        #expect(back.outputs[0].tensor.doubles() == [6, 5, 3, 30, 20, 0])
    }

    @Test func noStepsGiveInitialStates() throws {
        let results = try run("model M { input x: real\n state s: real = 3\n s = s[t-1] + x\n output s }", ModelData(inputs: ["x": Tensor([Double](), shape: [2, 0])]))
        #expect(results.outputs[0].tensor.shape == [2, 0])
        #expect(results.finalStates[0].tensor.doubles() == [3, 3])
    }

    @Test func specialValuesAreAsDocumented() throws {
        let x = Tensor([.nan, -.infinity, -0.0, 2], shape: [1, 4])
        func each(_ function: String) throws -> [Double] {
            try first("model M { input x: real\n output y = \(function) }", ModelData(inputs: ["x": x]))
        }
        #expect(try each("relu(x)").map(\.isNaN) == [true, false, false, false])
        #expect(try each("step(x)") == [0, 0, 0, 1])
        #expect(try each("max(x, 0)").map(\.isNaN) == [true, false, false, false])
        #expect(try each("gelu(x)")[1] == 0)
        #expect(try first("model M(K) { input x: [K]\n output y = logsumexp(x) }", dims: ["K": 2], ModelData(inputs: ["x": Tensor([-Double.infinity, -.infinity], shape: [1, 1, 2])])) == [-.infinity])
    }

    @Test func convolutionIsCrossCorrelation() throws {
        let data = ModelData(
            inputs: ["x": Tensor([1.0, 2, 3, 4], shape: [1, 1, 1, 4])], parameters: ["W": Tensor([1.0, 0, -1], shape: [1, 1, 3])])
        #expect(try first("model M(L) { input x: [1, L]\n param W: [1, 1, 3]\n output y = conv[L](x, W, pad: 1) }", dims: ["L": 4], data) == [-2, -2, -2, 3])
        #expect(try first("model M(L) { input x: [1, L]\n output y = pad[L](x, 2, 1, reflect) }", dims: ["L": 4], data) == [3, 2, 1, 2, 3, 4, 3])
    }

    @Test func falseMonoidsAreFound() throws {
        func check(_ combine: String, identity: String) throws -> MonoidCheck.CounterExample? {
            let text = "monoid A(m) { identity (\(identity))\n combine (a, b) { m = \(combine) } }\nmodel M { input x: real\n f = fold A(x)\n output y = f.m }"
            let loader = ProgramLoader(path: "t.rec", text: text) { _, _ in nil }
            let (program, problems) = typeProgram(loader.program, sources: loader.sources)
            try #require(problems.isEmpty && loader.diagnostics.isEmpty)
            return MonoidCheck(try lower(program, model: "M", dims: [:]).folds[0]).run()
        }
        #expect(try check("a.m + b.m", identity: "0") == nil)
        #expect(try check("max(a.m, b.m)", identity: "-inf") == nil)
        #expect(try check("a.m - b.m", identity: "0")?.rule == "(a · b) · c = a · (b · c)")
        #expect(try check("a.m * b.m", identity: "0")?.rule == "e · x = x")
    }
}
