import Rec
import RecAnalysis
import RecDifferentiation
import RecForms
import RecInterpreter
import RecSchedule
import RecStream
import Testing

/// Schedules of chunks, as they are written, against the recurrence.
struct ScheduleTests {
    /// Interpreters of loops are slow.
    private static let small = [Extent(batch: 1, length: 10), Extent(batch: 3, length: 7, lengths: [7, 0, 2])]

    @Test("the schedules of every program give the same", arguments: ChunkwiseProgram.all)
    func agrees(_ program: ChunkwiseProgram) throws {
        let graph = try program.graph()
        for (count, extents) in [(1, Self.small.suffix(1)), (4, Self.small[...])] {
            let parts = try ChunkPartition(Pipeline.prepare(graph.chunkwise(program.states, by: count)))
            let run = try PartitionEvaluation(Partition(parts))
            for extent in extents {
                let data = program.data(graph, extent)
                expectSame(run.run(data), Interpreter(graph).run(data), "\(program.name) by \(count), \(extent)", within: 1e-11)
            }
        }
    }

    @Test("the schedules of gradients give the same", arguments: ChunkwiseProgram.all)
    func gradientsAgree(_ program: ChunkwiseProgram) throws {
        let graph = try program.graph()
        let request = program.gradientRequest(of: graph)
        let plain = try gradient(of: graph, request)
        let parts = try ChunkPartition(Pipeline.prepare(gradient(of: graph.chunkwise(program.states, by: 4), request)))
        let run = try PartitionEvaluation(Partition(parts))
        for extent in Self.small {
            let data = program.data(plain, extent)
            expectSame(run.run(data), Interpreter(plain).run(data), "\(program.name), \(extent)", within: 1e-9, states: false)
        }
    }

    @Test("the machine code of every program gives the same", arguments: ChunkwiseProgram.all)
    func codeAgrees(_ program: ChunkwiseProgram) throws {
        let graph = try program.graph()
        let cases = Extent.all.map { extent in
            let data = program.data(graph, extent)
            return (extent: extent, data: data, expected: Interpreter(graph).run(data))
        }
        let pools = [1, 2].map { ThreadPool(count: $0) }
        for (count, precision) in [(1, Precision.f64), (16, .f64), (32, .f32)] {
            let run = try PartitionedModel(graph.chunkwise(program.states, by: count), precision: precision, context: precision == .f64 ? .quick : CompileContext())
            for item in cases {
                for pool in pools {
                    try expectSame(
                        #require(try run.run(item.data, pool: pool)), item.expected, "\(program.name) by \(count), \(item.extent)",
                        within: precision == .f64 ? 1e-11 : 1e-4)
                }
            }
        }
    }

    @Test("the machine code of gradients gives the same", arguments: ChunkwiseProgram.all)
    func codeOfGradientsAgrees(_ program: ChunkwiseProgram) throws {
        let graph = try program.graph()
        let request = program.gradientRequest(of: graph)
        let plain = try gradient(of: graph, request)
        let run = try PartitionedModel(gradient(of: graph.chunkwise(program.states, by: 16), request), precision: .f64, context: .quick)
        for extent in Extent.few.suffix(1) {
            let data = program.data(plain, extent)
            try expectSame(
                #require(try run.run(data, pool: ThreadPool(count: 2))), Interpreter(plain).run(data), "\(program.name), \(extent)", within: 1e-9,
                states: false)
        }
    }

    @Test("the traversals of equal layers are of one size") func equalLayers() throws {
        let text = """
            model Block(D, K) {
              input x: [D]
              param W: [K, D] = normal(0.1)
              state S: [K, D]
              k = W @ x
              S = 0.9 * S[t-1] + outer(k, x)
              output z = x + k @ S
            }
            model M(L, D, K) {
              input x: [D]
              layer blocks = repeat(L, Block(D, K))
              output y = blocks(x)
            }
            """
        let program = ChunkwiseProgram(name: "layers", text: text, dims: ["L": 5, "D": 4, "K": 3], states: (0..<5).map { "blocks.\($0).S" })
        let graph = try program.graph()
        let parts = try ChunkPartition(Pipeline.prepare(graph.chunkwise(program.states, by: 4)))
        var sizes: [Int] = []
        for case .traversal(let traversal) in parts.parts { sizes.append(try Schedule(traversal, of: parts).buffers.count) }
        #expect(sizes.count == 5 && Set(sizes.dropFirst().dropLast()).count == 1 && sizes[4] <= sizes[1] + 2, "\(sizes)")
        let data = program.data(graph, Self.small[1])
        try expectSame(PartitionEvaluation(Partition(parts)).run(data), Interpreter(graph).run(data), "layers", within: 1e-9)
    }
}
