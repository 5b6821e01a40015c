import RecStream

/// Between steps and chunks of them, and what runs along the steps of a chunk.
extension Evaluation {
    func chunks(_ operand: ValueID, _ axis: Int, _ fill: Double, to id: ValueID) {
        guard let chunks = graph.axes[axis].chunks else { return }
        let width = memory.width(of: operand)
        let out = memory.row(id)
        let length = memory.length(along: chunks.axis)
        let first = memory.step[axis] * chunks.count
        for k in 0..<chunks.count {
            guard first + k < length else {
                (out + k * width).update(repeating: fill, count: width)
                continue
            }
            memory.step[chunks.axis] = chunks.isReversed ? length - 1 - first - k : first + k
            (out + k * width).update(from: memory.row(operand), count: width)
        }
        memory.step[chunks.axis] = 0
    }

    func steps(_ operand: ValueID, _ axis: Int, to id: ValueID) {
        guard let chunks = graph.axes[axis].chunks else { return }
        let step = memory.step[chunks.axis]
        let place = chunks.isReversed ? memory.length(along: chunks.axis) - 1 - step : step
        let width = memory.width(of: id)
        let out = memory.row(id)
        memory.step[axis] = place / chunks.count
        memory.step[chunks.axis] = 0
        out.update(from: memory.row(operand) + place % chunks.count * width, count: width)
        memory.step[axis] = 0
        memory.step[chunks.axis] = step
    }

    func runningAffine(_ factor: Row, _ term: Row, _ out: Row, _ shape: Shape, _ axis: Int, _ isReversed: Bool) {
        let (length, stride) = (shape[axis].size, shape.strides[axis])
        let count = shape.elementCount
        for start in 0..<count where start / stride % length == 0 {
            var last = 0.0
            for k in 0..<length {
                let at = start + (isReversed ? length - 1 - k : k) * stride
                last = factor[at] * last + term[at]
                out[at] = last
            }
        }
    }

    func solve(_ matrix: Row, _ shape: Shape, _ right: Row, _ out: Row, _ count: Int, _ isTransposed: Bool) {
        let size = shape[shape.count - 1].size
        let blocks = shape.elementCount / (size * size)
        let width = count / (blocks * size)
        for block in 0..<blocks {
            let (l, b, x) = (matrix + block * size * size, right + block * size * width, out + block * size * width)
            for k in 0..<size {
                let i = isTransposed ? size - 1 - k : k
                for v in 0..<width {
                    var sum = b[i * width + v]
                    // The rows that are known already.
                    for j in isTransposed ? i + 1..<size : 0..<i {
                        sum += (isTransposed ? l[j * size + i] : l[i * size + j]) * x[j * width + v]
                    }
                    x[i * width + v] = sum
                }
            }
        }
    }
}
