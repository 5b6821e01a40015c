/// For how much data a schedule runs.
package struct ScheduleSize: Hashable, Sendable {
    package var batch: Int
    /// Steps of the longest sequence; the distance between sequences in streams.
    package var steps: Int
    /// Of each sequence, from 0 to `steps`.
    package var lengths: [Int]

    package init(batch: Int, steps: Int, lengths: [Int]?) {
        self.batch = batch
        self.steps = steps
        self.lengths = lengths ?? [Int](repeating: steps, count: batch)
    }

    /// Chunks of the longest sequence.
    package func chunks(of count: Int) -> Int { (steps + count - 1) / count }
}

extension Schedule {
    /// Elements that a buffer of the caller has; nil where the schedule has it for itself.
    package func elements(of buffer: Buffer, for size: ScheduleSize) -> Int? {
        switch buffer.role {
        case .stream, .block, .sum: size.batch * size.steps * buffer.count
        case .once: size.batch * buffer.count
        case .shared: buffer.count
        case .kept: size.batch * (size.chunks(of: count) + 1) * buffer.count
        case .carried, .scratch: nil
        }
    }

    /// Turns of the loops over sequences, parallel dims and blocks together.
    package func turns(for size: ScheduleSize) -> Int { parallel.reduce(size.batch) { $0 * $1.size } * blockCount(for: size) }

    /// The turns of a worker, in the order in which it takes them.
    ///
    /// Blocks that add to the same numbers wait for each other: a worker takes whole sequences, and of those that are left over each takes a
    /// block in turn. What a turn waits for comes before it, so that the first one that is not done can always run.
    package func turns(of worker: Int, among workers: Int, _ turns: Int, _ blocks: Int) -> [Range<Int>] {
        guard addsUp else { return [turns * worker / workers..<turns * (worker + 1) / workers] }
        let share = turns / blocks / workers * blocks
        return [share * worker..<share * (worker + 1)] + stride(from: share * workers + worker, to: turns, by: workers).map { $0..<$0 + 1 }
    }

    /// Blocks of the longest sequence; 1 where there are none.
    package func blockCount(for size: ScheduleSize) -> Int { blocks.map { size.chunks(of: $0.count) } ?? 1 }

    /// The block of a turn among so many: one from the front, one from the back, so that shares of the turns are alike where blocks are not.
    /// In order where they add to the same numbers.
    package func block(ofTurn turn: Int, among count: Int) -> Int {
        addsUp ? turn : turn % 2 == 0 ? turn / 2 : count - 1 - turn / 2
    }

    /// Whether blocks add to the same numbers, for which they take turns.
    package var addsUp: Bool { buffers.contains { $0.role == .sum } }

    /// Chunks that run in all turns of a longest sequence and one place along parallel dims.
    package func chunkCount(for size: ScheduleSize) -> Int {
        let all = size.chunks(of: count)
        guard let blocks else { return all }
        return (0..<blockCount(for: size)).reduce(0) { $0 + blocks.chunks(of: count, from: $1 * blocks.count, among: all).count }
    }

    /// Floating-point operations of all products and systems of a run.
    package func operations(for size: ScheduleSize) -> Double {
        Double(turns(for: size)) / Double(max(1, blockCount(for: size))) * Double(chunkCount(for: size)) * operationsOfChunk
    }

    /// Floating-point operations of the products and systems of a chunk, for one turn of the outer loops.
    package var operationsOfChunk: Double {
        body.reduce(0) { sum, leaf in
            switch leaf {
            case .nest, .running: sum
            case .matmul(let product):
                sum + (product.blocks + product.rows + product.columns + product.sums).reduce(2 * product.share) { $0 * Double($1.extent) }
            case .solve(let system): sum + Double(system.blocks * system.size * (system.size - 1) * system.width)
            }
        }
    }
}
