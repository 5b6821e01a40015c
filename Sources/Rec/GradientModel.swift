@_exported import RecDifferentiation
import RecInterpreter
import RecLowering
import RecScheduling

/// A model whose gradients are asked for: its results and, in the same run, their derivatives.
///
/// ```swift
/// let gradients = try GradientModel(model)
/// let results = try gradients.run(data)
/// results.gradients  // W, b, x, …
/// ```
package struct GradientModel: Sendable {
    /// What is differentiated.
    package let model: Model
    /// By what, and with which cotangents.
    package let request: GradientRequest
    /// The model's graph, products of one value joined, with a further output for each gradient.
    package let graph: StreamGraph

    /// - Parameter request: nil for the losses, or all outputs where there are none, with respect to everything.
    /// - Throws: where the request names what the model does not have.
    package init(_ model: Model, _ request: GradientRequest? = nil, times: PassTimes? = nil) throws(DiagnosticList) {
        guard model.weights == .full else {
            throw model.weightsRefused("gradients", help: "leave the weights in full; what is trained can run in bf16 afterwards")
        }
        self.model = model
        let request = request ?? GradientRequest(of: model.graph)
        self.request = request
        // Products are joined first: then the sums of their transposes, and the gradients of their weights, are joined as well.
        let parameters = request.targets.compactMap { target in
            if case .parameter(let path) = target { path } else { nil }
        }
        graph = try onDeepStack { () throws(DiagnosticList) in
            let joined = times.measure("join-products") {
                model.graph.splittingComplex().sharingCommonValues().joiningProducts(apart: Set(parameters))
            }
            return try times.measure("differentiate") { () throws(DiagnosticList) in try gradient(of: joined, request) }
        }
    }

    /// The plan in which recurrences run in the given forms, by state; that of the adjoint of a state `h` is `grad.h`.
    ///
    /// - Throws: `DiagnosticList` where a state is unknown, or cannot run so.
    package func plan(forcing forms: [String: PlanForm] = [:], times: PassTimes? = nil) throws(DiagnosticList) -> Plan {
        try checkSweeps(of: graph)
        if forms.isEmpty, graph.requirements.isEmpty { return try Pipeline.simplestPlan(graph, times: times) }
        return try PlanForms(self, times: times).plan(forcing: forms)
    }

    /// Machine code for this machine.
    package func compile(
        _ precision: Precision = .f32, forcing forms: [String: PlanForm] = [:], context: CompileContext = CompileContext()
    ) throws -> CompiledPlan {
        let plan = try plan(forcing: forms, times: context.times)
        return try onDeepStack { try CompiledPlan(plan, precision: precision, context: context) }
    }

    /// Runs whole sequences and differentiates them.
    ///
    /// - Parameters:
    ///   - cotangents: by output, for last values of states by `final.STATE`, in their shapes.
    ///   - bound: the bytes that a run of compiled code may have in memory: its data, results and all that it works with. Streams
    ///     that do not fit are computed again, chunk by chunk. Nil for what is usual; see `docs/gradients.md`.
    /// - Throws: `DiagnosticList` where data are missing or misshapen, or the run does not fit its bound.
    package func run(
        _ data: ModelData, cotangents: [String: Tensor] = [:], on engine: Engine = .compiled(.f32), threads: Int = 1,
        forcing forms: [String: PlanForm] = [:], within bound: Int? = nil, context: CompileContext = CompileContext()
    ) throws -> GradientResults {
        let data = try context.times.measure("check data") { () throws in try bind(data, cotangents: cotangents) }
        switch engine {
        case .interpreter:
            // The reference takes products one by one.
            let graph = try gradient(of: model.graph, request)
            return context.times.measure("run") { split(Interpreter(graph).run(data)) }
        case .compiled(let precision):
            let runner = try Runner(self, precision: precision, parameters: data.parameters, forcing: forms, context: context)
            let work = Workload(batch: data.batch, extents: data.extents, threads: threads, bytesPerReal: precision.byteCount)
            let compiled = try runner.compiled(for: work)
            return try context.times.measure("run") { () throws(DiagnosticList) in
                try run(data, on: compiled, pool: ThreadPool(count: threads), within: bound)
            }
        }
    }

    /// Runs whole sequences on code that is compiled already.
    package func run(_ data: BoundData, on compiled: CompiledModel, pool: ThreadPool) -> GradientResults {
        split(compiled.run(inputs: data.inputs, batch: data.batch, extents: data.extents, lengths: data.lengths, pool: pool))
    }

    /// The same with so many bytes of memory at most; nil for what is usual.
    ///
    /// - Throws: `DiagnosticList` where the run does not fit its bound.
    package func run(
        _ data: BoundData, on compiled: CompiledModel, pool: ThreadPool, within bound: Int?
    ) throws(DiagnosticList) -> GradientResults {
        split(try compiled.run(data, pool: pool, within: bound))
    }

    /// Data and cotangents, checked.
    package func bind(_ data: ModelData, cotangents: [String: Tensor] = [:]) throws(DiagnosticList) -> BoundData {
        var all = data
        for (name, tensor) in cotangents { all.inputs["cotangent.\(name)"] = tensor }
        return try BoundData(all, for: graph)
    }

    /// How many states the model has once its complex ones are taken apart.
    private var modelStateCount: Int {
        model.graph.states.reduce(0) { $0 + (model.graph[$1.value].element == .complex ? 2 : 1) }
    }

    private func split(_ all: ModelResults) -> GradientResults {
        let count = all.outputs.count - request.targets.count
        var results = all
        results.outputs = Array(all.outputs.prefix(count))
        // Behind the model's own states stand those of the backward pass.
        results.finalStates = Array(all.finalStates.prefix(modelStateCount))
        let gradients = all.outputs.dropFirst(count).map { item in
            NamedTensor(name: String(item.name.dropFirst("grad.".count)), tensor: item.tensor)
        }
        return GradientResults(results: model.joiningComplexStates(results), gradients: gradients)
    }
}

extension Model {
    /// Runs whole sequences and differentiates them.
    ///
    /// - Parameters:
    ///   - cotangents: by output, for last values of states by `final.STATE`, in their shapes.
    ///   - request: nil for the outputs that have cotangents, or the losses where there are no cotangents, with respect to
    ///     everything.
    /// - Throws: `DiagnosticList` where data are missing or misshapen, or the request names what the model does not have.
    package func gradients(
        _ data: ModelData, cotangents: [String: Tensor] = [:], of request: GradientRequest? = nil,
        on engine: Engine = .compiled(.f32), threads: Int = 1
    ) throws -> GradientResults {
        var wanted = request ?? GradientRequest(of: graph)
        if request == nil, !cotangents.isEmpty { wanted.seeds = cotangents.keys.sorted().map(GradientRequest.Seed.init(cotangent:)) }
        return try GradientModel(self, wanted).run(data, cotangents: cotangents, on: engine, threads: threads)
    }
}

/// What a gradient run gives.
package struct GradientResults: Sendable {
    /// The model's own results.
    package var results: ModelResults
    /// In the order of the request: parameters by path and inputs by name in their shapes, `initial.STATE` as `[batch, …]`.
    package var gradients: [NamedTensor]

    package init(results: ModelResults, gradients: [NamedTensor]) {
        self.results = results
        self.gradients = gradients
    }

    /// The gradient of this name.
    package subscript(_ name: String) -> Tensor? { gradients.first { $0.name == name }?.tensor }
}
