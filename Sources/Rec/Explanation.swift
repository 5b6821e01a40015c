import RecAnalysis
import RecCodeGen
import RecForms
import RecDifferentiation
import RecScheduling
import RecSource
import RecStream

/// What each recurrence of a model is, in which forms it can run, and which is chosen for an amount of work.
///
/// ```swift
/// print(try Explanation(model, batch: 8, length: 2048, threads: 2))
/// ```
public struct Explanation: Sendable {
    /// A form of execution: legal, with what the recurrence should take in it, or refused.
    package struct Form: Sendable {
        package var name: String
        /// Nil where it is legal.
        package var refusal: PlanRefusal?
        /// Seconds that the recurrence should take of a run, by the cost model; nil where the form is refused.
        package var seconds: Double?
    }

    package struct Recurrence: Sendable {
        package var facts: RecurrenceFacts
        /// As the user knows them: the parts of a complex state are one.
        package var states: [String]
        package var axis: String
        package var direction: String
        /// Both in words.
        package var course: String
        /// Where its equations begin.
        package var span: SourceSpan?
        package var forms: [Form]
        package var chosen: String
        /// What the code of the chosen form does.
        package var note: String
    }

    /// Reductions over pairs of steps that are computed together.
    package struct Pairs: Sendable {
        /// The index of the results, and the one that is reduced.
        package var indices: (outer: String, inner: String)
        package var span: SourceSpan?
        /// Which pairs are looked at, and how.
        package var pairs: String
        package var note: String
        /// By the cost model.
        package var seconds: Double
    }

    package var sources: SourceMap
    package var model: String
    package var dims: [(name: String, size: Int)]
    package var work: Workload
    /// The axis whose rounds end on a condition, the name of that, and how many rounds there are at most; nil where all are taken.
    package var rounds: (axis: String, condition: String, most: Int)?
    package var recurrences: [Recurrence] = []
    package var pairs: [Pairs] = []
    /// Nil where all axes are loops.
    package var unfolded: Unfolded?
    /// One line for each product with weights: where it is computed.
    package var products: [String] = []
    package var segmentCount: Int
    /// Seconds that the whole run should take, by the cost model.
    package var seconds: Double
    /// What the run keeps in memory; nil where neither gradients nor a bound were asked for.
    package var memory: MemoryPlan?
    /// The passes that run again for each chunk, as `forward over t`.
    package var repeatedPasses: [String] = []
    /// What a pass computes again rather than reads, as far as it takes a function or a division, in the user's words.
    package var recomputed: [String] = []
    /// Whether a pass computes anything again.
    package var recomputesLightly = false

    /// Of forms that the design knows and this version has not.
    static let unbuilt = PlanRefusal("not built in this version")

    /// - Parameters:
    ///   - work: what the run would be; an open axis has `work.extents` steps.
    ///   - forced: forms by state, as for a run.
    ///   - bound: bytes that the run may have in memory.
    /// - Throws: `DiagnosticList` where a form is not legal, or the run does not fit its bound.
    package init(_ model: Model, work: Workload, forcing forced: [String: PlanForm] = [:], within bound: Int? = nil) throws {
        let work = work.along(model.graph.dataAxes)
        try Self.check(model, work, bound)
        let choice = try PlanChoice(model, forcing: forced.others)
        try self.init(model, choice, work)
        try model.checkUnfolding(forced, nil, within: bound)
        guard try !explainUnfolding(of: model, nil, else: choice) else { return }
        try explainChunks(of: model, nil, forced, work, bound, else: choice)
        estimateChunks(of: model, forced, on: choice.machine)
        if bound != nil { try explainMemory(of: choice.plan(for: work), within: bound) }
    }

    /// The same of a run with gradients. The adjoint of a state `h` is the state `grad.h`.
    package init(_ gradients: GradientModel, work: Workload, forcing forced: [String: PlanForm] = [:], within bound: Int? = nil) throws {
        let work = work.along(gradients.model.graph.dataAxes)
        try Self.check(gradients.model, work, bound)
        let choice = try PlanChoice(gradients, forcing: forced.others)
        try self.init(gradients.model, choice, work)
        try gradients.model.checkUnfolding(forced, gradients.request, within: bound)
        guard try !explainUnfolding(of: gradients.model, gradients.request, else: choice) else { return }
        guard try !explainChunks(of: gradients.model, gradients.request, forced, work, bound, else: choice) else { return }
        try explainMemory(of: choice.plan(for: work), within: bound)
    }

    private static func check(_ model: Model, _ work: Workload, _ bound: Int?) throws(DiagnosticList) {
        try CallCheck.threads(work.threads)
        try CallCheck.memory(bound)
        guard work.batch >= 1, work.extents.allSatisfy({ $0 >= 1 }) else {
            throw DiagnosticList(.badCall, "a run of \(work.batch) sequences of \(work.extents.map(String.init).joined(separator: " × ")) steps is none")
        }
        try model.checkSize(batch: work.batch, extents: work.extents)
    }

    /// What a choice makes of a model.
    package init(_ model: Model, _ choice: PlanChoice, _ work: Workload) throws {
        sources = model.program.sources
        self.model = model.graph.name
        self.work = work
        let scans = try choice.choose(work)
        let plan = try choice.plan(scanning: scans, for: work)
        dims = model.typed.dims.compactMap { name in model.dims[name].map { (name, $0) } }
        if let until = model.typed.until, let axis = model.graph.axes.dropFirst().first, let most = axis.length {
            rounds = (axis.name, model.typed[until].name ?? "a condition", most)
        }
        segmentCount = plan.segments.filter { segment in
            if case .sweep = segment.kind { return !segment.stages.isEmpty }
            return false
        }.count
        seconds = plan.estimatedSeconds(work, on: choice.machine)
        let graph = choice.forms.prepared
        let chunkwise = ChunkwiseForms(of: model.graph)
        let states = Set(graph.states.map(\.value))
        let stages = Self.stages(of: plan)
        let candidates = Candidates(choice, scans, work)
        var numbers: [ValueID: Int] = [:]
        for (k, recurrence) in choice.forms.recurrences.enumerated() { for value in recurrence.facts.delayed { numbers[value] = k } }
        let all = RecAnalysis.recurrences(of: graph)
        let isEstimated = all.count { !$0.kind.isComposable } <= Self.mostEstimated
        for facts in all {
            // A fold is several recurrences to the scheduler.
            let parts = Set(facts.delayed.compactMap { numbers[$0] }).sorted()
            let isScan = parts.allSatisfy(scans.contains) && !parts.isEmpty
            let names = Set(facts.delayed.compactMap { graph[$0].name })
            var forms = try candidates.forms(of: names, parts)
            forms.append(Self.chunkwise(facts, chunkwise, graph))
            let isOwn = chunkwise.has(Self.merged(facts.states))
            for form in [PlanForm.shooting(nil), .newton] {
                forms.append(Self.solved(form, facts, graph, isOwn: isOwn, isEstimated: isEstimated, work, choice.machine))
            }
            recurrences.append(
                Recurrence(
                    facts: facts, states: Self.merged(facts.states), axis: facts.axisNames(in: graph), direction: facts.direction,
                    course: facts.course(in: graph), span: Self.place(of: facts.members, in: graph, states), forms: forms,
                    chosen: (isScan ? PlanForm.scan : .sequential).text, note: Self.note(names.compactMap { stages[$0] }.min { $0.number < $1.number }?.stage, work)))
        }
        products = Self.products(of: plan, model.weights)
    }

    /// The plans in which recurrences have one form or the other, made once for all that are chosen together.
    private final class Candidates {
        private let choice: PlanChoice
        private let scans: Set<Int>
        private let work: Workload
        private var together: [Int: [Int]] = [:]
        private var seconds: [Set<Int>: RecurrenceSeconds] = [:]

        init(_ choice: PlanChoice, _ scans: Set<Int>, _ work: Workload) {
            self.choice = choice
            self.scans = scans
            self.work = work
            let legal = choice.forms.recurrences.indices.filter { choice.forms.recurrences[$0].refusal == nil }
            for group in choice.forms.chosenTogether(legal) { for k in group { together[k] = group } }
        }

        func forms(of names: Set<String>, _ parts: [Int]) throws(DiagnosticList) -> [Form] {
            let group = Set(parts).union(parts.flatMap { together[$0] ?? [] })
            return [
                try form(.sequential, scans.subtracting(group), names),
                try form(.scan, scans.union(group), names, refused: parts.lazy.compactMap { self.choice.forms.recurrences[$0].refusal }.first),
            ]
        }

        private func times(_ scanning: Set<Int>) throws(DiagnosticList) -> RecurrenceSeconds {
            if let known = seconds[scanning] { return known }
            let plan = try choice.plan(scanning: scanning, for: work)
            let fresh = RecurrenceSeconds(plan, work, on: choice.machine)
            seconds[scanning] = fresh
            return fresh
        }

        private func form(
            _ name: PlanForm, _ scanning: Set<Int>, _ names: Set<String>, refused: PlanRefusal? = nil
        ) throws(DiagnosticList) -> Form {
            if let refusal = refused ?? choice.refusal(of: scanning) { return Form(name: name.text, refusal: refusal, seconds: nil) }
            return Form(name: name.text, refusal: nil, seconds: try times(scanning).total(of: names))
        }
    }

    /// The form in chunks, where a model's own recurrence is affine in more than a number; adjoints follow the model's.
    private static func chunkwise(_ facts: RecurrenceFacts, _ forms: ChunkwiseForms, _ graph: StreamGraph) -> Form {
        let states = merged(facts.states)
        guard facts.kind == .affine, facts.delayed.contains(where: { !graph[$0].shape.isEmpty }), forms.has(states) else {
            return Form(name: "chunkwise", refusal: unbuilt, seconds: nil)
        }
        return Form(name: "chunkwise", refusal: forms.refusal(of: states).map { PlanRefusal($0.reason, at: $0.span) }, seconds: nil)
    }

    /// A form in which steps of different times run at once, of a model's own recurrence that is not composed.
    private static func solved(
        _ form: PlanForm, _ facts: RecurrenceFacts, _ graph: StreamGraph, isOwn: Bool, isEstimated: Bool, _ work: Workload, _ machine: MachineProfile
    ) -> Form {
        guard isOwn, !facts.kind.isComposable, graph.axes.count == 1 else { return Form(name: form.name, refusal: unbuilt, seconds: nil) }
        guard isEstimated else { return Form(name: form.name, refusal: nil, seconds: nil) }
        do throws(FormRefusal) {
            let recurrence = try SolvedForms.recurrence(of: facts.members, in: graph, as: form)
            // Where the steps are too few there are no windows to be estimated.
            let isTooShort = (recurrence as? ShootingRecurrence).map { $0.layout(batch: work.batch, steps: work.extents.first ?? 0) == nil } ?? false
            return Form(name: form.name, refusal: nil, seconds: isTooShort ? nil : try? recurrence.estimatedSeconds(work, on: machine))
        } catch { return Form(name: form.name, refusal: PlanRefusal(error.reason, at: error.span), seconds: nil) }
    }

    /// What runs chunk by chunk, because somebody asks for it or because it should be faster; false where nothing does.
    @discardableResult
    private mutating func explainChunks(
        of model: Model, _ request: GradientRequest?, _ forced: [String: PlanForm], _ work: Workload, _ bound: Int?, else choice: PlanChoice
    ) throws(DiagnosticList) -> Bool {
        let chunks = try FormChoice(
            model, request, forcing: forced, precision: work.bytesPerReal == 4 ? .f32 : .f64, within: bound, else: choice, context: CompileContext(),
            isBuilt: false)
        let solved = chunks.forms(for: work).solved
        let counts = chunks.forms(for: work).chunks
        guard !counts.isEmpty || !solved.isEmpty || model.attends else { return false }
        var (products, systems, traversals) = (0, 0, 0)
        let divided = try model.divided(chunks.forms(for: work), request, times: nil)
        explainSolved(of: divided)
        for case .pairs(let traversal) in divided.leaves { pairs.append(Pairs(traversal, work, on: choice.machine)) }
        for case .traversal(let schedule) in divided.leaves {
            traversals += 1
            for leaf in schedule.body {
                switch leaf {
                case .matmul: products += 1
                case .solve: systems += 1
                case .nest, .running: break
                }
            }
        }
        for k in recurrences.indices {
            // The adjoint of what runs chunk by chunk runs so.
            guard let (state, count) = counts.first(where: { !Set(recurrences[k].states).isDisjoint(with: [$0.key, "grad.\($0.key)"]) }) else { continue }
            if !recurrences[k].states.contains(state) {
                recurrences[k].chosen = "chunkwise"
                recurrences[k].forms = [Form(name: "chunkwise", refusal: nil, seconds: nil)]
                recurrences[k].note = "with the chunks of '\(state)', the last one first"
                continue
            }
            recurrences[k].chosen = "chunkwise"
            recurrences[k].note =
                "chunks of \(count ?? ChunkwiseForms.usualCount) steps; in all \(traversals) traversal\(traversals == 1 ? "" : "s") of chunks, "
                + "\(products) products of matrices and \(systems) triangular system\(systems == 1 ? "" : "s") a chunk"
        }
        guard !counts.isEmpty else {
            seconds = try divided.estimatedSeconds(work, forcing: forced.others, on: choice.machine)
            return true
        }
        // The plan that products were read off is another one.
        seconds = try divided.estimatedSeconds(work, forcing: forced.others, on: choice.machine)
        self.products = []
        segmentCount = traversals
        return true
    }

    /// What runs with steps of different times at once.
    private mutating func explainSolved(of divided: DividedModel) {
        for case .solved(let recurrence) in divided.leaves {
            for k in recurrences.indices where recurrences[k].states.contains(recurrence.state) {
                recurrences[k].chosen = recurrence.form.name
                recurrences[k].note = (recurrence as? ShootingRecurrence).map(note) ?? Self.newtonNote
            }
        }
    }

    private static let newtonNote = "rounds of Newton's method over all steps, each a scan, until every step satisfies its equation; "
        + "in order what does not within \(NewtonRun.mostRounds) rounds"

    private func note(_ shooting: ShootingRecurrence) -> String {
        guard let layout = shooting.layout(batch: work.batch, steps: work.extents.first ?? 0) else {
            return "too short for windows: one step after another"
        }
        return "\(layout.windows) windows of \(layout.length) steps at once, the first state of each guessed from "
            + "\(ShootingRecurrence.warmUp(of: layout.length)) steps in front of it, checked and corrected"
            + (shooting.isCorrectable(layout, work.bytesPerReal == 4 ? .f32 : .f64) ? ", by derivatives where states are remembered for longer than a window" : "")
    }

    /// More recurrences than this are not each looked at in chunks, or in windows.
    private static let mostEstimated = 8

    /// What recurrences that can run chunk by chunk should take so, each by itself: their traversals, with all that is computed there.
    private mutating func estimateChunks(of model: Model, _ forced: [String: PlanForm], on machine: MachineProfile) {
        let able = recurrences.indices.filter { k in recurrences[k].forms.contains { $0.name == "chunkwise" && $0.refusal == nil } }
        guard !able.isEmpty, able.count <= Self.mostEstimated, work.extents.count == 1 else { return }
        let all = ChunkwiseForms(of: model.graph).all(without: [])
        for k in able {
            var counts: [String: Int?] = [:]
            for state in recurrences[k].states where all[state] != nil {
                var count = ChunkwiseForms.usualCount
                if case .chunkwise(let asked?) = forced[state] { count = asked }
                counts[state] = .some(count)
            }
            guard !counts.isEmpty, let graph = try? model.rewritten(counts, nil), let divided = try? DividedModel(graph, times: nil)
            else { continue }
            var seconds = 0.0
            for case .traversal(let schedule) in divided.leaves { seconds += schedule.estimatedSeconds(work, on: machine) }
            for form in recurrences[k].forms.indices where recurrences[k].forms[form].name == "chunkwise" { recurrences[k].forms[form].seconds = seconds }
        }
    }

    /// Parts of a complex state are one state to the user.
    static func merged(_ names: [String]) -> [String] {
        var result: [String] = []
        for name in names {
            let whole = StreamGraph.wholeName(name)
            if !result.contains(whole) { result.append(whole) }
        }
        return result
    }

    /// By name, the first stage that computes a value of that name.
    private static func stages(of plan: Plan) -> [String: (number: Int, stage: Stage)] {
        var result: [String: (number: Int, stage: Stage)] = [:]
        for (number, stage) in plan.segments.flatMap(\.stages).enumerated() {
            for value in stage.items.flatMap(\.values) {
                if let name = plan.graph[value].name, result[name] == nil { result[name] = (number, stage) }
            }
        }
        return result
    }

    /// What the code does that computes a recurrence.
    private static func note(_ stage: Stage?, _ work: Workload) -> String {
        guard let stage else { return "one step after another" }
        if stage.wavefront != nil { return "a wavefront: rows shared by threads, each behind the one before it" }
        let blocks = stage.scan == nil ? "" : "time in blocks of \(Scan.blockSteps) steps shared by threads; in a block "
        switch stage.form {
        case .registers(let scan): return "as many steps at a time as fill a vector (\(scan.flat.rowCount) elements each), composed in registers"
        case .lanes: return "\(blocks)one vector of elements at a time through all steps, state in registers"
        case .sequential, .map, .totals:
            return "\(blocks)one step after another, \(stage.items.count) loop\(stage.items.count == 1 ? "" : "s") and products a step\(stage.rows.map { note($0, work) } ?? "")"
        }
    }

    private static func note(_ rows: RowSharing, _ work: Workload) -> String {
        let count = rows.barriers.count
        let repeated = rows.parts.count { $0 == .repeated }
        return ", rows shared by \(work.threads) threads, \(count == 0 ? "no" : String(count)) barrier\(count == 1 ? "" : "s") a step"
            + (repeated == 0 ? "" : ", \(repeated) of the loops by each thread for itself")
    }

    /// Where the equation of the first state stands; what it calls may stand anywhere.
    private static func place(of members: [ValueID], in graph: StreamGraph, _ states: Set<ValueID>) -> SourceSpan? {
        let named = members.filter(states.contains).compactMap { graph[$0].span }
        return (named.isEmpty ? members.compactMap { graph[$0].span } : named).min { $0.start < $1.start }
    }
}
