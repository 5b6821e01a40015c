import RecSchedule

/// Where the buffers of a schedule's own lie in the workspace of a worker, in elements. Buffers of a chunk that are not needed at the
/// same time share places.
package struct WorkspaceLayout {
    /// By buffer; nil for those of the caller.
    package private(set) var offsets: [Int?]
    /// Elements of the whole workspace.
    package private(set) var count = 0

    /// Buffers begin at cache lines, whatever the type of elements.
    private static let grain = 16

    init(_ schedule: Schedule) {
        offsets = schedule.buffers.map { _ in nil }
        // One of both runs for a chunk.
        let bodies = [schedule.body, schedule.inner?.body ?? []]
        var first: [Int: Int] = [:]
        var lives: [[Int: ClosedRange<Int>]] = []
        for body in bodies {
            var own: [Int: ClosedRange<Int>] = [:]
            for (k, leaf) in body.enumerated() {
                for buffer in leaf.buffers {
                    first[buffer.index] = first[buffer.index] ?? k
                    own[buffer.index] = (own[buffer.index]?.lowerBound ?? k)...k
                }
            }
            lives.append(own)
        }
        /// Whether both are needed at the same time.
        func meet(_ a: Int, _ b: Int) -> Bool { lives.contains { own in own[a].map { x in own[b].map(x.overlaps) ?? false } ?? false } }
        let lasting = Set((schedule.before + schedule.behind).flatMap(\.buffers).map(\.index))
        func size(_ index: Int) -> Int {
            let buffer = schedule.buffers[index]
            let elements = buffer.role == .carried ? 2 * buffer.count : buffer.count
            return (elements + Self.grain - 1) / Self.grain * Self.grain
        }
        var passing: [Int] = []
        for (index, buffer) in schedule.buffers.enumerated() where buffer.role == .scratch || buffer.role == .carried {
            guard buffer.role == .carried || lasting.contains(index) || first[index] == nil else {
                passing.append(index)
                continue
            }
            offsets[index] = count
            count += size(index)
        }
        // First fit, in the order in which they are written.
        var placed: [(index: Int, start: Int)] = []
        passing.sort { (first[$0] ?? 0, $0) < (first[$1] ?? 0, $1) }
        let base = count
        for index in passing {
            let busy = placed.filter { meet($0.index, index) }.sorted { $0.start < $1.start }
            var start = base
            for other in busy where other.start < start + size(index) && start < other.start + size(other.index) {
                start = other.start + size(other.index)
            }
            placed.append((index, start))
            offsets[index] = start
            count = max(count, start + size(index))
        }
    }
}
