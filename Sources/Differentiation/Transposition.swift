import RecStream

/// What an adjoint gives to the operands of its value, for each operation.
extension ReverseMode {
    mutating func propagate(_ adjoint: ValueID, from id: ValueID) {
        if let gradient = own[id] { return giveOwn(gradient, adjoint) }
        switch primal[id].operation {
        case .input, .parameter, .constant, .distance: break
        case .unary(let function, let a):
            give(unaryShare(function, a, id, adjoint), to: a, from: id)
        case .binary(let function, let a, let b):
            binaryShares(function, a, b, id, adjoint)
        case .select(let condition, let a, let b):
            let zeros = builder.zeros(primal[id].shape)
            give(builder.select(condition, adjoint, zeros), to: a, from: id)
            give(builder.select(condition, zeros, adjoint), to: b, from: id)
        case .contract(let contraction):
            contractionShares(contraction, id, adjoint)
        case .reduce(let kind, let a, let axes):
            give(reductionShare(kind, a, axes, id, adjoint), to: a, from: id)
        case .broadcast(let a, let from):
            give(builder.gathered(adjoint, from: from, to: primal[a].shape), to: a, from: id)
        case .rename(let a):
            give(builder.rename(adjoint, to: primal[a].shape), to: a, from: id)
        case .reshape(let a):
            give(builder.reshape(adjoint, to: primal[a].shape), to: a, from: id)
        case .slice(let a, let axis, let start, 1):
            give(adjoint, toSliceOf: a, axis: axis, start: start, from: id)
        case .slice(let a, let axis, let start, let stride):
            give(builder.unsliced(adjoint, axis: axis, start: start, stride: stride, size: primal[a].shape[axis].size), to: a, from: id)
        case .concat(let parts, let axis):
            var start = 0
            for part in parts {
                let count = primal[part].shape[axis].size
                give(builder.slice(adjoint, axis: axis, start: start, count: count), to: part, from: id)
                start += count
            }
        case .pad(let a, let axis, let before, let after, let mode):
            give(builder.unpadded(adjoint, axis: axis, before: before, after: after, mode: mode), to: a, from: id)
        case .window(let a, let axis, let stride):
            give(builder.overlapped(adjoint, axis: axis, stride: stride, size: primal[a].shape[axis].size), to: a, from: id)
        case .gather(let table, let index):
            give(builder.scatter(adjoint, index, count: primal[table].shape[0].size), to: table, from: id)
        case .scatter(let updates, let index, _):
            give(builder.gather(adjoint, index), to: updates, from: id)
        case .delay(let operand, let offsets, let initial):
            // The operand gets the mirror image when its turn comes.
            giveOutside(adjoint, operand, offsets, initial, from: id)
        case .overTime(let kind, let a, let axis):
            give(overTimeShare(kind, a, axis, id, adjoint), to: a, from: id)
        case .overBatch(let a):
            give(adjoint, to: a, from: id)
        case .along(let a, let axis):
            guard let source = primal.counterpart(of: axis) else { break }
            give(builder.along(wide(adjoint, like: id), axis: source), over: primal[a].variance, to: a)
        case .chunks(let a, let axis, _):
            give(builder.steps(wide(adjoint, like: id), axis: axis), over: primal[a].variance, to: a)
        case .steps(let a, let axis):
            give(builder.chunks(wide(adjoint, like: id), axis: axis, named: primal[a].shape[0].name), over: primal[a].variance, to: a)
        case .runningAffine(let factor, let term, let axis, let isReversed):
            runningAffineShares(factor, term, axis, isReversed, id, adjoint)
        case .solve(let matrix, let right, let isTransposed):
            solveShares(matrix, right, isTransposed, id, adjoint)
        }
    }

    /// Each factor gets the adjoint contracted with the other. An axis that a factor alone has and the result has not was
    /// summed over: there every element gets the same.
    private mutating func contractionShares(_ c: Contraction, _ id: ValueID, _ adjoint: ValueID) {
        let sides = [(c.left, c.leftLabels, c.right, c.rightLabels), (c.right, c.rightLabels, c.left, c.leftLabels)]
        for (own, labels, other, otherLabels) in sides where activity.isActive(own) {
            var factor = poles[other] ? builder.bounded(other) : other
            let present = labels.filter { c.resultLabels.contains($0) || otherLabels.contains($0) }
            let isMasked = primal[other].variance.covers(liveness.variance(of: liveness[id]))
            if isMasked { factor = masked(factor, liveness.share(liveness[id], otherLabels, of: c)) }
            // Where only some of the sums that an element enters are live, it must not reach the others: 0 times NaN is NaN.
            if recurrence[own.index] != recurrence[id.index], builder.graph.finiteConstant(other) == nil,
                !liveLabels(id, c).isSubset(of: isMasked ? otherLabels : present)
            {
                giveInfinite(factor, otherLabels, present, labels, to: own, from: id, c)
                factor = builder.bounded(factor)
            }
            var product = builder.contract(adjoint, c.resultLabels, factor, otherLabels, to: present)
            // A weight cannot be masked step by step, but its products can. What recurrences multiply by stays as it is.
            if !isMasked, recurrence[own.index] != recurrence[id.index] {
                product = masked(product, liveness.share(liveness[id], present, of: c))
            }
            let share = present == labels
                ? product
                : builder.broadcast(product, to: primal[own].shape, from: labels.map { present.firstIndex(of: $0) })
            give(share, to: own, from: id)
        }
    }

    /// The labels along which it differs whether a sum is live.
    private func liveLabels(_ id: ValueID, _ c: Contraction) -> Set<Int> { Set(liveness[id].axes.map { c.resultLabels[$0] }) }

    /// What infinities and NaN of a factor make of a share: NaN wherever one of them enters a sum that is live. They are counted by a
    /// product of their places with those of live sums, which leaves the product of numbers a product.
    private mutating func giveInfinite(
        _ factor: ValueID, _ factorLabels: [Int], _ present: [Int], _ labels: [Int], to own: ValueID, from id: ValueID, _ c: Contraction
    ) {
        let axes = liveness[id].axes
        let live = liveness[id].onAxes { axes.firstIndex(of: $0) ?? 0 }
        let liveLabels = axes.map { c.resultLabels[$0] }
        let places = builder.unary(.toReal, mask(live, in: axes.map { primal[id].shape[$0] }))
        let shape = builder[factor].shape
        let isFinite = builder.binary(.less, builder.unary(.abs, factor), builder.constant(.real(.infinity), shape))
        var counts = builder.unary(.toReal, builder.unary(.not, isFinite))
        let summed = factorLabels.indices.filter { !present.contains(factorLabels[$0]) && !liveLabels.contains(factorLabels[$0]) }
        if !summed.isEmpty { counts = builder.reduce(.sum, counts, axes: summed) }
        let countLabels = factorLabels.indices.filter { !summed.contains($0) }.map { factorLabels[$0] }
        let found = present.filter { liveLabels.contains($0) || countLabels.contains($0) }
        let met = builder.total(
            builder.contract(places, liveLabels, counts, countLabels, to: found), over: primal[id].variance, leaving: primal[own].variance)
        let metShape = builder[met].shape
        let share = builder.select(builder.isPositive(met), builder.constant(.real(.nan), metShape), builder.zeros(metShape))
        let whole = found == labels
            ? share : builder.broadcast(share, to: primal[own].shape, from: labels.map { found.firstIndex(of: $0) })
        add(whole, to: own, over: primal[own].variance)
    }

    /// Where a delay reads outside the sequence, its adjoint belongs to the initial value.
    private mutating func giveOutside(_ adjoint: ValueID, _ operand: ValueID, _ offsets: [Int], _ initial: ValueID?, from id: ValueID) {
        let isWanted = initialShares[operand] != nil || initial.map(activity.isActive) ?? false
        guard isWanted else { return }
        let variance = primal[id].variance
        let moved = offsets.indices.filter { offsets[$0] != 0 }
        let share: ValueID
        var rest = variance
        if moved.count == 1, abs(offsets[moved[0]]) == 1 {
            let whole = builder[adjoint].variance == variance ? adjoint : builder.rename(adjoint, over: variance)
            share = builder.overTime(offsets[moved[0]] < 0 ? .first : .last, whole, axis: moved[0])
            rest = variance.removing(axis: moved[0])
        } else {
            share = builder.chosen(builder.isOutside(offsets), adjoint)
        }
        if let initial { if activity.isActive(initial) { add(share, to: initial, over: rest) } }
        addInitial(share, to: operand, over: rest)
    }
}
