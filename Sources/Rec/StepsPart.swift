import RecCodeGen
import RecRuntime
import RecScheduling
import RecSource
import RecStream
import Synchronization

/// A part of a model that runs over whole sequences, in the plan that should be fastest for the size of the data.
final class StepsPart: Sendable {
    let choice: PlanChoice
    private let codes = Mutex<[PlanChoice.Form: CompiledPlan]>([:])

    init(_ choice: PlanChoice) { self.choice = choice }

    func code(for work: Workload, _ precision: Precision, _ context: CompileContext) throws -> CompiledPlan {
        try choice.build(for: work) { form, plan in
            if let known = codes.withLock({ $0[form] }) { return known }
            let fresh = try onDeepStack { try CompiledPlan(plan, precision: precision, context: context) }
            return codes.withLock { known in
                // Another thread may have been first.
                let present = known[form] ?? fresh
                known[form] = present
                return present
            }
        }.code
    }
}
