import RecAnalysis
import RecStream

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The two operations of a semiring on numbers in memory.
protocol JoinArithmetic {
    associatedtype Number
    static func join(_ a: Number, _ b: Number) -> Number
    static func weigh(_ factor: Number, _ state: Number) -> Number
}

enum PlusTimes<Number: BinaryFloatingPoint>: JoinArithmetic {
    static func join(_ a: Number, _ b: Number) -> Number { a + b }
    /// A factor may have overflowed where the state it weighs is zero.
    static func weigh(_ factor: Number, _ state: Number) -> Number { state == 0 ? 0 : factor * state }
}

enum PlusTimesOfInts: JoinArithmetic {
    static func join(_ a: Int, _ b: Int) -> Int { a &+ b }
    static func weigh(_ factor: Int, _ state: Int) -> Int { factor &* state }
}

enum MaxPlus<Number: BinaryFloatingPoint>: JoinArithmetic {
    static func join(_ a: Number, _ b: Number) -> Number { .largest(a, b) }
    static func weigh(_ factor: Number, _ state: Number) -> Number { factor + state }
}

enum MinPlus<Number: BinaryFloatingPoint>: JoinArithmetic {
    static func join(_ a: Number, _ b: Number) -> Number { .smallest(a, b) }
    static func weigh(_ factor: Number, _ state: Number) -> Number { factor + state }
}

/// Half the range stands for infinity, so that sums do not wrap.
enum MaxPlusOfInts: JoinArithmetic {
    static func join(_ a: Int, _ b: Int) -> Int { max(a, b) }
    static func weigh(_ factor: Int, _ state: Int) -> Int { factor <= .min / 2 ? .min / 2 : factor &+ state }
}

enum MinPlusOfInts: JoinArithmetic {
    static func join(_ a: Int, _ b: Int) -> Int { min(a, b) }
    static func weigh(_ factor: Int, _ state: Int) -> Int { factor >= .max / 2 ? .max / 2 : factor &+ state }
}

enum LogSumExp<Number: BinaryFloatingPoint>: JoinArithmetic {
    static func join(_ a: Number, _ b: Number) -> Number {
        let (low, high) = (Number.smallest(a, b), Number.largest(a, b))
        if low == high || low == -.infinity { return low == -.infinity ? high : high + Number(log(2.0)) }
        return high + Number(log1p(exp(Double(low - high))))
    }
    static func weigh(_ factor: Number, _ state: Number) -> Number { factor + state }
}

enum OrAnd: JoinArithmetic {
    static func join(_ a: UInt8, _ b: UInt8) -> UInt8 { a | b }
    static func weigh(_ factor: UInt8, _ state: UInt8) -> UInt8 { factor & state }
}
