import RecInterpreter
import RecSource
import RecStream
import RecTensors

/// The value of a model in which NaN or infinity stands first: at the earliest step, and there first in the order of the graph.
///
/// The interpreter looks for it, in f64; what overflows in f32 alone is not found.
package struct ValueOrigin {
    /// `the first value that is not finite is 'h', nan at step 3 of a sequence (counted from 0)`
    package let text: String
    package let span: SourceSpan?

    /// The most elements of all values together that are looked at.
    private static let mostElements = 1 << 25

    /// Nil where all values are finite, or there are too many of them.
    package init?(in graph: StreamGraph, _ data: BoundData) {
        let elements = graph.values.reduce(0.0) { sum, value in
            graph.axes.indices.filter { value.variance.varies(over: $0) }
                .reduce(Double(value.shape.elementCount) * (value.variance.batch ? Double(data.batch) : 1)) {
                    $0 * Double(data.extents[$1])
                } + sum
        }
        guard elements < Double(Self.mostElements) else { return nil }
        let values = Interpreter(graph).evaluateAll(data)
        var stream: (step: Int, id: ValueID, number: Double)?
        var other: (id: ValueID, number: Double)?
        for id in graph.ids {
            // A constant that is infinite was meant to be.
            if case .constant = graph[id].operation { continue }
            guard let tensor = values[id], tensor.type.isFloating else { continue }
            let numbers = tensor.doubles()
            guard let place = numbers.firstIndex(where: { !$0.isFinite }) else { continue }
            if graph[id].variance.varies(over: 0) {
                let perStep = max(1, numbers.count / max(1, data.batch * data.extents[0]))
                for place in place..<numbers.count where !numbers[place].isFinite {
                    let step = place / perStep % max(1, data.extents[0])
                    if step < stream?.step ?? Int.max { stream = (step, id, numbers[place]) }
                }
            } else if other == nil {
                other = (id, numbers[place])
            }
        }
        // What is computed from parameters alone stands in front of the streams that read it, a sum over time behind what it sums.
        if let known = stream, let value = other, value.id.index > known.id.index { other = nil }
        guard let first = other ?? stream.map({ ($0.id, $0.number) }) else { return nil }
        let value = graph[first.id]
        let name = value.name.map { "'\($0)', " } ?? ""
        let number = first.number.isNaN ? "nan" : "\(first.number)"
        let place = other == nil ? stream.map { " at step \($0.step) of a sequence (counted from 0)" } ?? "" : ""
        text = "the first value that is not finite is \(name)\(number)\(place)"
        span = value.span
    }
}
