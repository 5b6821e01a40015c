import RecForms
import RecRuntime
import RecScheduling
import RecSource
import RecStream
import RecTensors

/// One recurrence of a model that is solved by rounds of Newton's method over all of its steps.
final class NewtonRecurrence: SolvedRecurrence {
    let state: String
    let form = PlanForm.newton
    let split: RecurrenceSplit
    private let system: NewtonSystem
    private let first, round, ordered: StepsPart

    /// Rounds that a run should take.
    private static let usualRounds = 5

    var repeated: StreamGraph { system.round }
    var report: SolveReport { SolveReport(.newton) }

    /// - Throws: where the recurrence cannot run so.
    init(_ split: RecurrenceSplit, state: String) throws(FormRefusal) {
        self.state = state
        self.split = split
        system = try NewtonSystem(split.cell)
        let forms = PlanForms(part: system.round)
        for recurrence in forms.recurrences {
            if let refusal = recurrence.refusal { throw FormRefusal(reason: "its corrections are no scan: \(refusal.reason)", span: refusal.span) }
        }
        first = try StepsPart(system.first, forcing: .sequential)
        round = try StepsPart(system.round, forcing: .scan)
        ordered = try StepsPart(split.cell, forcing: .sequential)
    }

    func estimatedSeconds(_ work: Workload, on machine: MachineProfile) throws(DiagnosticList) -> Double {
        Double(Self.usualRounds) * (try round.choice.plan(for: work).estimatedSeconds(work, on: machine))
    }

    func operationCount(for work: Workload) -> Double {
        Double(Self.usualRounds) * ((try? round.choice.plan(for: work).operationCount(for: work)) ?? 0)
    }

    func run(_ run: SolvedRun, _ report: inout SolveReport) throws -> SolvedRun.Results {
        let (batch, steps) = (run.data.batch, run.steps)
        let given = try run.inputs(of: split)
        let inputs = given.once.merging(given.streams.map { ($0.name, $0.tensor) }) { $1 }
        let newton = NewtonRun(
            system, first: try run.model(first, batch: batch, steps: steps), round: try run.model(round, batch: batch, steps: steps), ordered: { [ordered] in try run.model(ordered, batch: batch, steps: steps) },
            inputs: inputs, batch: batch, steps: steps, lengths: run.data.lengths, pool: run.pool)
        var results = try newton.run(&report)
        results.tensors = run.turned(results.tensors, split)
        results.finalStates = results.finalStates.map { NamedTensor(name: SolvedRun.stateName($0.name), tensor: $0.tensor) }
        return results
    }
}
