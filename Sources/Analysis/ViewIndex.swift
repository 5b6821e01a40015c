import RecStream

extension StreamGraph {
    /// Which element of its operand a view has at an index. A view here is a renaming, a broadcast, a slice or a window: it only rearranges
    /// one index, where a reshape may take several.
    package func operandIndex(ofView value: ValueID, at index: [Affine]) -> [Affine] {
        var inner = index
        switch self[value].operation {
        case .rename: break
        case .broadcast(let a, let from):
            inner = [Affine](repeating: Affine(), count: self[a].shape.count)
            for (axis, source) in from.enumerated() { if let source { inner[source] = index[axis] } }
        case .slice(_, let axis, let start, let stride):
            inner[axis] = index[axis] * stride + start
        case .window(_, let axis, let stride):
            inner[axis] = index[axis] * stride + index[axis + 1]
            inner.remove(at: axis + 1)
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .reshape, .concat, .pad, .gather, .scatter, .delay,
            .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            preconditionFailure("such a value is no view")
        }
        return inner
    }
}
