import RecStream

/// Parts that transposes are made of.
extension GraphBuilder {
    mutating func zeros(_ shape: Shape) -> ValueID { constant(.real(0), shape) }

    /// A scalar in every element of a shape.
    mutating func filled(_ scalar: ValueID, _ shape: Shape) -> ValueID {
        shape.isEmpty ? scalar : broadcast(scalar, to: shape, from: shape.map { _ in nil })
    }

    /// `a` where a scalar condition holds, 0 elsewhere.
    mutating func chosen(_ condition: ValueID, _ a: ValueID) -> ValueID {
        let shape = self[a].shape
        return select(filled(condition, shape), a, zeros(shape))
    }

    /// All terms added up in order; nil where there are none.
    mutating func sum(_ terms: [ValueID]) -> ValueID? {
        guard var total = terms.first else { return nil }
        for term in terms.dropFirst() { total = binary(.add, total, term) }
        return total
    }

    /// The sum of a value that stands for each place of `variance` over those that `target` does not tell apart.
    mutating func total(_ a: ValueID, over variance: Variance, leaving target: Variance) -> ValueID {
        var total = a
        for axis in graph.axes.indices where variance.varies(over: axis) && !target.varies(over: axis) {
            // A term that is the same at every step counts once for each.
            let wide = self[total].variance.union(Variance(batch: true, axes: 1 << UInt8(axis)))
            if wide != self[total].variance { total = rename(total, over: wide) }
            total = overTime(.sum, total, axis: axis)
        }
        guard variance.batch, !target.batch else { return total }
        if !self[total].variance.batch { total = rename(total, over: .once) }
        return overBatch(total)
    }

    /// Two parts as the pairs of a complex value.
    mutating func pair(_ parts: [ValueID]) -> ValueID {
        let shape = self[parts[0]].shape
        let halves = parts.map { reshape($0, to: shape + [Dim("1", 1)]) }
        return concat(halves, axis: shape.count, named: Dim.complexParts.name)
    }

    /// A value as something else times a factor that varies over nothing: what varies, and how the value follows from it.
    func fixedFactor(of id: ValueID) -> (ValueID, (ValueID) -> Operation)? {
        let variance = self[id].variance
        switch self[id].operation {
        case .unary(.negate, let a): return (a, { .unary(.negate, $0) })
        case .binary(.multiply, let a, let b) where self[b].variance.isStatic: return (a, { .binary(.multiply, $0, b) })
        case .binary(.multiply, let a, let b) where self[a].variance.isStatic: return (b, { .binary(.multiply, a, $0) })
        case .rename(let a) where self[a].variance == variance: return (a, { .rename($0) })
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice,
            .concat, .pad, .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            return nil
        }
    }

    // MARK: Transposes

    /// The transpose of a broadcast: summed over the new axes, the others in their old order.
    mutating func gathered(_ a: ValueID, from: [Int?], to shape: Shape) -> ValueID {
        let new = from.indices.filter { from[$0] == nil }
        let sum = new.isEmpty ? a : reduce(.sum, a, axes: new)
        let places = from.compactMap { $0 }
        let back = shape.indices.map { places.firstIndex(of: $0) }
        if places == Array(shape.indices) { return self[sum].shape == shape ? sum : rename(sum, to: shape) }
        return broadcast(sum, to: shape, from: back)
    }

    /// The transpose of a slice: its elements where they were taken, 0 elsewhere.
    mutating func unsliced(_ a: ValueID, axis: Int, start: Int, stride: Int, size: Int) -> ValueID {
        fitted(dilated(a, axis: axis, by: stride), axis: axis, start: start, size: size)
    }

    /// The transpose of padding: what was copied goes back to where it came from.
    mutating func unpadded(_ a: ValueID, axis: Int, before: Int, after: Int, mode: PadMode) -> ValueID {
        let size = self[a].shape[axis].size - before - after
        var terms = [slice(a, axis: axis, start: before, count: size)]
        let edges = [(start: 0, count: before, isFront: true), (start: before + size, count: after, isFront: false)]
        for edge in edges where edge.count > 0 && mode != .zero {
            let part = slice(a, axis: axis, start: edge.start, count: edge.count)
            let term: ValueID
            if mode == .edge {
                let sum = reduce(.sum, part, axes: [axis])
                var one = self[part].shape
                one[axis] = Dim("1", 1)
                term = fitted(reshape(sum, to: one), axis: axis, start: edge.isFront ? 0 : size - 1, size: size)
            } else {
                // Element k of the front came from element count − k, element k of the back from size − 2 − k.
                term = fitted(turned(part, axis: axis), axis: axis, start: edge.isFront ? 1 : size - 1 - edge.count, size: size)
            }
            terms.append(rename(term, to: self[terms[0]].shape))
        }
        return sum(terms) ?? a
    }

    /// The transpose of sliding windows: every element gets the sum of its places in all windows.
    ///
    /// Windows are cut into pieces as long as the stride; pieces of one position lie side by side without overlap.
    mutating func overlapped(_ a: ValueID, axis: Int, stride: Int, size: Int) -> ValueID {
        let shape = self[a].shape
        let (count, width) = (shape[axis].size, shape[axis + 1].size)
        let pieces = (width + stride - 1) / stride
        let whole = fitted(a, axis: axis + 1, start: 0, size: pieces * stride)
        var cut = self[whole].shape
        cut.replaceSubrange(axis + 1...axis + 1, with: [Dim("\(pieces)", pieces), Dim("\(stride)", stride)])
        let inPieces = reshape(whole, to: cut)
        var flat = shape
        flat.replaceSubrange(axis...axis + 1, with: [Dim("\(count * stride)", count * stride)])
        let length = (count + pieces - 1) * stride
        let terms = (0..<pieces).map { piece -> ValueID in
            let row = reshape(slice(inPieces, axis: axis + 1, start: piece, count: 1), to: flat)
            return fitted(row, axis: axis, start: piece * stride, size: length)
        }
        return fitted(sum(terms) ?? a, axis: axis, start: 0, size: size)
    }

    /// `stride` − 1 zeros behind each element.
    private mutating func dilated(_ a: ValueID, axis: Int, by stride: Int) -> ValueID {
        guard stride > 1 else { return a }
        let shape = self[a].shape
        var column = shape
        column.insert(Dim("1", 1), at: axis + 1)
        var flat = shape
        flat[axis] = Dim("\(shape[axis].size * stride)", shape[axis].size * stride)
        return reshape(pad(reshape(a, to: column), axis: axis + 1, before: 0, after: stride - 1), to: flat)
    }

    /// A value laid into zeros from `start` on; what reaches beyond `size` is cut off.
    private mutating func fitted(_ a: ValueID, axis: Int, start: Int, size: Int) -> ValueID {
        var part = a
        if self[a].shape[axis].size > size - start { part = slice(a, axis: axis, start: 0, count: size - start) }
        let after = size - start - self[part].shape[axis].size
        return start == 0 && after == 0 ? part : pad(part, axis: axis, before: start, after: after)
    }

    /// The elements along an axis from the last to the first.
    private mutating func turned(_ a: ValueID, axis: Int) -> ValueID {
        let count = self[a].shape[axis].size
        guard count > 1 else { return a }
        return slice(pad(a, axis: axis, before: count - 1, after: 0, mode: .reflect), axis: axis, start: 0, count: count)
    }
}
