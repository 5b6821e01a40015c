import RecCodeGen
import RecScheduling

/// How many steps of a segment make a block: as many as keep its block buffers in the second-level cache.
///
/// Lengths are 16, 24, 32, 48, … 1024 steps, so that chunks of a run in bounded memory can be whole numbers of the blocks
/// of every segment: results are then the same bit for bit, whatever the chunks.
struct BlockLength {
    private let plan: Plan
    private let segment: Segment
    private let grains: [LaneGrain]
    private let places: BlockPlaces
    private let precision: Precision
    private let second: Int

    /// What the blocks of one worker may take of the cache.
    static let blockBytes = 384 << 10
    /// What the blocks of all sequences that go through the steps together may take of the caches.
    static let groupBytes = 2 << 20
    private static let laneBytes = 192 << 10
    private static let blockSteps = 16...1024
    /// Time blocks are all in memory at once.
    static let mostScanBlocks = 64

    /// - Parameter second: the extent of the second axis, 1 where there is none.
    init(_ facts: KernelFacts, segment index: Int, second: Int) {
        plan = facts.plan
        segment = facts.plan.segments[index]
        grains = facts.grains[index]
        places = facts.blocks[index]
        precision = facts.precision
        self.second = second
    }

    private func rowBytes(_ id: BufferID) -> Int { plan[id].rowCount * plan[id].element.byteCount(precision) }

    /// Bytes of all blocks for one step of one sequence.
    private var stepBytes: Int {
        places.own.reduce(places.sharedBytes) { sum, block in
            sum + rowBytes(block.id) * (plan[block.id].variance.varies(over: 1) ? second : 1)
        }
    }

    /// Steps after which a lane loop that takes several passes over its elements turns back to the first of them, while
    /// what it touched is still in the cache; nil where none does.
    private var laneSteps: Int? {
        var bytes = 0
        for (stage, grain) in zip(segment.stages, grains) {
            guard case .lanes = stage.form, grain.extent > grain.width else { continue }
            let streams = stage.touchedBuffers.filter { plan[$0].variance.varies(over: 0) && !plan[$0].isRing }
            bytes = max(bytes, streams.reduce(0) { $0 + rowBytes($1) })
        }
        return bytes == 0 ? nil : max(1, Self.laneBytes / bytes)
    }

    /// Whether the order in which numbers are added up depends on where blocks begin.
    var mindsBoundaries: Bool {
        segment.stages.contains { stage in
            switch stage.form {
            case .totals, .registers: true
            case .map, .sequential, .lanes: false
            }
        }
    }

    /// Steps of a block for so many sequences at a time; nil where nothing is gained by turning back and steps may be cut
    /// anywhere.
    func steps(sequences: Int) -> Int? {
        let hasBlocks = segment.stages.contains { $0.scan != nil }
        let isScan = segment.stages.contains { $0.isScan }
        let bytes = stepBytes * max(sequences, 1)
        var most: Int?
        func limit(_ steps: Int) { most = min(most ?? steps, steps) }
        if stepBytes > 0 { limit(min(Self.blockBytes / bytes, Self.blockSteps.upperBound)) }
        if let laneSteps { limit(laneSteps) }
        if hasBlocks || mindsBoundaries { limit(Self.mostScanBlocks * Scan.blockSteps) }
        guard let most else { return nil }
        // Time blocks of scans begin at multiples of their length.
        return Self.rounded(most, least: isScan ? Scan.blockSteps : Self.blockSteps.lowerBound)
    }

    /// The greatest of `least`, `1.5 · least`, `2 · least`, `3 · least`, … that is `most` at most; scans take no halves.
    private static func rounded(_ most: Int, least: Int) -> Int {
        var length = least
        while 2 * length <= most { length *= 2 }
        let between = length / 2 * 3
        return between <= most && between % (least == Scan.blockSteps ? least : 1) == 0 ? between : length
    }

    /// Whether a step has products with weights: what it reads of them is more than its rows in blocks, and is shared by all
    /// sequences that take the step together.
    private var multipliesInSteps: Bool {
        segment.stages.contains { stage in
            stage.form == .sequential && stage.items.contains { if case .product = $0 { true } else { false } }
        }
    }

    /// Groups of sequences small enough that even the shortest blocks fit: the cache of one worker, or, where sequences go
    /// through the steps together, those of all.
    func groups(of range: Range<Int>, inStep: Bool = false) -> [Range<Int>] {
        let bytes = inStep || multipliesInSteps ? Self.groupBytes : Self.blockBytes
        let most = max(1, bytes / max(1, stepBytes * Self.blockSteps.lowerBound))
        let count = (range.count + most - 1) / most
        return (0..<count).map { group in
            range.lowerBound + range.count * group / count..<range.lowerBound + range.count * (group + 1) / count
        }
    }
}
