import RecSchedule
import RecScheduling

extension Explanation.Pairs {
    init(_ traversal: PairTraversal, _ work: Workload, on machine: MachineProfile) {
        indices = traversal.indices
        span = traversal.span
        seconds = traversal.estimatedSeconds(work, on: machine)
        let schedule = traversal.schedule
        let blocks = schedule.blocks ?? Schedule.Blocks(count: 1, before: nil, behind: nil)
        pairs = Self.range(blocks, indices)
        let products = schedule.body.count { if case .matmul = $0 { true } else { false } }
        let sums = traversal.addedUp == 0 ? "" : ", \(traversal.addedUp) of them added up from block to block"
        note = "blocks of \(blocks.count) × \(schedule.count) steps, \(traversal.count) reduction\(traversal.count == 1 ? "" : "s")"
            + (traversal.isRunning ? " with exponents held against the largest so far" : "")
            + sums
            + ", \(products) product\(products == 1 ? "" : "s") of matrices a block"
    }

    /// `s ≤ t`, `t - 255 ≤ s ≤ t`.
    private static func range(_ blocks: Schedule.Blocks, _ indices: (outer: String, inner: String)) -> String {
        func bound(_ distance: Int) -> String { distance == 0 ? indices.outer : "\(indices.outer) \(distance < 0 ? "-" : "+") \(abs(distance))" }
        switch (blocks.before, blocks.behind) {
        case (nil, nil): return "all \(indices.inner)"
        case (nil, let behind?): return "\(indices.inner) ≤ \(bound(behind))"
        case (let before?, nil): return "\(bound(-before)) ≤ \(indices.inner)"
        case (let before?, let behind?): return "\(bound(-before)) ≤ \(indices.inner) ≤ \(bound(behind))"
        }
    }
}

extension Workload {
    /// The same along axes of data alone.
    func along(_ axes: Range<Int>) -> Workload {
        var result = self
        result.extents = Array(extents.prefix(axes.count))
        return result
    }
}
