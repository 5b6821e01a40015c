/// What is known of a value without its operation: what its elements are, their shape, and what they vary over.
package struct ValueType: Hashable, Sendable, CustomStringConvertible {
    package var element: ElementType
    /// The axes within one step.
    package var shape: Shape
    package var variance: Variance

    package init(_ element: ElementType, _ shape: Shape, _ variance: Variance) {
        self.element = element
        self.shape = shape
        self.variance = variance
    }

    /// `real[H=64]`.
    package var description: String {
        element.rawValue + (shape.isEmpty ? "" : "[\(shape.map { "\($0.name)=\($0.size)" }.joined(separator: ", "))]")
    }
}

extension Value {
    package var type: ValueType { ValueType(element, shape, variance) }

    package init(_ operation: Operation, _ type: ValueType, name: String? = nil) {
        self.init(operation, element: type.element, shape: type.shape, variance: type.variance, name: name)
    }
}

extension Shape {
    /// The most elements that one step of a value may hold.
    package static var mostElements: Int { 1 << 40 }

    /// Whether every size is 1 or more and their product within `mostElements`; only then `elementCount` is safe to ask for.
    package var isCountable: Bool {
        var count = 1
        for dim in self {
            guard dim.size >= 1, dim.size <= Self.mostElements / count else { return false }
            count *= dim.size
        }
        return true
    }
}

extension Variance {
    /// Whether it covers all that `other` varies over.
    package func covers(_ other: Variance) -> Bool { union(other) == self }

    /// Over the batch and every axis of a graph that is no second index over another one.
    package static func all(of graph: StreamGraph) -> Variance {
        Variance(batch: true, axes: graph.axes.indices.reduce(0) { graph.axes[$1].again == nil ? $0 | 1 << UInt8($1) : $0 })
    }
}
