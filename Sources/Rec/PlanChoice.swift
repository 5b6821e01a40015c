import RecAnalysis
import RecLowering
import RecScheduling
import RecSource
import RecStream
import Synchronization

/// The plans of a model, of which each run takes the one that should be fastest; compiled code is kept.
///
/// Recurrences are chosen for one by one: each becomes a scan where the whole plan is then estimated to be faster.
package final class PlanChoice: Sendable {
    /// What tells one plan from another: recurrences that are scans, and segments whose rows are shared.
    package struct Form: Hashable, Sendable {
        package var scans: Set<Int>
        package var shared: [Int: RowSharing.Manner]
    }

    /// What has become of the plans that were asked for, by the recurrences that are scans in them.
    private struct Known {
        var plans: [Set<Int>: Plan] = [:]
        /// Why there is no such plan, or no code for it.
        var refusals: [Set<Int>: PlanRefusal] = [:]
        /// Plans for which there is no code in which rows are shared.
        var unshared: Set<Set<Int>> = []
    }

    package let forms: PlanForms
    private let profile: Mutex<MachineProfile?>
    private let times: PassTimes?
    private let forced: (scans: Set<Int>, sequential: Set<Int>)
    private let known = Mutex(Known())

    package convenience init(
        _ model: Model, forcing forced: [String: PlanForm] = [:], machine: MachineProfile? = nil, times: PassTimes? = nil
    ) throws(DiagnosticList) {
        try checkCode(of: model.graph)
        try self.init(PlanForms(model, times: times), model.unfoldedAxis == nil ? forced : [:], machine, times)
    }

    /// The recurrences of the backward pass are chosen for with those of the model.
    package convenience init(
        _ gradients: GradientModel, forcing forced: [String: PlanForm] = [:], machine: MachineProfile? = nil,
        times: PassTimes? = nil
    ) throws(DiagnosticList) {
        try gradients.checkCode()
        try self.init(PlanForms(gradients, times: times), gradients.model.unfoldedAxis == nil ? forced : [:], machine, times)
    }

    /// For a part of a model.
    ///
    /// - Parameter forced: forms of recurrences of the model, by state; the part may have none of them.
    convenience init(
        part: StreamGraph, forcing forced: [String: PlanForm], machine: MachineProfile? = nil, times: PassTimes?
    ) throws(DiagnosticList) {
        let forms = PlanForms(part: part, times: times)
        try self.init(forms, forced.filter { !forms.indices(of: $0.key).isEmpty }, machine, times)
    }

    private init(
        _ forms: PlanForms, _ forced: [String: PlanForm], _ machine: MachineProfile?, _ times: PassTimes?
    ) throws(DiagnosticList) {
        self.forms = forms
        self.times = times
        profile = Mutex(machine)
        self.forced = try forms.resolve(forced)
    }

    /// The machine that costs are estimated for; this one, measured when it is first asked for, unless another was given.
    package var machine: MachineProfile {
        profile.withLock { known in
            if let known { return known }
            let measured = times.measure("look at the machine") { MachineProfile.measured() }
            known = measured
            return measured
        }
    }

    /// The plan in which these recurrences are scans.
    ///
    /// - Throws: the reason where there is none.
    package func plan(scanning: Set<Int>) throws(DiagnosticList) -> Plan {
        do throws(PlanRefusal) { return try outcome(scanning) } catch {
            throw forms.diagnostics(of: error, scanning: scanning)
        }
    }

    /// Why the plan in which these recurrences are scans cannot be built; nil where it can.
    package func refusal(of scanning: Set<Int>) -> PlanRefusal? {
        do throws(PlanRefusal) {
            _ = try outcome(scanning)
            return nil
        } catch { return error }
    }

    private func outcome(_ scanning: Set<Int>) throws(PlanRefusal) -> Plan {
        let (present, refusal) = known.withLock { ($0.plans[scanning], $0.refusals[scanning]) }
        if let refusal { throw refusal }
        if let present { return present }
        do throws(PlanRefusal) {
            let plan = try times.measure("schedule") { () throws(PlanRefusal) in try forms.plan(scanning: scanning) }
            known.withLock { $0.plans[scanning] = plan }
            return plan
        } catch {
            known.withLock { $0.refusals[scanning] = error }
            throw error
        }
    }

    /// What `compile` makes of the plan that a run should take, and the form of that plan. Where it fails and nobody has asked for
    /// this form, that is remembered, and the next best form is taken.
    package func build<Code>(for work: Workload, _ compile: (Form, Plan) throws -> Code) throws -> (form: Form, code: Code) {
        while true {
            let scans = try choose(work)
            let form = try Form(scans: scans, shared: sharedSegments(scanning: scans, work))
            let plan = try plan(scanning: scans, sharing: form.shared)
            do { return (form, try compile(form, plan)) } catch {
                // What is wrong with the data or the machine is so in every form.
                guard !(error is Diagnostic), !(error is DiagnosticList), try refuse(form, work, error) else { throw error }
            }
        }
    }

    /// Remembers that a form cannot be compiled; false where there is no other.
    private func refuse(_ form: Form, _ work: Workload, _ error: any Error) throws(DiagnosticList) -> Bool {
        guard form.shared.isEmpty else {
            known.withLock { _ = $0.unshared.insert(form.scans) }
            return true
        }
        known.withLock { $0.refusals[form.scans] = PlanRefusal("no code can be generated for it (\(error))") }
        return try choose(work) != form.scans
    }

    /// The plan that a run should take: recurrences in the forms chosen, and the rows of their steps shared by threads where
    /// that is faster than giving each thread sequences of its own.
    package func plan(for work: Workload) throws(DiagnosticList) -> Plan {
        try plan(scanning: choose(work), for: work)
    }

    /// The plan that a run should take in which these recurrences are scans.
    package func plan(scanning: Set<Int>, for work: Workload) throws(DiagnosticList) -> Plan {
        try plan(scanning: scanning, sharing: sharedSegments(scanning: scanning, work))
    }

    /// The plan in which these recurrences are scans, and in these segments threads share the rows of each step.
    package func plan(scanning: Set<Int>, sharing: [Int: RowSharing.Manner]) throws(DiagnosticList) -> Plan {
        let plan = try plan(scanning: scanning)
        return sharing.isEmpty ? plan : plan.sharingRows(in: sharing)
    }

    /// The segments in which threads should share the rows of each step, and how.
    package func sharedSegments(scanning: Set<Int>, _ work: Workload) throws(DiagnosticList) -> [Int: RowSharing.Manner] {
        guard work.threads > 1, work.batch > 0, !known.withLock({ $0.unshared.contains(scanning) }) else { return [:] }
        let plan = try plan(scanning: scanning)
        let able = plan.segmentsThatCanShareRows
        // The machine is looked at only where that can change anything.
        guard !able.isEmpty else { return [:] }
        let machine = machine
        return times.measure("estimate") {
            var chosen: [Int: RowSharing.Manner] = [:]
            for segment in able {
                var best = 0.95 * plan.estimatedSeconds(work, on: machine)
                for manner in RowSharing.Manner.allCases {
                    let seconds = plan.sharingRows(in: [segment: manner]).estimatedSeconds(work, on: machine)
                    guard seconds < best else { continue }
                    best = seconds
                    chosen[segment] = manner
                }
            }
            return chosen
        }
    }

    /// Which recurrences should be scans. A form that cannot be built is left out, unless it was asked for.
    package func choose(_ work: Workload) throws(DiagnosticList) -> Set<Int> {
        var chosen = forced.scans
        // Where no form was asked for and the simplest cannot be built, any other will do.
        let needsOther = chosen.isEmpty && refusal(of: chosen) != nil
        // Analysis takes longer than all else of a start from kept code; where nothing can gain it is not needed.
        guard needsOther || mayGain(work) else { return chosen }
        let free = forms.recurrences.indices.filter { k in
            forms.recurrences[k].refusal == nil && !forced.scans.contains(k) && !forced.sequential.contains(k)
                && (needsOther || mayGain(k, work))
        }
        guard !free.isEmpty else { return chosen }
        let machine = machine
        var best = needsOther ? Double.infinity : try estimate(chosen, work, machine)
        for group in forms.chosenTogether(free) where refusal(of: chosen.union(group)) == nil {
            let seconds = try estimate(chosen.union(group), work, machine)
            // A scan must promise something to be preferred to the simplest form.
            guard seconds < 0.9 * best else { continue }
            best = seconds
            chosen.formUnion(group)
        }
        return chosen
    }

    private func estimate(_ scans: Set<Int>, _ work: Workload, _ machine: MachineProfile) throws(DiagnosticList) -> Double {
        let plan = try plan(scanning: scans, for: work)
        return times.measure("estimate") { plan.estimatedSeconds(work, on: machine) }
    }

    /// Where the elements of a step fill the vectors of all threads anyway, composing steps is more work for nothing.
    private func mayGain(_ recurrence: Int, _ work: Workload) -> Bool {
        let elements = forms.recurrences[recurrence].facts.delayed.map { forms.elementCount(of: $0) }.min() ?? 0
        if work.extents.count > 1 { return mayGainAsWavefront(work) }
        return elements < Self.widest(work) && work.extents.first ?? 0 >= 2 * Scan.blockSteps
    }

    private func mayGainAsWavefront(_ work: Workload) -> Bool { work.threads > 1 && work.batch < work.threads }

    /// Whether any recurrence may gain, so far as the graph shows it without analysis.
    private func mayGain(_ work: Workload) -> Bool {
        if work.extents.count > 1 { return mayGainAsWavefront(work) }
        return work.extents.first ?? 0 >= 2 * Scan.blockSteps && forms.hasDelay(below: Self.widest(work))
    }

    /// So many elements a step of one sequence fill the vectors of the widest machines there are.
    private static func widest(_ work: Workload) -> Int { (8 * 16 * work.threads + work.batch - 1) / max(1, work.batch) }
}
