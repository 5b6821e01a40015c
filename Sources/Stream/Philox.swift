/// Random numbers from counters: Philox4x32 with ten rounds (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3",
/// SC 2011). A word is a function of a counter and a key alone, so that it does not matter who computes it, or when.
package enum Philox {
    package typealias Words = (UInt32, UInt32, UInt32, UInt32)

    package static let multipliers: (UInt32, UInt32) = (0xD251_1F53, 0xCD9E_8D57)
    package static let increments: (UInt32, UInt32) = (0x9E37_79B9, 0xBB67_AE85)
    package static let rounds = 10

    /// Four words for a counter of four words under a key of two.
    package static func words(_ counter: Words, key: (UInt32, UInt32)) -> Words {
        var (words, key) = (counter, key)
        for round in 0..<rounds {
            if round > 0 { key = (key.0 &+ increments.0, key.1 &+ increments.1) }
            let first = multipliers.0.multipliedFullWidth(by: words.0)
            let second = multipliers.1.multipliedFullWidth(by: words.2)
            words = (second.high ^ words.1 ^ key.0, second.low, first.high ^ words.3 ^ key.1, first.low)
        }
        return words
    }

    /// The first two words for a key and a counter of 64 bits each; the other half of the counter is 0.
    package static func pair(key: Int, counter: Int) -> (UInt32, UInt32) {
        let (k, c) = (halves(key), halves(counter))
        let words = words((c.0, c.1, 0, 0), key: k)
        return (words.0, words.1)
    }

    private static func halves(_ number: Int) -> (UInt32, UInt32) {
        let bits = UInt64(bitPattern: Int64(number))
        return (UInt32(truncatingIfNeeded: bits), UInt32(truncatingIfNeeded: bits >> 32))
    }

    /// Both words as one int: a key made of a key.
    package static func int(key: Int, counter: Int) -> Int {
        let (low, high) = pair(key: key, counter: counter)
        return Int(truncatingIfNeeded: UInt64(low) | UInt64(high) << 32)
    }

    /// A number between 0 and 1 of the upper 23 bits of a word: one of `(k + ½) / 2^23`, which is exact in f32 and never 0 or 1.
    package static func uniform(_ word: UInt32) -> Double { (Double(word >> 9) + 0.5) * 0x1p-23 }
}
