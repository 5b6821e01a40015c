import RecStream

/// Which items every worker can do for itself. The first worker then writes where others look for the results; the rest write
/// copies of their own, of which they have rings whole and of all else the present row.
struct RowRepetition {
    /// A small product has no more operations than these.
    private static let mostOperations = 4096

    private let items: [Item]
    private let buffers: [Buffer]
    /// Buffers that one item alone writes.
    private let writtenOnce: Set<BufferID>
    /// Buffers that are read at other steps than the present one.
    private let readElsewhere: Set<BufferID>

    init(_ items: [Item], _ buffers: [Buffer]) {
        self.items = items
        self.buffers = buffers
        let writers = items.flatMap { Set($0.writtenBuffers) }.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        writtenOnce = Set(writers.filter { $0.value == 1 }.keys)
        readElsewhere = Set(
            items.flatMap(\.accesses).filter { $0.fallback != nil || $0.offsets.contains { $0 != 0 } }.map(\.buffer))
    }

    func isPossible(_ item: Int) -> Bool {
        guard case .nest = items[item] else { return false }
        return items[item].writtenBuffers.allSatisfy { id in
            guard writtenOnce.contains(id) else { return false }
            if case .ring = buffers[id.index].kind { return true }
            return !readElsewhere.contains(id)
        }
    }

    /// Whether it is so little that nobody should wait for it.
    func isSmall(_ item: Int) -> Bool {
        switch items[item] {
        case .total: return false
        case .nest(let nest): return isPossible(item) && nest.domain.reduce(1, *) < RowDivision.leastElements
        case .product(let product):
            return product.operationCount <= Self.mostOperations && writtenOnce.contains(product.output)
                && buffers[product.output.index].kind == .step
        }
    }
}

extension Array<Buffer> {
    /// The same buffers, of which some keep the rows of two steps rather than one.
    func alternating(_ chosen: [BufferID]) -> [Buffer] {
        var result = self
        for id in chosen { result[id.index].kind = .ring(.alternating) }
        return result
    }
}

extension Ring {
    /// Rows of two steps in turn.
    fileprivate static let alternating = Ring(delays: [[1]], initial: nil, order: [0])
}
