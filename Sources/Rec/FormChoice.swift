import RecCodeGen
import RecDifferentiation
import RecRuntime
import RecScheduling
import RecSource
import RecStream
import Synchronization

/// Which recurrences have a form of whole runs: those for which somebody asks, and where nobody says anything all that can run chunk by
/// chunk, or in windows of time, for runs that should be faster so.
package final class FormChoice: Sendable {
    /// Forms that nobody has asked for.
    struct Candidate: Sendable {
        let variant: Variant
        let forms: [String: PlanForm]
        let divided: DividedModel
    }

    /// All recurrences that can have it get the same kind of form.
    enum Kind: CaseIterable, Sendable { case chunks, windows }

    /// A form with its number.
    enum Variant: Hashable, Sendable {
        /// Chunks of so many steps.
        case chunks(Int)
        case windows
    }

    private enum Found: Sendable {
        case none
        case some(Candidate)
    }

    private struct Known {
        var asked: PartitionedModel?
        /// By the length of an axis that is a dim of each step, the latest last.
        var unfolded: [(count: Int, model: PartitionedModel)] = []
        var candidates: [Variant: Found] = [:]
        var models: [Variant: PartitionedModel] = [:]
        /// Nil where none is.
        var chosen: [Key: Variant?] = [:]
    }

    /// What a choice depends on.
    private struct Key: Hashable {
        var kind: Kind
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
    /// The axis that is a dim of each step, of which there is code for each length.
    private let unfoldedAxis: Int?
    /// A model whose steps attend to others, with what was asked for; nil where no steps do.
    private let attending: DividedModel?
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
        isFree = asked.isEmpty && bound == nil && request?.truncation == nil
        var known = Known()
        try model.check(asked, within: bound)
        unfoldedAxis = model.unfoldedAxis
        try model.checkUnfolding(forced, request, within: bound)
        if model.attends, request?.truncation != nil { throw model.refusalOfTruncation() }
        let needsParts = model.attends && unfoldedAxis == nil || !asked.isEmpty && isBuilt
        let divided = needsParts
            ? try reportingProblems(in: model.program.sources) { [asked] in try model.divided(asked, request, times: context.times) } : nil
        attending = model.attends ? divided : nil
        if let divided, !asked.isEmpty, isBuilt {
            known.asked = try reportingProblems(in: model.program.sources) {
                try PartitionedModel(divided, precision: precision, weights: model.weights, forcing: others, context: context)
            }
        }
        self.known = Mutex(known)
    }

    /// What runs a model in such forms, where such a run should do so.
    ///
    /// A form that nobody has asked for and that cannot be built is none.
    ///
    /// - Throws: where an axis that is a dim of each step is too long.
    package func partitioned(for work: Workload) throws -> PartitionedModel? {
        if let unfoldedAxis { return try unfolded(count: work.extents[unfoldedAxis]) }
        if !asked.isEmpty { return known.withLock { $0.asked } }
        guard let candidate = chosen(for: work) else { return try attendingCode() }
        if let present = known.withLock({ $0.models[candidate.variant] }) { return present }
        guard let fresh = try? PartitionedModel(candidate.divided, precision: precision, weights: model.weights, forcing: others, context: context) else {
            known.withLock { known in
                known.candidates[candidate.variant] = Found.none
                known.chosen = known.chosen.filter { $0.value != candidate.variant }
            }
            return try attendingCode()
        }
        return known.withLock { known in
            // Another thread may have been first.
            let present = known.models[candidate.variant] ?? fresh
            known.models[candidate.variant] = present
            return present
        }
    }

    /// A model whose steps attend to others, in forms that nobody has asked for; nil for other models.
    private func attendingCode() throws -> PartitionedModel? {
        guard let attending else { return nil }
        if let present = known.withLock({ $0.asked }) { return present }
        let fresh = try PartitionedModel(attending, precision: precision, weights: model.weights, forcing: others, context: context)
        return known.withLock { known in
            // Another thread may have been first.
            let present = known.asked ?? fresh
            known.asked = present
            return present
        }
    }

    /// More lengths than these are not kept.
    private static let mostUnfolded = 16

    private func unfolded(count: Int) throws -> PartitionedModel {
        if let present = known.withLock({ $0.unfolded.first { $0.count == count } }) { return present.model }
        let graph = try model.unfolded(count: count, request)
        let fresh = try PartitionedModel(DividedModel(graph, times: context.times), precision: precision, weights: model.weights, forcing: [:], context: context)
        return known.withLock { known in
            // Another thread may have been first.
            if let present = known.unfolded.first(where: { $0.count == count }) { return present.model }
            if known.unfolded.count == Self.mostUnfolded { known.unfolded.removeFirst() }
            known.unfolded.append((count, fresh))
            return fresh
        }
    }

    /// The recurrences that have such a form in a run, by state.
    package func forms(for work: Workload) -> [String: PlanForm] { asked.isEmpty ? chosen(for: work)?.forms ?? [:] : asked }

    // MARK: Choice

    private func chosen(for work: Workload) -> Candidate? {
        guard isFree, work.extents.count == 1 else { return nil }
        return Kind.allCases.lazy.compactMap { self.chosen($0, for: work) }.first
    }

    private func chosen(_ kind: Kind, for work: Workload) -> Candidate? {
        guard mayGain(by: kind, work), kind == .chunks || attending == nil && model.weights == .full else { return nil }
        let key = Key(kind: kind, batch: work.batch, steps: work.extents.first ?? 0, threads: work.threads)
        if let present = known.withLock({ $0.chosen[key] }) { return present.flatMap(found) }
        guard let candidate = found(kind == .chunks ? .chunks(ChunkwiseForms.usualCount) : .windows) else { return nil }
        let chosen = context.times.measure("estimate") { () -> Candidate? in
            func seconds(_ candidate: Candidate) -> Double? { try? candidate.divided.estimatedSeconds(work, forcing: others, on: choice.machine) }
            guard let other = secondsOtherwise(work), var least = seconds(candidate) else { return nil }
            var best = candidate
            for count in kind == .chunks ? shorterChunks(for: work) : [] {
                // What is kept between chunks takes memory: shorter ones must promise something.
                guard let shorter = found(.chunks(count)), let own = seconds(shorter), own < 0.95 * least else { continue }
                (best, least) = (shorter, own)
            }
            return kind.promisesEnough(best.divided, least, on: choice.machine, work, otherwise: other) ? best : nil
        }
        known.withLock { $0.chosen[key] = .some(chosen?.variant) }
        return chosen
    }

    /// Seconds that a run should take with no form that nobody has asked for.
    private func secondsOtherwise(_ work: Workload) -> Double? {
        if let attending { return try? attending.estimatedSeconds(work, forcing: others, on: choice.machine) }
        return try? choice.plan(for: work).estimatedSeconds(work, on: choice.machine)
    }

    /// Fewer elements of states in a run than this are not worth a look at chunks.
    private static let leastElements = 1 << 21
    /// Nor than this another look at chunks of other lengths.
    private static let leastElementsForLengths = 1 << 24
    /// Nor are windows for fewer steps, or for more elements of states in a step.
    private static let leastSteps = 1 << 13, mostElements = 16
    /// More recurrences than these are not cut into windows unless somebody asks for it.
    private static let mostWindowed = 8

    /// Whether a look is worth its while: analysis takes longer than a small run.
    private func mayGain(by kind: Kind, _ work: Workload) -> Bool {
        let steps = work.extents.first ?? 0
        switch kind {
        case .chunks:
            return steps >= 2 * ChunkwiseForms.usualCount && elements(work) >= Self.leastElements
        case .windows: return steps >= Self.leastSteps && choice.forms.hasDelay(below: Self.mostElements / max(1, work.batch) + 1)
        }
    }

    /// Products of matrices have states with two dims to gain on.
    private var matrices: [Shape] { model.graph.states.map { model.graph[$0.value].shape }.filter { shape in shape.count { $0.size > 1 } > 1 } }

    /// Elements of the largest of them in a run.
    private func elements(_ work: Workload) -> Int { (matrices.map(\.elementCount).max() ?? 0) * work.batch * (work.extents.first ?? 0) }

    /// Lengths of chunks that are looked at beside the usual one, where the run is long enough for a look, or the usual chunks are few:
    /// less is done twice within shorter ones, and more between them, the more so the larger the matrices are.
    private func shorterChunks(for work: Workload) -> [Int] {
        let usual = ChunkwiseForms.usualCount
        guard elements(work) >= Self.leastElementsForLengths || work.extents.first ?? 0 < 4 * usual else { return [] }
        let widest = matrices.flatMap(\.sizes).max() ?? 0
        return widest <= usual / 2 ? [usual / 2, usual / 4] : [usual / 2]
    }

    private func found(_ variant: Variant) -> Candidate? {
        switch known.withLock({ $0.candidates[variant] }) {
        case .some(.some(let candidate)): return candidate
        case .some(.none): return nil
        case nil: break
        }
        let candidate =
            switch variant {
            case .chunks(let count): chunks(of: count)
            case .windows: windows()
            }
        known.withLock { $0.candidates[variant] = candidate.map(Found.some) ?? Found.none }
        return candidate
    }

    /// States whose recurrences somebody wants otherwise.
    private func othersThan(_ form: PlanForm) -> Set<String> {
        model.graph.statesRequired(otherThan: form).union(forced.keys)
    }

    private func chunks(of count: Int) -> Candidate? {
        guard model.graph.dataAxes.count == 1 else { return nil }
        let forms = ChunkwiseForms(of: model.graph).all(by: count, without: othersThan(.chunkwise(nil)))
        guard !forms.isEmpty, let divided = try? model.divided(forms, request, times: context.times) else { return nil }
        for case .traversal(let schedule) in divided.leaves {
            guard (try? CompiledSchedule.workspaceBytes(of: schedule, precision)) != nil else { return nil }
        }
        return Candidate(variant: .chunks(count), forms: forms, divided: divided)
    }

    /// The model's own recurrences that cannot be composed and whose elements do not meet; adjoints are affine.
    private func windows() -> Candidate? {
        let others = othersThan(.shooting(nil))
        var forms: [String: PlanForm] = [:]
        for recurrence in choice.forms.recurrences where !recurrence.facts.kind.isComposable && recurrence.facts.notDiagonal == nil {
            let states = recurrence.facts.states.map(StreamGraph.wholeName)
            guard let state = states.first, !state.hasPrefix("grad."), others.isDisjoint(with: states) else { continue }
            forms[state] = .shooting(nil)
        }
        // Each is a part of its own, which takes the graph apart once more.
        guard (1...Self.mostWindowed).contains(forms.count), let divided = try? model.divided(forms, request, times: context.times) else { return nil }
        return Candidate(variant: .windows, forms: forms, divided: divided)
    }
}

extension FormChoice.Kind {
    /// Whether a form should save enough to be taken. Of chunks it must be a quarter of what they take themselves: what stands around them is
    /// the same in every form. Whether windows meet is known only when they have run.
    fileprivate func promisesEnough(
        _ divided: DividedModel, _ seconds: Double, on machine: MachineProfile, _ work: Workload, otherwise other: Double
    ) -> Bool {
        switch self {
        case .chunks: seconds + 0.25 * divided.secondsOfTraversals(work, on: machine) < other
        case .windows: seconds < 0.5 * other
        }
    }
}
