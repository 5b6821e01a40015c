import RecStream

/// Formulas of liveness as values of the graph of gradients.
struct LiveMasks {
    private var values: [Int: ValueID] = [:]
    /// Delays of liveness whose operand is still to be made.
    private(set) var open: [(mirror: ValueID, delay: ValueID, axes: [Int])] = []

    mutating func closeNext() -> (mirror: ValueID, delay: ValueID, axes: [Int])? { open.popLast() }

    /// Whether a formula holds for each element of a shape, whose axes are those of the formula.
    mutating func value(of live: Live, in shape: Shape, _ liveness: Liveness, _ builder: inout GraphBuilder) -> ValueID {
        let axes = live.axes
        let small = axes.map { shape[$0] }
        let own = live.onAxes { axes.firstIndex(of: $0) ?? 0 }
        var alternatives: ValueID?
        for term in own.terms {
            var all: ValueID?
            for literal in term {
                let next = value(of: literal, in: small, liveness, &builder)
                all = all.map { builder.binary(.and, $0, next) } ?? next
            }
            let next = all ?? builder.constant(.bool(true), small)
            alternatives = alternatives.map { builder.binary(.or, $0, next) } ?? next
        }
        let result = alternatives ?? builder.constant(.bool(false), small)
        return axes.count == shape.count ? result : builder.broadcast(result, to: shape, from: shape.indices.map { axes.firstIndex(of: $0) })
    }

    private mutating func value(of literal: Live.Literal, in shape: Shape, _ liveness: Liveness, _ builder: inout GraphBuilder) -> ValueID {
        var value = value(of: literal.condition, liveness, &builder)
        if literal.isNegated { value = builder.unary(.not, value) }
        if literal.axes == Array(shape.indices) { return builder[value].shape == shape ? value : builder.rename(value, to: shape) }
        return builder.broadcast(value, to: shape, from: shape.indices.map { literal.axes.firstIndex(of: $0) })
    }

    private mutating func value(of number: Int, _ liveness: Liveness, _ builder: inout GraphBuilder) -> ValueID {
        if let known = values[number] { return known }
        let value = make(liveness.entries[number], liveness, &builder)
        values[number] = value
        return value
    }

    private mutating func make(_ entry: Liveness.Entry, _ liveness: Liveness, _ builder: inout GraphBuilder) -> ValueID {
        func bools(_ part: LiveCondition.Part) -> ValueID { value(of: part.live, in: part.shape, liveness, &builder) }
        func counts(_ part: LiveCondition.Part) -> ValueID { builder.unary(.toReal, bools(part)) }
        func isAny(_ count: ValueID) -> ValueID { builder.isPositive(count) }
        switch entry.condition {
        case .holds(let id): return id
        case .isPositive(let x): return builder.isPositive(x)
        case .compares(let function, let a, let b): return builder.binary(function, a, b)
        case .outside(let offsets): return builder.isOutside(offsets)
        case .through(let delay, let axes):
            guard case .delay(_, let offsets, _) = builder[delay].operation else { return delay }
            let mirror = builder.delay(ofLater: ValueType(.bool, entry.shape, entry.variance), offsets.map { -$0 })
            open.append((mirror, delay, axes))
            return mirror
        case .moved(let part, let offsets):
            return builder.add(.delay(bools(part), offsets: offsets.map { -$0 }, initial: nil))
        case .any(let part, let axes): return isAny(builder.reduce(.sum, counts(part), axes: axes))
        case .ever(let part, let variance):
            let count = counts(part)
            return isAny(builder.total(count, over: builder[count].variance, leaving: variance))
        case .whole(let part): return bools(part)
        case .sliced(let part, let axis, let start, let count):
            return builder.slice(bools(part), axis: axis, start: start, count: count)
        case .reshaped(let part, let shape): return builder.reshape(bools(part), to: shape)
        case .gathered(let part, let index): return isAny(builder.gather(counts(part), index))
        case .unsliced(let part, let axis, let start, let stride, let size):
            return isAny(builder.unsliced(counts(part), axis: axis, start: start, stride: stride, size: size))
        case .unpadded(let part, let axis, let before, let after, let mode):
            return isAny(builder.unpadded(counts(part), axis: axis, before: before, after: after, mode: mode))
        case .overlapped(let part, let axis, let stride, let size):
            return isAny(builder.overlapped(counts(part), axis: axis, stride: stride, size: size))
        case .scattered(let part, let index, let count):
            return isAny(builder.scatter(counts(part), index, count: count))
        }
    }
}

extension ReverseMode {
    /// A slope of `id`, or what stands for one, where `live` holds; 0 elsewhere.
    mutating func masked(_ slope: ValueID, _ live: Live) -> ValueID {
        guard !live.isAlways, builder.graph.finiteConstant(slope) == nil else { return slope }
        let shape = builder[slope].shape
        return builder.select(mask(live, in: shape), slope, builder.zeros(shape))
    }

    mutating func mask(_ live: Live, in shape: Shape) -> ValueID { masks.value(of: live, in: shape, liveness, &builder) }

    /// Says what the recurrences of liveness look at. Gives for each the delay whose mirror image it is, and what is handed on.
    mutating func closeMasks() -> [(mirror: ValueID, delay: ValueID)] {
        var closed: [(mirror: ValueID, delay: ValueID)] = []
        while let (mirror, delay, axes) = masks.closeNext() {
            builder.span = primal[delay].span
            let live = liveness[delay].onAxes { axes.firstIndex(of: $0) ?? 0 }
            var value = mask(live, in: axes.map { primal[delay].shape[$0] })
            if builder[value].variance != builder[mirror].variance { value = builder.rename(value, over: builder[mirror].variance) }
            builder.close(mirror, with: value)
            closed.append((mirror, delay))
        }
        return closed
    }
}
