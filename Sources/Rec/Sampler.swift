import Foundation
import RecRuntime
import RecSource
import RecStream
import RecTensors

/// How a sampler draws a token from the logits of the last step.
public struct SamplingOptions: Sendable {
    /// By what logits are divided: 0 takes the most likely token, 1 draws as the model says, more makes the draw more even.
    public var temperature: Double
    /// How many of the most likely tokens may be drawn; nil for all.
    public var topK: Int?
    /// Of the draws: the same seed gives the same tokens. Nil for draws that go on where those of the state ended; at the beginning it is 1.
    public var seed: UInt64?

    /// Options of a sampler.
    public init(temperature: Double = 1, topK: Int? = nil, seed: UInt64? = nil) {
        self.temperature = temperature
        self.topK = topK
        self.seed = seed
    }
}

/// Lets a model go on by itself: what one step gives is what the next one is given.
///
/// Where the input is an int, the output has a logit for each token, and a token is drawn; else the output has the type and shape of the
/// input, and is fed back as it is.
///
/// ```swift
/// let sampler = try Sampler(model, options: SamplingOptions(temperature: 0.8, topK: 40))
/// try sampler.feed(tokens: prompt)
/// let next = try sampler.nextToken()
/// ```
///
/// A sampler belongs to one thread at a time.
public final class Sampler {
    /// What is fed.
    public let input: String
    /// What is fed back.
    public let output: String
    /// How many tokens there are; nil for a model of numbers.
    public let vocabulary: Int?
    /// Numbers of a step of the input.
    public let width: Int

    private let stream: StreamSession
    private let options: SamplingOptions
    private var random: SeededGenerator
    private var last: [Float] = []

    /// A sampler at the beginning, or behind a state.
    ///
    /// - Parameters:
    ///   - output: what is fed back; nil where only one output fits.
    ///   - input: into what; nil where only one input fits.
    ///   - once: the inputs given once; those with a default may be left out.
    ///   - state: from what it goes on; `ModelState()` for the beginning. One of another sampler, which fed back the same output, goes on
    ///     without a prompt, with the draws that would have come next.
    ///   - keeping: steps of its past that a model may keep which attends to all of it: those of the prompt and of what follows.
    ///   - precision: of the arithmetic.
    ///   - context: where compiled code is kept, if anywhere.
    /// - Throws: where no output can be fed back into an input, or several can and none is named; where the options are none; where the
    ///   model cannot run step by step.
    public init(
        _ model: Model, output: String? = nil, input: String? = nil, options: SamplingOptions = SamplingOptions(),
        once: [String: Tensor] = [:], state: ModelState = ModelState(), keeping kept: Int? = nil, precision: Precision = .f32,
        context: CompileContext = CompileContext()
    ) throws(DiagnosticList) {
        guard options.temperature >= 0, options.temperature.isFinite else {
            throw DiagnosticList(.badCall, "a temperature is 0 or more, and not \(options.temperature)")
        }
        guard options.topK ?? 1 >= 1 else { throw DiagnosticList(.badCall, "from \(options.topK ?? 0) tokens none can be drawn", help: "top-k is 1 or more") }
        let loop = try FeedbackLoop(model, output: output, input: input)
        self.input = loop.input
        self.output = loop.output
        vocabulary = loop.vocabulary
        width = loop.width
        self.options = options
        random = options.seed.map { SeededGenerator(seed: $0) } ?? state.draws ?? SeededGenerator(seed: 1)
        if let known = state.lastOutput, known.name == loop.output {
            let count = loop.vocabulary ?? loop.width
            guard known.tensor.count == count else {
                throw DiagnosticList(.misshapenTensor, "the state has \(known.tensor.count) numbers that '\(known.name)' gave last, and it gives \(count)")
            }
            last = known.tensor.floats()
        }
        stream = try model.computing([loop.output]).stream(
            capacity: 32, once: once, state: state, keeping: kept, precision: precision, context: context)
    }

    /// Takes in tokens, as those of a prompt.
    ///
    /// - Throws: where there is none, one is not of the vocabulary, or the model takes numbers.
    public func feed(tokens: [Int]) throws(DiagnosticList) {
        guard let vocabulary else { throw DiagnosticList(.badCall, "'\(input)' takes numbers, and no tokens") }
        guard !tokens.isEmpty else { throw DiagnosticList(.badData, "the prompt is empty", help: "a model needs a step to say what follows") }
        if let k = tokens.indices.first(where: { !(0..<vocabulary).contains(tokens[$0]) }) {
            throw DiagnosticList(.badData, "the prompt has \(tokens[k]) at position \(k), and the model knows \(vocabulary) tokens (0 … \(vocabulary - 1))")
        }
        last = try stream.steps([input: tokens.map(Float.init)], count: tokens.count)[output]
    }

    /// Takes in steps of numbers, one behind the other.
    ///
    /// - Throws: where there is none, the numbers do not make whole steps, or the model takes tokens.
    public func feed(_ numbers: [Float]) throws(DiagnosticList) {
        guard vocabulary == nil else { throw DiagnosticList(.badCall, "'\(input)' takes tokens, and no numbers") }
        guard !numbers.isEmpty else { throw DiagnosticList(.badData, "the prompt is empty", help: "a model needs a step to say what follows") }
        guard numbers.count % width == 0 else {
            throw DiagnosticList(.misshapenTensor, "the prompt has \(numbers.count) numbers, and a step of '\(input)' has \(width)")
        }
        last = try stream.steps([input: numbers], count: numbers.count / width)[output]
    }

    /// Whether there is a last step whose output says what comes next.
    package var knowsWhatIsNext: Bool { !last.isEmpty }

    /// Draws the next token and takes it in.
    ///
    /// - Throws: where nothing was fed yet, the logits are not numbers, or the model takes numbers.
    public func nextToken() throws(DiagnosticList) -> Int {
        guard !last.isEmpty else { throw DiagnosticList(.badCall, "nothing was fed yet", help: "feed a prompt first") }
        let token = try draw()
        try feed(tokens: [token])
        return token
    }

    /// The output of the last step, which it takes in.
    ///
    /// - Throws: where nothing was fed yet, or the model takes tokens.
    public func nextNumbers() throws(DiagnosticList) -> [Float] {
        guard !last.isEmpty else { throw DiagnosticList(.badCall, "nothing was fed yet", help: "feed a prompt first") }
        let numbers = last
        try feed(numbers)
        return numbers
    }

    /// The state behind the last step, from which runs, streams and samplers can go on; a sampler goes on exactly as this one would.
    public func state() throws(DiagnosticList) -> ModelState {
        var state = try stream.state()
        guard !last.isEmpty else { return state }
        state.lastOutput = NamedTensor(name: output, tensor: Tensor(last, shape: [1, last.count]))
        state.draws = random
        return state
    }

    private func draw() throws(DiagnosticList) -> Int {
        guard let best = last.indices.max(by: { last[$0] < last[$1] || last[$0] == last[$1] && $0 > $1 }), last[best].isFinite, !last.contains(where: \.isNaN) else {
            throw DiagnosticList(.notFinite, "the logits of '\(output)' after \(stream.stepCount) steps are not finite")
        }
        guard options.temperature > 0 else { return best }
        var candidates = Array(last.indices)
        if let count = options.topK, count < candidates.count {
            // Of equals the first.
            candidates.sort { last[$0] > last[$1] || last[$0] == last[$1] && $0 < $1 }
            candidates.removeLast(candidates.count - count)
        }
        let weights = candidates.map { exp((Double(last[$0]) - Double(last[best])) / options.temperature) }
        var rest = random.uniform() * weights.reduce(0, +)
        for (token, weight) in zip(candidates, weights) {
            rest -= weight
            if rest < 0 { return token }
        }
        return best
    }
}

/// Which output of a model is fed back into which input.
package struct FeedbackLoop {
    package let input: String
    package let output: String
    /// How many tokens there are; nil where numbers are fed back.
    let vocabulary: Int?
    let width: Int

    package init(_ model: Model, output: String?, input: String?) throws(DiagnosticList) {
        let graph = model.graph
        // Along the first axis: what runs along others is given whole.
        let inputs = graph.values.compactMap { value -> (name: String, value: Value)? in
            if case .input(let name, _) = value.operation, value.variance.axes == 1 { (name, value) } else { nil }
        }
        let outputs = graph.outputs.map { (name: $0.name, value: graph[$0.value]) }.filter { $0.value.variance.axes == 1 }
        if let input, !inputs.contains(where: { $0.name == input }) { throw Self.unknown("input", input, inputs.map(\.name)) }
        if let output, !outputs.contains(where: { $0.name == output }) { throw Self.unknown("output", output, outputs.map(\.name)) }
        let tables = graph.tableSizes
        var found: [FeedbackLoop] = []
        var reasons: [String] = []
        for to in inputs where input == nil || to.name == input {
            for from in outputs where output == nil || from.name == output {
                guard let id = graph.outputs.first(where: { $0.name == from.name })?.value else { continue }
                let others = graph.requiredInputs(of: [id]).filter { name in name != to.name && inputs.contains { $0.name == name } }
                let vocabulary: Int?
                switch (to.value.element, from.value.element) {
                case (.int, .real) where to.value.shape.isEmpty && from.value.shape.count == 1:
                    vocabulary = from.value.shape[0].size
                    if let rows = tables[to.name], rows != vocabulary {
                        reasons.append("'\(from.name)' has \(vocabulary ?? 0) numbers, and '\(to.name)' tells \(rows) tokens apart")
                        continue
                    }
                case (.real, .real) where to.value.shape.sizes == from.value.shape.sizes: vocabulary = nil
                case (.int, .int) where to.value.shape.sizes == from.value.shape.sizes: vocabulary = nil
                case (.real, _), (.int, _), (.bool, _), (.complex, _):
                    reasons.append("'\(from.name)' is \(from.value.type), and '\(to.name)' is \(to.value.type)")
                    continue
                }
                guard others.isEmpty else {
                    reasons.append("'\(from.name)' needs \(others.map { "'\($0)'" }.joined(separator: " and ")) as well as '\(to.name)'")
                    continue
                }
                found.append(FeedbackLoop(input: to.name, output: from.name, vocabulary: vocabulary, width: to.value.shape.elementCount))
            }
        }
        guard let first = found.first else {
            throw Self.problem(
                model, reasons.isEmpty ? "it has no \(inputs.isEmpty ? "input" : "output") with a value at every step" : reasons.joined(separator: "; "))
        }
        guard found.count == 1 else {
            throw DiagnosticList(
                .unsupported, "several outputs of '\(graph.name)' can be fed back: \(found.map { "'\($0.output)' into '\($0.input)'" }.joined(separator: ", "))",
                help: "name one with --output-name, and --input-name where there are several inputs")
        }
        self = first
    }

    private init(input: String, output: String, vocabulary: Int?, width: Int) {
        self.input = input
        self.output = output
        self.vocabulary = vocabulary
        self.width = width
    }

    private static func problem(_ model: Model, _ reason: String) -> DiagnosticList {
        DiagnosticList(
            .unsupported, "no output of '\(model.graph.name)' can be fed back into an input: \(reason)",
            help: "an int input goes with an output of logits, a real one with an output of its shape")
    }

    private static func unknown(_ what: String, _ name: String, _ names: [String]) -> DiagnosticList {
        DiagnosticList(
            .unknownName, "there is no \(what) '\(name)' with a value at every step",
            help: nearest(name, among: names).map { "did you mean '\($0)'?" } ?? (names.isEmpty ? "there is none at all" : "there are \(names.joined(separator: ", "))"))
    }
}

extension Model {
    /// The sizes of one step of an input.
    package func stepSizes(ofInput name: String) -> [Int] {
        graph.values.first { if case .input(name, _) = $0.operation { true } else { false } }?.shape.sizes ?? []
    }
}
