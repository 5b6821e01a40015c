import Rec
import RecSource
import RecStream

/// What a model is trained on: sequences with a batch axis, or one long stream that is cut into windows.
///
/// A minibatch is a list of positions: of sequences, or of the first steps of windows. Which positions a step has follows
/// from the seed and the number of the step alone (`MinibatchOrder`).
public struct TrainingData: Sendable {
    /// One input of the model and where its numbers lie.
    private struct Source {
        var tensor: Tensor
        /// How many steps ahead the numbers are read: 1 for targets that are the next token.
        var ahead: Int
    }

    private let sources: [String: Source]
    private let lengths: [Int]?
    /// The axes along which lengths are inputs, as of a model over several.
    let endedAxes: [Int]
    /// Steps of a window; nil for sequences.
    public let window: Int?
    /// The sequences, or steps, that are used.
    public let range: Range<Int>
    /// How many steps ahead of a window's last step data must reach.
    private let reach: Int

    /// Data for a model.
    ///
    /// Streams are `[N, t, …]`, and values given once `[N, …]`. With `window`, streams are `[t, …]`, all equally long, and
    /// are cut into windows of so many steps; where the model has two whole-number streams without axes and the data only
    /// one of them, the other is the same one step ahead: the next token.
    ///
    /// - Throws: `DiagnosticList` where inputs are missing, or do not fit together.
    public init(_ data: ModelData, for model: Model, window: Int? = nil) throws(DiagnosticList) {
        try self.init(data, for: model, window: window, ahead: [:])
    }

    /// - Parameter ahead: how many steps ahead some streams are read, by input: those of targets that are to be predicted. Sequences are
    ///   cut by as many steps; a window reaches so many steps further.
    package init(_ given: ModelData, for model: Model, window: Int? = nil, ahead: [String: Int]) throws(DiagnosticList) {
        var data = try window == nil && !ahead.isEmpty ? given.reading(ahead, for: model) : given
        let (ended, endedAxes) = try data.endingByInputs(for: model)
        self.endedAxes = endedAxes
        data = ended
        let needs = model.ending(along: endedAxes).graph.values.compactMap { value -> (name: String, value: Value, isOptional: Bool)? in
            if case .input(let name, let fallback) = value.operation { (name, value, fallback != nil) } else { nil }
        }
        var sources: [String: Source] = [:]
        for need in needs { if let tensor = data.inputs[need.name] { sources[need.name] = Source(tensor: tensor, ahead: window == nil ? 0 : ahead[need.name] ?? 0) } }
        if let window {
            guard window > 0, model.graph.dataAxes.count == 1 else {
                throw Self.problem(.unsupported, "windows are 1 step or more, of models over one axis")
            }
            let tokens = needs.filter { $0.value.element == .int && $0.value.variance.isStream && $0.value.shape.isEmpty }
            let (given, missing) = (tokens.filter { sources[$0.name] != nil }, tokens.filter { sources[$0.name] == nil })
            if given.count == 1, missing.count == 1, let stream = data.inputs[given[0].name] {
                sources[missing[0].name] = Source(tensor: stream, ahead: 1)
            }
            for need in needs where sources[need.name] != nil {
                guard need.value.variance.isStream, data.lengths == nil else {
                    throw Self.problem(.unsupported, "'\(need.name)' belongs to whole sequences, which are not cut into windows", help: "leave --window out")
                }
            }
        }
        if let absent = needs.first(where: { sources[$0.name] == nil && !$0.isOptional }) {
            throw Self.problem(
                .missingTensor, "the data have no input '\(absent.name)'",
                help: window == nil && absent.value.element == .int ? "with --window N it is the next token of the stream" : nil)
        }
        for need in needs {
            guard let source = sources[need.name] else { continue }
            let axes = model.graph.axes.indices.filter { need.value.variance.varies(over: $0) }.count
            let rank = (window == nil ? 1 : 0) + axes + need.value.shape.count + (need.value.element == .complex ? 1 : 0)
            // What a run has written is a batch of one sequence, which is a stream.
            if window != nil, source.tensor.shape.count == rank + 1, source.tensor.shape[0] == 1 {
                sources[need.name]?.tensor = source.tensor.reshaped(Array(source.tensor.shape.dropFirst()))
                continue
            }
            guard source.tensor.shape.count == rank else {
                let form = window == nil ? "sequences have a batch axis in front" : "a stream for windows has no batch axis"
                throw Self.problem(
                    .misshapenTensor, "'\(need.name)' has the shape \(source.tensor.shape): \(form)",
                    help: window == nil && source.tensor.shape.count == rank - 1 && need.value.variance.isStream
                        ? "--window 128 cuts one long stream into windows of so many steps" : nil)
            }
        }
        let counts = Set(sources.values.compactMap { $0.tensor.shape.first })
        guard let count = counts.first, counts.count == 1, count > 0 else {
            let list = sources.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.tensor.shape)" }.joined(separator: ", ")
            throw Self.problem(.misshapenTensor, "inputs have different numbers of \(window == nil ? "sequences" : "steps"), or none: \(list)")
        }
        if let lengths = data.lengths, lengths.count != count {
            throw Self.problem(.misshapenTensor, "'lengths' has \(lengths.count) entries for \(count) sequences")
        }
        self.sources = sources
        lengths = data.lengths
        self.window = window
        range = 0..<count
        reach = sources.values.map(\.ahead).max() ?? 0
        try checkSize()
    }

    private init(_ whole: TrainingData, _ range: Range<Int>) throws(DiagnosticList) {
        sources = whole.sources
        lengths = whole.lengths
        endedAxes = whole.endedAxes
        window = whole.window
        reach = whole.reach
        self.range = range
        try checkSize()
    }

    private func checkSize() throws(DiagnosticList) {
        guard positionCount > 0 else {
            let ahead = reach > 0 ? " with targets \(reach) ahead" : ""
            throw Self.problem(
                .badData, window.map { "\(range.count) steps are too few for a window of \($0)\(ahead)" } ?? "there is no sequence",
                help: "give more data, or a smaller share to hold out" + (reach > 1 && window ?? 0 < range.count ? ", or look fewer steps ahead" : ""))
        }
    }

    private static func problem(_ id: DiagnosticID, _ message: String, help: String? = nil) -> DiagnosticList {
        DiagnosticList([Diagnostic(id, message, at: nil, help: help)])
    }

    /// The data without their last part, and that part.
    ///
    /// - Parameter share: of the sequences or steps, between 0 and 1.
    /// - Throws: where the share is no such number, or too little is left on either side.
    public func holdingOut(_ share: Double) throws(DiagnosticList) -> (training: TrainingData, heldOut: TrainingData) {
        guard share > 0, share < 1 else {
            throw Self.problem(.badCall, "the share of the data to hold out lies between 0 and 1, and is not \(share)")
        }
        let count = Int((Double(range.count) * share).rounded())
        let border = range.upperBound - min(max(count, 1), range.count)
        return (try TrainingData(self, range.lowerBound..<border), try TrainingData(self, border..<range.upperBound))
    }

    /// How many positions a minibatch can be drawn from.
    var positionCount: Int { max(0, range.count - (window.map { $0 - 1 + reach } ?? 0)) }

    /// How long the axes of a minibatch are.
    func minibatchExtents(of graph: StreamGraph) -> [Int] {
        graph.axes.indices.map { axis in
            if let length = graph.axes[axis].length { return length }
            if let window, axis == 0 { return window }
            for value in graph.values {
                guard case .input(let name, _) = value.operation, value.variance.varies(over: axis), let source = sources[name] else { continue }
                // Behind the sequences stand the axes that the input varies over.
                let place = 1 + (0..<axis).count { value.variance.varies(over: $0) } - (window == nil ? 0 : 1)
                if source.tensor.shape.indices.contains(place) { return source.tensor.shape[place] }
            }
            return 1
        }
    }

    /// Positions that touch everything once: each sequence, or windows side by side.
    var coveringPositions: [Int] { Array(stride(from: range.lowerBound, to: range.lowerBound + positionCount, by: window ?? 1)) }

    /// Whole inputs of a minibatch: `[positions, …]` each.
    func minibatch(at positions: [Int]) -> ModelData {
        var result = ModelData()
        for (name, source) in sources {
            let unit = source.tensor.shape.dropFirst().reduce(1, *) * source.tensor.type.byteCount
            let span = (window ?? 1) * unit
            let shape = [positions.count] + (window.map { [$0] } ?? []) + source.tensor.shape.dropFirst()
            result.inputs[name] = Tensor(type: source.tensor.type, shape: shape) { target in
                source.tensor.withUnsafeBytes { bytes in
                    for (row, position) in positions.enumerated() {
                        let start = (position + source.ahead) * unit
                        UnsafeMutableRawBufferPointer(rebasing: target[row * span..<(row + 1) * span])
                            .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<start + span]))
                    }
                }
            }
        }
        result.lengths = lengths.map { all in positions.map { all[$0] } }
        return result
    }

    /// A number that other data would hardly have: of the shapes, and of every byte.
    var fingerprint: UInt64 {
        var hash = ContentHash()
        hash.add("\(range) \(window ?? 0) \(lengths ?? [])")
        for (name, source) in sources.sorted(by: { $0.key < $1.key }) {
            hash.add("\(name) \(source.tensor.shape) \(source.tensor.type) \(source.ahead)")
            source.tensor.withUnsafeBytes { hash.add($0) }
        }
        return hash.value
    }
}
