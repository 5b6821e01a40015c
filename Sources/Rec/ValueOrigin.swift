import RecSource
import RecStream
import RecTensors

/// The value of a model in which NaN or infinity stands first: at the earliest step, and there first in the order of the graph.
///
/// −∞ is a number where it is meant to be one, as the logarithm of what cannot be: a constant, a logarithm of 0, and what is computed from
/// such values. It is told only where nothing else is amiss, or where +∞ comes of it.
///
/// The interpreter looks for it, in f64; what overflows in f32 alone is not found.
package struct ValueOrigin {
    /// `the first value that is not finite is 'h', nan at step 3 of a sequence (counted from 0)`
    package let text: String
    package let span: SourceSpan?

    /// The most elements of all values together that are looked at.
    private static let mostElements = 1 << 25

    /// Nil where all values are finite, or there are too many of them.
    ///
    /// - Parameter results: what is to be finite.
    package init?(of results: [ValueID], in graph: StreamGraph, _ data: BoundData) {
        let elements = graph.values.reduce(0.0) { sum, value in
            graph.axes.indices.filter { value.variance.varies(over: $0) }
                .reduce(Double(value.shape.elementCount) * (value.variance.batch ? Double(data.batch) : 1)) {
                    $0 * Double(data.extents[$1])
                } + sum
        }
        guard elements < Double(Self.mostElements) else { return nil }
        let search = InfinitySearch(graph, data)
        guard let first = search.cause ?? search.first(behind: results) else { return nil }
        let value = graph[first.id]
        let name = value.name.map { "'\($0)', " } ?? ""
        let number = first.number.isNaN ? "nan" : "\(first.number)"
        let place = first.step.map { " at step \($0) of a sequence (counted from 0)" } ?? ""
        let others = first.number != -.infinity && search.hasLeast ? "; -inf elsewhere is that of a constant or of log(0)" : ""
        text = "the first value that is not finite is \(name)\(number)\(place)\(others)"
        span = value.span
    }
}
