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
public final class Runner: Sendable {
    public let model: Model
    public let precision: Precision
    public let choice: PlanChoice
    private let parameters: [String: Tensor]
    private let compiled = Mutex<[Set<Int>: CompiledModel]>([:])

    /// - Parameters:
    ///   - parameters: by path, in the shapes of the graph.
    ///   - forced: forms in which recurrences are to run, by state.
    /// - Throws: `DiagnosticList` where a form is not legal.
    public init(
        _ model: Model, precision: Precision = .f32, parameters: [String: Tensor], forcing forced: [String: PlanForm] = [:]
    ) throws(DiagnosticList) {
        self.model = model
        self.precision = precision
        self.parameters = parameters
        choice = try PlanChoice(model, forcing: forced)
    }

    /// Runs a model with its gradients; see `GradientModel.run(_:on:pool:)`.
    public init(
        _ gradients: GradientModel, precision: Precision = .f32, parameters: [String: Tensor],
        forcing forced: [String: PlanForm] = [:]
    ) throws(DiagnosticList) {
        model = gradients.model
        self.precision = precision
        self.parameters = parameters
        choice = try PlanChoice(gradients, forcing: forced)
    }

    /// The code that such a run takes.
    public func compiled(for work: Workload) throws -> CompiledModel {
        let scans = try choice.choose(work)
        if let known = compiled.withLock({ $0[scans] }) { return known }
        let plan = try choice.plan(scanning: scans)
        let code = try onDeepStack { try CompiledPlan(plan, precision: precision) }
        let fresh = CompiledModel(code, parameters: parameters)
        return compiled.withLock { known in
            // Another thread may have been first.
            if let present = known[scans] { return present }
            known[scans] = fresh
            return fresh
        }
    }

    /// Runs whole sequences.
    public func run(_ data: BoundData, pool: ThreadPool) throws -> ModelResults {
        let work = Workload(batch: data.batch, extents: data.extents, threads: pool.count, bytesPerReal: precision.byteCount)
        return model.run(data, on: try compiled(for: work), pool: pool)
    }
}
