/// One axis of a value within a step: a name the user knows and a size.
public struct Dim: Hashable, Sendable {
    public var name: String
    public var size: Int
    public init(_ name: String, _ size: Int) {
        self.name = name
        self.size = size
    }
}

public typealias Shape = [Dim]

extension Array where Element == Dim {
    /// How many elements one step of a value of this shape holds.
    public var elementCount: Int { reduce(1) { $0 * $1.size } }
    public var sizes: [Int] { map(\.size) }
    /// Row-major strides in elements.
    public var strides: [Int] {
        var result = [Int](repeating: 1, count: count)
        for axis in stride(from: count - 2, through: 0, by: -1) { result[axis] = result[axis + 1] * self[axis + 1].size }
        return result
    }
}

public enum ElementType: String, Hashable, Encodable, Sendable, CaseIterable {
    case real, int, bool, complex
}

/// An axis a model runs over: `t`, or `i` and `j`. `length` is nil while it stays open.
public struct StreamAxis: Hashable, Sendable {
    public var name: String
    public var length: Int?
    public init(name: String, length: Int? = nil) {
        self.name = name
        self.length = length
    }
}

/// What a value varies over besides its own shape.
///
/// Parameters and what follows from them alone vary over nothing; `once` values over the batch; streams over the
/// batch and some of the graph's axes.
public struct Variance: Hashable, Encodable, Sendable {
    public var batch: Bool
    /// Bit `k` is set where the value varies over `graph.axes[k]`.
    public var axes: UInt8

    public init(batch: Bool, axes: UInt8) {
        self.batch = batch
        self.axes = axes
    }

    public static let none = Variance(batch: false, axes: 0)
    public static let once = Variance(batch: true, axes: 0)

    public var isStatic: Bool { !batch && axes == 0 }
    public var isStream: Bool { axes != 0 }
    public func varies(over axis: Int) -> Bool { axes & (1 << UInt8(axis)) != 0 }
    public func union(_ other: Variance) -> Variance { Variance(batch: batch || other.batch, axes: axes | other.axes) }
    public func removing(axis: Int) -> Variance { Variance(batch: batch, axes: axes & ~(1 << UInt8(axis))) }
}
