import RecStream
import RecTensors

/// One step of a value: its elements in row-major order, complex ones as pairs, ints as their bits.
typealias Row = UnsafeMutablePointer<Double>

/// Every value of a run at every step.
final class StreamMemory {
    let graph: StreamGraph
    let batch: Int
    /// The length of each axis.
    let extents: [Int]
    /// By axis the length of each sequence; nil where all have the full length.
    private let lengths: [[Int]?]

    /// The sequence, and the step along each axis, at which rows are looked up.
    var sequence = 0
    var step: [Int]

    /// For each value its rows, `[batch, axes…]` as far as it varies.
    private let rows: [Row]
    private let rowCounts: [Int]
    /// Numbers in a row.
    private let widths: [Int]
    /// For each value how many numbers lie between neighbours, first along the batch, then along each axis; 0 where it does
    /// not vary.
    private let strides: [[Int]]

    /// Starts with all zero.
    init(_ graph: StreamGraph, _ data: BoundData) {
        self.graph = graph
        batch = data.batch
        lengths = graph.axes.indices.map { data.lengths(along: $0) }
        // Data say nothing of chunks.
        let extents = graph.axes.indices.map { axis in
            graph.axes[axis].chunks.map { ($0.count - 1 + data.extents[$0.axis]) / $0.count } ?? data.extents[graph.axes[axis].again ?? axis]
        }
        self.extents = extents
        step = [Int](repeating: 0, count: extents.count)
        widths = graph.values.map { $0.shape.elementCount * ($0.element == .complex ? 2 : 1) }
        strides = zip(graph.values, widths).map { value, width in
            var strides = [Int](repeating: 0, count: 1 + extents.count)
            var next = width
            for (axis, extent) in extents.enumerated().reversed() where value.variance.varies(over: axis) {
                strides[1 + axis] = next
                next *= extent
            }
            if value.variance.batch { strides[0] = next }
            return strides
        }
        rowCounts = graph.values.map { value in
            extents.enumerated().reduce(value.variance.batch ? data.batch : 1) { count, axis in
                value.variance.varies(over: axis.offset) ? count * axis.element : count
            }
        }
        rows = zip(rowCounts, widths).map { count, width in
            let row = Row.allocate(capacity: max(1, count * width))
            row.initialize(repeating: 0, count: max(1, count * width))
            return row
        }
    }

    deinit { for row in rows { row.deallocate() } }

    func width(of id: ValueID) -> Int { widths[id.index] }

    /// The present sequence's own length along an axis.
    func length(along axis: Int) -> Int {
        if let chunks = graph.axes[axis].chunks { return (length(along: chunks.axis) + chunks.count - 1) / chunks.count }
        if let first = graph.axes[axis].again { return length(along: first) }
        return lengths[axis].map { $0[sequence] } ?? extents[axis]
    }

    /// A value at the present step.
    func row(_ id: ValueID) -> Row {
        let strides = strides[id.index]
        var offset = sequence * strides[0]
        var axis = 0
        while axis < step.count {
            offset += step[axis] * strides[1 + axis]
            axis += 1
        }
        return rows[id.index] + offset
    }

    /// How far a value's rows lie apart along an axis.
    func stride(of id: ValueID, along axis: Int) -> Int { strides[id.index][1 + axis] }

    /// All rows, as they lie in memory.
    func everything(of id: ValueID) -> UnsafeMutableBufferPointer<Double> {
        UnsafeMutableBufferPointer(start: rows[id.index], count: rowCounts[id.index] * widths[id.index])
    }
}

extension StreamMemory {
    /// Sets all rows of a value; what stands behind the end of a sequence stays out.
    func fill(_ id: ValueID, with numbers: [Double]) {
        let all = everything(of: id)
        for (k, number) in numbers.prefix(all.count).enumerated() { all[k] = number }
        for axis in extents.indices {
            guard let lengths = lengths[axis], case let width = stride(of: id, along: axis), width > 0 else { continue }
            // Blocks of the axis stand one behind the other, as many for each sequence.
            let block = extents[axis] * width
            let each = batch == 0 || block == 0 ? 0 : all.count / block / batch
            for (sequence, length) in lengths.enumerated() where length < extents[axis] {
                for place in 0..<each {
                    let start = (sequence * each + place) * block + length * width
                    UnsafeMutableBufferPointer(rebasing: all[start..<start + (extents[axis] - length) * width]).update(repeating: 0)
                }
            }
        }
    }

    /// `[batch, axes…, dims…]` as far as the value varies; with `ofBatch` always with the batch.
    func tensor(of id: ValueID, ofBatch: Bool = false) -> Tensor {
        let value = graph[id]
        var shape = value.variance.batch || ofBatch ? [batch] : []
        for (axis, extent) in extents.enumerated() where value.variance.varies(over: axis) { shape.append(extent) }
        var numbers = Array(everything(of: id))
        if ofBatch, !value.variance.batch { numbers = Array(repeatElement(numbers, count: batch).joined()) }
        return Tensor(numbers, shape: shape + value.stepSizes, element: value.element)
    }
}

extension Value {
    /// The axes of one step in a tensor: complex elements are pairs.
    var stepSizes: [Int] { shape.sizes + (element == .complex ? [2] : []) }
}

extension Tensor {
    /// A tensor of what stands in rows, of the type in which an element type is given back: f64, i64 or bool.
    init(_ numbers: [Double], shape: [Int], element: ElementType) {
        switch element {
        case .real, .complex: self.init(numbers, shape: shape)
        case .int: self.init(numbers.map { Int(truncatingIfNeeded: $0.bitPattern) }, shape: shape)
        case .bool:
            self.init(type: .bool, shape: shape) { bytes in
                for (k, number) in numbers.enumerated() { bytes[k] = number == 0 ? 0 : 1 }
            }
        }
    }
}
