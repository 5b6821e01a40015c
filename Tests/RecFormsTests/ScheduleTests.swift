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
    private static let small = [Extent(batch: 1, length: 17), Extent(batch: 3, length: 9, lengths: [9, 0, 5])]

    @Test("the schedules of every program give the same", arguments: ChunkwiseProgram.all)
    func agrees(_ program: ChunkwiseProgram) throws {
        let graph = try program.graph()
        for count in [1, 8] {
            let parts = try GraphPartition(Pipeline.prepare(graph.chunkwise(program.states, by: count)))
            let run = try PartitionEvaluation(parts)
            for extent in Self.small {
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
        for count in [8] {
            let parts = try GraphPartition(Pipeline.prepare(gradient(of: graph.chunkwise(program.states, by: count), request)))
            let run = try PartitionEvaluation(parts)
            for extent in Self.small {
                let data = program.data(plain, extent)
                expectSame(
                    run.run(data), Interpreter(plain).run(data), "\(program.name) by \(count), \(extent)", within: 1e-9, states: false)
            }
        }
    }

    @Test("the machine code of every program gives the same", arguments: ChunkwiseProgram.all)
    func codeAgrees(_ program: ChunkwiseProgram) throws {
        let graph = try program.graph()
        for (count, precision) in [(1, Precision.f64), (16, .f64), (32, .f32)] {
            let run = try PartitionedModel(graph.chunkwise(program.states, by: count), precision: precision)
            for extent in Extent.all {
                let data = program.data(graph, extent)
                for threads in [1, 2] {
                    try expectSame(
                        #require(try run.run(data, pool: ThreadPool(count: threads))), Interpreter(graph).run(data), "\(program.name) by \(count), \(extent)",
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
        let run = try PartitionedModel(gradient(of: graph.chunkwise(program.states, by: 16), request), precision: .f64)
        for extent in Extent.few {
            let data = program.data(plain, extent)
            try expectSame(
                #require(try run.run(data, pool: ThreadPool(count: 2))), Interpreter(plain).run(data), "\(program.name), \(extent)", within: 1e-9,
                states: false)
        }
    }
}
