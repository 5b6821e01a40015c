import RecAnalysis
import RecStream

/// Elements of a value at indices that are affine in the variables of other axes, as slices, windows and reshapes of it.
extension ScalarValues {
    /// Variables that run together along an axis of the result.
    private struct Run {
        var extent: Int
        /// Where it stands among the axes of the result.
        var axis: Int
        /// The variables, each with what it counts for.
        var terms: [Affine.Term]
    }

    /// `value[index]` for every value of the variables of `axes`. Where an index lies outside of the value, which a choice
    /// must leave out, there is some element of it.
    ///
    /// - Parameter extents: of each variable.
    mutating func viewed(
        _ value: ValueID, at index: [Affine], over axes: [Axis], extents: [Int]
    ) throws(PlanRefusal) -> ValueID {
        let refusal = PlanRefusal("its factors need index arithmetic that scans do not have", at: graph[value].span)
        var (value, index) = (value, index)
        let used = index.map { Set($0.terms.map(\.variable)) }
        if used.reduce(0, { $0 + $1.count }) != used.reduce(Set(), { $0.union($1) }).count {
            // A variable in two axes, as along a diagonal: one axis over all elements.
            index = [.linear(index, strides: graph[value].shape.strides)]
            value = reshape(value, to: [Dim("all", graph[value].shape.elementCount)])
        }
        guard let runs = runs(along: axes, in: index, extents: extents) else { throw refusal }
        // For each run its axis in the value, and the axes that have one element.
        var source = [Int?](repeating: nil, count: runs.count)
        var parts: [[Int]] = []
        for affine in index {
            var found: [(run: Int, step: Int)] = []
            var covered = 0
            for (k, run) in runs.enumerated() {
                guard let last = run.terms.last, affine.coefficient(of: last.variable) != 0 else { continue }
                found.append((k, affine.coefficient(of: last.variable)))
                covered += run.terms.count
            }
            let isWhole = affine.terms.allSatisfy { extents[$0.variable] == 1 || $0.coefficient > 0 }
            guard isWhole, covered == affine.terms.count(where: { extents[$0.variable] > 1 }) else { throw refusal }
            parts.append(found.sorted { $0.step > $1.step }.map(\.run))
        }
        // From the last axis on, so that those before keep their places.
        for axis in index.indices.reversed() {
            value = cut(
                value, axis: axis, from: index[axis].offset,
                parts[axis].map { run in
                    (count: runs[run].extent, step: runs[run].terms.last.map { index[axis].coefficient(of: $0.variable) } ?? 1)
                })
        }
        let shape = graph[value].shape
        var kept: Shape = []
        var position = 0
        for part in parts {
            for (offset, run) in part.enumerated() {
                source[run] = kept.count
                kept.append(shape[position + offset])
            }
            position += max(1, part.count)
        }
        if kept.count != shape.count { value = reshape(value, to: kept) }
        let dims = runs.map { run in
            let dim = axes[run.axis].dim
            return run.extent == dim.size ? dim : Dim("\(dim.name)'", run.extent)
        }
        value = broadcast(value, to: dims, from: source)
        return dims.sizes == axes.map(\.dim.size) ? value : reshape(value, to: axes.map(\.dim))
    }

    /// Whether an index takes each of the numbers from 0 to below `size` once.
    func runsThrough(_ index: Affine, _ size: Int) -> Bool { digits(of: index, size, extents: scalars.extents) != nil }

    /// The terms of an index that takes each of the numbers below `size` once, from the highest digit on.
    private func digits(of index: Affine, _ size: Int, extents: [Int]) -> [Affine.Term]? {
        let terms = index.terms.filter { extents[$0.variable] > 1 }.sorted { $0.coefficient > $1.coefficient }
        var count = 1
        for term in terms.reversed() {
            guard term.coefficient == count else { return nil }
            count *= extents[term.variable]
        }
        return index.offset == 0 && count == size ? terms : nil
    }

    /// The variables of `axes`, those of an axis together where every index takes them as one; nil where an axis does not run
    /// through all values of its variables.
    private func runs(along axes: [Axis], in index: [Affine], extents: [Int]) -> [Run]? {
        var result: [Run] = []
        var seen: Set<Int> = []
        for (k, axis) in axes.enumerated() {
            guard let terms = digits(of: axis.index, axis.dim.size, extents: extents),
                terms.allSatisfy({ seen.insert($0.variable).inserted })
            else { return nil }
            let isOne = index.allSatisfy { affine in
                let step = terms.last.map { affine.coefficient(of: $0.variable) } ?? 0
                return terms.allSatisfy { affine.coefficient(of: $0.variable) == step * $0.coefficient }
            }
            if isOne || terms.isEmpty {
                result.append(Run(extent: axis.dim.size, axis: k, terms: terms))
            } else {
                for term in terms {
                    result.append(Run(extent: extents[term.variable], axis: k, terms: [Affine.Term(variable: term.variable, coefficient: 1)]))
                }
            }
        }
        return result
    }

    /// An axis as several, of which each walks through it by steps of its own: element `(i, j, …)` is `start + i · step + …`.
    private mutating func cut(_ value: ValueID, axis: Int, from start: Int, _ parts: [(count: Int, step: Int)]) -> ValueID {
        func span(_ parts: ArraySlice<(count: Int, step: Int)>) -> Int { parts.reduce(1) { $0 + ($1.count - 1) * $1.step } }
        var (value, start) = (value, start)
        let size = graph[value].shape[axis].size
        let before = max(0, -start)
        let after = max(0, start + span(parts[...]) - size)
        if before + after > 0 {
            var shape = graph[value].shape
            shape[axis].size += before + after
            value = add(
                .pad(value, axis: axis, before: before, after: after, mode: .edge), shape, graph[value].element, of: [value])
            start += before
        }
        guard parts.count > 1, let last = parts.last else {
            return slice(value, axis: axis, from: start, by: parts.first?.step ?? 1, count: parts.first?.count ?? 1)
        }
        value = slice(value, axis: axis, from: start, by: 1, count: span(parts[...]))
        for (k, part) in parts.dropLast().enumerated() {
            let width = span(parts[(k + 1)...])
            var shape = graph[value].shape
            let name = shape[axis + k].name
            shape.replaceSubrange(axis + k...axis + k, with: [Dim(name, part.count), Dim("\(name)'", width)])
            value = add(.window(value, axis: axis + k, stride: part.step), shape, graph[value].element, of: [value])
        }
        return slice(value, axis: axis + parts.count - 1, from: 0, by: last.step, count: last.count)
    }

    private mutating func slice(_ value: ValueID, axis: Int, from start: Int, by step: Int, count: Int) -> ValueID {
        var shape = graph[value].shape
        if start == 0, step == 1 || count == 1, shape[axis].size == count { return value }
        shape[axis].size = count
        return add(.slice(value, axis: axis, start: start, stride: step), shape, graph[value].element, of: [value])
    }

    private mutating func reshape(_ value: ValueID, to shape: Shape) -> ValueID {
        if graph[value].shape == shape { return value }
        return add(.reshape(value), shape, graph[value].element, of: [value])
    }

    /// An index as a number, at every index along `axes`.
    mutating func position(_ index: Affine, _ axes: [Axis]) throws(PlanRefusal) -> ValueID {
        let extents = scalars.extents
        let least = index.terms.reduce(index.offset) { $0 + min(0, $1.coefficient) * (extents[$1.variable] - 1) }
        let most = index.terms.reduce(index.offset) { $0 + max(0, $1.coefficient) * (extents[$1.variable] - 1) }
        return try viewed(counted(from: least, count: most - least + 1), at: [index + -least], over: axes, extents: extents)
    }

    /// The numbers from `first` on. Long rows are sums of two digits, so that the graph stays small.
    private mutating func counted(from first: Int, count: Int) -> ValueID {
        func row(_ numbers: [Int]) -> ValueID {
            let parts = numbers.map { constant(Double($0), [Axis(index: Affine(), dim: Dim("n", 1))], .int) }
            return parts.count == 1 ? parts[0] : add(.concat(parts, axis: 0), [Dim("n", parts.count)], .int, of: parts)
        }
        let width = 64
        guard count > width else { return row((0..<count).map { first + $0 }) }
        let rows = (count + width - 1) / width
        let shape = [Dim("m", rows), Dim("n", width)]
        let high = broadcast(counted(from: 0, count: rows), to: shape, from: [0, nil])
        let scale = constant(Double(width), shape.map { Axis(index: Affine(), dim: $0) }, .int)
        let low = broadcast(row((0..<width).map { first + $0 }), to: shape, from: [nil, 0])
        let whole = binary(.add, binary(.multiply, high, scale), low)
        return slice(reshape(whole, to: [Dim("n", rows * width)]), axis: 0, from: 0, by: 1, count: count)
    }
}
