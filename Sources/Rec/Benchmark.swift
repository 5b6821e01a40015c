import RecRuntime
import RecScheduling
import RecStream
import RecTensors

/// How fast a compiled model runs on generated data.
package struct Benchmark: Sendable {
    package var batch: Int
    package var length: Int
    package var threads: Int
    package var runs: Int
    /// Median of a run in seconds, and the shortest and longest.
    package var seconds: (median: Double, least: Double, most: Double)
    /// Sweeps of these runs, and of the one before, in which threads should have shared rows and which one thread took, as other
    /// programs had the processors.
    package var sweepsLeftToOneThread: Int
    /// Seconds from the graph to machine code.
    package var compileSeconds: Double
    /// Floating-point operations of the products in a run.
    package var operations: Double
    /// Bytes of inputs and outputs, each counted once.
    package var bytes: Double
    /// What a run keeps in memory by its plan, in chunks or whole; nil of what runs chunk by chunk.
    package var memory: MemoryPlan?
    /// The most that was resident of this process until the last run had ended; nil where the system does not say.
    package var residentBytes: Int?
    package var limits: MachineLimits
    /// States whose recurrences ran as scans, and what the cost model expected of the run.
    package var scans: [String]
    /// States whose recurrences ran chunk by chunk, with the steps of a chunk; nil where nobody said how many.
    package var chunks: [String: Int?] = [:]
    package var chunkCounts: [(state: String, count: Int)] {
        chunks.map { ($0.key, $0.value ?? ChunkwiseForms.usualCount) }.sorted { $0.state < $1.state }
    }
    /// What recurrences took that ran in windows of time, by state.
    package var solves: [(state: String, report: SolveReport)] = []
    /// `S by 64`; nil where nothing ran so.
    package var chunkText: String? {
        chunks.isEmpty ? nil : chunkCounts.map { "\($0.state) by \($0.count)" }.joined(separator: ", ")
    }
    package var estimatedSeconds: Double?
    /// Median seconds of a step in a stream session of one sequence on one thread; nil where the model cannot stream.
    package var streamSeconds: Double?

    /// - Parameters:
    ///   - ranges: of inputs that are uniform in one. Other numbers are normal with a deviation of 0.5, other whole
    ///     numbers 0.
    ///   - withGradients: times the results and all gradients in one run.
    package init(
        _ model: Model, batch: Int, length: Int, threads: Int, precision: Precision = .f32,
        ranges: InputRanges = InputRanges(), withGradients: Bool = false, forcing forms: [String: PlanForm] = [:],
        within limit: Int? = nil, leastSeconds: Double = 0.5, context: CompileContext = CompileContext()
    ) throws {
        let gradients = withGradients ? try GradientModel(model, times: context.times) : nil
        let graph = gradients?.graph ?? model.graph
        let extents = graph.axes.map { $0.length ?? length }
        try model.checkMemory(batch: batch, extents: extents)
        let data = ModelData(
            inputs: try GeneratedInputs(ranges: ranges).tensors(for: graph, batch: batch, extents: extents),
            parameters: model.initialParameters(seed: 1))
        var bytes = data.inputs.values.reduce(0) { $0 + Double($1.count * precision.byteCount) }
        let bound = try BoundData(data, for: graph)
        let clock = ContinuousClock()
        let begun = clock.now
        let runner =
            try gradients.map { try Runner($0, precision: precision, parameters: bound.parameters, forcing: forms, context: context) }
            ?? Runner(model, precision: precision, parameters: bound.parameters, forcing: forms, context: context)
        let work = Workload(batch: batch, extents: extents, threads: threads, bytesPerReal: precision.byteCount)
        try model.check(runner.chunks.asked, within: limit)
        if limit == nil, let partitioned = try runner.chunks.partitioned(for: work) {
            let limits = try MachineLimits(threads: threads)
            if let own = try Benchmark(partitioned, graph, bound, work, bytes, leastSeconds, compiling: clock.now - begun, limits) {
                self = own
                chunks = runner.chunks.forms(for: work).chunks
                estimatedSeconds = partitioned.estimatedSeconds(work, on: runner.choice.machine)
                return
            }
            guard runner.chunks.asked.isEmpty else {
                throw DiagnosticList(
                    .notFinite, "what chunks give of these numbers is not finite, and runs go step by step then",
                    help: "give --range for inputs, or leave out the plan")
            }
        }
        let start = clock.now
        let compiled = try runner.compiled(for: work)
        let compiling = clock.now - start
        let scans = try runner.choice.choose(work)
        let code = compiled.code
        let pool = ThreadPool(count: threads)
        // What every run converts, it would convert once in earnest.
        var resident = bound
        for (name, tensor) in bound.inputs where precision == .f64 && tensor.type == .f32 {
            resident.inputs[name] = Tensor(tensor.doubles(), shape: tensor.shape)
        }
        func run() throws(DiagnosticList) {
            if let gradients {
                _ = try gradients.run(resident, on: compiled, pool: pool, within: limit)
            } else {
                _ = try model.run(resident, on: compiled, pool: pool, within: limit)
            }
        }
        try context.times.measure("first run") { () throws(DiagnosticList) in try run() }
        var times: [Double] = []
        var total = 0.0
        while times.count < 3 || (total < leastSeconds && times.count < 2000) {
            let elapsed = try clock.measure { try run() }
            let seconds = Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18
            times.append(seconds)
            total += seconds
        }
        residentBytes = PeakMemory.residentBytes
        sweepsLeftToOneThread = compiled.sweepsLeftToOneThread
        memory = try MemoryPlan.fitting(limit, code.facts, batch: batch, extents: extents, workers: pool.count, leastWork: pool.leastWork)
        times.sort()
        for output in graph.outputs {
            let value = graph[output.value]
            var count = (value.variance.batch ? batch : 1) * value.shape.elementCount
            for (k, extent) in extents.enumerated() where value.variance.varies(over: k) { count *= extent }
            bytes += Double(count * precision.byteCount)
        }
        self.batch = batch
        self.length = length
        self.threads = threads
        runs = times.count
        seconds = (times[times.count / 2], times[0], times[times.count - 1])
        compileSeconds = Double(compiling.components.seconds) + Double(compiling.components.attoseconds) * 1e-18
        operations = code.plan.operationCount(for: work)
        self.bytes = bytes
        limits = try MachineLimits(threads: threads)
        estimatedSeconds = code.plan.estimatedSeconds(work, on: runner.choice.machine)
        self.scans = scans.sorted().flatMap { runner.choice.forms.recurrences[$0].facts.states }
        // Steps one at a time are never composed.
        streamSeconds = Self.streamSeconds(
            scans.isEmpty ? compiled : try CompiledModel(model.compile(precision, context: CompileContext(cache: context.cache)), parameters: bound.parameters), bound)
    }
}

extension Benchmark {
    /// Of what runs chunk by chunk; nil where the numbers are such that it must run step by step.
    private init?(
        _ partitioned: PartitionedModel, _ graph: StreamGraph, _ bound: BoundData, _ work: Workload, _ inputBytes: Double, _ leastSeconds: Double,
        compiling: Duration, _ limits: MachineLimits
    ) throws {
        let clock = ContinuousClock()
        let pool = ThreadPool(count: work.threads)
        // Code of parts of whole sequences is compiled when it is first needed.
        let start = clock.now
        guard let results = try partitioned.run(bound, pool: pool) else { return nil }
        solves = results.solves.map { ($0.key, $0.value) }.sorted { $0.0 < $1.0 }
        let first = clock.now - start
        var times: [Double] = []
        var total = 0.0
        while times.count < 3 || (total < leastSeconds && times.count < 2000) {
            let elapsed = try clock.measure { _ = try partitioned.run(bound, pool: pool) }
            let seconds = Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18
            times.append(seconds)
            total += seconds
        }
        times.sort()
        batch = work.batch
        length = work.extents.first ?? 1
        threads = work.threads
        runs = times.count
        seconds = (times[times.count / 2], times[0], times[times.count - 1])
        sweepsLeftToOneThread = 0
        let compiled = compiling + first
        compileSeconds = Double(compiled.components.seconds) + Double(compiled.components.attoseconds) * 1e-18 - seconds.median
        operations = partitioned.operations(for: work)
        bytes = inputBytes
        for output in graph.outputs {
            let value = graph[output.value]
            let steps = value.variance.varies(over: 0) ? length : 1
            bytes += Double((value.variance.batch ? batch : 1) * steps * value.shape.elementCount * work.bytesPerReal)
        }
        memory = nil
        residentBytes = PeakMemory.residentBytes
        self.limits = limits
        scans = []
        estimatedSeconds = nil
        streamSeconds = nil
    }

    private static func streamSeconds(_ compiled: CompiledModel, _ bound: BoundData) -> Double? {
        var once: [String: Tensor] = [:]
        for (name, tensor) in bound.inputs { once[name] = tensor }
        guard let session = try? StreamSession(compiled, batch: 1, once: once) else { return nil }
        let clock = ContinuousClock()
        let steps = 64
        var times: [Double] = []
        var total = 0.0
        while times.count < 5 || (total < 0.2 && times.count < 5000) {
            let elapsed = clock.measure { for _ in 0..<steps { try? session.advance() } }
            let seconds = Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18
            times.append(seconds / Double(steps))
            total += seconds
        }
        return times.sorted()[times.count / 2]
    }
}

extension Plan {
    /// Floating-point operations of the products in a run.
    func operationCount(for work: Workload) -> Double {
        let steps = work.extents.reduce(1, *)
        var operations = 0.0
        for segment in segments {
            var repeats = 1
            if case .sweep = segment.kind { repeats = work.batch * steps } else if segment.kind == .once { repeats = work.batch }
            for stage in segment.stages {
                for item in stage.items {
                    if case .product(let product) = item { operations += Double(product.operationCount) * Double(repeats) }
                    if case .total(let total) = item { operations += Double(total.operationCount) * Double(repeats) }
                }
            }
        }
        return operations
    }
}
