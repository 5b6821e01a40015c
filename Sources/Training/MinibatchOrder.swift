import Rec

/// Which positions of the data each step has.
///
/// Sequences are drawn without replacement: every sequence once, in an order of its own for each turn. Windows begin
/// anywhere. A generator is made afresh for each turn or step from the seed, so there is none whose state a checkpoint
/// would have to keep: the number of the step says it all.
struct MinibatchOrder {
    let seed: UInt64
    let batch: Int
    private let range: Range<Int>
    private let drawsWindows: Bool
    private var turn = -1
    private var order: [Int] = []

    init(_ data: TrainingData, seed: UInt64, batch: Int) {
        self.seed = seed
        self.batch = batch
        range = data.range.lowerBound..<data.range.lowerBound + data.positionCount
        drawsWindows = data.window != nil
    }

    /// The positions of a step; the first is 1.
    mutating func positions(of step: Int) -> [Int] {
        if drawsWindows {
            var generator = SeededGenerator(seed: seed, for: "windows \(step)")
            return (0..<batch).map { _ in Int.random(in: range, using: &generator) }
        }
        return (0..<batch).map { k in
            let place = (step - 1) * batch + k
            shuffle(for: place / range.count)
            return order[place % range.count]
        }
    }

    private mutating func shuffle(for wanted: Int) {
        guard wanted != turn else { return }
        var generator = SeededGenerator(seed: seed, for: "turn \(wanted)")
        order = range.shuffled(using: &generator)
        turn = wanted
    }
}
