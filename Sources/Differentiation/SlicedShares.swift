import RecStream

/// A share of some elements of a value along an axis, from a slice of it.
struct SlicedShare {
    var axis: Int
    var start: Int
    var count: Int
    var share: ValueID
}

extension GraphBuilder {
    /// Shares in a value of a shape: slices that do not overlap, such as the parts of a split, are joined side by side rather
    /// than each laid into zeros and added up.
    mutating func joined(_ slices: [SlicedShare], in shape: Shape) -> [ValueID] {
        var rows: [[SlicedShare]] = []
        for slice in slices.sorted(by: { ($0.axis, $0.start) < ($1.axis, $1.start) }) {
            let fitting = rows.firstIndex { row in
                row.last.map { $0.axis == slice.axis && $0.start + $0.count <= slice.start } ?? false
            }
            if let fitting { rows[fitting].append(slice) } else { rows.append([slice]) }
        }
        return rows.map { row in
            let whole = joined(row: row, in: shape)
            return self[whole].shape == shape ? whole : rename(whole, to: shape)
        }
    }

    private mutating func joined(row: [SlicedShare], in shape: Shape) -> ValueID {
        let (axis, size) = (row[0].axis, shape[row[0].axis].size)
        guard row.count > 1 else { return unsliced(row[0].share, axis: axis, start: row[0].start, stride: 1, size: size) }
        var parts: [ValueID] = []
        var end = 0
        func gap(_ count: Int) -> Shape {
            var gap = shape
            gap[axis] = Dim("\(count)", count)
            return gap
        }
        for slice in row {
            if slice.start > end { parts.append(zeros(gap(slice.start - end))) }
            parts.append(slice.share)
            end = slice.start + slice.count
        }
        if end < size { parts.append(zeros(gap(size - end))) }
        return concat(parts, axis: axis, named: shape[axis].name)
    }
}
