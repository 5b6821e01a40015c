import RecCodeGen
import RecDifferentiation
import RecRuntime
import RecSchedule
import RecScheduling
import RecSource
import RecStream

/// A graph taken apart, as its parts are compiled: in parts of steps some recurrences may be parts of their own.
struct DividedGraph: Sendable {
    enum Part: Sendable {
        case steps(StreamGraph)
        case traversal(Schedule)
        case pairs(PairTraversal)
        case solved(any SolvedRecurrence)
        case parts(DividedGraph)
    }

    var partition: Partition
    var parts: [Part]

    init(_ partition: Partition) {
        self.partition = partition
        parts = partition.parts.map { part in
            switch part {
            case .steps(let graph): .steps(graph)
            case .traversal(let schedule): .traversal(schedule)
            case .pairs(let traversal): .pairs(traversal)
            case .parts(let partition): .parts(DividedGraph(partition))
            }
        }
    }

    /// The parts that are not taken apart any further, in the order in which they run.
    var leaves: [Part] {
        parts.flatMap { part -> [Part] in
            switch part {
            case .steps, .traversal, .pairs, .solved: [part]
            case .parts(let graph): graph.leaves
            }
        }
    }

    /// The reductions over pairs of steps, each with the work of its part.
    func pairs(in work: Workload) -> [(traversal: PairTraversal, work: Workload)] {
        parts.flatMap { part -> [(traversal: PairTraversal, work: Workload)] in
            switch part {
            case .pairs(let traversal): [(traversal, work)]
            case .parts(let graph): graph.pairs(in: partition.work(of: graph.partition.graph, in: work))
            case .steps, .traversal, .solved: []
            }
        }
    }

    /// Seconds that a run should take, by the cost model; other recurrences run in the plan that should be fastest.
    func estimatedSeconds(_ work: Workload, forcing forced: [String: PlanForm], on machine: MachineProfile) throws(DiagnosticList) -> Double {
        var seconds = 0.0
        for part in parts {
            switch part {
            case .steps(let graph):
                let choice = try PlanChoice(part: graph, forcing: forced, machine: machine, times: nil)
                let own = partition.work(of: graph, in: work)
                seconds += try choice.plan(for: own).estimatedSeconds(own, on: machine)
            case .traversal(let schedule): seconds += schedule.estimatedSeconds(work, on: machine)
            case .pairs(let traversal): seconds += traversal.estimatedSeconds(work, on: machine)
            case .solved(let recurrence): seconds += try recurrence.estimatedSeconds(work, on: machine)
            case .parts(let graph):
                seconds += try graph.estimatedSeconds(partition.work(of: graph.partition.graph, in: work), forcing: forced, on: machine)
            }
        }
        return seconds
    }
}

extension Partition {
    /// The work of a part, out of the whole.
    func work(of part: StreamGraph, in whole: Workload) -> Workload {
        var own = whole
        own.extents = extents(of: part, in: whole.extents)
        return own
    }
}

/// A model taken apart: `PartitionedModel` before there is code.
struct DividedModel: Sendable {
    /// Made when it is needed, which is seldom.
    typealias Exact = Deferred<Result<StreamGraph, DiagnosticList>>

    let graph: DividedGraph
    /// The graph that runs where numbers are not finite, in steps and pair by pair; nil where there are no pairs.
    let exact: Exact?
    /// Whether the parts are of a graph that takes all numbers to be finite.
    let looksAtResults: Bool
    /// Forms of recurrences whose steps of different times run at once, by state.
    let solved: [String: PlanForm]

    /// - Parameter solved: forms of recurrences whose steps of different times run at once, by state.
    /// - Throws: where a part has no schedule, or a recurrence cannot run so.
    init(
        _ graph: StreamGraph, exact: Exact? = nil, solving solved: [String: PlanForm] = [:], pairsBy size: PairPartition.Size = .usual, times: PassTimes?
    ) throws(DiagnosticList) {
        self.solved = solved
        looksAtResults = exact != nil
        let attends = graph.axes.contains { $0.again != nil }
        self.exact = attends && size != .single ? exact ?? Deferred { .success(graph) } : nil
        var divided: DividedGraph
        do throws(ScheduleRefusal) {
            divided = DividedGraph(try onDeepStack { () throws(ScheduleRefusal) in try Partition(Pipeline.prepare(graph, times: times), pairsBy: size) })
        } catch { throw attends ? Self.diagnostics(ofPairs: error) : Self.diagnostics(of: error) }
        if !solved.isEmpty { divided.parts = try SolvedForms.dividing(divided.parts, solved) }
        self.graph = divided
    }

    /// The first parts of a graph in which an axis is a dim of others.
    ///
    /// - Throws: where a part has no schedule.
    init(_ partition: AxisPartition, first count: Int) throws(ScheduleRefusal) {
        var divided = DividedGraph(try Partition(partition))
        divided.parts = Array(divided.parts.prefix(count))
        (graph, exact, looksAtResults, solved) = (divided, nil, false, [:])
    }

    /// The parts that are not taken apart any further, in the order in which they run.
    var leaves: [DividedGraph.Part] { graph.leaves }

    /// Seconds that a run should take, by the cost model; other recurrences run in the plan that should be fastest.
    func estimatedSeconds(_ work: Workload, forcing forced: [String: PlanForm], on machine: MachineProfile) throws(DiagnosticList) -> Double {
        try graph.estimatedSeconds(work, forcing: forced, on: machine)
    }

    /// What of that traversals of chunks take.
    func secondsOfTraversals(_ work: Workload, on machine: MachineProfile) -> Double {
        leaves.reduce(0) { seconds, part in if case .traversal(let schedule) = part { seconds + schedule.estimatedSeconds(work, on: machine) } else { seconds } }
    }

    private static func diagnostics(ofPairs refusal: ScheduleRefusal) -> DiagnosticList {
        DiagnosticList([
            Diagnostic(
                .planRefused, "there is no code for these pairs of steps: \(refusal.reason)", at: refusal.span, help: Diagnostic.interpretingHelp)
        ])
    }

    private static func diagnostics(of refusal: ScheduleRefusal) -> DiagnosticList {
        DiagnosticList([
            Diagnostic(
                .planRefused, "there is no code that runs this chunk by chunk: \(refusal.reason)", at: refusal.span,
                help: "leave out --plan: a form that can be built is chosen then")
        ])
    }
}

extension Model {
    /// The model taken apart, with recurrences in forms of whole runs.
    ///
    /// - Parameters:
    ///   - forms: by state.
    ///   - request: by what it is differentiated; nil where it is not.
    /// - Throws: where a recurrence cannot have its form, or a part has no schedule.
    func divided(_ forms: [String: PlanForm], _ request: GradientRequest?, times: PassTimes?) throws(DiagnosticList) -> DividedModel {
        let graph = try rewritten(forms.chunks, request, assumingFinite: attends)
        // In steps where numbers are not finite.
        let exact = attends && (request != nil || !forms.chunks.isEmpty)
            ? Deferred { Result { () throws(DiagnosticList) in try rewritten([:], request) } } : nil
        return try DividedModel(graph, exact: exact, solving: forms.solved, times: times)
    }

    /// The code of the model taken apart, with recurrences in forms of whole runs and others in forms of steps.
    ///
    /// - Throws: as `divided` does, and what goes wrong in code generation.
    package func partitioned(
        _ forms: [String: PlanForm], precision: Precision, forcing others: [String: PlanForm], context: CompileContext
    ) throws -> PartitionedModel {
        try PartitionedModel(divided(forms, nil, times: context.times), precision: precision, forcing: others, context: context)
    }
}
