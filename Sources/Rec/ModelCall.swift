import RecLowering
import RecSource
import RecStream
import RecTensors

extension Model {
    /// Runs whole sequences in f32 with the model's own parameters. Code is compiled by the first call and kept.
    ///
    /// ```swift
    /// let h = try model(["x": x])["h"]  // [batch, t, H]
    /// ```
    ///
    /// - Parameters:
    ///   - inputs: `[batch, t, …]` for streams, `[batch, …]` for once inputs; without a batch axis the batch is 1.
    ///   - lengths: the length of each sequence in steps along the first axis; nil where all have the full length.
    ///   - lengthsByAxis: the same along other axes, by name.
    ///   - state: from what the run goes on, `ModelState()` for the beginning; the results then have the state behind their last step.
    ///   - threads: from 1 to 1024.
    /// - Throws: where the model has no parameters yet, or inputs are missing, unknown or misshapen.
    public func callAsFunction(
        _ inputs: [String: Tensor], lengths: [Int]? = nil, lengthsByAxis: [String: [Int]] = [:], state: ModelState? = nil, threads: Int = 1
    ) throws(DiagnosticList) -> ModelResults {
        if let state {
            return try run(ModelData(inputs: inputs, lengths: lengths, lengthsByAxis: lengthsByAxis), state: state, threads: threads)
        }
        try CallCheck.inputs(inputs.keys, of: typed)
        let part = try answering(Set(inputs.keys))
        return try part.code.runner(of: part).run(inputs, lengths: lengths, lengthsByAxis: lengthsByAxis, threads: threads)
    }

    /// The same of one sequence, given as plain numbers.
    ///
    /// - Parameter inputs: the numbers of each input in row-major order, for streams of one step behind the other.
    /// - Throws: where the numbers of an input do not make whole steps, and as above.
    public func callAsFunction(_ inputs: [String: [Float]], threads: Int = 1) throws(DiagnosticList) -> ModelResults {
        try CallCheck.inputs(inputs.keys, of: typed)
        var tensors: [String: Tensor] = [:]
        for (name, numbers) in inputs { tensors[name] = try tensor(of: numbers, for: name) }
        return try callAsFunction(tensors, threads: threads)
    }

    /// The numbers of an input in its shape, `[1, axes…, dims…]`.
    private func tensor(of numbers: [Float], for name: String) throws(DiagnosticList) -> Tensor {
        let value = graph.values.first { if case .input(name, _) = $0.operation { true } else { false } }
        // An input that nothing uses is no value of the graph, and may have any numbers.
        guard let value else { return Tensor(numbers, shape: [numbers.count]) }
        let sizes = value.shape.sizes + (value.element == .complex ? [2] : [])
        let axes = graph.axes.indices.filter { value.variance.varies(over: $0) }
        let open = axes.filter { graph.axes[$0].length == nil }
        guard open.count <= 1 else {
            throw DiagnosticList(
                .unsupported, "plain numbers do not say how long the \(open.count) axes of '\(name)' are", help: "give a Tensor")
        }
        let unit = sizes.reduce(1, *) * axes.reduce(1) { $0 * (graph.axes[$1].length ?? 1) }
        guard open.isEmpty ? numbers.count == unit : numbers.count % unit == 0 else {
            throw DiagnosticList(
                .misshapenTensor, "'\(name)' has \(numbers.count) numbers, and \(open.isEmpty ? "it takes" : "a step takes") \(unit)")
        }
        return Tensor(numbers, shape: (value.variance.batch ? [1] : []) + axes.map { graph.axes[$0].length ?? numbers.count / unit } + sizes)
    }

    /// The model step by step, with its own parameters. Losses, which are known only when a sequence has ended, are left out.
    ///
    /// ```swift
    /// let stream = try model.stream()
    /// let h = try stream.step(["x": frame])["h"]
    /// ```
    ///
    /// - Parameters:
    ///   - batch: sequences that take their steps together, 1 or more.
    ///   - capacity: the most steps of one call, 1 or more.
    ///   - once: the inputs given once, `[batch, …]`; those with a default may be left out. Of a model over two axes also those along the second
    ///     one alone, whole: `[batch, s, …]`.
    ///   - lengthsByAxis: how long each sequence is along the second axis, by its name.
    ///   - state: from what the stream goes on, `ModelState()` for the beginning; `state()` then gives it after each step, for runs and
    ///     other streams. Nil where it is not wanted.
    ///   - keeping: steps of its past that a model may keep which attends to all of it, the present one among them. The stream takes no more
    ///     steps than these. Windows need no such number.
    ///   - precision: of the arithmetic, and of real numbers in `withInput` and `withOutput`.
    ///   - context: where compiled code is kept, if anywhere.
    /// - Throws: where the model has no parameters yet or cannot run step by step, or once inputs are missing or misshapen.
    public func stream(
        batch: Int = 1, capacity: Int = 1, once: [String: Tensor] = [:], lengthsByAxis: [String: [Int]] = [:], state: ModelState? = nil, keeping kept: Int? = nil,
        precision: Precision = .f32, context: CompileContext = CompileContext()
    ) throws(DiagnosticList) -> StreamSession {
        try reportingProblems(in: program.sources) {
            if let stream = once.keys.sorted().first(where: Set(streamNames).contains) {
                throw DiagnosticList(.badCall, "'\(stream)' is an input of every step, and not one given once")
            }
            try CallCheck.inputs(once.keys, of: typed)
            guard (1...1 << 31).contains(batch) else {
                throw DiagnosticList(.badCall, "a stream has from 1 to \(1 << 31) sequences, and not \(batch)")
            }
            guard kept.map({ (1...1 << 20).contains($0) }) ?? true else {
                throw DiagnosticList(.badCall, "a stream keeps from 1 to \(1 << 20) steps of its past, and not \(kept ?? 0)")
            }
            let part = try streaming(given: Set(once.keys).union(streamNames), context: kept)
            try part.checkMemory(batch: batch, extents: part.graph.axes.map { $0.length ?? 1 })
            return try StackSpace.run {
                try StreamRun.session(
                    part, ModelData(inputs: once, parameters: parameters, lengthsByAxis: lengthsByAxis), state: state, precision: precision, batch: batch, capacity: capacity, context: context)
            }
        }
    }
}
