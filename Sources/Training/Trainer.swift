import Rec
import RecRuntime
import RecSource
import RecStream

/// Trains a model step by step.
///
/// The gradients are compiled once; each step puts the new parameters in place. For a seed and a number of threads every
/// bit of every step is always the same.
///
/// ```swift
/// let data = try TrainingData(ModelData(inputs: ["token": try TextTokens.read(["notes.md"])]), for: model, window: 128)
/// let trainer = try Trainer(model, data, TrainingOptions(schedule: Schedule(rate: 3e-3), clip: 1))
/// while trainer.step < 500 { print(try trainer.advance().loss) }
/// trainer.weights  // by path
/// ```
///
/// A trainer belongs to one thread at a time.
public final class Trainer {
    /// What a step gives.
    public struct StepReport: Sendable {
        /// The number of the step; the first is 1.
        public let step: Int
        /// The sum of the model's losses over the minibatch, before the update.
        public let loss: Double
        /// Of all gradients together, before clipping.
        public let gradientNorm: Double
        /// The learning rate of the step.
        public let rate: Double
        /// The steps of all sequences of the minibatch together.
        public let stepCount: Int
    }

    /// What is trained.
    public let model: Model
    /// What each step does.
    public let options: TrainingOptions
    /// How many steps have been taken.
    public private(set) var step = 0
    /// In the order of the model.
    package private(set) var parameters: [TrainedParameter]

    private let data: TrainingData
    private let gradients: GradientModel
    private var order: MinibatchOrder
    /// Parameters that are not trained.
    private let constants: [String: Tensor]
    /// Of the gradients, and of the model alone.
    private let code, forward: TrainingCode
    private let pool: ThreadPool
    /// Of the results and streams of one step after another.
    private let memory = ResultMemory()
    private let plan: [String: PlanForm]
    private let signature: [String: String]

    /// - Parameters:
    ///   - weights: parameters, by path or by the name of their tensor, that start from these numbers; others start from those of the
    ///     model, or from their initialisers.
    ///   - checkpoint: where to go on from; the weights are those of the checkpoint then.
    /// - Throws: where the model has no loss or nothing to train, data do not fit, or the checkpoint is one of another run.
    public convenience init(
        _ model: Model, _ data: TrainingData, _ options: TrainingOptions = TrainingOptions(), weights: [String: Tensor] = [:],
        resuming checkpoint: Checkpoint? = nil
    ) throws(DiagnosticList) {
        try self.init(model, data, options, weights: weights, resuming: checkpoint, context: CompileContext())
    }

    package init(
        _ model: Model, _ data: TrainingData, _ options: TrainingOptions, weights: [String: Tensor] = [:], resuming checkpoint: Checkpoint? = nil,
        context: CompileContext
    ) throws(DiagnosticList) {
        let model = model.ending(along: data.endedAxes)
        let start: Start
        do { start = try StackSpace.run { try Start(model, data, options, weights, checkpoint, context) } } catch {
            throw DiagnosticList(error, in: model.program.sources)
        }
        self.model = model
        self.data = data
        self.options = options
        (order, gradients, constants, code, forward) = (start.order, start.gradients, start.constants, start.code, start.forward)
        (pool, plan, signature) = (start.pool, start.plan, start.signature)
        parameters = checkpoint?.parameters ?? start.parameters
        step = checkpoint?.step ?? 0
    }

    /// What a trainer begins with.
    private struct Start {
        let order: MinibatchOrder
        let gradients: GradientModel
        let constants: [String: Tensor]
        let code, forward: TrainingCode
        let pool: ThreadPool
        let plan: [String: PlanForm]
        let signature: [String: String]
        let parameters: [TrainedParameter]

        init(
            _ model: Model, _ data: TrainingData, _ options: TrainingOptions, _ weights: [String: Tensor], _ checkpoint: Checkpoint?,
            _ context: CompileContext
        ) throws {
            try options.check()
            try model.checkMemory(batch: options.batch, extents: data.minibatchExtents(of: model.graph))
            var order = MinibatchOrder(data, seed: options.seed, batch: options.batch)
            guard !model.graph.losses.isEmpty else {
                throw Diagnostic(
                    .missingTensor, "'\(model.graph.name)' has no loss to train for", at: nil, help: "write one: loss error = mean[t](…)")
            }
            // Of the graph that is trained, which is made anew where chance is in it, sequences end as in the model.
            let trained = data.endedAxes.isEmpty ? try model.training() : try model.training().ending(along: data.endedAxes)
            var request = GradientRequest(of: trained.graph, truncation: options.truncation)
            request.targets.removeAll { if case .parameter = $0 { false } else { true } }
            guard !request.targets.isEmpty else {
                throw Diagnostic(.missingTensor, "'\(model.graph.name)' has no parameter to train", at: nil)
            }
            let gradients = try GradientModel(trained, request)

            self.gradients = gradients
            let all = model.parameters(weights, else: model.initialParameters(seed: options.seed).merging(model.parameters) { $1 })
            // Names, shapes and numbers are checked by the rules for every run.
            let first = data.minibatch(at: order.positions(of: 1))
            self.order = order
            let bound = try BoundData(ModelData(inputs: first.inputs, parameters: all, lengths: first.lengths), for: gradients.graph)
            let paths = request.targets.compactMap { if case .parameter(let path) = $0 { path } else { nil } }
            parameters = paths.compactMap { path in
                bound.parameters[path].map {
                    TrainedParameter(path: path, shape: $0.shape, values: $0.doubles(), momentCount: options.optimizer.momentCount)
                }
            }
            constants = bound.parameters.filter { !paths.contains($0.key) }

            var identity = ContentHash()
            identity.add(trained.graph.text)
            signature = options.signature.merging(["model": "\(identity.value)", "data": "\(data.fingerprint)"]) { $1 }
            if let checkpoint { try checkpoint.check(against: signature, parameters) }

            // Another machine, or another measurement of this one, may choose other plans; a run that goes on keeps its own.
            let forms = checkpoint?.plan ?? options.forms
            let choice = try PlanChoice(gradients, forcing: forms.others)
            let work = Workload(
                batch: bound.batch, extents: Array(bound.extents.prefix(trained.graph.dataAxes.count)), threads: options.threads,
                bytesPerReal: options.precision.byteCount)
            let precision = options.precision
            @Sendable func compiled() throws -> (form: PlanChoice.Form, code: CompiledPlan) {
                try choice.build(for: work) { _, plan in try onDeepStack { try CompiledPlan(plan, precision: precision, context: context) } }
            }
            // What recurrences take that do not run chunk by chunk is chosen first: a run that goes on forces it there, too.
            let form = try choice.build(for: work) { _, plan in plan }.form
            let chunks = try FormChoice(
                trained, request, forcing: forms, others: choice.forms.named(scanning: form.scans), precision: precision, within: options.memory,
                else: choice, context: context)
            if let partitioned = try chunks.partitioned(for: work) {
                // The form and the steps of a chunk are part of what a run that goes on takes again; so are those of all other recurrences.
                let own = chunks.forms(for: work).mapValues { form in form == .chunkwise(nil) ? .chunkwise(ChunkwiseForms.usualCount) : form }
                let others = choice.forms.named(scanning: form.scans).filter { own[$0.key] == nil }
                plan = others.merging(own) { $1 }
                code = TrainingCode(chunks: partitioned) { try compiled().code }
                // Losses alone in the same form; where that is none, in steps.
                let alone = trained.unfoldedAxis == nil
                    ? try? model.partitioned(own, precision: precision, forcing: others, context: context)
                    : try FormChoice(model, nil, forcing: forms, precision: precision, within: nil, else: choice, context: context).partitioned(for: work)
                forward = TrainingCode(chunks: alone) { try model.compile(precision, context: context) }
            } else {
                let (form, steps) = try compiled()
                plan = choice.forms.named(scanning: form.scans)
                code = TrainingCode(chunks: nil) { steps }
                forward = TrainingCode(chunks: nil) { try model.compile(precision, context: context) }
            }
            pool = ThreadPool(count: options.threads)
        }
    }

    /// Takes a step.
    ///
    /// - Throws: `not-finite` where the loss or a gradient is NaN or infinite; `memory-bound` where the step does not fit the memory that
    ///   it may have. Nothing is updated then.
    @discardableResult
    public func advance() throws(DiagnosticList) -> StepReport {
        try reportingProblems(in: model.program.sources) { try StackSpace.run { try advancing() } }
    }

    private func advancing() throws -> StepReport {
        let number = step + 1
        let positions = order.positions(of: number)
        let bound = try bind(data, positions, gradients.graph, step: number)
        let results = try code.chunks.flatMap { try gradients.run(bound, on: $0, pool: pool) }
            ?? gradients.run(bound, on: try CompiledModel(code.steps(), parameters: bound.parameters, memory: memory), pool: pool, within: options.memory)
        let loss = Self.sum(results.results.losses)
        let slopes = results.gradients.map { $0.tensor.doubles() }
        let norm = GradientNorm.of(slopes)
        guard loss.isFinite, norm.isFinite else {
            let sequences = positions.lazy.compactMap { try? self.bind(self.data, [$0], self.model.graph) }
            throw FiniteCheck(step: number, bound, results).diagnostic(loss: loss, norm: norm, in: model, sequences: sequences)
        }
        let rate = options.schedule.rate(at: number)
        let scale = GradientNorm.scale(norm: norm, most: options.clip)
        for (k, slope) in slopes.enumerated() {
            options.optimizer.update(&parameters[k], gradient: slope, scale: scale, rate: rate, step: number)
        }
        step = number
        return StepReport(step: number, loss: loss, gradientNorm: norm, rate: rate, stepCount: stepCount(of: bound))
    }

    /// The steps of all sequences: of several axes those of the input that has most.
    private func stepCount(of data: BoundData) -> Int {
        let graph = model.graph
        let counts = graph.values.compactMap { value -> Int? in
            guard case .input = value.operation, value.variance.isStream else { return nil }
            let axes = graph.dataAxes.filter { value.variance.varies(over: $0) }
            return (0..<data.batch).reduce(0) { sum, sequence in
                sum + axes.reduce(1) { count, axis in
                    let lengths = data.lengths(along: axis) ?? data.inputs[graph.lengthsName(of: axis)]?.ints()
                    return count * (lengths?[sequence] ?? data.extents[axis])
                }
            }
        }
        return counts.max() ?? data.batch
    }

    /// The loss over all sequences of other data, or over windows side by side, with the parameters as they are now.
    ///
    /// - Throws: where the data do not fit the model, or the memory that a step may have.
    public func loss(on other: TrainingData) throws(DiagnosticList) -> Double {
        try reportingProblems(in: model.program.sources) { try StackSpace.run { try meanLoss(on: other) } }
    }

    private func meanLoss(on other: TrainingData) throws -> Double {
        guard other.endedAxes == data.endedAxes else {
            func names(_ axes: [Int]) -> String { axes.isEmpty ? "none" : axes.map { "'\(model.graph.lengthsName(of: $0))'" }.joined(separator: ", ") }
            throw DiagnosticList(
                .badData, "what is trained on has lengths along axes, \(names(data.endedAxes)), and what the loss is taken of others: \(names(other.endedAxes))",
                help: "give both the same; the length of a whole sequence is that of its axis")
        }
        let positions = other.coveringPositions
        var total = 0.0
        for start in stride(from: 0, to: positions.count, by: options.batch) {
            let some = Array(positions[start..<min(start + options.batch, positions.count)])
            let bound = try bind(other, some, model.graph)
            let results = try forward.chunks.flatMap { try $0.run(bound, pool: pool) }
                ?? model.run(bound, on: try CompiledModel(forward.steps(), parameters: bound.parameters, memory: memory), pool: pool, within: options.memory)
            total += Self.sum(results.losses) * Double(some.count)
        }
        return total / Double(positions.count)
    }

    /// Every parameter and constant by path, in the precision of the run.
    public var weights: [String: Tensor] {
        var result = constants
        for parameter in parameters { result[parameter.path] = parameter.tensor(options.precision) }
        return result
    }

    /// All that is needed to go on from here.
    public var checkpoint: Checkpoint {
        Checkpoint(step: step, parameters: parameters, constants: constants, plan: plan, signature: signature, metadata: model.fileMetadata)
    }

    /// - Parameter number: the number of the step, from which chance draws in its minibatch; nil where it is no step.
    private func bind(_ data: TrainingData, _ positions: [Int], _ graph: StreamGraph, step number: Int? = nil) throws -> BoundData {
        var some = data.minibatch(at: positions)
        if let number, graph.drawsByChance, some.inputs[DrawSeed.name] == nil {
            var generator = SeededGenerator(seed: options.seed, for: "draws \(number)")
            some.inputs[DrawSeed.name] = Tensor(DrawSeed.values(UInt32(truncatingIfNeeded: generator.next()), batch: positions.count), shape: [positions.count])
        }
        some.parameters = weights
        return try BoundData(some, for: graph)
    }

    private static func sum(_ losses: [NamedTensor]) -> Double {
        losses.reduce(0) { $0 + ($1.tensor.doubles().first ?? .nan) }
    }
}

extension TrainedParameter {
    /// The numbers as compiled code reads them.
    func tensor(_ precision: Precision) -> Tensor {
        switch precision {
        case .f32: Tensor(values.map { Float($0) }, shape: shape)
        case .f64: Tensor(values, shape: shape)
        }
    }
}
