@_exported import RecCodeGen
import RecInterpreter
import RecLowering
@_exported import RecRuntime
import RecScheduling
import RecStream
@_exported import RecTensors
import RecTyping

/// A model with its dims fixed, ready to run.
///
/// ```swift
/// let program = try Program(path: "gru.rec")
/// let model = try Model(program, dims: ["D": 8, "H": 64])
/// let results = try model.run(ModelData(inputs: ["x": x], parameters: weights))
/// ```
package struct Model: Sendable {
    package let program: Program
    package let typed: TypedModel
    package let dims: [String: Int]
    package let graph: StreamGraph
    /// How compiled code stores the weights of its products.
    package private(set) var weights = WeightFormat.full

    /// - Parameter name: the model of the program; nil for its main model.
    /// - Throws: `DiagnosticList` where the program has errors or a dim is missing.
    package init(
        _ program: Program, named name: String? = nil, dims: [String: Int] = [:], times: PassTimes? = nil
    ) throws(DiagnosticList) {
        self.program = program
        let typed = try program.model(named: name)
        self.typed = typed
        self.dims = dims
        if let unknown = dims.keys.sorted().first(where: { !typed.dims.contains($0) }) {
            let close = nearest(unknown, among: typed.dims)
            throw DiagnosticList([
                Diagnostic(
                    .unknownDim, "'\(typed.name)' has no dim '\(unknown)'", at: nil,
                    help: close.map { "did you mean '\($0)'?" }
                        ?? (typed.dims.isEmpty ? "it has none" : "its dims are \(typed.dims.joined(separator: ", "))"))
            ])
        }
        graph = try program.graph(of: typed, dims: dims, times: times)
    }

    /// A model whose dims are read off data, as far as they are not given.
    package init(
        _ program: Program, named name: String? = nil, dims: [String: Int] = [:], fitting data: ModelData, times: PassTimes? = nil
    ) throws(DiagnosticList) {
        let typed = try program.model(named: name)
        let evidence =
            data.inputs.map { DimEvidence(name: $0.key, role: .input, sizes: $0.value.shape) }
            + data.parameters.map { DimEvidence(name: $0.key, role: .parameter, sizes: $0.value.shape) }
        let solved = typed.solveDims(given: dims, evidence: evidence.sorted { $0.name < $1.name }) { program.typed.models[$0] }
        if typed.dims.contains(where: { solved[$0] == nil && typed.defaults[$0] == nil }) {
            let misfits = typed.misfits(data)
            if !misfits.isEmpty { throw DiagnosticList(misfits) }
        }
        try self.init(program, named: name, dims: solved.merging(dims) { _, given in given }, times: times)
    }

    /// The same model, whose compiled code stores the weights of its products so: in `bf16` it reads half as many bytes, and
    /// results differ by some thousandths (`recc verify --weights bf16` says by how much). For f32 and without gradients.
    package func storingWeights(as format: WeightFormat) -> Model {
        var result = self
        result.weights = format
        return result
    }

    /// The plan by which compiled code runs.
    ///
    /// - Parameter forms: how recurrences are to run, by state; where nothing is said, one step after another, unless the
    ///   source requires another form. (`PlanChoice` chooses by cost.)
    /// - Throws: `DiagnosticList` where a state is unknown, cannot run so, or is not what the source requires.
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

    /// Runs whole sequences.
    ///
    /// - Parameter limit: the bytes that a run of compiled code may have in memory; see `GradientModel.run`.
    /// - Throws: `DiagnosticList` where data are missing or misshapen, or the run does not fit its bound.
    package func run(
        _ data: ModelData, on engine: Engine = .compiled(.f32), threads: Int = 1, forcing forms: [String: PlanForm] = [:],
        within limit: Int? = nil, context: CompileContext = CompileContext()
    ) throws -> ModelResults {
        let bound = try context.times.measure("check data") { () throws in try BoundData(data, for: graph) }
        try checkMemory(batch: bound.batch, extents: bound.extents, on: engine)
        switch engine {
        case .interpreter:
            guard weights == .full else { throw weightsRefused("the interpreter", help: "run compiled code, in f32") }
            return context.times.measure("run") { Interpreter(graph).run(bound) }
        case .compiled(let precision):
            let runner = try Runner(self, precision: precision, parameters: bound.parameters, forcing: forms, within: limit, context: context)
            return try runner.run(bound, pool: ThreadPool(count: threads))
        }
    }

    /// Runs whole sequences on code that is compiled already.
    package func run(_ data: BoundData, on compiled: CompiledModel, pool: ThreadPool) -> ModelResults {
        let results = compiled.run(
            inputs: data.inputs, batch: data.batch, extents: data.extents, lengths: data.lengths, pool: pool)
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
