import Foundation
import Rec
import RecCodeGen
import RecScheduling
import RecStream
import RecTensors

/// Machine code in all its forms against the interpreter.
extension Checker {
    /// A graph that is compiled in several plans, with the data and results of some runs.
    struct Subject {
        /// `code`, `gradient code`
        var name: String
        var choice: PlanChoice
        /// Of runs of different size.
        var references: [Reference]
        /// What a run gives, complex states put together.
        var run: (BoundData, CompiledModel, ThreadPool) throws -> ModelResults
        /// What a run in the form that is chosen gives.
        var runChosen: (BoundData, Precision, ThreadPool) throws -> ModelResults
        /// Where its code is kept.
        var context: CompileContext
    }

    mutating func checkCode(_ model: Model) throws {
        var dice = Dice(seed: item.checkSeed, for: "code")
        if model.attends { return try checkPairs(model, &dice) }
        if model.unfoldedAxis != nil { return try checkUnfoldedCode(model, &dice) }
        guard let choice = try? PlanChoice(model, machine: .typical) else { return outcome.count("interpreter only") }
        let kept = KeptCode(effort)
        outcome.isOptimized = effort == .full
        let context = kept.context
        let references = item.runs.indices.map { Reference(model.graph, CaseData(item, run: $0).bound(for: model.graph)) }
        let subject = Subject(
            name: "code", choice: choice, references: references, run: { try model.run($0, on: $1, pool: $2) },
            runChosen: { try Runner(model, precision: $1, parameters: $0.parameters, context: context).run($0, pool: $2) }, context: context)
        try check(subject, &dice)
        if isWanted("stream", 25, &dice) { try checkStream(model, dice.pick(references), piece: dice.pick([1, 1, 7, 70]), context) }
        guard isWanted("gradient", 45, &dice) else { return }
        let request = Self.request(model, withFinals: true)
        guard !request.seeds.isEmpty, !request.targets.isEmpty else { return }
        let gradients = try must("gradient") { try GradientModel(model, request) }
        let plain = try must("gradient") { try gradient(of: model.graph, request) }
        guard let choice = try? PlanChoice(gradients, machine: .typical) else { return outcome.count("interpreter only") }
        let backward = Subject(
            name: "gradient code", choice: choice, references: item.runs.indices.map { Reference(plain, CaseData(item, run: $0).bound(for: plain, within: model.graph)) },
            run: { data, code, pool in
                try code.run(inputs: data.inputs, batch: data.batch, extents: data.extents, lengths: data.lengths, pool: pool)
            },
            runChosen: { data, precision, pool in
                let work = Workload(batch: data.batch, extents: data.extents, threads: pool.count, bytesPerReal: precision.byteCount)
                let code = try Runner(gradients, precision: precision, parameters: data.parameters, context: context).compiled(for: work)
                return try code.run(inputs: data.inputs, batch: data.batch, extents: data.extents, lengths: data.lengths, pool: pool)
            }, context: context)
        try check(backward, &dice)
    }

    /// Whether a check is made: left to chance, unless it is the only one that matters.
    func isWanted(_ check: String, _ percent: Int, _ dice: inout Dice) -> Bool {
        item.focus.map { Self.family($0).hasPrefix(check) } ?? dice.chance(percent)
    }

    /// Names of forms change as recurrences go: the only scan is all of them.
    static func family(_ check: String) -> String { check.replacing("one scan", with: "scans") }

    private mutating func check(_ subject: Subject, _ dice: inout Dice) throws {
        let forms = subject.choice.forms
        let scans = forms.recurrences.indices.filter { forms.recurrences[$0].refusal == nil }
        var variants: [(name: String, plan: Plan)] = []
        variants.append(("sequential", try must("plan: \(subject.name), sequential") { try subject.choice.plan(scanning: []) }))
        // A form that is asked for may be refused, with a reason.
        for set in [Set(scans)] + (scans.count > 1 ? scans.shuffled(using: &dice).prefix(2).map { [$0] } : []) where !set.isEmpty {
            guard let plan = try? subject.choice.plan(scanning: set) else {
                outcome.count("refused scans")
                continue
            }
            variants.append((set.count < scans.count ? "one scan" : "scans", plan))
        }
        for variant in variants.prefix(2) where !variant.plan.segmentsThatCanShareRows.isEmpty {
            for manner in RowSharing.Manner.allCases where isWanted("\(subject.name), \(variant.name), rows \(manner)", 30, &dice) {
                variants.append(("\(variant.name), rows \(manner)", variant.plan.sharingRows(manner)))
            }
        }
        for (number, variant) in variants.enumerated() {
            // Every form in f64; in f32 one after another and all scans at least.
            for precision in [Precision.f64, .f32] {
                let percent = precision == .f64 ? 100 : number < 2 ? 50 : 20
                guard isWanted(Self.family("\(subject.name), \(variant.name), \(precision.rawValue)"), percent, &dice) else { continue }
                try check(subject, variant.name, variant.plan, precision, &dice)
            }
        }
        try checkChoice(subject, &dice)
        try checkWindows(subject, &dice)
    }

    private mutating func check(_ subject: Subject, _ form: String, _ plan: Plan, _ precision: Precision, _ dice: inout Dice) throws {
        let check = "\(subject.name), \(form), \(precision.rawValue)"
        let code = try must("compile: \(check)") { try CompiledPlan(plan, precision: precision, context: subject.context) }
        outcome.plans += 1
        for (number, reference) in subject.references.enumerated() {
            let compiled = try CompiledModel(code, parameters: reference.data.parameters)
            let first = RunNumbers(try subject.run(reference.data, compiled, ThreadPool(count: 1, leastWork: 0)), of: reference.graph)
            try expect(check, mismatch(first, reference, precision, form))
            for threads in [2, 3] {
                let got = RunNumbers(try subject.run(reference.data, compiled, ThreadPool(count: threads, leastWork: 0)), of: reference.graph)
                try expect("\(check), threads", got.firstDifference(from: first).map { "\(threads) threads and one: \($0)" })
            }
            if number == 0, isWanted("\(check), kept code", 25, &dice) { try checkKeptCode(check, plan, precision, reference, first, subject) }
            if item.focus != nil || dice.chance(40) { try checkChunks(check, compiled, reference, first, subject) }
        }
    }

    func mismatch(_ got: RunNumbers, _ reference: Reference, _ precision: Precision, _ form: String) -> String? {
        guard let fault = reference.mismatch(got.withComplexStates(like: reference.numbers), precision == .f64 ? .double : .single) else { return nil }
        // What overflows on the way is another number in each precision, and composed steps meet infinities in another order.
        if form != "sequential", !reference.isFinite { return nil }
        return (precision == .f64 ? reference.fitsDouble : reference.fitsSingle) ? fault : nil
    }

    /// Code that was kept gives the bits of fresh code.
    private mutating func checkKeptCode(
        _ check: String, _ plan: Plan, _ precision: Precision, _ reference: Reference, _ fresh: RunNumbers, _ subject: Subject
    ) throws {
        let code = try must("\(check), kept code") { try CompiledPlan(plan, precision: precision, context: subject.context) }
        let compiled = try CompiledModel(code, parameters: reference.data.parameters)
        let got = RunNumbers(try subject.run(reference.data, compiled, ThreadPool(count: 1, leastWork: 0)), of: reference.graph)
        try expect("\(check), kept code", got.firstDifference(from: fresh))
    }

    /// A run in the least memory there is gives the same bits.
    private mutating func checkChunks(
        _ check: String, _ compiled: CompiledModel, _ reference: Reference, _ whole: RunNumbers, _ subject: Subject
    ) throws {
        let data = reference.data
        let least: MemoryPlan
        do throws(MemoryShortage) {
            least = try MemoryPlan(compiled.code.facts, batch: data.batch, extents: data.extents, workers: 2, leastWork: 0, bound: 1)
        } catch { least = error.least }
        guard least.chunkCount > 1 else { return }
        let results = try compiled.run(
            inputs: data.inputs, batch: data.batch, extents: data.extents, lengths: data.lengths, pool: ThreadPool(count: 2, leastWork: 0), memory: least)
        var expected = whole
        expected.items.removeAll { item in reference.graph.states.contains { "final \($0.name)" == item.name && reference.graph[$0.value].element == .complex } }
        var got = RunNumbers(results, of: reference.graph)
        got.items.removeAll { item in !expected.items.contains { $0.name == item.name } }
        try expect("\(check), chunks", got.firstDifference(from: expected))
    }

    /// The plan that is chosen for long data on several threads runs, and is right.
    private mutating func checkChoice(_ subject: Subject, _ dice: inout Dice) throws {
        let threads = dice.number(in: 1...3)
        for reference in subject.references {
            for precision in [Precision.f64, .f32] {
                let check = "\(subject.name), chosen, \(precision.rawValue)"
                guard isWanted(check, 12, &dice) else { continue }
                let results = try must(check) { try subject.runChosen(reference.data, precision, ThreadPool(count: threads, leastWork: 0)) }
                try expect(check, mismatch(RunNumbers(results, of: reference.graph), reference, precision, "chosen"))
            }
        }
        // What would be chosen for far longer data must be a plan as well.
        let extents = subject.references[0].data.extents.map { _ in 3000 }
        let work = Workload(batch: dice.number(in: 1...3), extents: extents, threads: threads, bytesPerReal: 4)
        _ = try must("choice: \(subject.name)") { try subject.choice.plan(for: work) }
        outcome.count("choice: \(subject.name)")
    }
}
