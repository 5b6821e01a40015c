import RecCodeGen
import RecRuntime
import RecScheduling
import RecSource
import RecStream

/// How a compiled library keeps a stream in memory, and where the words of a frame point (`FrameLayout`). It holds for every
/// processor: only constants differ.
struct StreamLayout {
    /// Memory of a stream, one part for each sequence.
    struct Region {
        /// The first word of its descriptor.
        var word: Int
        /// Of one sequence.
        var byteCount: Int
        /// How many of these bytes last from step to step: so many at the beginning.
        var savedBytes: Int
        /// Whether all sequences have one part in common.
        var isShared = false
        /// Distances in elements between sequences, steps of the first axis and of the second; a ring's period stands last.
        var strides: (batch: Int, first: Int, second: Int)
        /// Bytes of a row of a ring, and the word of what stands in it before the first step, 0 for zeros.
        var ring: (rowBytes: Int, initial: Int, elementBytes: Int)?
        /// Bytes of a step, and how many steps before the present ones stay.
        var block: (stepBytes: Int, halo: Int)?
    }

    /// Numbers that come from outside, or go there.
    struct Port {
        var name: String
        var element: ElementType
        var shape: [Int]
        var word: Int
        var stepBytes: Int
        var elements: Int { shape.reduce(1, *) }
        /// Where its steps are kept; nil where kernels read and write the caller's memory.
        var region: Int?
        var history = 0
        /// Whether its elements are pairs of a real and an imaginary part.
        var isComplex = false
        /// For an input given once, what it is where it is not given; of complex ones the real part.
        var fallback: Double?
        /// The same, as a number of its kind.
        var fallbackText: String? {
            if name == DrawSeed.name { return "the number of the sequence" }
            return fallback.map { number in element == .bool || element == .int ? "\(Int(number))" : "\(number)" }
        }
    }

    private(set) var regions: [Region] = []
    /// Of every step, in the order of the source.
    private(set) var inputs: [Port] = []
    private(set) var outputs: [Port] = []
    /// Given once for each sequence, and known before the first step.
    private(set) var onceInputs: [Port] = []
    private(set) var onceOutputs: [Port] = []
    /// Stages that run once for each sequence, and in each step.
    private(set) var onceStages: [(segment: Int, stage: Int)] = []
    private(set) var stepStages: [(segment: Int, stage: Int)] = []
    /// The most steps that run in one piece.
    let capacity: Int
    let wordCount: Int

    var segments: Set<Int> { Set((onceStages + stepStages).map(\.segment)) }

    /// Blocks of a stream take so many bytes for each sequence, unless few steps take more.
    private static let blockBytes = 1 << 16
    private static let steps = 8...64

    /// - Throws: where the plan cannot run step by step.
    init(_ plan: Plan, precision: Precision, inputOrder: [String]) throws(Diagnostic) {
        let sweep = try StreamSession.onlySweep(of: plan)
        guard plan.graph.axes.count == 1 else {
            throw Diagnostic(.libraryRefused, "'\(plan.graph.name)' runs over \(plan.graph.axes.count) axes, and a library takes steps along one", at: nil)
        }
        wordCount = FrameLayout.wordCount(of: plan)
        func bytes(_ buffer: Buffer) -> Int { buffer.rowCount * buffer.element.byteCount(precision) }
        let written = Set(plan.segments[sweep].written)
        let perStep = plan.buffers.indices.reduce(0) { sum, index in
            if case .block = plan.buffers[index].kind, written.contains(BufferID(index)) { sum + bytes(plan.buffers[index]) } else { sum }
        }
        capacity = max(Self.steps.lowerBound, min(Self.steps.upperBound, Self.blockBytes / max(perStep, 1)))
        for (index, buffer) in plan.buffers.enumerated() {
            let word = FrameLayout.descriptor(of: BufferID(index))
            let (row, count) = (bytes(buffer), buffer.rowCount)
            let once = Region(
                word: word, byteCount: row, savedBytes: row, isShared: !buffer.variance.batch,
                strides: (buffer.variance.batch ? count : 0, 0, count))
            switch buffer.kind {
            case .input(let name):
                let value = plan.graph.values.first { if case .input(name, _) = $0.operation { true } else { false } }
                var port = Port(name: name, element: buffer.element, shape: value?.shape.sizes ?? [count], word: word, stepBytes: row)
                if case .input(_, let fallback)? = value?.operation { port.fallback = fallback }
                port.isComplex = value?.isComplex ?? false
                if buffer.variance.isStream {
                    port.history = plan.inputHistory[name] ?? 0
                    if port.history > 0 {
                        port.region = regions.count
                        regions.append(block(word, row, count, halo: port.history, varies: true))
                    }
                    inputs.append(port)
                } else {
                    port.region = regions.count
                    regions.append(once)
                    onceInputs.append(port)
                }
            case .output(let k):
                let value = plan.graph[plan.graph.outputs[k].value]
                var port = Port(
                    name: plan.graph.outputs[k].name, element: buffer.element, shape: value.shape.sizes, word: word, stepBytes: row)
                if buffer.variance.isStream {
                    outputs.append(port)
                } else {
                    port.region = regions.count
                    regions.append(once)
                    onceOutputs.append(port)
                }
            case .ring(let ring):
                let period = ring.period(innerExtent: 1)
                regions.append(
                    Region(
                        word: word, byteCount: period * row, savedBytes: period * row, strides: (period * count, count, period),
                        ring: (row, ring.initial.map { FrameLayout.descriptor(of: $0) } ?? 0, buffer.element.byteCount(precision))))
            case .block(let halo):
                guard written.contains(BufferID(index)) else { continue }
                regions.append(block(word, row, count, halo: halo, varies: buffer.variance.varies(over: 0)))
            case .once: regions.append(once)
            case .step: regions.append(Region(word: word, byteCount: row, savedBytes: 0, strides: (count, 0, 0)))
            case .parameter, .static, .accumulator, .full, .zero: break
            }
        }
        func place(_ port: Port, in names: [String]) -> Int { names.firstIndex(of: port.name) ?? names.count }
        inputs.sort { place($0, in: inputOrder) < place($1, in: inputOrder) }
        onceInputs.sort { place($0, in: inputOrder) < place($1, in: inputOrder) }
        let outputOrder = plan.graph.outputs.map(\.name)
        outputs.sort { place($0, in: outputOrder) < place($1, in: outputOrder) }
        onceOutputs.sort { place($0, in: outputOrder) < place($1, in: outputOrder) }
        for (index, segment) in plan.segments.enumerated() {
            let stages = segment.stages.indices.map { (segment: index, stage: $0) }
            if segment.kind == .once, index < sweep { onceStages += stages }
            if index == sweep { stepStages = stages }
        }
    }

    private func block(_ word: Int, _ stepBytes: Int, _ count: Int, halo: Int, varies: Bool) -> Region {
        Region(
            word: word, byteCount: (capacity + halo) * stepBytes, savedBytes: halo * stepBytes,
            strides: ((capacity + halo) * count, varies ? count : 0, count), block: (stepBytes, halo))
    }

    // MARK: Sizes

    /// Bytes of a stream of one sequence: its frame and addresses, the length of the sequence, and regions.
    var byteCount: Int {
        ([8 * (5 + regions.count + wordCount), 8] + regions.map(\.byteCount)).reduce(63) { $0 + ($1 + 63) / 64 * 64 }
    }
    /// Bytes of its saved state, without the header.
    var savedByteCount: Int { regions.reduce(0) { $0 + $1.savedBytes } }

    /// Bytes of any number of sequences, as a number and one for each: those of saved states, and no fewer than a stream takes.
    var savedBytes: (fixed: Int, each: Int) {
        regions.reduce((Self.savedHeaderBytes, 0)) { $1.isShared ? ($0.0 + $1.savedBytes, $0.1) : ($0.0, $0.1 + $1.savedBytes) }
    }
    var mostBytes: (fixed: Int, each: Int) {
        let fixed = (8 * (5 + regions.count + wordCount) + 63) / 64 * 64 + 2 * 63
        return regions.reduce((fixed, 8)) { $1.isShared ? ($0.0 + ($1.byteCount + 63) / 64 * 64, $0.1) : ($0.0 + 63, $0.1 + $1.byteCount) }
    }

    /// What stands before the bytes of a saved state.
    static let savedHeaderBytes = 40

    /// What saved states and constants depend on.
    var text: String {
        regions.map { "\($0.word) \($0.byteCount) \($0.savedBytes) \($0.isShared) \($0.strides) \($0.ring.map { "\($0)" } ?? "") \($0.block.map { "\($0)" } ?? "")" }
            .joined(separator: "\n")
    }
}
