@_exported import RecCodeGen
import RecInterpreter
import RecLowering
@_exported import RecRuntime
import RecScheduling
import RecStream
@_exported import RecTensors
import RecTyping

/// A model with its dims fixed, and perhaps its weights, ready to run.
///
/// ```swift
/// let model = try Model("gru.rec", dims: ["D": 8], weights: "gru.safetensors")
/// let h = try model(["x": samples])["h"]
/// ```
///
/// A model may be used by any number of threads and tasks at the same time; its copies share compiled code.
public struct Model: Sendable {
    package let program: Program
    package let typed: TypedModel
    /// The sizes of the dims that were given or read off data, by name.
    public let dims: [String: Int]
    package internal(set) var graph: StreamGraph
    /// The graph of all that the program's model gives.
    package internal(set) var wholeGraph: StreamGraph
    /// What was asked for, each of what was there.
    var selections: [ModelCode.Part] = []
    /// What tells the program, with its dims, from others.
    package let identity: Deferred<String>
    /// How many steps a stream takes at most, where it keeps no more of what it attends to.
    var mostStreamedSteps: Int?
    /// How many steps of what it attends to a stream is to keep, where it runs step by step once what runs along other axes is known.
    var keptSteps: Int?
    /// Whether runs leave out results for which inputs are missing; not where results were named.
    package internal(set) var mayLeaveOut = true
    /// How compiled code stores the weights of its products.
    package private(set) var weights = WeightFormat.full
    /// The parameters and constants that runs take where their data give none, by path.
    public package(set) var parameters: [String: Tensor] = [:]
    /// Code that was compiled for calls; a model with other weights has its own.
    package var code = ModelCode()

    /// A model of a program.
    ///
    /// - Parameters:
    ///   - name: which model; nil for the one that no other uses as a layer.
    ///   - dims: sizes from 1 to 2^31 by name; those with a default may be left out.
    /// - Throws: where the program has errors, there is no such model, or a dim is missing, unknown or impossible.
    public init(_ program: Program, named name: String? = nil, dims: [String: Int] = [:]) throws(DiagnosticList) {
        try self.init(program, named: name, dims: dims, times: nil)
    }

    /// A model whose dims are read off data, as far as they are not given.
    ///
    /// - Throws: where the program has errors, there is no such model, or the data do not tell the dims.
    public init(
        _ program: Program, named name: String? = nil, dims: [String: Int] = [:], fitting data: ModelData
    ) throws(DiagnosticList) {
        try self.init(program, named: name, dims: dims, fitting: data, times: nil)
    }

    package init(
        _ program: Program, named name: String? = nil, dims: [String: Int] = [:], times: PassTimes?
    ) throws(DiagnosticList) {
        self.program = program
        let typed = try program.model(named: name)
        do { try Self.check(dims, of: typed) } catch { throw error.placed(in: program.sources) }
        self.typed = typed
        self.dims = dims
        let graph: StreamGraph
        do { graph = try program.graph(of: typed, dims: dims, times: times) } catch { throw error.placed(in: program.sources) }
        self.graph = graph
        wholeGraph = graph
        identity = Deferred {
            var hash = ContentHash()
            hash.add(graph.text)
            return String(hash.value, radix: 16)
        }
    }

    /// The same model as it is while it is trained: `dropout` drops there, and does nothing elsewhere.
    ///
    /// - Throws: where the model cannot be made so.
    public func training() throws(DiagnosticList) -> Model {
        let depends = program.typed.models.values.contains { model in
            model.values.contains { if case .training = $0.operation { true } else { false } }
        }
        guard depends, !program.isTraining else { return self }
        var result = try Model(program.training, named: typed.name, dims: dims)
        result.graph = selections.reduce(result.wholeGraph) { $0.keeping($1.selection, given: $1.given) }
        result.selections = selections
        result.mayLeaveOut = mayLeaveOut
        result.weights = weights
        result.parameters = parameters
        return result
    }

    private static func check(_ dims: [String: Int], of typed: TypedModel) throws(DiagnosticList) {
        if let unknown = dims.keys.sorted().first(where: { !typed.dims.contains($0) }) {
            let close = nearest(unknown, among: typed.dims)
            throw DiagnosticList(
                .unknownDim, "'\(typed.name)' has no dim '\(unknown)'",
                help: close.map { "did you mean '\($0)'?" }
                    ?? (typed.dims.isEmpty ? "it has none" : "its dims are \(typed.dims.joined(separator: ", "))"))
        }
        if let (name, size) = dims.sorted(by: { $0.key < $1.key }).first(where: { !(1...1 << 31).contains($0.value) }) {
            throw DiagnosticList(.unsolvableDim, "the dim '\(name)' is from 1 to \(1 << 31), and not \(size)")
        }
    }

    package init(
        _ program: Program, named name: String? = nil, dims: [String: Int] = [:], fitting data: ModelData, needingInputs: Bool = false,
        times: PassTimes?
    ) throws(DiagnosticList) {
        let typed = try program.model(named: name)
        do { try Self.check(dims, of: typed) } catch { throw error.placed(in: program.sources) }
        let evidence =
            data.inputs.map { DimEvidence(name: $0.key, role: .input, sizes: $0.value.shape) }
            + data.parameters.map { DimEvidence(name: $0.key, role: .parameter, sizes: $0.value.shape) }
        let solved = typed.solveDims(given: dims, evidence: evidence.sorted { $0.name < $1.name }) { program.typed.models[$0] }
        if typed.dims.contains(where: { solved[$0] == nil && typed.defaults[$0] == nil }) {
            let misfits = typed.misfits(data)
            if !misfits.isEmpty { throw DiagnosticList(misfits) }
        }
        do { try self.init(program, named: name, dims: solved.merging(dims) { _, given in given }, times: times) } catch {
            // Dims are unknown where the tensors are that would tell them.
            guard error.diagnostics.contains(where: { $0.id == .unsolvableDim }) else { throw error }
            let unknown = typed.dims.filter { solved[$0] == nil && dims[$0] == nil && typed.defaults[$0] == nil }
            let inputs = needingInputs ? typed.missingInputs(data, telling: unknown) : []
            let parameters = data.parameters.isEmpty ? [] : typed.missingParameters(data) { program.typed.models[$0] }
            throw DiagnosticList(error.diagnostics + inputs + parameters, in: error.sources)
        }
    }

    /// The same model, whose compiled code stores the weights of its products so: in `bf16` it reads half as many bytes, and
    /// results differ by some thousandths (`recc verify --weights bf16` says by how much). For f32 and without gradients.
    public func storingWeights(as format: WeightFormat) -> Model {
        var result = self
        result.weights = format
        result.code = ModelCode()
        return result
    }

    /// The plan by which compiled code runs.
    ///
    /// - Parameter forms: how recurrences are to run, by state; where nothing is said, one step after another, unless the
    ///   source requires another form. (`PlanChoice` chooses by cost.)
    /// - Throws: `DiagnosticList` where a state is unknown, cannot run so, or is not what the source requires.
    package func plan(forcing forms: [String: PlanForm] = [:], times: PassTimes? = nil) throws(DiagnosticList) -> Plan {
        try checkHasPlan()
        try checkSweeps(of: graph)
        if forms.isEmpty, graph.requirements.isEmpty { return try Pipeline.simplestPlan(graph, times: times) }
        return try PlanForms(self, times: times).plan(forcing: forms)
    }

    /// Machine code for this machine.
    package func compile(
        _ precision: Precision = .f32, forcing forms: [String: PlanForm] = [:], context: CompileContext = CompileContext()
    ) throws -> CompiledPlan {
        let plan = try plan(forcing: forms, times: context.times)
        return try onDeepStack { try CompiledPlan(plan, precision: precision, weights: weights, context: context) }
    }

    /// The error where weights are not stored in full and must be.
    func weightsRefused(_ what: String, help: String) -> DiagnosticList {
        DiagnosticList([Diagnostic(.weightsRefused, "weights in \(weights.rawValue) do not go with \(what)", at: nil, help: help)])
    }

    /// Parameters and constants that start from their initialisers.
    package func initialParameters(seed: UInt64) -> [String: Tensor] {
        var result: [String: Tensor] = [:]
        for value in graph.values {
            guard case .parameter(let info) = value.operation else { continue }
            result[info.path] = info.initialTensor(
                shape: value.shape.sizes + (value.element == .complex ? [2] : []), seed: seed)
        }
        return result
    }

    /// The paths of parameters and constants.
    package var parameterPaths: [String] {
        graph.values.compactMap { if case .parameter(let info) = $0.operation { info.path } else { nil } }
    }

    /// Every parameter and constant by path: as it is given, by its path or by the name that the source gives its tensor, else
    /// as in `fallback`, which is by path.
    package func parameters(_ given: [String: Tensor], else fallback: [String: Tensor]) -> [String: Tensor] {
        var result = fallback
        for value in graph.values {
            guard case .parameter(let info) = value.operation else { continue }
            if let tensor = info.names.lazy.compactMap({ given[$0] }).first { result[info.path] = tensor }
        }
        return result
    }

    /// The model's own parameters with those given in their place, as `BoundData` takes them: those given by all of their names, so
    /// that it can say of one that is missing what there is instead.
    func parameters(with given: [String: Tensor]) -> [String: Tensor] { given.merging(parameters(given, else: parameters)) { $1 } }

    /// Runs whole sequences. Code is compiled when it is first needed and kept with the model, whatever the parameters of later runs.
    ///
    /// - Parameters:
    ///   - data: inputs in the shapes of the source with `[batch, t]` in front; parameters that are not among them are the model's.
    ///     Outputs and losses that need a missing input are left out.
    ///   - state: from what the run goes on; `ModelState()` for the beginning. The results then have the state behind their last step. Nil
    ///     for a run from the beginning whose state is not wanted.
    ///   - engine: the interpreter in f64, or machine code in f32 or f64.
    ///   - threads: from 1 to 1024.
    ///   - forms: in which form the recurrence of a state runs; the others run in the form that should be fastest.
    ///   - limit: the bytes that a run of compiled code may have in memory; nil for what is usual (`docs/gradients.md`).
    ///   - context: where compiled code is kept, if anywhere.
    /// - Throws: where data are missing, unknown or misshapen, a form is not legal, or the run does not fit its bound or the machine.
    public func run(
        _ data: ModelData, state: ModelState? = nil, on engine: Engine = .compiled(.f32), threads: Int = 1, forcing forms: [String: PlanForm] = [:],
        within limit: Int? = nil, context: CompileContext = CompileContext()
    ) throws(DiagnosticList) -> ModelResults {
        try reportingProblems(in: program.sources) {
            try StackSpace.run { try running(data, state, on: engine, threads: threads, forcing: forms, within: limit, context: context) }
        }
    }

    private func running(
        _ data: ModelData, _ state: ModelState?, on engine: Engine, threads: Int, forcing forms: [String: PlanForm], within limit: Int?,
        context: CompileContext
    ) throws -> ModelResults {
        try CallCheck.threads(threads)
        try CallCheck.memory(limit)
        try CallCheck.inputs(data.inputs.keys, of: typed)
        var part = try answering(Set(data.inputs.keys))
        var data = data
        if let state {
            part = try part.carrying(state.isBeginning ? .fresh : .given)
            data.inputs.merge(try part.inputs(from: state, batch: part.batch(of: data))) { $1 }
        }
        let results = try part.runningWhole(
            data, on: engine, threads: threads, forcing: part.forms(forms, of: self), within: limit, context: context)
        return state == nil ? results : part.separatingState(of: results)
    }

    /// Runs all that the model gives.
    private func runningWhole(
        _ data: ModelData, on engine: Engine, threads: Int, forcing forms: [String: PlanForm], within limit: Int?, context: CompileContext
    ) throws -> ModelResults {
        var data = data
        data.parameters = parameters(with: data.parameters)
        let bound = try context.times.measure("check data") { () throws in try BoundData(data, for: graph) }
        try checkMemory(batch: bound.batch, extents: bound.extents, on: engine)
        switch engine {
        case .interpreter:
            guard weights == .full else { throw weightsRefused("the interpreter", help: "run compiled code, in f32") }
            return context.times.measure("run") { Interpreter(graph).run(bound) }
        case .compiled(let precision):
            let ends = axesToEnd(bound)
            if !ends.isEmpty {
                return try ending(along: ends).runningWhole(
                    data.endingByInputs(bound, along: ends, of: graph), on: engine, threads: threads, forcing: forms, within: limit, context: context)
            }
            let runner = try code.runner(precision, forms, context) { () throws(DiagnosticList) in
                try Runner(self, precision: precision, parameters: bound.parameters, forcing: forms, context: context)
            }
            let pool = runner.pool(of: threads)
            let work = Workload(batch: bound.batch, extents: bound.extents, threads: pool.count, bytesPerReal: precision.byteCount)
            try check(runner.chunks.asked, within: limit)
            let partitioned = limit == nil ? try runner.chunks.partitioned(for: work) : nil
            if let results = try context.times.measure("run", { () throws in try partitioned?.run(bound, pool: pool) }) {
                return joiningComplexStates(results)
            }
            let compiled = try runner.compiled(for: work, with: bound.parameters)
            var results = try context.times.measure("run") { () throws(DiagnosticList) in
                try run(bound, on: compiled, pool: pool, within: limit)
            }
            results.leftChunks = partitioned != nil
            return results
        }
    }

    /// Runs whole sequences on code that is compiled already.
    package func run(_ data: BoundData, on compiled: CompiledModel, pool: ThreadPool) throws(DiagnosticList) -> ModelResults {
        let results = try compiled.run(
            inputs: data.inputs, batch: data.batch, extents: data.extents, lengths: data.lengthsOfPlan(), pool: pool)
        return joiningComplexStates(results)
    }

    /// The same with so many bytes of memory at most; nil for what is usual.
    ///
    /// - Throws: `DiagnosticList` where the run does not fit its bound.
    package func run(
        _ data: BoundData, on compiled: CompiledModel, pool: ThreadPool, within bound: Int?
    ) throws(DiagnosticList) -> ModelResults {
        joiningComplexStates(try compiled.run(data, pool: pool, within: bound))
    }

    /// Compiled code keeps the parts of complex states apart.
    func joiningComplexStates(_ results: ModelResults) -> ModelResults {
        guard graph.states.contains(where: { graph[$0.value].element == .complex }) else { return results }
        var joined = results
        joined.finalStates = graph.states.compactMap { state in
            func part(_ name: String) -> Tensor? { results.finalStates.first { $0.name == name }?.tensor }
            if let whole = part(state.name) { return NamedTensor(name: state.name, tensor: whole) }
            guard let re = part(state.name + ".re"), let im = part(state.name + ".im") else { return nil }
            let numbers = zip(re.doubles(), im.doubles()).flatMap { [$0, $1] }
            return NamedTensor(name: state.name, tensor: Tensor(numbers, shape: re.shape + [2]))
        }
        return joined
    }
}
