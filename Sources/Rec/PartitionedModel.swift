import RecCodeGen
import RecInterpreter
import RecRuntime
import RecSchedule
import RecScheduling
import RecSource
import RecStream
import RecTensors

/// A model in which recurrences run chunk by chunk, or in windows of time, as machine code: parts that run one after another.
package final class PartitionedModel: Sendable {
    private enum Code: Sendable {
        case steps(StepsPart)
        case traversal(ScheduleRunner)
        case shooting(ShootingRecurrence)
    }

    package let parts: GraphPartition
    package let precision: Precision
    private let codes: [Code]
    /// Of all parts, which run one after another.
    private let memory = ResultMemory()
    private let context: CompileContext

    /// - Parameters:
    ///   - graph: with recurrences written chunk by chunk.
    ///   - windows: of recurrences that run in windows of time, by state; nil where nobody says how many.
    ///   - forced: forms of the other recurrences, by state.
    /// - Throws: where a part has no schedule, and what goes wrong in code generation.
    package convenience init(
        _ graph: StreamGraph, shooting windows: [String: Int?] = [:], precision: Precision, forcing forced: [String: PlanForm] = [:],
        context: CompileContext = CompileContext()
    ) throws {
        try self.init(Divided(graph, shooting: windows, times: context.times), precision: precision, forcing: forced, context: context)
    }

    /// - Throws: what goes wrong in code generation.
    init(_ divided: Divided, precision: Precision, forcing forced: [String: PlanForm], context: CompileContext) throws {
        let schedules = divided.schedules
        parts = divided.parts
        self.precision = precision
        self.context = context
        let memory = memory
        codes = try schedules.map { part -> Code in
            switch part {
            case .steps(let graph):
                return .steps(StepsPart(try PlanChoice(part: graph, forcing: forced, times: context.times)))
            case .traversal(let schedule):
                return .traversal(ScheduleRunner(try CompiledSchedule(schedule, precision: precision, context: context), memory: memory))
            case .shooting(let recurrence): return .shooting(recurrence)
            }
        }
    }

    /// A part as it is compiled.
    enum Scheduled: Sendable {
        case steps(StreamGraph)
        case traversal(Schedule)
        case shooting(ShootingRecurrence)
    }

    static func schedules(of graph: StreamGraph) throws(DiagnosticList) -> [Scheduled] { try Divided(graph, times: nil).schedules }

    /// The parts of a graph, and the schedules of its traversals.
    struct Divided: Sendable {
        let parts: GraphPartition
        let schedules: [Scheduled]

        /// - Parameter windows: of recurrences that run in windows of time, by state; nil where nobody says how many.
        /// - Throws: where a part has no schedule, or a recurrence cannot run so.
        init(_ graph: StreamGraph, shooting windows: [String: Int?] = [:], times: PassTimes?) throws(DiagnosticList) {
            let (parts, schedules) = try Self.divided(graph, times)
            self.parts = parts
            self.schedules = windows.isEmpty ? schedules : try ShootingForms.dividing(schedules, windows)
        }

        private static func divided(_ graph: StreamGraph, _ times: PassTimes?) throws(DiagnosticList) -> (GraphPartition, [Scheduled]) {
            do throws(ScheduleRefusal) {
                return try onDeepStack { () throws(ScheduleRefusal) in
                    let parts = try GraphPartition(Pipeline.prepare(graph, times: times))
                    var schedules: [Scheduled] = []
                    for part in parts.parts {
                        switch part {
                        case .steps(let graph): schedules.append(.steps(graph))
                        case .traversal(let traversal): schedules.append(.traversal(try Schedule(traversal, of: parts)))
                        }
                    }
                    return (parts, schedules)
                }
            } catch { throw PartitionedModel.diagnostics(of: error) }
        }

        /// Seconds that a run should take, by the cost model; other recurrences run in the plan that should be fastest.
        func estimatedSeconds(_ work: Workload, forcing forced: [String: PlanForm], on machine: MachineProfile) throws(DiagnosticList) -> Double {
            var seconds = 0.0
            for part in schedules {
                switch part {
                case .steps(let graph):
                    let choice = try PlanChoice(part: graph, forcing: forced, machine: machine, times: nil)
                    seconds += try choice.plan(for: work).estimatedSeconds(work, on: machine)
                case .traversal(let schedule): seconds += schedule.estimatedSeconds(work, on: machine)
                case .shooting(let recurrence): seconds += try recurrence.estimatedSeconds(work, on: machine)
                }
            }
            return seconds
        }
    }

    static func diagnostics(of refusal: ScheduleRefusal) -> DiagnosticList {
        DiagnosticList([
            Diagnostic(
                .planRefused, "there is no code that runs this chunk by chunk: \(refusal.reason)", at: refusal.span,
                help: "leave out --plan: a form that can be built is chosen then")
        ])
    }

    /// Seconds that a run should take, by the cost model.
    func estimatedSeconds(_ work: Workload, on machine: MachineProfile) -> Double? {
        var seconds = 0.0
        for code in codes {
            switch code {
            case .steps(let part):
                guard let plan = try? part.choice.plan(for: work) else { return nil }
                seconds += plan.estimatedSeconds(work, on: machine)
            case .traversal(let runner): seconds += runner.code.schedule.estimatedSeconds(work, on: machine)
            case .shooting(let recurrence):
                guard let own = try? recurrence.estimatedSeconds(work, on: machine) else { return nil }
                seconds += own
            }
        }
        return seconds
    }

    /// Floating-point operations of the products of a run.
    func operations(for work: Workload) -> Double {
        var total = 0.0
        for code in codes {
            switch code {
            case .steps(let part):
                guard let plan = try? part.choice.plan(for: work) else { continue }
                total += plan.operationCount(for: work)
            case .traversal(let runner):
                let schedule = runner.code.schedule
                let chunks = ((work.extents.first ?? 0) + schedule.count - 1) / schedule.count
                total += Double(schedule.turns(for: ScheduleSize(batch: work.batch, steps: 0, lengths: nil)) * chunks) * schedule.operationsOfChunk
            case .shooting(let recurrence): total += recurrence.operationCount(for: work)
            }
        }
        return total
    }

    /// Runs whole sequences; nil where what chunks gave is not finite, and the recurrence must run step by step to say what is.
    package func run(_ data: BoundData, pool: ThreadPool) throws -> ModelResults? {
        var tensors: [String: Tensor] = [:]
        var losses: [NamedTensor] = []
        var finalStates: [NamedTensor] = []
        let steps = data.extents.first ?? 0
        let size = ScheduleSize(batch: data.batch, steps: steps, lengths: data.lengths)
        let work = Workload(batch: data.batch, extents: data.extents, threads: pool.count, bytesPerReal: precision.byteCount)
        var shooting: [String: ShootingReport] = [:]
        for code in codes {
            switch code {
            case .steps(let part):
                let code = try part.code(for: work, precision, context)
                let model = try CompiledModel(code, parameters: data.parameters.merging(tensors) { $1 }, memory: memory)
                let results = try model.run(
                    inputs: data.inputs.merging(tensors) { $1 }, batch: data.batch, extents: data.extents, lengths: data.lengths, pool: pool)
                for output in results.outputs { tensors[output.name] = output.tensor }
                losses += results.losses
                finalStates += results.finalStates
            case .traversal(let runner):
                guard let written = runner.run(size, pool: pool, tensors: { PartitionEvaluation.tensor($0, tensors, data) }) else { return nil }
                tensors.merge(written) { $1 }
            case .shooting(let recurrence):
                let around = ShootingRecurrence.Surroundings(
                    tensors: tensors, data: data, precision: precision, context: context, pool: pool, memory: memory)
                let results = try recurrence.run(around, &shooting[recurrence.state, default: ShootingReport()])
                tensors.merge(results.tensors) { $1 }
                finalStates += results.finalStates
            }
        }
        var results = parts.results(tensors, losses: losses, finalStates: finalStates, data: data)
        results.shooting = shooting
        return results
    }
}
