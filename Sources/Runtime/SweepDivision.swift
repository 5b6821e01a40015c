import RecCodeGen
import RecScheduling

/// How many workers there are, and how many scalar operations a sweep has at least that they share.
struct PoolSize: Equatable {
    var count: Int
    var leastWork = ThreadPool.usualLeastWork
}

/// How the sequences and steps of a sweep are divided among workers.
struct SweepDivision {
    enum Mode {
        /// The calling thread does everything: waking others would take longer.
        case alone
        /// Each worker takes sequences of its own through all blocks and stages; nobody waits for anybody.
        case bySequence
        /// Workers take sequences of their own through the other stages of a block, then share its sums over the batch.
        case inStep(workers: Int)
        /// All workers share each stage.
        case together
    }

    let lengths: BlockLength
    private let segment: Segment
    private let sumsOverBatch: Bool
    private let batch: Int
    /// Of one sequence, along all axes.
    private let steps: Double

    /// Nil where the segment is no sweep.
    init?(_ facts: KernelFacts, segment index: Int, batch: Int, extents: [Int]) {
        segment = facts.plan.segments[index]
        guard case .sweep(let axes, _) = segment.kind else { return nil }
        let plan = facts.plan
        sumsOverBatch = segment.stages.contains { plan.sumsOverBatch($0) }
        self.batch = batch
        steps = axes.reduce(1) { $0 * Double(extents[$1]) }
        lengths = BlockLength(facts, segment: index, second: extents.count > 1 ? extents[1] : 1)
    }

    /// Scalar operations, roughly.
    private var workSize: Double {
        var work = 0
        for item in segment.stages.flatMap(\.items) {
            switch item {
            case .nest(let nest): work += nest.domain.reduce(1, *) * nest.nodes.count
            case .product(let product): work += product.operationCount / 8
            case .total(let total): work += total.operationCount / 8
            }
        }
        return Double(work) * Double(batch) * steps
    }

    func mode(_ pool: PoolSize) -> Mode {
        if workSize < pool.leastWork { return sumsOverBatch ? .inStep(workers: 1) : .alone }
        guard batch >= pool.count else { return .together }
        if sumsOverBatch { return .inStep(workers: pool.count) }
        return segment.sharesRows ? .together : .bySequence
    }

    /// The sequences of a worker that takes some of its own.
    func share(_ worker: Int, of workers: Int) -> Range<Int> { batch * worker / workers..<batch * (worker + 1) / workers }

    /// Steps of a block for so many sequences at a time. Where the order of sums depends on where blocks begin, as it does in a scan in
    /// registers that runs backwards, blocks are as long as those of one worker, however many there are.
    func blockSteps(sequences: Int) -> Int? {
        guard lengths.mindsBoundaries else { return lengths.steps(sequences: sequences) }
        let groups = lengths.groups(of: 0..<batch, inStep: sumsOverBatch)
        return lengths.steps(sequences: groups.map(\.count).max() ?? sequences)
    }

    /// The sequences that all workers take through the steps together: where sums over the batch are among the stages, as many at a
    /// time as one worker would, so that they are added up in the same order.
    var groupsTogether: [Range<Int>] { sumsOverBatch ? lengths.groups(of: 0..<batch, inStep: true) : [0..<batch] }

    /// The lengths of all blocks that a run has, but for those that end with the sequence.
    func blockLengths(_ pool: PoolSize) -> Set<Int> {
        let groups: [Range<Int>] =
            switch mode(pool) {
            case .alone: lengths.groups(of: 0..<batch)
            case .bySequence: (0..<pool.count).flatMap { lengths.groups(of: share($0, of: pool.count)) }
            case .inStep: lengths.groups(of: 0..<batch, inStep: true)
            case .together: groupsTogether
            }
        return Set(groups.compactMap { blockSteps(sequences: $0.count) })
    }
}
