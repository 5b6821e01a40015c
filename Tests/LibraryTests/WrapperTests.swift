import Rec
import Testing

/// Files that `recc compile --emit swift` has written, held against the model without them.
@Suite struct WrapperTests {
    private let parameters = try? Tagger(seed: 3).model.parameters

    private func inputs(target: [Double]? = nil) -> Tagger.Inputs {
        Tagger.Inputs(
            token: [0, 4, 2, 1], on: [true, true, false, true], x: (0..<8).map { Double($0) / 8 - 0.4 }, bias: [0.1, -0.2, 0.3], target: target)
    }

    private func expected(_ tagger: Tagger, _ name: String, target: Bool = false) throws -> [Double] {
        let given = inputs()
        var tensors = [
            "token": try Tensor(given.token, shape: [1, 4]), "on": try Tensor(given.on.map { $0 ? 1 : 0 } as [Int], shape: [1, 4]),
            "x": try Tensor(given.x, shape: [1, 4, 2]), "bias": try Tensor(given.bias, shape: [1, 3]),
        ]
        if target { tensors["target"] = try Tensor([Double](repeating: 0.5, count: 12), shape: [1, 4, 3]) }
        return try tagger.model.run(ModelData(inputs: tensors), on: .interpreter)[name].doubles()
    }

    @Test func wholeSequences() throws {
        let tagger = try Tagger(parameters: #require(parameters))
        let outputs = try tagger(inputs())
        #expect(zip(outputs.h, try expected(tagger, "h")).allSatisfy { abs($0 - $1) < 1e-12 } && outputs.h.count == 12)
        #expect(outputs.best.map(Double.init) == (try expected(tagger, "best")))
        #expect(outputs.high.map { $0 ? 1.0 : 0 } == (try expected(tagger, "high")))
        #expect(outputs.error == nil)
        let error = try #require(try tagger(inputs(target: [Double](repeating: 0.5, count: 12))).error)
        #expect(abs(error - (try expected(tagger, "error", target: true))[0]) < 1e-12)
        #expect(Tagger.Dims.V == 5)
        var doubled = inputs()
        doubled.class = 2
        #expect(try tagger(doubled).h != outputs.h)
    }

    @Test func streams() throws {
        let tagger = try Tagger(seed: 3)
        let given = inputs()
        let outputs = try tagger(given)
        let stream = try tagger.stream(bias: given.bias, state: ModelState())
        for k in 0..<4 {
            let step = try stream.step(token: given.token[k], on: given.on[k], x: Array(given.x[2 * k..<2 * k + 2]))
            #expect(zip(step.h, outputs.h[3 * k..<3 * k + 3]).allSatisfy { abs($0 - $1) < 1e-12 })
            #expect(step.best == outputs.best[k] && step.high == outputs.high[k])
        }
        #expect(stream.session.stepCount == 4)
        #expect(try stream.session.state().tensors.map(\.name) == ["h"])
    }

    @Test func namesThatAreTaken() throws {
        let names = try Names(seed: 1)
        let outputs = try names(Names.Inputs(init_: [1, 0], session_: [2, 0], tensor0_: [3, 0], tensors_: [4, 0], memory: [5, 0], results: [6, 0], class: 10))
        #expect(outputs.self_ == [91, 0] && outputs.Step_ == [23, 22])
        let step = try names.stream(class: 10, Tensor_: 2).step(init_: 1, session_: 2, tensor0_: 3, tensors_: 4, memory: 5, results: 6)
        #expect(step.self_ == 91 && step.Step_ == 27)
    }

    @Test func wrongCalls() throws {
        let tagger = try Tagger(seed: 3)
        var wrong = inputs()
        wrong.x.append(1)
        expectProblem("misshapen-tensor") { _ = try tagger(wrong) }
        wrong = inputs()
        wrong.token.removeLast()
        expectProblem("misshapen-tensor") { _ = try tagger(wrong) }
        expectProblem("misshapen-tensor") { _ = try tagger.stream(bias: [1]) }
        let stream = try tagger.stream(bias: [0, 0, 0])
        expectProblem("misshapen-tensor") { _ = try stream.step(token: 1, on: true, x: [1]) }
        #expect(stream.session.stepCount == 0)
        expectProblem("missing-tensor") { _ = try Tagger(parameters: [:]) }
        expectProblem("file-problem") { _ = try Tagger(weights: "/nowhere/w.safetensors") }
    }
}
