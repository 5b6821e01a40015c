import RecStream

/// A stream that one pass over the steps writes and another reads, so that all its steps lie in memory, or a chunk of them
/// at a time.
package struct KeptStream: Equatable, Sendable {
    package var buffer: BufferID
    /// The segment that writes it.
    package var writer: Int
    /// How many steps before the present one, and behind it, some pass reads.
    package var before: Int
    package var behind: Int
}

extension Plan {
    /// Every stream that is kept for all steps of the first axis, results apart.
    package var keptStreams: [KeptStream] {
        let reaches = streamReaches
        return segments.indices.flatMap { segment in
            segments[segment].written.compactMap { id -> KeptStream? in
                guard case .full = self[id].kind, self[id].variance.varies(over: 0) else { return nil }
                let reach = reaches[id] ?? (0, 0)
                return KeptStream(buffer: id, writer: segment, before: reach.before, behind: reach.behind)
            }
        }
    }

    /// How far along the first axis each buffer is read from the present step.
    private var streamReaches: [BufferID: (before: Int, behind: Int)] {
        var result: [BufferID: (before: Int, behind: Int)] = [:]
        for access in segments.flatMap(\.stages).flatMap(\.accesses) {
            guard let offset = access.offsets.first, offset != 0 else { continue }
            var reach = result[access.buffer] ?? (0, 0)
            reach.before = max(reach.before, -offset)
            reach.behind = max(reach.behind, offset)
            result[access.buffer] = reach
        }
        return result
    }
}

extension Segment {
    /// Every buffer that the segment's stages write.
    package var written: [BufferID] {
        var seen: Set<BufferID> = []
        return stages.flatMap(\.writtenBuffers).filter { seen.insert($0).inserted }
    }
}

extension Stage {
    /// Every place that the stage, or what computes the maps of its time blocks, reads.
    var accesses: [Access] { (items + (scan?.items ?? []) + stepItems).flatMap(\.accesses) }

    /// Of a scan in registers, what takes one step after another.
    package var stepItems: [Item] {
        switch form {
        case .registers(let scan): [.nest(scan.steps.nest)]
        case .map, .sequential, .lanes, .totals: []
        }
    }
}

extension Item {
    /// Every place that it reads.
    var accesses: [Access] {
        switch self {
        case .product(let product): [product.input]
        case .total(let total): [total.left, total.right]
        case .nest(let nest): nest.nodes.flatMap(\.operation.accesses)
        }
    }
}
