import Foundation
import Rec
import Testing

/// Long chains are deep graphs: whatever is accepted is compiled and run on a stack that holds it.
@Suite(.timeLimit(.minutes(30))) struct DeepPrograms {
    private let x = ModelData(inputs: ["x": Tensor([1.0, 2], shape: [1, 2])])

    @Test func longSumsRun() throws {
        let model = try Model(Program(text: "model M {\n  input x: real\n  output y = x\(String(repeating: " + x", count: 4_000))\n}\n"))
        #expect(try model.run(x, on: .interpreter).outputs[0].tensor.doubles() == [4001, 8002])
        #expect(try model.run(x, on: .compiled(.f64)).outputs[0].tensor.doubles() == [4001, 8002])
    }

    @Test func longChainsOfNamesRun() throws {
        let chain = (0..<3_000).map { "  a\($0) = a\($0 + 1) * 0.5 + x\n" }.joined()
        let model = try Model(Program(text: "model M {\n  input x: real\n\(chain)  a3000 = x\n  output y = a0\n}\n"))
        #expect(try model.run(x, on: .compiled(.f64)).outputs[0].tensor.doubles() == [2, 4])
    }

    @Test func treesOfLongChainsAreShown() {
        let program = Program(text: "model M {\n  input x: real\n  output y = x\(String(repeating: " + x", count: 2_000))\n}\n")
        #expect(program.treeText.contains("binary"))
    }
}
