/// From what a sequence draws its chance: an int given once for each sequence.
package enum DrawSeed {
    /// The name of the input. No input of a program has a dot in its name.
    package static let name = "noise.seed"

    /// The seed of a sequence of a batch. Where none is given it is that of the number 0: the number of the sequence.
    package static func value(_ number: UInt32, sequence: Int) -> Int {
        Int(truncatingIfNeeded: UInt64(number) << 32 | UInt64(UInt32(truncatingIfNeeded: sequence)))
    }

    /// The seeds of a batch.
    package static func values(_ number: UInt32, batch: Int) -> [Int] { (0..<batch).map { value(number, sequence: $0) } }
}

extension StreamGraph {
    /// Whether anything in the graph is drawn by chance.
    package var drawsByChance: Bool {
        values.contains { if case .input(DrawSeed.name, _) = $0.operation { true } else { false } }
    }
}
