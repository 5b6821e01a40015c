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
/// let results = try runner.run(["x": x], threads: 2)
/// ```
///
/// A runner may be used by any number of threads and tasks at the same time.
public final class Runner: Sendable {
    /// What it runs.
    public let model: Model
    package let graph: StreamGraph
    package let precision: Precision
    package let choice: PlanChoice
    /// Which runs go chunk by chunk.
    let chunks: FormChoice
    private let bound: Int?
    private let forced: [String: PlanForm]
    private let parameters: [String: Tensor]
    private let context: CompileContext
    /// Of results and streams, in one run after another.
    private let memory = ResultMemory()
    private let compiled = KeptOnce<PlanChoice.Form, CompiledModel>()
    private let codes = KeptOnce<PlanChoice.Form, CompiledPlan>()
    /// By number of threads.
    private let pools = Mutex<[Int: ThreadPool]>([:])
    /// What runs the results for which there are inputs, by the inputs, where some are missing.
    private let parts = KeptOnce<Set<String>, Runner?>()
    /// What runs sequences of different length along several axes, by the axes.
    private let ended = KeptOnce<[Int], Runner>()

    /// A runner of a model.
    ///
    /// - Parameters:
    ///   - precision: of the arithmetic.
    ///   - parameters: by path, in the shapes of the source; those of the model where they are not among them.
    ///   - forced: forms in which recurrences are to run, by state.
    ///   - bound: bytes that a run may have in memory; nil for what is usual.
    ///   - context: where compiled code is kept, if anywhere.
    /// - Throws: where parameters are missing or misshapen, or a form is not legal.
    public init(
        _ model: Model, precision: Precision = .f32, parameters: [String: Tensor] = [:], forcing forced: [String: PlanForm] = [:],
        within bound: Int? = nil, context: CompileContext = CompileContext()
    ) throws(DiagnosticList) {
        // Code that is kept for calls of the model is no part of a runner: it may hold this one.
        self.model = model.apart
        graph = model.graph
        self.bound = bound
        self.forced = forced
        self.precision = precision
        self.context = context
        do throws(DiagnosticList) {
            try CallCheck.memory(bound)
            self.parameters = try BoundData.parameters(model.parameters(with: parameters), for: model.graph)
            choice = try PlanChoice(model, forcing: forced.others, times: context.times)
            chunks = try FormChoice(self.model, nil, forcing: forced, precision: precision, within: bound, else: choice, context: context)
        } catch { throw error.placed(in: model.program.sources) }
    }

    /// Runs a model with its gradients; see `GradientModel.run(_:on:pool:)`.
    package init(
        _ gradients: GradientModel, precision: Precision = .f32, parameters: [String: Tensor],
        forcing forced: [String: PlanForm] = [:], within bound: Int? = nil, context: CompileContext = CompileContext()
    ) throws(DiagnosticList) {
        model = gradients.model.apart
        graph = gradients.graph
        self.bound = bound
        self.forced = forced
        self.precision = precision
        self.parameters = try BoundData.parameters(gradients.model.parameters(with: parameters), for: gradients.graph)
        self.context = context
        choice = try PlanChoice(gradients, forcing: forced.others, times: context.times)
        chunks = try FormChoice(
            model, gradients.request, forcing: forced, precision: precision, within: bound, else: choice, context: context)
    }

    /// The code that such a run takes, and what tells it from other code.
    private func code(for work: Workload) throws -> (form: PlanChoice.Form, code: CompiledPlan) {
        try choice.build(for: work) { form, plan in
            try codes.value(for: form) {
                try onDeepStack { try CompiledPlan(plan, precision: precision, weights: model.weights, context: context) }
            }
        }
    }

    /// The code that such a run takes, with other parameters in place: nothing is compiled anew for them.
    func compiled(for work: Workload, with parameters: [String: Tensor]) throws -> CompiledModel {
        let code = try code(for: work).code
        return try context.times.measure("pack") { () throws in try CompiledModel(code, parameters: parameters, memory: memory) }
    }

    /// The code that such a run takes, with the parameters in place.
    package func compiled(for work: Workload) throws -> CompiledModel {
        let (form, code) = try code(for: work)
        return try compiled.value(for: form) {
            try context.times.measure("pack") { () throws in try CompiledModel(code, parameters: parameters, memory: memory) }
        }
    }

    /// Runs whole sequences.
    ///
    /// - Parameters:
    ///   - inputs: `[batch, t, …]` for streams, `[batch, …]` for once inputs; without a batch axis the batch is 1.
    ///   - lengths: the length of each sequence in steps along the first axis; nil where all have the full length.
    ///   - lengthsByAxis: the same along other axes, by name.
    ///   - threads: from 1 to 1024.
    /// - Throws: where inputs are missing, unknown or misshapen, or the run does not fit its bound or the machine.
    public func run(
        _ inputs: [String: Tensor], lengths: [Int]? = nil, lengthsByAxis: [String: [Int]] = [:], threads: Int = 1
    ) throws(DiagnosticList) -> ModelResults {
        try reportingProblems(in: model.program.sources) {
            try CallCheck.threads(threads)
            try CallCheck.inputs(inputs.keys, of: model.typed)
            if let part = try part(given: Set(inputs.keys)) { return try part.run(inputs, lengths: lengths, lengthsByAxis: lengthsByAxis, threads: threads) }
            let given = ModelData(inputs: inputs, parameters: parameters, lengths: lengths, lengthsByAxis: lengthsByAxis)
            let data = try BoundData(given, for: graph)
            try model.checkMemory(batch: data.batch, extents: data.extents)
            if let (ended, data) = try ended(given, data) { return try StackSpace.run { try ended.run(data, pool: pool(of: threads)) } }
            return try StackSpace.run { try run(data, pool: pool(of: threads)) }
        }
    }

    /// Runs whole sequences, with outputs in memory of the caller's.
    ///
    /// ```swift
    /// var h = [Float](repeating: 0, count: 100 * 64)
    /// _ = try h.withUnsafeMutableBytes { try runner.run(["x": x], into: ["h": $0]) }
    /// ```
    ///
    /// The run writes them there; where recurrences run chunk by chunk they are copied at its end. They are not among the results. No
    /// other run may have the same memory at the same time.
    ///
    /// - Parameter memory: by output, as many bytes as it has: numbers in the precision of the run, whole numbers as `Int64`, bools as
    ///   bytes.
    /// - Throws: as `run(_:lengths:threads:)`, and where the memory has another size, or an output is unknown.
    @discardableResult
    public func run(
        _ inputs: [String: Tensor], into memory: [String: UnsafeMutableRawBufferPointer], lengths: [Int]? = nil,
        lengthsByAxis: [String: [Int]] = [:], threads: Int = 1
    ) throws(DiagnosticList) -> ModelResults {
        try reportingProblems(in: model.program.sources) {
            try CallCheck.threads(threads)
            try CallCheck.inputs(inputs.keys, of: model.typed)
            if let part = try part(given: Set(inputs.keys)) { return try part.run(inputs, into: memory, lengths: lengths, lengthsByAxis: lengthsByAxis, threads: threads) }
            let given = ModelData(inputs: inputs, parameters: parameters, lengths: lengths, lengthsByAxis: lengthsByAxis)
            let whole = try BoundData(given, for: graph)
            try check(memory, for: whole)
            try model.checkMemory(batch: whole.batch, extents: whole.extents)
            let (runner, data) = try ended(given, whole) ?? (self, whole)
            var bound = data
            bound.destinations.memory = memory
            let placed = bound
            return Self.placed(try StackSpace.run { try runner.run(placed, pool: pool(of: threads)) }, in: memory)
        }
    }

    /// Results without those that are to lie in memory of the caller's, which are copied where they do not lie there yet.
    private static func placed(_ results: ModelResults, in memory: [String: UnsafeMutableRawBufferPointer]) -> ModelResults {
        var rest = results
        rest.outputs = []
        for output in results.outputs {
            guard let target = memory[output.name] else {
                rest.outputs.append(output)
                continue
            }
            output.tensor.withUnsafeBytes { bytes in
                if bytes.baseAddress != UnsafeRawPointer(target.baseAddress) { target.copyMemory(from: bytes) }
            }
        }
        return rest
    }

    private func check(_ memory: [String: UnsafeMutableRawBufferPointer], for data: BoundData) throws(DiagnosticList) {
        for (name, target) in memory.sorted(by: { $0.key < $1.key }) {
            guard let output = graph.outputs.first(where: { $0.name == name }) else {
                let known = graph.outputs.map(\.name)
                throw DiagnosticList(
                    .unknownName, "there is no output '\(name)' that could be written",
                    help: nearest(name, among: known).map { "did you mean '\($0)'?" } ?? "there are \(known.joined(separator: ", "))")
            }
            let value = graph[output.value]
            let axes = graph.axes.indices.filter { value.variance.varies(over: $0) }.map { data.extents[$0] }
            let shape = (value.variance.batch ? [data.batch] : []) + axes + value.shape.sizes + (value.element == .complex ? [2] : [])
            let size = value.element.byteCount(precision)
            guard target.count == shape.reduce(size, *) else {
                throw DiagnosticList(
                    .misshapenTensor, "'\(name)' is \(shape) of \(size) bytes each, and the memory for it has \(target.count) bytes")
            }
            guard Int(bitPattern: target.baseAddress) % size == 0 else {
                throw DiagnosticList(.badCall, "the memory for '\(name)' does not begin at a multiple of \(size)")
            }
        }
    }

    /// What runs the results for which these inputs suffice; nil where that is this runner.
    private func part(given: Set<String>) throws(DiagnosticList) -> Runner? {
        guard model.isMissingInputs(given: given) else { return nil }
        return try parts.value(for: given) { () throws(DiagnosticList) in
            let part = try model.answering(given)
            guard !part.isMissingInputs(given: given) else { return nil }
            return try Runner(
                part, precision: precision, parameters: parameters, forcing: part.forms(forced, of: model), within: bound, context: context)
        }
    }

    /// What runs data with lengths along several axes, and those data with the lengths as inputs; nil for other data.
    private func ended(_ given: ModelData, _ data: BoundData) throws(DiagnosticList) -> (runner: Runner, data: BoundData)? {
        let axes = model.axesToEnd(data)
        guard !axes.isEmpty else { return nil }
        let runner = try ended.value(for: axes) { () throws(DiagnosticList) in
            try Runner(model.ending(along: axes), precision: precision, parameters: parameters, forcing: forced, within: bound, context: context)
        }
        return (runner, try BoundData(given.endingByInputs(data, along: axes, of: graph), for: runner.graph))
    }

    /// The pool for so many threads.
    func pool(of threads: Int) -> ThreadPool {
        pools.withLock { pools in
            if let known = pools[threads] { return known }
            let fresh = ThreadPool(count: threads)
            pools[threads] = fresh
            return fresh
        }
    }

    package func run(_ data: BoundData, pool: ThreadPool) throws -> ModelResults {
        let work = Workload(batch: data.batch, extents: data.extents, threads: pool.count, bytesPerReal: precision.byteCount)
        if let results = try chunks.partitioned(for: work)?.run(data, pool: pool) { return model.joiningComplexStates(results) }
        let compiled = try compiled(for: work)
        return try context.times.measure("run") { () throws(DiagnosticList) in
            try model.run(data, on: compiled, pool: pool, within: bound)
        }
    }
}
