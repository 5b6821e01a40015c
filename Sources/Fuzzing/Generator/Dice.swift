import RecTensors

/// Random choices that follow from a seed alone.
struct Dice {
    private var generator: SeededGenerator

    init(seed: UInt64, for name: String) { generator = SeededGenerator(seed: seed, for: name) }

    /// A number in `0 ..< count`.
    mutating func below(_ count: Int) -> Int { Int(generator.next() % UInt64(max(1, count))) }

    mutating func number(in range: ClosedRange<Int>) -> Int { range.lowerBound + below(range.count) }

    /// True in `percent` of a hundred cases.
    mutating func chance(_ percent: Int) -> Bool { below(100) < percent }

    mutating func pick<T>(_ items: [T]) -> T { items[below(items.count)] }

    /// An item, each as often as its weight says; at least one weight is positive.
    mutating func weighted<T>(_ items: [(weight: Int, item: T)]) -> T {
        var rest = below(items.reduce(0) { $0 + $1.weight })
        for (weight, item) in items {
            if rest < weight { return item }
            rest -= weight
        }
        return items[items.count - 1].item
    }

    mutating func normal() -> Double { generator.normal() }

    mutating func seed() -> UInt64 { generator.next() }
}
