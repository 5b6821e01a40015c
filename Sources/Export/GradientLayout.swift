import RecCodeGen
import RecDifferentiation
import RecRuntime
import RecScheduling
import RecSource
import RecStream

/// How a compiled library keeps a whole sequence in memory while it differentiates it, and where the words of a frame point
/// (`FrameLayout`). It holds for every processor: only packed weights differ.
struct GradientLayout {
    /// Memory of a call. What is not of the other kinds has a row for each sequence, for each step, for both, or one.
    struct Buffer {
        enum Kind {
            case rows
            /// Of the present step: a row for each sequence.
            case step
            /// `extra` rows for each sequence; it begins with what the descriptor at the word `initial` points to, 0 for zeros.
            case ring(initial: Int)
            /// Steps of a block, and `extra` more.
            case block
            /// Zeros.
            case zero
        }

        var kind: Kind
        /// The first word of its descriptor.
        var word: Int
        /// Elements of a row, and bytes of one.
        var count: Int
        var elementBytes: Int
        var byBatch: Bool
        var byStep: Bool
        var extra = 0
        /// Which of the caller's pointers it is; nil where it is the library's own.
        var field: Int?
        /// What it begins with: the bytes of two elements, which alternate.
        var fill: [UInt8]?
        /// Whether it begins with the number of each sequence instead.
        var countsSequences = false
    }

    /// A pointer of the caller's.
    struct Field {
        enum Role: Equatable {
            case input
            /// Given once for each sequence.
            case once
            case parameter
            case cotangent
            case output
            case gradient
            case loss
        }

        var role: Role
        /// In the program.
        var name: String
        var element: ElementType
        /// Of a row.
        var shape: [Int]
        var byBatch: Bool
        var byStep: Bool
        /// Whether the caller may leave it out.
        var isOptional: Bool
        /// What an input is where it is left out.
        var fallbackText: String?

        var elements: Int { shape.reduce(1, *) }
    }

    struct Segment {
        enum Kind: Int {
            /// Once for a call, of what follows from parameters; once for each sequence; once for a call, of what was summed; over the steps.
            case fixed, once, joined, forwards, backwards
        }

        var kind: Kind
        var index: Int
        var stageCount: Int
        /// What is set before it begins, as indices of buffers.
        var started: [Int] = []
        var blocks: [Int] = []
        /// Sums that are divided by the number of steps when it ends.
        var means: [Int] = []
    }

    private(set) var buffers: [Buffer] = []
    private(set) var fields: [Field] = []
    private(set) var segments: [Segment] = []
    let products: [Product]
    /// The word that points to each product's packed weights.
    let productWords: [Int]
    /// The words of the buffers with a number for each sequence, of which a loss is the mean.
    let lossWords: [Int]
    let wordCount: Int

    /// - Parameters:
    ///   - plan: of a graph with gradients.
    ///   - request: what is differentiated there.
    ///   - order: names of inputs and parameters as the source has them.
    /// - Throws: where the model runs over several axes.
    init(_ plan: Plan, of request: GradientRequest, precision: Precision, order: [String]) throws(Diagnostic) {
        let graph = plan.graph
        guard graph.axes.count == 1 else {
            throw Diagnostic(.libraryRefused, "'\(graph.name)' runs over \(graph.axes.count) axes, and a library takes sequences along one", at: nil)
        }
        wordCount = FrameLayout.wordCount(of: plan)
        products = plan.products
        productWords = products.indices.map { FrameLayout.descriptor(ofProduct: $0, in: plan) }
        lossWords = plan.losses.map { FrameLayout.descriptor(of: $0) }
        let modelOutputs = graph.outputs.count - request.targets.count
        for (index, buffer) in plan.buffers.enumerated() {
            var own = Buffer(
                kind: .rows, word: FrameLayout.descriptor(of: BufferID(index)), count: buffer.rowCount,
                elementBytes: buffer.element.byteCount(precision), byBatch: buffer.variance.batch, byStep: buffer.variance.varies(over: 0))
            func field(_ role: Field.Role, _ name: String, _ shape: [Int], isOptional: Bool) -> Field {
                Field(role: role, name: name, element: buffer.element, shape: shape, byBatch: own.byBatch, byStep: own.byStep, isOptional: isOptional)
            }
            switch buffer.kind {
            case .input(let name):
                let value = graph.values.first { if case .input(name, _) = $0.operation { true } else { false } }
                let shape = value?.shape.sizes ?? [buffer.rowCount]
                own.field = fields.count
                if name.hasPrefix(Self.cotangent) {
                    fields.append(field(.cotangent, String(name.dropFirst(Self.cotangent.count)), shape, isOptional: true))
                    own.fill = Self.fill(0, buffer.element, precision, isComplex: false)
                } else {
                    var given = field(buffer.variance.isStream ? .input : .once, name, shape, isOptional: false)
                    if case .input(_, let fallback?)? = value?.operation {
                        given.isOptional = true
                        own.countsSequences = name == DrawSeed.name
                        given.fallbackText = own.countsSequences ? "the number of the sequence" : buffer.element == .real || buffer.element == .complex ? "\(fallback)" : "\(Int(fallback))"
                        own.fill = Self.fill(fallback, buffer.element, precision, isComplex: value?.isComplex ?? false)
                    }
                    fields.append(given)
                }
            case .parameter(let path):
                let value = graph.values.first { if case .parameter(let info) = $0.operation { info.path == path } else { false } }
                own.field = fields.count
                fields.append(field(.parameter, path, value?.shape.sizes ?? [buffer.rowCount], isOptional: true))
            case .output(let k):
                let output = graph.outputs[k]
                let isGradient = k >= modelOutputs
                let name = isGradient ? request.targets[k - modelOutputs].gradientName : output.name
                own.field = fields.count
                fields.append(field(isGradient ? .gradient : .output, name, graph[output.value].shape.sizes, isOptional: true))
            case .accumulator(let initial, _): own.fill = Self.fill(initial, buffer.element, precision, isComplex: false)
            case .static, .once, .full: break
            case .step: own.kind = .step
            case .ring(let ring):
                own.kind = .ring(initial: ring.initial.map { FrameLayout.descriptor(of: $0) } ?? 0)
                own.extra = ring.period(innerExtent: 1)
            case .block(let halo):
                own.kind = .block
                own.extra = halo
            case .zero: own.kind = .zero
            }
            buffers.append(own)
        }
        for loss in graph.losses {
            fields.append(Field(role: .loss, name: loss.name, element: .real, shape: [], byBatch: false, byStep: false, isOptional: true))
        }
        for (index, segment) in plan.segments.enumerated() {
            let kind: Segment.Kind =
                switch segment.kind {
                case .static: .fixed
                case .once: .once
                case .joined: .joined
                case .sweep(_, let order): order.loops[0].isReversed ? .backwards : .forwards
                }
            var own = Segment(kind: kind, index: index, stageCount: segment.stages.count)
            for id in segment.written {
                switch plan[id].kind {
                case .ring: own.started.append(id.index)
                case .accumulator(_, let mean):
                    own.started.append(id.index)
                    if mean != nil, kind == .forwards || kind == .backwards { own.means.append(id.index) }
                case .block: own.blocks.append(id.index)
                case .input, .parameter, .output, .static, .once, .full, .step, .zero: break
                }
            }
            segments.append(own)
        }
        sortFields(order)
    }

    private static let cotangent = "cotangent."

    /// In the order of the source, and of roles.
    private mutating func sortFields(_ names: [String]) {
        let roles: [Field.Role] = [.input, .once, .parameter, .cotangent, .output, .loss, .gradient]
        let places = Dictionary(names.enumerated().map { ($1, $0) }) { first, _ in first }
        func key(_ k: Int) -> (Int, Int, Int) {
            let field = fields[k]
            let name = field.role == .gradient ? String(field.name.dropFirst("grad.".count)) : field.name
            return (roles.firstIndex(of: field.role) ?? 0, places[name] ?? names.count, k)
        }
        let order = fields.indices.sorted { key($0) < key($1) }
        let place = Dictionary(uniqueKeysWithValues: order.enumerated().map { ($1, $0) })
        fields = order.map { fields[$0] }
        for k in buffers.indices { buffers[k].field = buffers[k].field.flatMap { place[$0] } }
    }

    /// The bytes of two elements, in eight each; of complex numbers the imaginary part is 0.
    private static func fill(_ number: Double, _ element: ElementType, _ precision: Precision, isComplex: Bool) -> [UInt8] {
        func bytes(_ number: Double) -> [UInt8] {
            let bits: UInt64 =
                switch element {
                case .real, .complex: precision == .f32 ? UInt64(Float(number).bitPattern) : number.bitPattern
                case .int: UInt64(bitPattern: number == .infinity ? .max : number == -.infinity ? .min : Int64(number))
                case .bool: number == .infinity || number == 1 ? 1 : 0
                }
            return withUnsafeBytes(of: bits.littleEndian) { Array($0) }
        }
        return bytes(number) + bytes(isComplex ? 0 : number)
    }

    /// Bytes of all that a call takes for one sequence of one step, and no fewer than a step of a sequence more takes.
    func mostBytes(_ packedBytes: Int) -> Int {
        buffers.reduce(8 * wordCount + 8 * mostColumns + packedBytes + 64 * (products.count + 8)) { sum, buffer in
            sum + buffer.count * buffer.elementBytes * (2 + buffer.extra + Self.leastBlock) + 128
        }
    }

    /// Fewest steps of a block, and bytes that blocks take where they have more.
    static let leastBlock = 8
    static let blockBytes = 1 << 17

    /// The most columns of a product.
    var mostColumns: Int { products.map(\.columnCount).max() ?? 0 }
}
