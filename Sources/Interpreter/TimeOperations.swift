import RecStream

/// Operations that look at other steps than the present one, or at other sequences.
extension Evaluation {
    func delay(_ operand: ValueID, _ offsets: [Int], _ initial: ValueID?, to id: ValueID) {
        let out = memory.row(id)
        let width = memory.width(of: id)
        var source = memory.row(operand)
        for (axis, offset) in offsets.enumerated() where offset != 0 {
            // Padding behind a sequence is outside, too.
            guard 0..<memory.length(along: axis) ~= memory.step[axis] + offset else {
                if let initial { out.update(from: memory.row(initial), count: width) } else { out.update(repeating: 0, count: width) }
                return
            }
            source += offset * memory.stride(of: operand, along: axis)
        }
        out.update(from: source, count: width)
    }

    /// A row of the other index over the same axis, at the step where this one is.
    func along(_ operand: ValueID, _ axis: Int, to id: ValueID) {
        guard let source = graph.counterpart(of: axis) else { return }
        let distance = memory.step[axis] - memory.step[source]
        memory.row(id).update(from: memory.row(operand) + distance * memory.stride(of: operand, along: source), count: memory.width(of: id))
    }

    func overBatch(_ operand: ValueID, to id: ValueID) {
        let out = memory.row(id)
        let width = memory.width(of: id)
        let present = memory.sequence
        out.update(repeating: 0, count: width)
        for sequence in 0..<memory.batch {
            memory.sequence = sequence
            let source = memory.row(operand)
            add(source, to: out, width, graph[id].element)
        }
        memory.sequence = present
    }

    /// Of no steps: sum, first and last are 0, the mean is 0/0, the largest −∞, the smallest ∞, of ints the least and the
    /// largest of all.
    func overTime(_ kind: TimeReduceKind, _ operand: ValueID, _ axis: Int, to id: ValueID) {
        let out = memory.row(id)
        let width = memory.width(of: id)
        let length = memory.length(along: axis)
        let stride = memory.stride(of: operand, along: axis)
        let source = memory.row(operand) - memory.step[axis] * stride
        switch kind {
        case .first, .last:
            if length == 0 { out.update(repeating: 0, count: width) } else {
                out.update(from: source + (kind == .first ? 0 : length - 1) * stride, count: width)
            }
        case .sum, .mean:
            out.update(repeating: 0, count: width)
            for step in 0..<length { add(source + step * stride, to: out, width, graph[id].element) }
            if kind == .mean { for k in 0..<width { out[k] /= Double(length) } }
        case .max, .min:
            let (function, isInt) = (kind == .max ? BinaryOperator.max : .min, graph[id].element == .int)
            let (most, mostInt) = kind == .max ? (-Double.infinity, Int.min) : (.infinity, .max)
            out.update(repeating: isInt ? Double(bits: mostInt) : most, count: width)
            for step in 0..<length {
                for k in 0..<width {
                    let next = source + step * stride
                    out[k] = isInt ? intBinary(function, out.int(k), next.int(k)) : realBinary(function, out[k], next[k])
                }
            }
        }
    }
}
