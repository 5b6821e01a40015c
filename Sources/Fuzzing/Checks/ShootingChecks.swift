import Rec
import RecCodeGen
import RecRuntime
import RecStream

/// Recurrences whose steps of different times run at once.
extension Checker {
    /// Runs one recurrence of a graph, or all of them, in a few windows or by Newton's method; what is infinite or NaN must come out as step by step.
    mutating func checkWindows(_ subject: Subject, _ dice: inout Dice) throws {
        let graph = subject.choice.forms.prepared
        let states = subject.choice.forms.recurrences.compactMap { recurrence in
            recurrence.facts.states.first { !$0.hasPrefix("%") }.map(StreamGraph.wholeName)
        }
        guard graph.axes.count == 1, !states.isEmpty else { return }
        let one = dice.pick(states)
        let isNewton = dice.chance(40)
        let form = isNewton ? PlanForm.newton : .shooting(dice.number(in: 2...5))
        var forms = [one: form]
        if dice.chance(30) { for state in states { forms[state] = form } }
        let precision = dice.chance(70) ? Precision.f64 : .f32
        let what = isNewton ? "Newton" : "windows"
        let check = "\(subject.name), \(what), \(precision.rawValue)"
        guard isWanted(check, 30, &dice) else { return }
        guard let model = try? PartitionedModel(graph, solving: forms, precision: precision, context: subject.context) else {
            return outcome.count("refused \(what)")
        }
        outcome.plans += 1
        for reference in subject.references {
            // The other parts of the graph may have another plan with more threads.
            for threads in [1, 2] {
                let results = try must(check) { try model.run(reference.data, pool: ThreadPool(count: threads, leastWork: 0)) }
                guard let results else { return outcome.count("left \(what)") }
                try expect(check, mismatch(RunNumbers(results, of: reference.graph), reference, precision, "sequential"))
                for report in results.solves.values where report.windows > 0 || report.sweeps > 0 {
                    if report.sweepsWithDerivatives > 0 { outcome.count("\(what) corrected") }
                    outcome.count(report.inOrder == 0 ? "\(what) that met" : "\(what) in order")
                }
            }
        }
    }
}
