import Foundation
@testable import Rec
import TestSupport
import Testing

/// What a run takes in memory, and what is said where that is too much.
@Suite struct MemoryBoundTests {
    @Test(arguments: [
        ("512MB", 512_000_000), ("1.5 GB", 1_500_000_000), ("64MiB", 64 << 20), ("2kb", 2000), ("17", 17), ("17B", 17), ("1TB", 1_000_000_000_000),
    ])
    func sizes(text: String, bytes: Int) { #expect(ByteCount.parse(text) == bytes) }

    @Test(arguments: ["", "MB", "0", "-1MB", "0.5", "1XB", "1e9", "nan", "99999999999999999999TB", "1 2MB", "٣MB"])
    func whatIsNoSize(text: String) { #expect(ByteCount.parse(text) == nil) }

    private func lstm(_ size: Int) throws -> GradientModel {
        try GradientModel(Model(Program(path: Project.path("Benchmarks/programs/lstm.rec")), dims: ["D": size, "H": size]))
    }

    /// The least that a message states is enough, and less is not.
    @Test func theLeastIsStated() throws {
        let gradients = try lstm(16)
        let generated = RandomCase(for: gradients.model, batch: 1, length: 20_000, seed: 1)
        let cotangents = ["h": try #require(generated.cotangents["h"])]
        func run(_ bound: Int) throws -> GradientResults { try gradients.run(generated.data, cotangents: cotangents, within: bound) }
        let error = try #require(throws: DiagnosticList.self) { try run(1000) }
        #expect(error.diagnostics.map(\.id) == [.memoryBound])
        let help = try #require(error.diagnostics.first?.help)
        let least = try #require(help.firstMatch(of: /--memory (\w+)/).flatMap { ByteCount.parse(String($0.output.1)) })
        let frugal = try run(least)
        #expect(throws: DiagnosticList.self) { try run(least - 1_000_000) }
        let whole = try run(1 << 40)
        #expect(frugal.gradients.map { $0.tensor.doubles() } == whole.gradients.map { $0.tensor.doubles() })
        #expect(frugal.results.finalStates.map { $0.tensor.doubles() } == whole.results.finalStates.map { $0.tensor.doubles() })
    }

    /// A recurrence over another axis outside the first cannot be cut along the first.
    @Test func whyARunCannotBeCut() throws {
        let program = Program(
            text: "model M over (t, k: 4) {\n input x: real\n state h: real\n h = tanh(0.5 * h[t-1, k-1] + 0.4 * h[t+1, k-1] + x)\n output h\n}\n")
        let model = try Model(program)
        let generated = RandomCase(for: model, batch: 1, length: 50, seed: 1)
        let error = try #require(throws: DiagnosticList.self) {
            try GradientModel(model).run(generated.data, cotangents: generated.cotangents, within: 100_000_000)
        }
        #expect(error.diagnostics.map(\.id) == [.memoryBound])
        #expect(error.diagnostics.first?.message.contains("within each step of 'k'") == true, "\(error)")
    }

    /// Without a bound long runs stay within what the project promises.
    @Test func whatIsUsual() throws {
        func needs(_ gradients: GradientModel, _ length: Int) throws -> MemoryPlan {
            let facts = try KernelFacts(gradients.plan(), precision: .f32)
            return MemoryPlan(facts, batch: 1, extents: [length], workers: 2)
        }
        let long = try needs(lstm(256), 65_536)
        #expect(long.chunkSteps != nil && long.peakBytes < 600_000_000)
        let gated = try GradientModel(Model(Program(path: Project.path("examples/mingru.rec")), dims: ["D": 64, "H": 64]))
        let wide = try needs(gated, 1_048_576)
        #expect(Double(wide.peakBytes) < 1.5 * Double(wide.dataBytes + wide.resultBytes))
        #expect(try needs(gated, 16_384).chunkSteps == nil)
    }

    @Test func explanationsSayWhatIsKept() throws {
        // What is found out of a recurrence takes time by the square of its size.
        let gradients = try lstm(64)
        let work = Workload(batch: 1, extents: [262_144], threads: 2)
        let sources = gradients.model.program.sources
        let text = try Explanation(gradients, work: work, within: 300_000_000 + MemoryPlan.programBytes).text(sources)
        for part in ["a chunk of", "boundaries of chunks", "recomputed   the pass forward over t", "at most"] { #expect(text.contains(part), "\(text)") }
        let whole = try Explanation(gradients, work: work, within: 4 << 30).text(sources)
        #expect(whole.contains("recomputed   tanh(c)"))
        #expect(throws: DiagnosticList.self) { try Explanation(gradients, work: work, within: 1000) }
    }
}
