import RecCodeGen
import RecSource
import RecStream
import Synchronization

/// The code that runs of a model or of its gradients have taken, for the runs to come. Copies of a model share it.
package final class ModelCode: Sendable {
    /// What code is compiled for, apart from the sizes of data.
    private struct Key: Hashable {
        var precision: Precision
        var forms: [String: PlanForm]
        var folder: String?
        var byteLimit: Int?
        var effort: CodeEffort
    }

    /// What tells the parts of a model that compute some of its results from each other.
    package struct Part: Hashable, Sendable {
        var selection: Selection
        /// The inputs that there are, where that is known.
        var given: Set<String>?
        /// From what its runs begin, where their state is carried, and whether it is given for each step.
        var carried: Carried?
        /// The axes along which lengths are inputs.
        var endedAxes: [Int] = []
    }

    package struct Carried: Hashable, Sendable {
        var beginning: Beginning
        var givesEachStep: Bool
    }

    private let runner = Mutex<Runner?>(nil)
    private let runners = KeptOnce<Key, Runner>()

    private let gradients = KeptOnce<[Int], GradientModel>()
    private let parts = KeptOnce<Part, (graph: StreamGraph, code: ModelCode)>()

    package init() {}

    /// A part of a model, with the code that runs of it have taken.
    func part<Problem: Error>(_ part: Part, of model: Model, make: () throws(Problem) -> StreamGraph) throws(Problem) -> Model {
        var result = model
        (result.graph, result.code) = try parts.value(for: part) { () throws(Problem) in (graph: try make(), code: ModelCode()) }
        return result
    }

    /// The gradients of a model with lengths along some axes as inputs.
    func gradients(ending axes: [Int], make: () throws(DiagnosticList) -> GradientModel) throws(DiagnosticList) -> GradientModel {
        try gradients.value(for: axes, make: make)
    }

    /// The runner of a model with its own parameters.
    func runner(of model: Model) throws(DiagnosticList) -> Runner {
        if let known = runner.withLock({ $0 }) { return known }
        let fresh = try Runner(model)
        return runner.withLock { known in
            // Another thread may have been first.
            let present = known ?? fresh
            known = present
            return present
        }
    }

    /// A runner whose code is kept, whatever the parameters; where somebody asks where time goes, a fresh one each time.
    func runner(
        _ precision: Precision, _ forms: [String: PlanForm], _ context: CompileContext, make: () throws(DiagnosticList) -> Runner
    ) throws(DiagnosticList) -> Runner {
        guard context.times == nil else { return try make() }
        let key = Key(precision: precision, forms: forms, folder: context.cache?.folder, byteLimit: context.cache?.byteLimit, effort: context.effort)
        return try runners.value(for: key, make: make)
    }
}

extension Model {
    /// The same model without the code of its runs.
    var apart: Model {
        var result = self
        result.code = ModelCode()
        return result
    }
}
