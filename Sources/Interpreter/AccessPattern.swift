import RecStream

/// Which elements of its operands an operation reads, as offsets into their rows in elements.
///
/// For views (`broadcast`, `slice`, `window`, `pad`): result element `r` is element `first[r]`, or zero where that is −1.
/// For `reduce`: the terms of result element `r` are `first[r] + firstTerms[s]` for all `s`. For `contract`: they are the
/// products of `first[r] + firstTerms[s]` on the left and `second[r] + secondTerms[s]` on the right.
struct AccessPattern {
    var first: [Int] = []
    var second: [Int] = []
    var firstTerms: [Int] = []
    var secondTerms: [Int] = []

    init(of id: ValueID, in graph: StreamGraph) {
        let shape = graph[id].shape
        switch graph[id].operation {
        case .broadcast(let a, let from):
            let strides = graph[a].shape.strides
            first = Self.offsets(shape.sizes, from.map { $0.map { strides[$0] } ?? 0 })
        case .slice(let a, let axis, let start, let stride):
            var moves = graph[a].shape.strides
            let begin = start * moves[axis]
            moves[axis] *= stride
            first = Self.offsets(shape.sizes, moves).map { $0 + begin }
        case .window(let a, let axis, let stride):
            var moves = graph[a].shape.strides
            moves.insert(moves[axis], at: axis + 1)
            moves[axis] *= stride
            first = Self.offsets(shape.sizes, moves)
        case .pad(let a, let axis, let before, _, let mode):
            first = Self.padding(graph[a].shape, to: shape, axis: axis, before: before, mode)
        case .reduce(_, let a, let axes):
            let (sizes, strides) = (graph[a].shape.sizes, graph[a].shape.strides)
            let kept = sizes.indices.filter { !axes.contains($0) }
            first = Self.offsets(kept.map { sizes[$0] }, kept.map { strides[$0] })
            firstTerms = Self.offsets(axes.map { sizes[$0] }, axes.map { strides[$0] })
        case .contract(let contraction):
            let (left, right) = (graph[contraction.left].shape, graph[contraction.right].shape)
            var sizes: [Int: Int] = [:]
            for (label, dim) in zip(contraction.leftLabels + contraction.rightLabels, left + right) { sizes[label] = dim.size }
            let summed = sizes.keys.filter { !contraction.resultLabels.contains($0) }.sorted()
            func offsets(_ labels: [Int], _ operand: [Int], _ strides: [Int]) -> [Int] {
                Self.offsets(
                    labels.map { sizes[$0] ?? 1 }, labels.map { label in operand.firstIndex(of: label).map { strides[$0] } ?? 0 })
            }
            first = offsets(contraction.resultLabels, contraction.leftLabels, left.strides)
            second = offsets(contraction.resultLabels, contraction.rightLabels, right.strides)
            firstTerms = offsets(summed, contraction.leftLabels, left.strides)
            secondTerms = offsets(summed, contraction.rightLabels, right.strides)
        case .input, .parameter, .constant, .unary, .binary, .select, .rename, .reshape, .concat, .gather, .scatter, .delay,
            .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            break
        }
    }

    /// The offset of each index of a shape, in row-major order, where a step along axis `k` moves by `moves[k]`.
    private static func offsets(_ sizes: [Int], _ moves: [Int]) -> [Int] {
        var offsets = [0]
        for (size, move) in zip(sizes, moves) {
            var next: [Int] = []
            next.reserveCapacity(offsets.count * size)
            for offset in offsets {
                var place = 0
                while place < size {
                    next.append(offset + place * move)
                    place += 1
                }
            }
            offsets = next
        }
        return offsets
    }

    private static func padding(_ operand: Shape, to shape: Shape, axis: Int, before: Int, _ mode: PadMode) -> [Int] {
        let size = operand[axis].size
        let inner = operand.strides[axis]
        let outer = operand[..<axis].reduce(1) { $0 * $1.size }
        // Along the axis, and then the contiguous rest.
        return (0..<outer).flatMap { block in
            (0..<shape[axis].size).flatMap { place -> [Int] in
                var position = place - before
                if position < 0 || position >= size {
                    switch mode {
                    case .zero: return [Int](repeating: -1, count: inner)
                    case .edge: position = position < 0 ? 0 : size - 1
                    case .reflect: position = position < 0 ? -position : 2 * (size - 1) - position
                    }
                }
                return (0..<inner).map { (block * size + position) * inner + $0 }
            }
        }
    }
}
