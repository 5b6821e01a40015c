import Foundation
import TestSupport
import Testing

@testable import Rec

/// What is timed, not how fast it is.
@Suite struct BenchmarkTests {
    static let programs = Project.files("Benchmarks/programs", "rec")

    private func model(_ path: String) throws -> Model {
        let program = try Program(path: path)
        return try Model(program, dims: Dictionary(uniqueKeysWithValues: try program.model().dims.map { ($0, 4) }))
    }

    @Test(arguments: programs)
    func programsAreRight(path: String) throws {
        let model = try model(path)
        let inputs = try GeneratedInputs(ranges: InputRanges()).tensors(for: model.graph, batch: 2, extents: [9])
        try expectAgreement(model, ModelData(inputs: inputs, parameters: model.initialParameters(seed: 1)), path)
        let source = try String(contentsOfFile: path, encoding: .utf8)
        #expect(try formatted(source, path: path) == source)
    }

    @Test func inputsFollowTheirRanges() throws {
        let program = Program(text: "model M {\n  input a, b: real\n  input k: int\n  input f: bool\n  output y = if f then a + b else real(k)\n}\n")
        let graph = try Model(program).graph
        func numbers(_ ranges: [String: ClosedRange<Double>]) throws -> [String: [Double]] {
            try GeneratedInputs(ranges: InputRanges(byName: ranges)).tensors(for: graph, batch: 4, extents: [500]).mapValues { $0.doubles() }
        }
        let plain = try numbers([:])
        #expect(plain["a"]?.contains { $0 < -0.5 } == true && plain["a"] != plain["b"])
        #expect(plain["k"]?.allSatisfy { $0 == 0 } == true && plain["f"]?.allSatisfy { $0 == 0 } == true)
        let ranged = try numbers(["a": 0.9...1, "k": -1...2, "f": 0...1])
        #expect(ranged["a"]?.allSatisfy { $0 >= 0.9 && $0 <= 1 } == true && ranged["b"] == plain["b"])
        #expect(ranged["k"].map { Set($0) } == [-1, 0, 1, 2] && ranged["f"].map { Set($0) } == [0, 1])
        #expect(try numbers(["a": 0.9...1])["a"] == ranged["a"])
    }

    @Test func unknownInputsAreNamed() throws {
        let model = try model(Project.path("Benchmarks/programs/selective_scan.rec"))
        let error = #expect(throws: DiagnosticList.self) {
            try Benchmark(model, batch: 1, length: 4, threads: 1, ranges: InputRanges(byName: ["dd": 0...1]), leastSeconds: 0)
        }
        #expect(error?.diagnostics.map(\.id) == [.unknownName])
    }

    /// Inputs and outputs count once, products by their multiplications and additions.
    @Test func trafficAndWorkAreCounted() throws {
        let affine = try Benchmark(
            model(Project.path("Benchmarks/programs/affine.rec")), batch: 2, length: 10, threads: 1, ranges: InputRanges(byName: ["a": 0.9...1]),
            leastSeconds: 0)
        #expect(affine.bytes == 3 * 2 * 10 * 4 * 4 && affine.operations == 0)
        let cell = try Benchmark(
            model(Project.path("Benchmarks/programs/lstm.rec")), batch: 2, length: 10, threads: 1, leastSeconds: 0)
        #expect(cell.bytes == 2 * 2 * 10 * 4 * 4 && cell.operations == 2 * 2 * 10 * 2 * 16 * 4)
    }
}
