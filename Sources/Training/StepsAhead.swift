import Rec
import RecSource
import RecStream

extension ModelData {
    /// The same data with some inputs read some steps ahead of the others, as targets that are to be predicted: streams end as many steps
    /// earlier, and so do their lengths.
    ///
    /// - Parameter ahead: by input.
    /// - Throws: where there are too few steps.
    package func reading(_ ahead: [String: Int], for model: Model) throws(DiagnosticList) -> ModelData {
        let most = ahead.values.max() ?? 0
        guard most > 0 else { return self }
        var result = self
        for value in model.graph.values {
            guard case .input(let name, _) = value.operation, value.variance.varies(over: 0), let tensor = inputs[name] else { continue }
            let axes = model.graph.axes.indices.filter { value.variance.varies(over: $0) }.count
            let rank = axes + value.shape.count + (value.element == .complex ? 1 : 0)
            // Without an axis for sequences it is one.
            let axis = tensor.shape.count == rank ? 0 : 1
            let count = tensor.shape.indices.contains(axis) ? tensor.shape[axis] : 0
            guard count > most else {
                throw DiagnosticList(
                    .badData, "'\(name)' has \(count) step\(count == 1 ? "" : "s"), too few to look \(most) ahead",
                    help: count > 1 ? "--ahead is at most \(count - 1) here" : "give more data")
            }
            let start = ahead[name] ?? 0
            result.inputs[name] = tensor.part(start..<count - most + start, of: axis)
        }
        result.lengths = lengths?.map { max(0, $0 - most) }
        return result
    }
}

extension Tensor {
    /// A part of an axis.
    fileprivate func part(_ range: Range<Int>, of axis: Int) -> Tensor {
        let rows = shape[..<axis].reduce(1, *)
        let unit = shape[(axis + 1)...].reduce(1, *) * type.byteCount
        let (row, part) = (shape[axis] * unit, range.count * unit)
        var sizes = shape
        sizes[axis] = range.count
        return Tensor(type: type, shape: sizes) { target in
            withUnsafeBytes { bytes in
                for k in 0..<rows {
                    let start = k * row + range.lowerBound * unit
                    UnsafeMutableRawBufferPointer(rebasing: target[k * part..<(k + 1) * part])
                        .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<start + part]))
                }
            }
        }
    }
}
