import RecCodeGen
import RecForms
import RecRuntime
import RecScheduling
import RecSource
import RecStream

/// A part of a model that runs over whole sequences, in the plan that should be fastest for the size of the data.
final class StepsPart: Sendable {
    let choice: PlanChoice
    private let codes = KeptOnce<PlanChoice.Form, CompiledPlan>()

    init(_ choice: PlanChoice) { self.choice = choice }

    /// The steps of a recurrence, with every recurrence in one form.
    ///
    /// - Throws: where there is no plan for them.
    convenience init(_ steps: StreamGraph, forcing form: PlanForm) throws(FormRefusal) {
        do throws(DiagnosticList) {
            let forms = PlanForms(part: steps)
            self.init(try PlanChoice(part: steps, forcing: forms.all(as: form), times: nil))
        } catch { throw FormRefusal(reason: error.diagnostics.first?.message ?? "there is no plan for its steps", span: nil) }
    }

    func code(for work: Workload, _ precision: Precision, _ weights: WeightFormat, _ context: CompileContext) throws -> CompiledPlan {
        try choice.build(for: work) { form, plan in
            try codes.value(for: form) { try onDeepStack { try CompiledPlan(plan, precision: precision, weights: weights, context: context) } }
        }.code
    }
}
