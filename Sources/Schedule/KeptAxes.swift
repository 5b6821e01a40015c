import RecStream

/// Some of the axes of a graph, on which a part of it stands by itself.
struct KeptAxes {
    /// The axes of the part.
    let axes: [StreamAxis]
    private let source: StreamGraph
    /// The axes of the graph that are kept, in order.
    private let kept: [Int]

    /// - Parameter isKept: of axes of data; second indices over them that some of the values vary over are kept along with them.
    init(of source: StreamGraph, for values: Set<ValueID>, where isKept: (Int) -> Bool) {
        self.source = source
        let own = source.axes.indices.filter { axis in
            guard let first = source.axes[axis].again else { return source.dataAxes.contains(axis) && isKept(axis) }
            return isKept(first) && values.contains { source[$0].variance.varies(over: axis) }
        }
        kept = own
        axes = own.map { axis in
            var result = source.axes[axis]
            result.again = result.again.flatMap(own.firstIndex)
            return result
        }
    }

    func variance(_ old: Variance) -> Variance {
        var own: UInt8 = 0
        for (k, axis) in kept.enumerated() where old.varies(over: axis) { own |= 1 << UInt8(k) }
        return Variance(batch: old.batch, axes: own)
    }

    /// An operation of the graph along the axes of the part. What is reduced over another axis is there already.
    func operation(of id: ValueID) -> Operation {
        switch source[id].operation {
        case .delay(let a, let offsets, let initial): .delay(a, offsets: kept.map { offsets[$0] }, initial: initial)
        case .overTime(let kind, let a, let axis): kept.firstIndex(of: axis).map { .overTime(kind, a, axis: $0) } ?? .rename(a)
        case .along(let a, let axis): kept.firstIndex(of: axis).map { .along(a, axis: $0) } ?? .rename(a)
        case .distance(let axis): kept.firstIndex(of: axis).map { .distance(axis: $0) } ?? source[id].operation
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad,
            .window, .gather, .scatter, .overBatch, .chunks, .steps, .runningAffine, .solve:
            source[id].operation
        }
    }
}
