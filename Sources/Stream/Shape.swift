/// One axis of a value within a step: a name the user knows and a size.
package struct Dim: Hashable, Encodable, Sendable {
    package var name: String
    package var size: Int
    package init(_ name: String, _ size: Int) {
        self.name = name
        self.size = size
    }

    /// The last axis of what holds complex numbers as their real and imaginary parts.
    package static let complexParts = Dim("re,im", 2)
}

package typealias Shape = [Dim]

extension Array where Element == Dim {
    /// How many elements one step of a value of this shape holds.
    package var elementCount: Int { reduce(1) { $0 * $1.size } }
    package var sizes: [Int] { map(\.size) }
    /// Row-major strides in elements.
    package var strides: [Int] {
        var result = [Int](repeating: 1, count: count)
        for axis in stride(from: count - 2, through: 0, by: -1) { result[axis] = result[axis + 1] * self[axis + 1].size }
        return result
    }
}

package enum ElementType: String, Hashable, Encodable, Sendable, CaseIterable {
    case real, int, bool, complex
}

extension ElementType {
    /// What stands outside of a sequence.
    package var zero: Scalar {
        switch self {
        case .real: .real(0)
        case .int: .int(0)
        case .bool: .bool(false)
        case .complex: .complex(0, 0)
        }
    }
}

/// An axis a model runs over: `t`, or `i` and `j`. `length` is nil while it stays open.
package struct StreamAxis: Hashable, Sendable {
    package var name: String
    package var length: Int?
    /// What it counts, where it is an axis of chunks of another one. Data do not run over such axes; a pass adds them.
    package var chunks: Chunks?
    /// The axis that it is a second index over, as attention has it: `s` in `sum[s <= t](…)`. It is as long as that one is.
    package var again: Int?

    /// Chunks of `count` steps of the axis at `axis`, from its first step on or, where `isReversed`, from each sequence's last
    /// step on, backwards.
    package struct Chunks: Hashable, Sendable {
        package var axis: Int
        package var count: Int
        package var isReversed: Bool
        /// Whether it is one chunk of all steps: the axis is a dim within the steps of others.
        package var isWhole: Bool
        package init(of axis: Int, count: Int, isReversed: Bool = false, isWhole: Bool = false) {
            self.axis = axis
            self.count = count
            self.isReversed = isReversed
            self.isWhole = isWhole
        }
    }

    package init(name: String, length: Int? = nil, chunks: Chunks? = nil, again: Int? = nil) {
        self.name = name
        self.length = length
        self.chunks = chunks
        self.again = again
    }
}

/// What a value varies over besides its own shape.
///
/// Parameters and what follows from them alone vary over nothing; `once` values over the batch; streams over the
/// batch and some of the graph's axes.
package struct Variance: Hashable, Encodable, Sendable {
    package var batch: Bool
    /// Bit `k` is set where the value varies over `graph.axes[k]`.
    package var axes: UInt8

    package init(batch: Bool, axes: UInt8) {
        self.batch = batch
        self.axes = axes
    }

    package static let none = Variance(batch: false, axes: 0)
    package static let once = Variance(batch: true, axes: 0)

    package var isStatic: Bool { !batch && axes == 0 }
    package var isStream: Bool { axes != 0 }
    package func varies(over axis: Int) -> Bool { axes & (1 << UInt8(axis)) != 0 }
    package func union(_ other: Variance) -> Variance { Variance(batch: batch || other.batch, axes: axes | other.axes) }
    package func removing(axis: Int) -> Variance { Variance(batch: batch, axes: axes & ~(1 << UInt8(axis))) }
}
