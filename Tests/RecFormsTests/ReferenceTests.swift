import Foundation
import Rec
import RecAnalysis
import RecDifferentiation
import RecForms
import RecInterpreter
import RecStream
import RecTensors
import Testing

/// Programs with results and gradients of an independent implementation, where they lie beside the project.
struct ReferenceTests {
    private static let shared = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../../shared").standardizedFileURL

    private static func programs(_ folder: String) -> [String] {
        let files = try? FileManager.default.contentsOfDirectory(atPath: shared.appendingPathComponent(folder).path)
        return (files ?? []).filter { $0.hasSuffix(".rec") }.sorted().map { "\(folder)/\($0.dropLast(4))" }
    }

    @Test("chunkwise results and gradients are the expected ones", arguments: programs("heads") + programs("conformance"))
    func agrees(_ name: String) throws {
        let program = try Program(path: Self.shared.appendingPathComponent("\(name).rec").path)
        let file = try CaseFile(path: Self.shared.appendingPathComponent("\(name).safetensors").path)
        let model = try Model(program, dims: file.dims, fitting: file.data)
        let graph = model.graph.sharingCommonValues().recognizingContractions()
        // States by themselves: with one in chunks, the others may still be.
        var states: [String] = []
        for state in graph.states.map(\.name) where (try? graph.chunkwise([state], by: 16)) != nil { states.append(state) }
        states.removeAll { name in graph.states.contains { $0.name == name && !graph.isRecurrent($0.value) } }
        if name.hasPrefix("heads") { #expect(!states.isEmpty) }
        guard !states.isEmpty else { return }
        for count in name.hasPrefix("heads") ? [64] : [16] {
            let chunked = try graph.chunkwise(states, by: count)
            let results = Interpreter(chunked).run(try BoundData(file.data, for: chunked))
            expect(results.outputs, file.outputs, within: 1e-11, "\(name) by \(count)")
            expect(results.finalStates, file.finalStates, within: 1e-11, "\(name) by \(count)")
            guard !file.gradients.isEmpty else { continue }
            var request = GradientRequest(of: graph)
            if !file.cotangents.isEmpty { request.seeds = file.cotangents.keys.sorted().map(GradientRequest.Seed.init(cotangent:)) }
            let backward = try gradient(of: chunked, request)
            var data = file.data
            for (name, tensor) in file.cotangents { data.inputs["cotangent.\(name)"] = tensor }
            let got = Interpreter(backward).run(try BoundData(data, for: backward))
            let gradients = got.outputs.filter { $0.name.hasPrefix("grad.") }.map { NamedTensor(name: String($0.name.dropFirst(5)), tensor: $0.tensor) }
            expect(gradients, file.gradients, within: 1e-9, "\(name) by \(count)")
        }
    }

    private func expect(_ got: [NamedTensor], _ expected: [NamedTensor], within tolerance: Double, _ what: String) {
        for item in expected {
            guard let own = got.first(where: { $0.name == item.name }) else { continue }
            let (x, y) = (own.tensor.doubles(), item.tensor.doubles())
            let norm = y.reduce(0) { $0 + $1 * $1 }.squareRoot()
            let error = zip(x, y).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
            #expect(x.count == y.count && error <= tolerance * norm, "\(what): \(item.name) is off by \(error / norm)")
        }
    }
}

extension StreamGraph {
    fileprivate func isRecurrent(_ state: ValueID) -> Bool {
        components(of: self).contains { $0.isRecurrence && $0.members.contains(state) }
    }
}
