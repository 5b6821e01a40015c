import RecCodeGen
import RecRuntime
@_exported import RecScheduling
import RecTensors
import Synchronization

/// Runs a model again and again with the same parameters: for each size of data in the plan that should be fastest.
///
/// Code is compiled when a plan is first needed, and kept.
///
/// ```swift
/// let runner = try Runner(model, parameters: weights)
/// let results = try runner.run(BoundData(data, for: model.graph), pool: ThreadPool(count: 2))
/// ```
package final class Runner: Sendable {
    package let model: Model
    package let precision: Precision
    package let choice: PlanChoice
    private let bound: Int?
    private let parameters: [String: Tensor]
    private let context: CompileContext
    private let compiled = Mutex<[PlanChoice.Form: CompiledModel]>([:])

    /// - Parameters:
    ///   - parameters: by path, in the shapes of the graph.
    ///   - forced: forms in which recurrences are to run, by state.
    ///   - bound: bytes that a run may have in memory; nil for what is usual.
    ///   - context: where code is kept, if anywhere, and who asks where time goes.
    /// - Throws: `DiagnosticList` where a form is not legal.
    package init(
        _ model: Model, precision: Precision = .f32, parameters: [String: Tensor], forcing forced: [String: PlanForm] = [:],
        within bound: Int? = nil, context: CompileContext = CompileContext()
    ) throws(DiagnosticList) {
        self.model = model
        self.bound = bound
        self.precision = precision
        self.parameters = parameters
        self.context = context
        choice = try PlanChoice(model, forcing: forced, times: context.times)
    }

    /// Runs a model with its gradients; see `GradientModel.run(_:on:pool:)`.
    package init(
        _ gradients: GradientModel, precision: Precision = .f32, parameters: [String: Tensor],
        forcing forced: [String: PlanForm] = [:], within bound: Int? = nil, context: CompileContext = CompileContext()
    ) throws(DiagnosticList) {
        model = gradients.model
        self.bound = bound
        self.precision = precision
        self.parameters = parameters
        self.context = context
        choice = try PlanChoice(gradients, forcing: forced, times: context.times)
    }

    /// The code that such a run takes.
    package func compiled(for work: Workload) throws -> CompiledModel {
        try choice.build(for: work) { form, plan in
            if let known = compiled.withLock({ $0[form] }) { return known }
            let code = try onDeepStack { try CompiledPlan(plan, precision: precision, weights: model.weights, context: context) }
            let fresh = context.times.measure("pack") { CompiledModel(code, parameters: parameters) }
            return compiled.withLock { known in
                // Another thread may have been first.
                if let present = known[form] { return present }
                known[form] = fresh
                return fresh
            }
        }.code
    }

    /// Runs whole sequences.
    package func run(_ data: BoundData, pool: ThreadPool) throws -> ModelResults {
        let work = Workload(batch: data.batch, extents: data.extents, threads: pool.count, bytesPerReal: precision.byteCount)
        let compiled = try compiled(for: work)
        return try context.times.measure("run") { () throws(DiagnosticList) in
            try model.run(data, on: compiled, pool: pool, within: bound)
        }
    }
}
