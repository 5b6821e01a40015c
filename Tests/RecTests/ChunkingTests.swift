import Rec
import TestSupport
import Testing

/// Which passes of a plan run again in chunks, and what of them.
@Suite struct ChunkingTests {
    private func plan(_ name: String) throws -> Plan {
        let model = try Model(Program(path: Project.path("examples/\(name).rec")), dims: try #require(ExampleTests.dims[name]))
        return try GradientModel(model).plan()
    }

    /// Sums over time and results are there from the first time; what is kept is computed again.
    @Test(arguments: ["gru", "mingru", "stack_lm", "bidirectional", "mamba"])
    func repeatedStagesLeadToStreams(name: String) throws {
        let plan = try plan(name)
        let chunking = try Chunking(plan)
        #expect(!chunking.streams.isEmpty && !chunking.repeatedSegments.isEmpty)
        for pass in chunking.passes {
            let stages = plan.segments[pass.segment].stages
            #expect(pass.sources.allSatisfy { $0 < pass.segment } && pass.sources == pass.sources.sorted())
            #expect(pass.repeated.allSatisfy { stages[$0].form != .totals })
            for source in pass.sources {
                #expect(chunking.streams.contains { $0.writer == source }, "a pass runs again for what it keeps")
            }
        }
        // The last pass has nothing after it.
        #expect(chunking.passes.last.map { chunking.repeatedSegments.contains($0.segment) } == false)
    }

    /// The last pass of a model in both directions reads from passes that go either way.
    @Test func passesInBothDirectionsRunAgain() throws {
        let chunking = try Chunking(plan("bidirectional"))
        let repeated = chunking.passes.filter { chunking.repeatedSegments.contains($0.segment) }
        #expect(Set(repeated.map(\.isReversed)) == [false, true])
        #expect(repeated.contains { !$0.rings.isEmpty })
    }

    /// Chunks reach at least as far as a delay does that reads a kept stream.
    @Test func delaysAcrossBoundaries() throws {
        let program = Program(
            text: "model M(C) {\n input x: [C]\n param w: [C] = normal(1)\n state h: [C]\n h = tanh(w * h[t-1] + x)\n m = mean[t](h)\n output y = m * tanh(h[t-3] + h[t+2])\n}\n")
        let chunking = try Chunking(Model(program, dims: ["C": 16]).plan())
        #expect(chunking.streams.map(\.before) == [3] && chunking.streams.map(\.behind) == [2] && chunking.leastSteps == 3)
        #expect(chunking.passes.map(\.sources.count) == [0, 1])
    }
}
