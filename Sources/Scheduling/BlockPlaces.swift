import RecStream

/// Where the block buffers of a segment lie beside each other, in bytes of one step of one sequence.
///
/// Buffers that no stage needs at the same time share memory: the blocks of a model of many layers take no more of the cache than
/// those of a few layers do.
package struct BlockPlaces: Equatable, Sendable {
    package struct Place: Equatable, Sendable {
        package var buffer: BufferID
        /// Where it begins in what a step takes.
        package var start: Int
    }

    /// Buffers whose memory is that of others too, once these are needed no more.
    package private(set) var shared: [Place] = []
    /// What they take together for a step.
    package private(set) var sharedBytes = 0
    /// Buffers that have memory of their own: steps of the block before are still read, or rows are of a size that data decide.
    package private(set) var own: [(id: BufferID, halo: Int)] = []

    package var isEmpty: Bool { shared.isEmpty && own.isEmpty }

    /// Places are multiples of so many bytes.
    private static let unit = 4

    /// - Parameter rowBytes: bytes of a row of a buffer.
    package init(_ segment: Segment, in plan: Plan, rowBytes: (Buffer) -> Int) {
        let blocks = segment.written.compactMap { id -> (id: BufferID, halo: Int)? in
            if case .block(let halo) = plan[id].kind { (id, halo) } else { nil }
        }
        own = blocks.filter { $0.halo > 0 || plan.graph.axes.count > 1 }
        var first: [BufferID: Int] = [:]
        var last: [BufferID: Int] = [:]
        for (k, stage) in segment.stages.enumerated() {
            for id in stage.readBuffers.union(stage.writtenBuffers).union(stage.scan?.summary.writtenBuffers ?? []) {
                first[id] = first[id] ?? k
                last[id] = k
            }
        }
        var taken: [(range: Range<Int>, last: Int)] = []
        let free = blocks.filter { $0.halo == 0 && plan.graph.axes.count <= 1 }.map(\.id)
        for id in free.sorted(by: { (first[$0, default: 0], $0.index) < (first[$1, default: 0], $1.index) }) {
            taken.removeAll { $0.last < first[id, default: 0] }
            let bytes = (rowBytes(plan[id]) + Self.unit - 1) / Self.unit * Self.unit
            var start = 0
            var at = 0
            // In the order of memory: the first gap that is wide enough.
            while at < taken.count, taken[at].range.lowerBound < start + bytes {
                start = max(start, taken[at].range.upperBound)
                at += 1
            }
            taken.insert((start..<start + bytes, last[id, default: 0]), at: at)
            shared.append(Place(buffer: id, start: start))
            sharedBytes = max(sharedBytes, start + bytes)
        }
    }

    package static func == (a: BlockPlaces, b: BlockPlaces) -> Bool {
        a.shared == b.shared && a.own.elementsEqual(b.own) { $0 == $1 }
    }
}
