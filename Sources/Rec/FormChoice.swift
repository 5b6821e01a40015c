import RecCodeGen
import RecDifferentiation
import RecRuntime
import RecScheduling
import RecSource
import RecStream
import Synchronization

/// Which recurrences have a form of whole runs: those for which somebody asks, and where nobody says anything all that can run chunk by
/// chunk, for runs that should be faster so.
package final class FormChoice: Sendable {
    /// A form in chunks that nobody has asked for.
    struct Candidate: Sendable {
        let counts: [String: Int?]
        let divided: PartitionedModel.Divided
    }

    private enum Found: Sendable {
        case none
        case some(Candidate)
    }

    private struct Known {
        var candidate: Found?
        var model: PartitionedModel?
        var isChosen: [Key: Bool] = [:]
    }

    /// What a choice depends on.
    private struct Key: Hashable {
        var batch: Int
        var steps: Int
        var threads: Int
    }

    /// The states that were asked for, with their forms.
    package let asked: [String: PlanForm]
    private let model: Model
    private let request: GradientRequest?
    private let forced, others: [String: PlanForm]
    private let precision: Precision
    private let isFree: Bool
    private let choice: PlanChoice
    private let context: CompileContext
    private let known: Mutex<Known>

    /// - Parameters:
    ///   - request: the gradients that are run; nil for the model itself.
    ///   - forced: forms that were asked for, by state.
    ///   - others: forms that recurrences beside the chunks are to have; nil for those of them that were asked for.
    ///   - bound: bytes that a run may have in memory. Chunks have no such bound.
    ///   - choice: what runs otherwise.
    ///   - isBuilt: whether code is made of what was asked for.
    /// - Throws: where what was asked for cannot be.
    package init(
        _ model: Model, _ request: GradientRequest?, forcing forced: [String: PlanForm], others: [String: PlanForm]? = nil,
        precision: Precision, within bound: Int?, else choice: PlanChoice, context: CompileContext, isBuilt: Bool = true
    ) throws(DiagnosticList) {
        self.model = model
        self.request = request
        self.forced = forced
        let others = others ?? forced.others
        self.others = others
        self.precision = precision
        self.choice = choice
        self.context = context
        asked = try model.formsOfWholeRuns(forced)
        isFree = asked.isEmpty && bound == nil && model.weights == .full && request?.truncation == nil
        var known = Known()
        try model.check(asked, within: bound)
        if !asked.isEmpty, isBuilt {
            let graph = try model.rewritten(asked.chunks, request)
            known.model = try reportingProblems(in: model.program.sources) { [asked] in
                try PartitionedModel(graph, shooting: asked.windows, precision: precision, forcing: others, context: context)
            }
        }
        self.known = Mutex(known)
    }

    /// What runs a model in such forms, where such a run should do so.
    ///
    /// A form that nobody has asked for and that cannot be built is none.
    package func partitioned(for work: Workload) -> PartitionedModel? {
        if !asked.isEmpty { return known.withLock { $0.model } }
        guard let candidate = chosen(for: work) else { return nil }
        if let present = known.withLock({ $0.model }) { return present }
        guard let fresh = try? PartitionedModel(candidate.divided, precision: precision, forcing: others, context: context) else {
            known.withLock { $0.candidate = Found.none }
            return nil
        }
        return known.withLock { known in
            // Another thread may have been first.
            let present = known.model ?? fresh
            known.model = present
            return present
        }
    }

    /// The recurrences that have such a form in a run, by state.
    package func forms(for work: Workload) -> [String: PlanForm] {
        asked.isEmpty ? (chosen(for: work)?.counts ?? [:]).mapValues { .chunkwise($0) } : asked
    }

    /// Fewer elements of states in a run than this are not worth a look.
    private static let leastElements = 1 << 21
    /// What a form in chunks must promise, as a share of the time without it.
    private static let mostShare = 0.8

    private func chosen(for work: Workload) -> Candidate? {
        guard isFree, work.extents.count == 1, let steps = work.extents.first, steps >= 2 * ChunkwiseForms.usualCount else { return nil }
        // Analysis takes longer than a small run, and products of matrices have states with two dims to gain on.
        let matrices = model.graph.states.map { model.graph[$0.value].shape }.filter { shape in shape.count { $0.size > 1 } > 1 }
        let width = matrices.map(\.elementCount).max() ?? 0
        guard width * work.batch * steps >= Self.leastElements else { return nil }
        guard case .some(let candidate) = found() else { return nil }
        let key = Key(batch: work.batch, steps: steps, threads: work.threads)
        if let isChosen = known.withLock({ $0.isChosen[key] }) { return isChosen ? candidate : nil }
        let isChosen = context.times.measure("estimate") { () -> Bool in
            let machine = choice.machine
            guard let plan = try? choice.plan(for: work),
                let seconds = try? candidate.divided.estimatedSeconds(work, forcing: others, on: machine)
            else { return false }
            return seconds < Self.mostShare * plan.estimatedSeconds(work, on: machine)
        }
        known.withLock { $0.isChosen[key] = isChosen }
        return isChosen ? candidate : nil
    }

    private func found() -> Found {
        if let present = known.withLock({ $0.candidate }) { return present }
        let found = candidate().map(Found.some) ?? .none
        known.withLock { $0.candidate = found }
        return found
    }

    private func candidate() -> Candidate? {
        guard model.graph.dataAxes.count == 1 else { return nil }
        var others = Set(forced.keys)
        for requirement in model.graph.requirements {
            if case .plan(let allowed) = requirement.property, !allowed.contains(PlanForm.chunkwise(nil).name) { others.insert(requirement.state) }
        }
        let forms = ChunkwiseForms(of: model.graph).all(without: others)
        let counts = forms.mapValues { _ in Optional(ChunkwiseForms.usualCount) }
        guard !counts.isEmpty, let graph = try? model.rewritten(counts, request),
            let divided = try? PartitionedModel.Divided(graph, times: context.times)
        else { return nil }
        for case .traversal(let schedule) in divided.schedules {
            guard (try? CompiledSchedule.workspaceBytes(of: schedule, precision)) != nil else { return nil }
        }
        return Candidate(counts: counts, divided: divided)
    }
}
