import RecCodeGen
import RecInterpreter
import RecRuntime
import RecSchedule
import RecScheduling
import RecSource
import RecStream
import RecTensors

/// A model in which recurrences run chunk by chunk or with steps of different times at once, or steps attend to others, as machine code:
/// parts that run one after another.
package final class PartitionedModel: Sendable {
    private enum Code: Sendable {
        case steps(StepsPart)
        case traversal(ScheduleRunner)
        case pairs(PairTraversal, ScheduleRunner)
        case solved(any SolvedRecurrence)
    }

    private let results: Divided.Results
    package let precision: Precision
    private let codes: [Code]
    /// Of all parts, which run one after another.
    private let memory = ResultMemory()
    private let context: CompileContext
    /// Whether results must be finite to count.
    private let looksAtResults: Bool
    /// What runs where blocks of pairs give numbers that are not finite, pair by pair.
    private let exact: Deferred<Result<PartitionedModel, any Error>>?

    /// - Parameters:
    ///   - graph: with recurrences written chunk by chunk.
    ///   - exact: what runs pair by pair where numbers are not finite; nil for the same graph.
    ///   - solved: forms of recurrences whose steps of different times run at once, by state.
    ///   - forced: forms of the other recurrences, by state.
    ///   - size: of blocks of pairs of steps.
    /// - Throws: where a part has no schedule, and what goes wrong in code generation.
    package convenience init(
        _ graph: StreamGraph, exact: StreamGraph? = nil, solving solved: [String: PlanForm] = [:], precision: Precision, forcing forced: [String: PlanForm] = [:],
        pairsBy size: PairPartition.Size = .usual, context: CompileContext = CompileContext()
    ) throws {
        try self.init(Divided(graph, exact: exact, solving: solved, pairsBy: size, times: context.times), precision: precision, forcing: forced, context: context)
    }

    /// - Throws: what goes wrong in code generation.
    init(_ divided: Divided, precision: Precision, forcing forced: [String: PlanForm], context: CompileContext) throws {
        let schedules = divided.schedules
        results = divided.results
        looksAtResults = divided.looksAtResults
        self.precision = precision
        self.context = context
        let memory = memory
        let own = schedules.map { part -> (schedule: Schedule, precision: Precision)? in
            switch part {
            case .traversal(let schedule): (schedule, precision)
            case .pairs(let traversal): (traversal.schedule, traversal.holdsInts ? .f64 : precision)
            case .steps, .solved: nil
            }
        }
        var compiled = try CompiledSchedule.all(own.compactMap { $0 }, context: context)[...]
        func next() -> ScheduleRunner { ScheduleRunner(compiled.removeFirst(), memory: memory) }
        codes = try schedules.map { part -> Code in
            switch part {
            case .steps(let graph):
                return .steps(StepsPart(try PlanChoice(part: graph, forcing: forced, times: context.times)))
            case .traversal: return .traversal(next())
            case .pairs(let traversal): return .pairs(traversal, next())
            case .solved(let recurrence): return .solved(recurrence)
            }
        }
        exact = divided.exact.map { graph in
            Deferred {
                Result {
                    try PartitionedModel(Divided(graph, solving: divided.solved, pairsBy: .single, times: context.times), precision: precision, forcing: forced, context: context)
                }
            }
        }
    }

    /// A part as it is compiled.
    enum Scheduled: Sendable {
        case steps(StreamGraph)
        case traversal(Schedule)
        case pairs(PairTraversal)
        case solved(any SolvedRecurrence)
    }

    static func schedules(of graph: StreamGraph) throws(DiagnosticList) -> [Scheduled] { try Divided(graph, times: nil).schedules }

    /// The parts of a graph, and the schedules of its traversals.
    struct Divided: Sendable {
        /// How results follow from the tensors that parts have handed on.
        enum Results: Sendable {
            case chunks(GraphPartition)
            case pairs(PairPartition)
            case axes(AxisPartition)

            /// The axes of data, by name.
            private var axes: [String] {
                let graph = switch self {
                case .chunks(let parts): parts.graph
                case .pairs(let parts): parts.graph
                case .axes(let parts): parts.graph
                }
                return graph.axes[graph.dataAxes].map(\.name)
            }

            /// The lengths of the axes that a part of steps runs along.
            func extents(of part: StreamGraph, in extents: [Int]) -> [Int] {
                part.axes.compactMap { axis in axes.firstIndex(of: axis.name).map { extents[$0] } }
            }

            func work(of part: StreamGraph, in whole: Workload) -> Workload {
                var own = whole
                own.extents = extents(of: part, in: whole.extents)
                return own
            }

            /// Without those of axes that are no data's.
            func dataExtents(_ extents: [Int]) -> [Int] { Array(extents.prefix(axes.count)) }
        }

        let results: Results
        let schedules: [Scheduled]
        /// The graph whose pairs must run one by one where numbers are not finite; nil where there are no pairs.
        let exact: StreamGraph?
        /// Whether the parts are of a graph that takes all numbers to be finite.
        let looksAtResults: Bool
        /// Forms of recurrences whose steps of different times run at once, by state.
        let solved: [String: PlanForm]

        /// - Parameter solved: forms of recurrences whose steps of different times run at once, by state.
        /// - Throws: where a part has no schedule, or a recurrence cannot run so.
        init(
            _ graph: StreamGraph, exact: StreamGraph? = nil, solving solved: [String: PlanForm] = [:], pairsBy size: PairPartition.Size = .usual, times: PassTimes?
        ) throws(DiagnosticList) {
            let (results, schedules, hasPairs) = try Self.divided(graph, size, times)
            self.results = results
            self.solved = solved
            looksAtResults = exact != nil
            self.exact = hasPairs && size != .single ? exact ?? graph : nil
            self.schedules = solved.isEmpty ? schedules : try SolvedForms.dividing(schedules, solved)
        }

        /// Some parts of a graph in which an axis is a dim of others.
        init(_ partition: AxisPartition, parts: [StreamGraph]) {
            (results, schedules) = (.axes(partition), parts.map { .steps($0) })
            (exact, looksAtResults, solved) = (nil, false, [:])
        }

        private static func divided(
            _ graph: StreamGraph, _ size: PairPartition.Size, _ times: PassTimes?
        ) throws(DiagnosticList) -> (Results, [Scheduled], hasPairs: Bool) {
            do throws(ScheduleRefusal) {
                return try onDeepStack { () throws(ScheduleRefusal) in
                    let prepared = Pipeline.prepare(graph, times: times)
                    if prepared.hasUnfoldedAxis {
                        let parts = try AxisPartition(prepared)
                        return (.axes(parts), parts.parts.map { .steps($0.graph) }, hasPairs: false)
                    }
                    if prepared.axes.contains(where: { $0.again != nil }) {
                        let parts = try PairPartition(prepared, by: size)
                        let schedules = parts.parts.map { part -> Scheduled in
                            switch part {
                            case .steps(let graph): .steps(graph)
                            case .pairs(let traversal): .pairs(traversal)
                            }
                        }
                        return (.pairs(parts), schedules, hasPairs: true)
                    }
                    let parts = try GraphPartition(prepared)
                    var schedules: [Scheduled] = []
                    for part in parts.parts {
                        switch part {
                        case .steps(let graph): schedules.append(.steps(graph))
                        case .traversal(let traversal): schedules.append(.traversal(try Schedule(traversal, of: parts)))
                        }
                    }
                    return (.chunks(parts), schedules, hasPairs: false)
                }
            } catch { throw graph.axes.contains { $0.again != nil } ? PartitionedModel.diagnostics(ofPairs: error) : PartitionedModel.diagnostics(of: error) }
        }

        /// Seconds that a run should take, by the cost model; other recurrences run in the plan that should be fastest.
        func estimatedSeconds(_ work: Workload, forcing forced: [String: PlanForm], on machine: MachineProfile) throws(DiagnosticList) -> Double {
            var seconds = 0.0
            for part in schedules {
                switch part {
                case .steps(let graph):
                    let choice = try PlanChoice(part: graph, forcing: forced, machine: machine, times: nil)
                    let own = results.work(of: graph, in: work)
                    seconds += try choice.plan(for: own).estimatedSeconds(own, on: machine)
                case .traversal(let schedule): seconds += schedule.estimatedSeconds(work, on: machine)
                case .pairs(let traversal): seconds += traversal.estimatedSeconds(work, on: machine)
                case .solved(let recurrence): seconds += try recurrence.estimatedSeconds(work, on: machine)
                }
            }
            return seconds
        }
    }

    static func diagnostics(ofPairs refusal: ScheduleRefusal) -> DiagnosticList {
        DiagnosticList([
            Diagnostic(
                .planRefused, "there is no code for these pairs of steps: \(refusal.reason)", at: refusal.span, help: Diagnostic.interpretingHelp)
        ])
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
                let own = results.work(of: part.choice.forms.prepared, in: work)
                guard let plan = try? part.choice.plan(for: own) else { return nil }
                seconds += plan.estimatedSeconds(own, on: machine)
            case .traversal(let runner): seconds += runner.code.schedule.estimatedSeconds(work, on: machine)
            case .pairs(let traversal, _): seconds += traversal.estimatedSeconds(work, on: machine)
            case .solved(let recurrence):
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
                let own = results.work(of: part.choice.forms.prepared, in: work)
                guard let plan = try? part.choice.plan(for: own) else { continue }
                total += plan.operationCount(for: own)
            case .traversal(let runner): total += runner.code.schedule.operations(for: ScheduleSize(batch: work.batch, steps: work.extents.first ?? 0, lengths: []))
            case .pairs(let traversal, _):
                total += traversal.schedule.operations(for: ScheduleSize(batch: work.batch, steps: work.extents[traversal.axis], lengths: []))
            case .solved(let recurrence): total += recurrence.operationCount(for: work)
            }
        }
        return total
    }

    /// The tensors that parts of steps hand on.
    func handedOn(_ data: BoundData, pool: ThreadPool) throws -> [String: Tensor] {
        let work = Workload(batch: data.batch, extents: data.extents, threads: pool.count, bytesPerReal: precision.byteCount)
        var tensors: [String: Tensor] = [:]
        for case .steps(let part) in codes {
            for output in try run(part, data, tensors, work, pool: pool).outputs { tensors[output.name] = output.tensor }
        }
        return tensors
    }

    private func run(_ part: StepsPart, _ data: BoundData, _ tensors: [String: Tensor], _ work: Workload, pool: ThreadPool) throws -> ModelResults {
        let own = results.work(of: part.choice.forms.prepared, in: work)
        let code = try part.code(for: own, precision, context)
        let model = try CompiledModel(code, parameters: data.parameters.merging(tensors) { $1 }, memory: memory)
        return try model.run(
            inputs: data.inputs.merging(tensors) { $1 }, batch: data.batch, extents: own.extents, lengths: data.lengths, pool: pool)
    }

    /// Runs whole sequences; nil where what chunks gave is not finite, and the recurrence must run step by step to say what is.
    package func run(_ data: BoundData, pool: ThreadPool) throws -> ModelResults? {
        var tensors: [String: Tensor] = [:]
        var losses: [NamedTensor] = []
        var finalStates: [NamedTensor] = []
        // Parts run along axes of data alone.
        var data = data
        data.extents = results.dataExtents(data.extents)
        func size(along axis: Int) -> ScheduleSize { ScheduleSize(batch: data.batch, steps: data.extents[axis], lengths: data.lengths(along: axis)) }
        let work = Workload(batch: data.batch, extents: data.extents, threads: pool.count, bytesPerReal: precision.byteCount)
        var solves: [String: SolveReport] = [:]
        for code in codes {
            switch code {
            case .steps(let part):
                let results = try run(part, data, tensors, work, pool: pool)
                for output in results.outputs { tensors[output.name] = output.tensor }
                losses += results.losses
                finalStates += results.finalStates
            case .traversal(let runner):
                guard let written = runner.run(size(along: 0), pool: pool, tensors: { PartitionEvaluation.tensor($0, tensors, data) }) else { return nil }
                tensors.merge(written) { $1 }
            case .pairs(let traversal, let runner):
                if traversal.holdsInts { try checkInts(of: traversal, tensors, data) }
                guard var written = runner.run(size(along: traversal.axis), pool: pool, tensors: { PairPartition.tensor($0, tensors, data, along: traversal.axis) }) else {
                    return try exact?.value.get().run(data, pool: pool)
                }
                for name in traversal.ints { written[name] = written[name].map { Tensor($0.doubles().map { Int(clamping: $0) }, shape: $0.shape) } }
                tensors.merge(written) { $1 }
            case .solved(let recurrence):
                let own = SolvedRun(tensors: tensors, data: data, precision: precision, context: context, pool: pool, memory: memory)
                let results = try recurrence.run(own, &solves[recurrence.state, default: recurrence.report])
                tensors.merge(results.tensors) { $1 }
                for (output, name) in recurrence.split.handedOn { tensors[output] = tensors[name] }
                finalStates += results.finalStates
            }
        }
        var found = switch results {
        case .chunks(let parts): parts.results(tensors, losses: losses, finalStates: finalStates, data: data)
        case .pairs(let parts): parts.results(tensors, losses: losses, finalStates: finalStates, data: data)
        case .axes(let parts): parts.results(tensors, losses: losses, data: data)
        }
        // What blocks of pairs give of such numbers is no proof of them.
        if looksAtResults, let exact, found.outputs.contains(where: { !$0.tensor.isFinite }) || found.losses.contains(where: { !$0.tensor.isFinite }) {
            return try exact.value.get().run(data, pool: pool)
        }
        found.solves = solves
        return found
    }
}

extension PartitionedModel {
    /// Ints that are added up over pairs of steps are exact as long as their sums are within double precision.
    private func checkInts(of traversal: PairTraversal, _ tensors: [String: Tensor], _ data: BoundData) throws {
        let most = 0x1p52 / Double(max(1, data.extents[traversal.axis]))
        for buffer in traversal.intBuffers {
            guard let tensor = PairPartition.tensor(buffer, tensors, data, along: traversal.axis),
                // The largest of no ints is the least of all.
                let large = tensor.doubles().first(where: { abs($0) > most && abs($0) < 0x1p63 })
            else { continue }
            throw DiagnosticList([
                Diagnostic(
                    .unsupported, "ints of pairs of steps are exact in code up to \(Int(most)) in a sequence so long, and here is \(large)", at: traversal.span,
                    help: "run it with 'recc run --interpret', or take real numbers")
            ])
        }
    }
}

extension Int {
    /// The nearest int.
    fileprivate init(clamping number: Double) { self = Int(exactly: number) ?? (number > 0 ? .max : number < 0 ? .min : 0) }
}
