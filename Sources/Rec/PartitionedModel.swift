import RecCodeGen
import RecInterpreter
import RecRuntime
import RecSchedule
import RecScheduling
import RecSource
import RecStream
import RecTensors

/// A model in which recurrences run chunk by chunk or with steps of different times at once, steps attend to others, or an axis is a dim of
/// the steps of another one, as machine code: parts that run one after another.
package final class PartitionedModel: Sendable {
    private enum Code: Sendable {
        case steps(StepsPart)
        case traversal(ScheduleRunner)
        case pairs(PairTraversal, ScheduleRunner)
        case solved(any SolvedRecurrence)
        case parts(Parts)
    }

    private struct Parts: Sendable {
        let partition: Partition
        let codes: [Code]
    }

    private let parts: Parts
    package let precision: Precision
    /// How parts of steps store the weights of their products.
    private let weights: WeightFormat
    /// Of all parts, which run one after another.
    private let memory = ResultMemory()
    private let context: CompileContext
    /// Whether results must be finite to count.
    private let looksAtResults: Bool
    /// Whether recurrences run chunk by chunk.
    private let hasChunks: Bool
    /// What runs where parts give numbers that are not finite: in steps, and pair by pair; nil where the caller has a plan for that.
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
        let exact = exact.map { exact in DividedModel.Exact { .success(exact) } }
        let divided = try DividedModel(graph, exact: exact, solving: solved, pairsBy: size, times: context.times)
        try self.init(divided, precision: precision, forcing: forced, context: context)
    }

    /// - Throws: what goes wrong in code generation.
    init(
        _ divided: DividedModel, precision: Precision, weights: WeightFormat = .full, forcing forced: [String: PlanForm], context: CompileContext
    ) throws {
        try weights.check(precision)
        looksAtResults = divided.looksAtResults
        hasChunks = divided.leaves.contains { if case .traversal = $0 { true } else { false } }
        (self.precision, self.weights) = (precision, weights)
        self.context = context
        let memory = memory
        let own = divided.leaves.compactMap { part -> (schedule: Schedule, precision: Precision)? in
            switch part {
            case .traversal(let schedule): (schedule, precision)
            case .pairs(let traversal): (traversal.schedule, traversal.holdsInts ? .f64 : precision)
            case .steps, .solved, .parts: nil
            }
        }
        // Those of equal layers are compiled once.
        var compiled = try CompiledSchedule.all(own, context: context)[...]
        func next() -> ScheduleRunner { ScheduleRunner(compiled.removeFirst(), memory: memory) }
        func code(_ graph: DividedGraph) throws -> Parts {
            let codes = try graph.parts.map { part -> Code in
                switch part {
                case .steps(let graph):
                    return .steps(StepsPart(try PlanChoice(part: graph, forcing: forced, times: context.times)))
                case .traversal: return .traversal(next())
                case .pairs(let traversal): return .pairs(traversal, next())
                case .solved(let recurrence): return .solved(recurrence)
                case .parts(let graph): return .parts(try code(graph))
                }
            }
            return Parts(partition: graph.partition, codes: codes)
        }
        parts = try code(divided.graph)
        exact = divided.exact.map { graph in
            Deferred {
                Result {
                    try PartitionedModel(
                        DividedModel(graph.value.get(), solving: divided.solved, pairsBy: .single, times: context.times), precision: precision, weights: weights,
                        forcing: forced, context: context)
                }
            }
        }
    }

    /// Seconds that a run should take, by the cost model.
    func estimatedSeconds(_ work: Workload, on machine: MachineProfile) -> Double? {
        func seconds(_ parts: Parts, _ work: Workload) -> Double? {
            var total = 0.0
            for code in parts.codes {
                switch code {
                case .steps(let part):
                    let own = parts.partition.work(of: part.choice.forms.prepared, in: work)
                    guard let plan = try? part.choice.plan(for: own) else { return nil }
                    total += plan.estimatedSeconds(own, on: machine)
                case .traversal(let runner): total += runner.code.schedule.estimatedSeconds(work, on: machine)
                case .pairs(let traversal, _): total += traversal.estimatedSeconds(work, on: machine)
                case .solved(let recurrence):
                    guard let own = try? recurrence.estimatedSeconds(work, on: machine) else { return nil }
                    total += own
                case .parts(let within):
                    guard let own = seconds(within, parts.partition.work(of: within.partition.graph, in: work)) else { return nil }
                    total += own
                }
            }
            return total
        }
        return seconds(parts, work)
    }

    /// Floating-point operations of the products of a run.
    func operations(for work: Workload) -> Double {
        func operations(_ parts: Parts, _ work: Workload) -> Double {
            parts.codes.reduce(0) { total, code in
                switch code {
                case .steps(let part):
                    let own = parts.partition.work(of: part.choice.forms.prepared, in: work)
                    return total + ((try? part.choice.plan(for: own))?.operationCount(for: own) ?? 0)
                case .traversal(let runner):
                    return total + runner.code.schedule.operations(for: ScheduleSize(batch: work.batch, steps: work.extents.first ?? 0, lengths: []))
                case .pairs(let traversal, _):
                    return total + traversal.schedule.operations(for: ScheduleSize(batch: work.batch, steps: work.extents[traversal.axis], lengths: []))
                case .solved(let recurrence): return total + recurrence.operationCount(for: work)
                case .parts(let within): return total + operations(within, parts.partition.work(of: within.partition.graph, in: work))
                }
            }
        }
        return operations(parts, work)
    }

    /// Runs whole sequences; nil where what chunks gave is not finite, and the recurrence must run step by step to say what is.
    package func run(_ data: BoundData, pool: ThreadPool) throws -> ModelResults? {
        var solves: [String: SolveReport] = [:]
        guard var found = try run(parts, data, pool, &solves)?.results else { return try runExactly(data, pool: pool) }
        // What blocks of pairs give of such numbers is no proof of them.
        if looksAtResults, exact != nil, found.outputs.contains(where: { !$0.tensor.isFinite }) || found.losses.contains(where: { !$0.tensor.isFinite }) {
            return try runExactly(data, pool: pool)
        }
        found.solves = solves
        return found
    }

    private func runExactly(_ data: BoundData, pool: ThreadPool) throws -> ModelResults? {
        guard let exact, var results = try exact.value.get().run(data, pool: pool) else { return nil }
        results.leftChunks = hasChunks
        return results
    }

    /// The tensors that the parts hand on; nil where numbers are not finite.
    func handedOn(_ data: BoundData, pool: ThreadPool) throws -> [String: Tensor]? {
        var solves: [String: SolveReport] = [:]
        return try run(parts, data, pool, &solves)?.tensors ?? exact?.value.get().handedOn(data, pool: pool)
    }

    /// What a run of parts gives, and the tensors that these have handed on; nil where numbers of traversals are not finite.
    private func run(
        _ parts: Parts, _ data: BoundData, _ pool: ThreadPool, _ solves: inout [String: SolveReport]
    ) throws -> (results: ModelResults, tensors: [String: Tensor])? {
        var tensors: [String: Tensor] = [:]
        var losses: [NamedTensor] = []
        var finalStates: [NamedTensor] = []
        // Parts run along axes of data alone.
        var data = data
        data.extents = parts.partition.dataExtents(data.extents)
        func size(along axis: Int) -> ScheduleSize { ScheduleSize(batch: data.batch, steps: data.extents[axis], lengths: data.lengths(along: axis)) }
        func add(_ results: ModelResults) {
            for output in results.outputs { tensors[output.name] = output.tensor }
            losses += results.losses
            finalStates += results.finalStates
        }
        for code in parts.codes {
            switch code {
            case .steps(let part): add(try run(part, of: parts, data, tensors, pool: pool))
            case .parts(let within):
                guard let own = try run(within, parts.partition.data(of: within.partition, data, tensors), pool, &solves) else { return nil }
                add(own.results)
            case .traversal(let runner):
                guard let written = runner.run(size(along: 0), pool: pool, tensors: { parts.partition.tensor($0, tensors, data, along: 0) }) else { return nil }
                tensors.merge(written) { $1 }
            case .pairs(let traversal, let runner):
                if traversal.holdsInts { try checkInts(of: traversal, parts.partition, tensors, data) }
                guard var written = runner.run(size(along: traversal.axis), pool: pool, tensors: { parts.partition.tensor($0, tensors, data, along: traversal.axis) })
                else { return nil }
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
        return (parts.partition.results(tensors, losses: losses, finalStates: finalStates, data: data), tensors)
    }

    private func run(_ part: StepsPart, of parts: Parts, _ data: BoundData, _ tensors: [String: Tensor], pool: ThreadPool) throws -> ModelResults {
        let whole = Workload(batch: data.batch, extents: data.extents, threads: pool.count, bytesPerReal: precision.byteCount)
        let own = parts.partition.work(of: part.choice.forms.prepared, in: whole)
        let code = try part.code(for: own, precision, weights, context)
        let model = try CompiledModel(code, parameters: data.parameters.merging(tensors) { $1 }, memory: memory)
        return try model.run(
            inputs: data.inputs.merging(tensors) { $1 }, batch: data.batch, extents: own.extents, lengths: data.lengths, pool: pool)
    }
}

extension PartitionedModel {
    /// Ints that are added up over pairs of steps are exact as long as their sums are within double precision.
    private func checkInts(of traversal: PairTraversal, _ partition: Partition, _ tensors: [String: Tensor], _ data: BoundData) throws {
        let most = 0x1p52 / Double(max(1, data.extents[traversal.axis]))
        for buffer in traversal.intBuffers {
            guard let tensor = partition.tensor(buffer, tensors, data, along: traversal.axis),
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
