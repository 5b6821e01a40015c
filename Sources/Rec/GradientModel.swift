@_exported import RecDifferentiation
import RecInterpreter
import RecLowering
import RecScheduling
import RecTyping

/// A model whose gradients are asked for: its results and, in the same run, their derivatives.
///
/// ```swift
/// let gradients = try GradientModel(model)
/// let results = try gradients.run(data)
/// results.gradients  // W, b, x, …
/// ```
///
/// It may be used by any number of threads and tasks at the same time.
public struct GradientModel: Sendable {
    /// What is differentiated.
    public let model: Model
    /// By what, and with which cotangents.
    package let request: GradientRequest
    /// The model's graph, products of one value joined, with a further output for each gradient.
    package let graph: StreamGraph
    /// Code that was compiled for runs.
    private var code = ModelCode()

    /// Gradients of the losses, or of all outputs where there are none, with respect to every trained parameter and every input of
    /// real or complex numbers.
    ///
    /// - Throws: where the model has weights in bf16, or nothing that can be differentiated.
    public init(_ model: Model) throws(DiagnosticList) { try self.init(model, nil) }

    /// Gradients of some losses or outputs, with respect to some parameters, inputs or initial values.
    ///
    /// - Parameters:
    ///   - names: parameters by path, inputs by name, and `initial.STATE`; nil for all parameters and inputs.
    ///   - cotangents: the outputs, or `final.STATE`, that runs will be given cotangents of; empty for the losses.
    ///   - truncation: gradients do not pass between blocks of so many steps; nil for no bound.
    /// - Throws: where a name is unknown or stands for what cannot be differentiated, or a bound is less than 1.
    public init(
        _ model: Model, withRespectTo names: [String]?, cotangents: [String] = [], truncation: Int? = nil
    ) throws(DiagnosticList) {
        var request = GradientRequest(of: model.graph, truncation: truncation)
        if let names { request.targets = names.map { Self.target($0, of: model.typed) } }
        if !cotangents.isEmpty { request.seeds = cotangents.map(GradientRequest.Seed.init(cotangent:)) }
        try self.init(model, request)
    }

    /// What a name stands for.
    package static func target(_ name: String, of model: TypedModel) -> GradientRequest.Target {
        if name.hasPrefix("initial.") { return .initialState(String(name.dropFirst("initial.".count))) }
        return model.inputs.contains { $0.name == name } ? .input(name) : .parameter(name)
    }

    package init(_ model: Model, times: PassTimes?) throws(DiagnosticList) { try self.init(model, nil, times: times) }

    /// - Parameter request: nil for the losses, or all outputs where there are none, with respect to everything.
    /// - Throws: where the request names what the model does not have.
    package init(_ model: Model, _ request: GradientRequest?, times: PassTimes? = nil) throws(DiagnosticList) {
        do { self = try onDeepStack { () throws(DiagnosticList) in try GradientModel(of: model, request, times) } } catch {
            throw error.placed(in: model.program.sources)
        }
    }

    private init(of model: Model, _ request: GradientRequest?, _ times: PassTimes?) throws(DiagnosticList) {
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
                model.graph.splittingComplex().sharingCommonValues().unrolled(for: request).joiningProducts(apart: Set(parameters))
            }
            return try times.measure("differentiate") { () throws(DiagnosticList) in try gradient(of: joined, request) }
        }
    }

    /// The graph of results and gradients in which these recurrences of the model, and their adjoints, run chunk by chunk.
    ///
    /// - Parameter counts: the steps of a chunk, by state.
    package func rewritten(_ counts: [String: Int?]) throws(DiagnosticList) -> StreamGraph {
        try model.rewritten(counts, request, assumingFinite: model.attends)
    }

    /// The plan in which recurrences run in the given forms, by state; that of the adjoint of a state `h` is `grad.h`.
    ///
    /// - Throws: `DiagnosticList` where a state is unknown, or cannot run so.
    package func plan(forcing forms: [String: PlanForm] = [:], times: PassTimes? = nil) throws(DiagnosticList) -> Plan {
        try model.checkHasPlan()
        try checkSweeps()
        if forms.isEmpty, graph.requirements.isEmpty { return try Pipeline.simplestPlan(graph, times: times) }
        return try PlanForms(self, times: times).plan(forcing: forms)
    }

    /// Checks that compiled code can take the steps. What it cannot take of the model itself comes again in the gradients, and is told once.
    func checkSweeps() throws(DiagnosticList) {
        try RecLowering.checkSweeps(of: model.graph)
        try RecLowering.checkSweeps(of: graph)
    }

    /// The same where an axis may be a dim of each step.
    func checkCode() throws(DiagnosticList) {
        if graph.axisToUnfold == nil { try checkSweeps() }
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
    ///   - data: as for a run of the model; parameters that are not among them are the model's.
    ///   - cotangents: by output, for last values of states by `final.STATE`, in their shapes.
    ///   - engine: the interpreter in f64, or machine code in f32 or f64.
    ///   - threads: from 1 to 1024.
    ///   - forms: in which form the recurrence of a state runs; that of the adjoint of a state `h` is `grad.h`.
    ///   - bound: the bytes that a run of compiled code may have in memory: its data, results and all that it works with. Streams
    ///     that do not fit are computed again, chunk by chunk. Nil for what is usual; see `docs/gradients.md`.
    ///   - context: where compiled code is kept, if anywhere.
    /// - Throws: where data are missing, unknown or misshapen, a form is not legal, or the run does not fit its bound or the machine.
    public func run(
        _ data: ModelData, cotangents: [String: Tensor] = [:], on engine: Engine = .compiled(.f32), threads: Int = 1,
        forcing forms: [String: PlanForm] = [:], within bound: Int? = nil, context: CompileContext = CompileContext()
    ) throws(DiagnosticList) -> GradientResults {
        try reportingProblems(in: model.program.sources) {
            try StackSpace.run {
                try running(data, cotangents, on: engine, threads: threads, forcing: forms, within: bound, context: context)
            }
        }
    }

    private func running(
        _ data: ModelData, _ cotangents: [String: Tensor], on engine: Engine, threads: Int, forcing forms: [String: PlanForm],
        within bound: Int?, context: CompileContext
    ) throws -> GradientResults {
        try CallCheck.threads(threads)
        try CallCheck.memory(bound)
        let given = data
        let data = try context.times.measure("check data") { () throws in try bind(data, cotangents: cotangents) }
        switch engine {
        case .interpreter:
            // The reference takes products one by one.
            try model.checkMemory(batch: data.batch, extents: data.extents, on: engine)
            let graph = try onDeepStack { () throws(DiagnosticList) in try gradient(of: model.graph, request) }
            return context.times.measure("run") { split(Interpreter(graph).run(data)) }
        case .compiled(let precision):
            try model.checkMemory(batch: data.batch, extents: data.extents)
            let ends = model.axesToEnd(data)
            if !ends.isEmpty {
                try request.checkEnds(along: ends, of: model)
                let ended = try code.gradients(ending: ends) { () throws(DiagnosticList) in try GradientModel(model.ending(along: ends), request) }
                return try ended.running(
                    given.endingByInputs(data, along: ends, of: model.graph), cotangents, on: engine, threads: threads, forcing: forms, within: bound,
                    context: context)
            }
            let runner = try code.runner(precision, forms, context) { () throws(DiagnosticList) in
                try Runner(self, precision: precision, parameters: data.parameters, forcing: forms, context: context)
            }
            let pool = runner.pool(of: threads)
            let work = Workload(batch: data.batch, extents: data.extents, threads: threads, bytesPerReal: precision.byteCount)
            try model.check(runner.chunks.asked, within: bound)
            let partitioned = bound == nil ? try runner.chunks.partitioned(for: work) : nil
            if let partitioned, let results = try context.times.measure("run", { () throws in try run(data, on: partitioned, pool: pool) }) {
                return results
            }
            let compiled = try runner.compiled(for: work, with: data.parameters)
            var results = try context.times.measure("run") { () throws(DiagnosticList) in
                try run(data, on: compiled, pool: pool, within: bound)
            }
            results.results.leftChunks = partitioned != nil
            return results
        }
    }

    /// Runs whole sequences on code that is compiled already.
    package func run(_ data: BoundData, on compiled: CompiledModel, pool: ThreadPool) throws(DiagnosticList) -> GradientResults {
        split(try compiled.run(inputs: data.inputs, batch: data.batch, extents: data.extents, lengths: data.lengthsOfPlan(), pool: pool))
    }

    /// The same with so many bytes of memory at most; nil for what is usual.
    ///
    /// - Throws: `DiagnosticList` where the run does not fit its bound.
    package func run(
        _ data: BoundData, on compiled: CompiledModel, pool: ThreadPool, within bound: Int?
    ) throws(DiagnosticList) -> GradientResults {
        split(try compiled.run(data, pool: pool, within: bound))
    }

    /// Runs whole sequences chunk by chunk; nil where the recurrences must run step by step, as of `PartitionedModel.run`.
    package func run(_ data: BoundData, on partitioned: PartitionedModel, pool: ThreadPool) throws -> GradientResults? {
        try partitioned.run(data, pool: pool).map(split)
    }

    /// Data and cotangents, checked.
    package func bind(_ data: ModelData, cotangents: [String: Tensor] = [:]) throws(DiagnosticList) -> BoundData {
        let lengths = graph.dataAxes.map(graph.lengthsName).filter { graph.requiredInputs(of: graph.ids).contains($0) }
        try CallCheck.inputs(data.inputs.keys.filter { !$0.hasPrefix("cotangent.") && !lengths.contains($0) }, of: model.typed)
        var all = data
        all.parameters = model.parameters(with: data.parameters)
        if let unknown = cotangents.keys.sorted().first(where: { name in !request.seeds.contains { $0.cotangentName == "cotangent.\(name)" } }) {
            throw DiagnosticList(
                .unknownName, "there is no cotangent of '\(unknown)' in what is differentiated",
                help: "name it where the gradients are asked for")
        }
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
    /// It differentiates and compiles each time; a `GradientModel` does so once.
    ///
    /// - Parameters:
    ///   - data: as for a run of the model; parameters that are not among them are the model's.
    ///   - cotangents: by output, for last values of states by `final.STATE`, in their shapes; where there are none the losses are
    ///     differentiated.
    ///   - engine: the interpreter in f64, or machine code in f32 or f64.
    ///   - threads: from 1 to 1024.
    /// - Throws: where data are missing, unknown or misshapen, or there is nothing that can be differentiated.
    public func gradients(
        _ data: ModelData, cotangents: [String: Tensor] = [:], on engine: Engine = .compiled(.f32), threads: Int = 1
    ) throws(DiagnosticList) -> GradientResults {
        try gradients(data, cotangents: cotangents, of: nil, on: engine, threads: threads)
    }

    /// - Parameter request: nil for the outputs that have cotangents, or the losses where there are no cotangents, with respect to
    ///   everything.
    package func gradients(
        _ data: ModelData, cotangents: [String: Tensor] = [:], of request: GradientRequest?,
        on engine: Engine = .compiled(.f32), threads: Int = 1
    ) throws(DiagnosticList) -> GradientResults {
        var wanted = request ?? GradientRequest(of: graph)
        if request == nil, !cotangents.isEmpty { wanted.seeds = cotangents.keys.sorted().map(GradientRequest.Seed.init(cotangent:)) }
        return try GradientModel(self, wanted).run(data, cotangents: cotangents, on: engine, threads: threads)
    }
}

/// What a gradient run gives.
public struct GradientResults: Sendable {
    /// The model's own results.
    public package(set) var results: ModelResults
    /// In the order of the request: parameters by path and inputs by name in their shapes, `initial.STATE` as `[batch, …]`.
    public package(set) var gradients: [NamedTensor]

    package init(results: ModelResults, gradients: [NamedTensor]) {
        self.results = results
        self.gradients = gradients
    }

    /// The gradient of this name: a parameter's path, an input, `initial.STATE`.
    ///
    /// - Throws: where there is none.
    public subscript(_ name: String) -> Tensor {
        get throws(DiagnosticList) { try gradients.tensor(named: name, what: "gradient") }
    }
}

extension StreamGraph {
    /// The graph with its windows unrolled, as far as it is differentiated afterwards by what the request says: what a state that shifts
    /// began with is seen by the state itself alone.
    func unrolled(for request: GradientRequest?) -> StreamGraph {
        let asksForBeginnings = request?.targets.contains { if case .initialState = $0 { true } else { false } } ?? false
        return asksForBeginnings ? self : unrollingWindows()
    }
}
