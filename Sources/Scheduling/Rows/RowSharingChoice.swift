import RecStream

extension RowSharing {
    /// Sets of items are words of so many bits.
    private static let mostItems = 64

    /// How the steps of a stage can be shared in a manner; nil where no product of it can be divided.
    init?(_ stage: Stage, buffers: [Buffer], _ manner: Manner) {
        guard case .sequential = stage.form, stage.scan == nil, stage.wavefront == nil, stage.items.count <= Self.mostItems,
            stage.items.contains(where: \.isProduct), !stage.items.contains(where: \.isTotal),
            // Over two axes rows are taken as a wavefront.
            !stage.items.flatMap(\.writtenBuffers).contains(where: { buffers[$0.index].variance.varies(over: 1) })
        else { return nil }
        let choice = RowSharingChoice(stage.items, buffers)
        let divided = choice.divided
        guard zip(stage.items, divided.parts).contains(where: { $0.isProduct && $1.period != nil }) else { return nil }
        switch manner {
        case .divided: self = divided
        case .repeated: self = choice.repeated(from: divided)
        }
    }
}

/// Chooses the workers' parts of the items of a stage.
private struct RowSharingChoice {
    private let items: [Item]
    private let buffers: [Buffer]
    private let repetition: RowRepetition

    init(_ items: [Item], _ buffers: [Buffer]) {
        self.items = items
        self.buffers = buffers
        repetition = RowRepetition(items, buffers)
    }

    /// Everything is divided that can be; what is small besides is repeated.
    var divided: RowSharing {
        let periods = Set(items.flatMap { RowDivision.candidates(of: $0) }.compactMap(\.period))
        let candidates = items.map { RowDivision.candidates(of: $0, wanted: periods) }
        var votes: [Int: Int] = [:]
        for parts in candidates { for period in Set(parts.compactMap(\.period)) { votes[period, default: 0] += 1 } }
        func worth(_ part: RowSharing.Part) -> (Int, Int) {
            guard let period = part.period, let stride = part.stride else { return (0, 0) }
            return (votes[period] ?? 0, period / stride)
        }
        var parts = items.indices.map { item in
            candidates[item].max { worth($0) < worth($1) } ?? (repetition.isSmall(item) ? .repeated : .alone)
        }
        let own = ownBuffers(parts)
        for item in RowHazards(items, parts: parts, own: own, buffers: buffers).undividable { parts[item] = .alone }
        return sharing(parts)
    }

    /// Loops are repeated from where that saves a barrier; all others stay as they are.
    func repeated(from divided: RowSharing) -> RowSharing {
        var parts = divided.parts
        for item in items.indices where repetition.isPossible(item) { parts[item] = .repeated }
        var best = sharing(parts, alternating: true)
        guard best.barriers.count < divided.barriers.count else { return divided }
        // What need not be repeated for that is divided again.
        for item in items.indices where parts[item] != divided.parts[item] {
            var fewer = parts
            fewer[item] = divided.parts[item]
            let trial = sharing(fewer, alternating: true)
            guard trial.barriers.count <= best.barriers.count else { continue }
            (parts, best) = (fewer, trial)
        }
        let plain = sharing(parts)
        return plain.barriers.count <= best.barriers.count ? plain : best
    }

    private func ownBuffers(_ parts: [RowSharing.Part]) -> [BufferID] {
        zip(items, parts).flatMap { $1 == .repeated ? $0.writtenBuffers : [] }
    }

    /// - Parameter alternating: what is exchanged within a step lies in two places in turn, so that a worker may write that of
    ///   the next step while others still read.
    private func sharing(_ parts: [RowSharing.Part], alternating: Bool = false) -> RowSharing {
        let own = ownBuffers(parts)
        var inTurns: [BufferID] = []
        if alternating {
            let written = Set(items.flatMap(\.writtenBuffers)).subtracting(own)
            inTurns = written.filter { buffers[$0.index].kind == .step }.sorted { $0.index < $1.index }
        }
        let barriers = RowHazards(items, parts: parts, own: own, buffers: buffers.alternating(inTurns)).barriers
        let grains = Set(parts.compactMap(\.period)).sorted().map { period in
            let strides = parts.filter { $0.period == period }.compactMap(\.stride)
            return RowSharing.Grain(
                period: period, multiple: strides.reduce(1) { $0 * $1 / RowSharing.Grain.greatestDivisor($0, $1) },
                isOfElements: strides.contains(1))
        }
        return RowSharing(parts: parts, barriers: barriers, ownBuffers: own, alternating: inTurns, grains: grains)
    }
}

extension Item {
    fileprivate var isProduct: Bool { if case .product = self { true } else { false } }
    fileprivate var isTotal: Bool { if case .total = self { true } else { false } }
}
