import RecStream

extension RowSharing {
    /// Sets of items are words of so many bits.
    private static let mostItems = 64

    /// How the steps of a stage can be shared; nil where no product of it can be divided.
    init?(_ stage: Stage, buffers: [Buffer]) {
        guard case .sequential = stage.form, stage.scan == nil, stage.wavefront == nil, stage.items.count <= Self.mostItems,
            stage.items.contains(where: \.isProduct), !stage.items.contains(where: \.isTotal),
            // Over two axes rows are taken as a wavefront.
            !stage.items.flatMap(\.writtenBuffers).contains(where: { buffers[$0.index].variance.varies(over: 1) })
        else { return nil }
        let items = stage.items
        let periods = Set(items.flatMap { RowDivision.candidates(of: $0) }.compactMap(\.period))
        let candidates = items.map { RowDivision.candidates(of: $0, wanted: periods) }
        var votes: [Int: Int] = [:]
        for parts in candidates { for period in Set(parts.compactMap(\.period)) { votes[period, default: 0] += 1 } }
        func worth(_ part: Part) -> (Int, Int) {
            guard let period = part.period, let stride = part.stride else { return (0, 0) }
            return (votes[period] ?? 0, period / stride)
        }
        let writers = items.flatMap { Set($0.writtenBuffers) }.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        func undivided(_ item: Item) -> Part {
            item.isRepeatable(buffers) && item.writtenBuffers.allSatisfy { writers[$0] == 1 } ? .repeated : .alone
        }
        var parts = zip(items, candidates).map { item, parts in
            parts.max { worth($0) < worth($1) } ?? undivided(item)
        }
        let own = zip(items, parts).flatMap { $1 == .repeated ? $0.writtenBuffers : [] }
        for item in RowHazards(items, parts: parts, own: own, buffers: buffers).undividable { parts[item] = .alone }
        let barriers = RowHazards(items, parts: parts, own: own, buffers: buffers).barriers
        let grains = Set(parts.compactMap(\.period)).sorted().map { period in
            let strides = parts.filter { $0.period == period }.compactMap(\.stride)
            return Grain(
                period: period, multiple: strides.reduce(1) { $0 * $1 / Grain.greatestDivisor($0, $1) },
                isOfElements: strides.contains(1))
        }
        guard zip(items, parts).contains(where: { $0.isProduct && $1.period != nil }) else { return nil }
        self.init(parts: parts, barriers: barriers, ownBuffers: own, grains: grains)
    }
}

extension Item {
    fileprivate var isProduct: Bool { if case .product = self { true } else { false } }
    fileprivate var isTotal: Bool { if case .total = self { true } else { false } }

    /// More operations than these are done once, by one worker.
    private static let mostRepeated = 4096

    /// Whether every worker can do it for itself: what it writes is of the present step alone, and it is little.
    fileprivate func isRepeatable(_ buffers: [Buffer]) -> Bool {
        let isOfStep = writtenBuffers.allSatisfy { if case .step = buffers[$0.index].kind { true } else { false } }
        guard isOfStep else { return false }
        switch self {
        case .total: return false
        case .product(let product): return product.operationCount <= Self.mostRepeated
        case .nest(let nest):
            let isAssigned = nest.stores.allSatisfy { $0.mode == .assign }
            return isAssigned && nest.domain.reduce(1, *) < RowDivision.leastElements
        }
    }
}
