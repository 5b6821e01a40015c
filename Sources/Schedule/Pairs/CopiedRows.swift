/// Copies of a chunk's rows, and of memory, that nothing needs.
struct CopiedRows {
    let schedule: Schedule
    /// Whether memory is the schedule's own, and one nest writes it.
    let isWrittenOnce: (Schedule.BufferID) -> Bool

    /// Reads what is a copy where it is copied from: memory of the schedule's own in the same places, rows of streams that one nest reads once,
    /// and those that products take from the left, number by number.
    func replaced(in leaves: [Schedule.Leaf]) -> [Schedule.Leaf] {
        var result = leaves
        for (k, leaf) in leaves.enumerated() {
            guard case .nest(let nest) = result[k], nest.reduction == nil, nest.condition == .always, nest.stepLoop == nil, !nest.isChecked,
                isWrittenOnce(leaf.written), case .load(let source) = nest.nodes[nest.result], source.slot == .none
            else { continue }
            let readers = result.indices.filter { result[$0].read.contains(leaf.written) }
            if source.step == nil, isWrittenOnce(source.buffer), Set(source.terms) == Set(nest.target.terms) {
                for reader in readers { result[reader] = result[reader].reading(source.buffer, for: leaf.written) }
            } else if source.step != nil, readers.count == 1, case .nest(let user) = result[readers[0]],
                user.extents.reduce(1, *) <= nest.extents.reduce(1, *), let moved = user.reading(source, for: nest) {
                result[readers[0]] = .nest(moved)
            } else if source.step != nil, !schedule.isReversed {
                let moved = readers.map { reader -> Schedule.Leaf? in
                    if case .matmul(let product) = result[reader] { product.reading(source, for: nest, rows: schedule[source.buffer].count).map { .matmul($0) } } else { nil }
                }
                guard !moved.contains(nil) else { continue }
                for (reader, leaf) in zip(readers, moved) { if let leaf { result[reader] = leaf } }
            }
        }
        return result
    }
}

extension Schedule.Leaf {
    /// The same with another buffer that it reads.
    fileprivate func reading(_ buffer: Schedule.BufferID, for other: Schedule.BufferID) -> Schedule.Leaf {
        func moved(_ node: Schedule.Node) -> Schedule.Node {
            guard case .load(var view) = node, view.buffer == other else { return node }
            view.buffer = buffer
            return .load(view)
        }
        switch self {
        case .nest(var nest):
            nest.nodes = nest.nodes.map(moved)
            return .nest(nest)
        case .running(var running):
            running.nodes = running.nodes.map(moved)
            return .running(running)
        case .matmul(var product):
            if product.left == other { product.left = buffer }
            if product.right == other { product.right = buffer }
            return .matmul(product)
        case .solve(var system):
            if system.matrix == other { system.matrix = buffer }
            if system.right == other { system.right = buffer }
            return .solve(system)
        }
    }
}

extension Schedule.Nest {
    /// A view without terms that have one place.
    fileprivate func withoutSinglePlaces(_ view: Schedule.View) -> Schedule.View {
        var result = view
        result.terms.removeAll { term in term.index.variable.map { $0 >= 0 && extents[$0] == 1 && term.index == Schedule.Index(variable: $0) } ?? false }
        return result
    }

    /// The nest with a view of a stream in place of its copy; nil where places of the copy do not tell those of the stream.
    ///
    /// - Parameters:
    ///   - source: what is copied, in the loops of the copying nest.
    ///   - copying: the nest that copies it.
    fileprivate func reading(_ source: Schedule.View, for copying: Schedule.Nest) -> Schedule.Nest? {
        var result = self
        let (source, copy) = (copying.withoutSinglePlaces(source), copying.withoutSinglePlaces(copying.target))
        for (k, node) in nodes.enumerated() {
            guard case .load(let view) = node, view.buffer == copy.buffer else { continue }
            // By the stride of a dim: the index of the reader in place of the loop of the copy.
            var indices: [Int: Schedule.Index] = [:]
            guard Set(view.terms.map(\.stride)).count == view.terms.count, view.terms.count == copy.terms.count else { return nil }
            for term in copy.terms {
                guard let own = view.terms.first(where: { $0.stride == term.stride }), term.index == Schedule.Index(variable: term.index.variable) else { return nil }
                if let variable = term.index.variable { indices[variable] = own.index }
            }
            func moved(_ index: Schedule.Index) -> Schedule.Index? {
                guard let variable = index.variable, variable >= 0 else { return index }
                guard index == Schedule.Index(variable: variable) else { return nil }
                return indices[variable]
            }
            var made = source
            for (place, term) in source.terms.enumerated() {
                guard let index = moved(term.index) else { return nil }
                made.terms[place].index = index
            }
            guard let step = source.step.flatMap(moved) else { return nil }
            made.step = step
            result.nodes[k] = .load(made)
        }
        return result
    }
}

extension Schedule.Nest {
    /// Places of a stream so far apart share the sets of a processor's first-level cache, so that there is room for few of them: 1 kB of single
    /// precision.
    private static let sharedSets = 256

    /// Whether rows of a stream that lie so far apart are well read where they are: one behind the other, or where caches keep them apart.
    fileprivate func hasRows(apart distance: Int, in source: Schedule.View) -> Bool {
        guard let loop = source.step?.variable, extents.indices.contains(loop), extents[loop] > 1 else { return true }
        return distance % Self.sharedSets != 0 || distance * extents[loop] == extents.reduce(1, *)
    }
}

extension Schedule.Matmul {
    /// The product with the rows of a stream as its left factor in place of their copy; nil where that is no left factor, or their places do not
    /// tell those of the stream.
    ///
    /// - Parameter rows: the distance between rows of the stream.
    fileprivate func reading(_ source: Schedule.View, for copying: Schedule.Nest, rows distance: Int) -> Schedule.Matmul? {
        guard left == copying.target.buffer, right != left, copying.hasRows(apart: distance, in: source) else { return nil }
        let (source, copy) = (copying.withoutSinglePlaces(source), copying.withoutSinglePlaces(copying.target))
        var strides: [Int: Int] = [0: 0]
        for term in copy.terms {
            guard let variable = term.index.variable, variable >= 0, term.index == Schedule.Index(variable: variable), strides[term.stride] == nil else { return nil }
            if source.step == term.index { strides[term.stride] = distance } else {
                let own = source.terms.filter { $0.index.variable == variable }
                guard own.count == 1, own[0].index == term.index else { return nil }
                strides[term.stride] = own[0].stride
            }
        }
        // Nothing but what the copy has.
        guard source.terms.allSatisfy({ term in (term.index.variable ?? -1) < 0 ? term.index.variable == nil && term.index.offset == 0 : true }) else { return nil }
        var result = self
        result.left = source.buffer
        result.leftSlot = .none
        func move(_ loops: inout [Loop]) -> Bool {
            for k in loops.indices where loops[k].extent > 1 {
                guard let stride = strides[loops[k].left] else { return false }
                loops[k].left = stride
            }
            return true
        }
        guard move(&result.blocks), move(&result.rows), move(&result.columns), move(&result.sums) else { return nil }
        return result
    }
}
