import RecStream

/// Which dims of the values of a traversal are one and the same loop, and which of those loops have turns that have nothing to do with
/// each other.
struct DimClasses {
    /// A dim of a value; values at every step have the steps of the chunk as their first dim.
    private struct Slot: Hashable {
        var value: ValueID
        var axis: Int
    }

    private let forms: ChunkShapes
    private var parents: [Slot: Slot] = [:]
    private var blocked: Set<Slot> = []
    private var shared: Set<Slot> = []

    init(_ values: [ValueID], carriers: [ValueID: ValueID], _ forms: ChunkShapes) {
        self.forms = forms
        for id in values { visit(id, carriers) }
    }

    private mutating func root(_ slot: Slot) -> Slot {
        var slot = slot
        while let parent = parents[slot], parent != slot { slot = parent }
        return slot
    }

    private mutating func join(_ a: Slot, _ b: Slot) {
        let (x, y) = (root(a), root(b))
        guard x != y else { return }
        parents[x] = y
        if blocked.contains(x) { blocked.insert(y) }
        if shared.contains(x) { shared.insert(y) }
    }

    /// Keeps the first dim of values, the steps of a block, from being a loop of turns.
    mutating func keepTogether(firstDimOf ids: [ValueID]) { for id in ids { block(id, 0) } }

    private mutating func block(_ id: ValueID, _ axis: Int) { blocked.insert(root(Slot(value: id, axis: axis))) }

    /// Lines up the dims of two values behind their steps, from the first on.
    private mutating func joinAll(_ a: ValueID, _ b: ValueID) {
        // One number everywhere has dims of its own at each place where it is used.
        guard !forms.isUniform(b) else { return }
        let (x, y) = (forms.lead(a), forms.lead(b))
        for k in forms.graph[a].shape.indices where k < forms.graph[b].shape.count {
            join(Slot(value: a, axis: k + x), Slot(value: b, axis: k + y))
        }
    }

    private mutating func visit(_ id: ValueID, _ carriers: [ValueID: ValueID]) {
        let graph = forms.graph
        let lead = forms.lead(id)
        if lead == 1 { block(id, 0) }
        switch graph[id].operation {
        case .input, .parameter, .constant, .window, .gather, .scatter, .overBatch, .along, .distance: break
        case .unary, .binary, .select, .rename, .overTime:
            for operand in graph[id].operation.operands { joinAll(id, operand) }
        case .delay(let a, _, let initial):
            joinAll(id, carriers[id] ?? a)
            if let initial { joinAll(id, initial) }
        case .broadcast(let a, let from):
            guard !forms.isUniform(a) else { break }
            for (axis, source) in from.enumerated() {
                if let source { join(Slot(value: id, axis: axis + lead), Slot(value: a, axis: source + forms.lead(a))) }
            }
        case .contract(let c):
            var known: [Int: Slot] = [:]
            for (axis, label) in c.resultLabels.enumerated() { known[label] = Slot(value: id, axis: axis + lead) }
            for (operand, labels) in [(c.left, c.leftLabels), (c.right, c.rightLabels)] {
                for (axis, label) in labels.enumerated() {
                    let slot = Slot(value: operand, axis: axis + forms.lead(operand))
                    if let other = known[label] { join(other, slot) } else { known[label] = slot }
                }
            }
            for (label, slot) in known {
                if !c.resultLabels.contains(label) { blocked.insert(root(slot)) } else if c.leftLabels.contains(label), c.rightLabels.contains(label) {
                    shared.insert(root(slot))
                }
            }
        case .reduce(_, let a, let axes):
            var position = lead
            for axis in graph[a].shape.indices {
                if axes.contains(axis) { block(a, axis + forms.lead(a)) } else {
                    join(Slot(value: id, axis: position), Slot(value: a, axis: axis + forms.lead(a)))
                    position += 1
                }
            }
        case .slice(let a, let axis, _, _), .pad(let a, let axis, _, _, _):
            alongOthers(id, [a], than: axis)
        case .concat(let parts, let axis): alongOthers(id, parts, than: axis)
        case .runningAffine(let a, let b, let axis, _):
            joinAll(id, a)
            joinAll(id, b)
            block(id, axis + lead)
        case .chunks(let a, _, _):
            // The steps are a dim of the result.
            block(id, 0)
            for axis in graph[a].shape.indices { join(Slot(value: id, axis: axis + 1), Slot(value: a, axis: axis + forms.lead(a))) }
        case .steps(let a, _):
            block(a, 0)
            for axis in graph[id].shape.indices { join(Slot(value: id, axis: axis + lead), Slot(value: a, axis: axis + 1)) }
        case .solve(let matrix, let right, _):
            joinAll(id, right)
            let rank = graph[matrix].shape.count
            for axis in 0..<rank - 2 { join(Slot(value: matrix, axis: axis), Slot(value: right, axis: axis)) }
            block(matrix, rank - 2)
            block(matrix, rank - 1)
            block(right, rank - 2)
        case .reshape(let a): reshape(a, to: id)
        }
    }

    private mutating func alongOthers(_ id: ValueID, _ operands: [ValueID], than axis: Int) {
        for operand in operands {
            for k in forms.graph[id].shape.indices where k != axis {
                join(Slot(value: id, axis: k + forms.lead(id)), Slot(value: operand, axis: k + forms.lead(operand)))
            }
            block(operand, axis + forms.lead(operand))
        }
        block(id, axis + forms.lead(id))
    }

    /// Dims before and behind which both shapes have as many elements are the same; the others are cut or put together.
    private mutating func reshape(_ a: ValueID, to id: ValueID) {
        let (old, new) = (forms.graph[a].shape, forms.graph[id].shape)
        let (before, after) = (old.strides, new.strides)
        var found: Set<Int> = []
        var kept: Set<Int> = []
        for (k, dim) in new.enumerated() where dim.size > 1 {
            guard let j = old.indices.first(where: { old[$0].size == dim.size && before[$0] == after[k] }) else { continue }
            join(Slot(value: id, axis: k + forms.lead(id)), Slot(value: a, axis: j + forms.lead(a)))
            found.insert(j)
            kept.insert(k)
        }
        for k in new.indices where !kept.contains(k) { block(id, k + forms.lead(id)) }
        for j in old.indices where !found.contains(j) { block(a, j + forms.lead(a)) }
    }

    /// What may be computed several times so that turns have nothing to do with each other, as a multiple of the work.
    private static let mostRepetition = 1.5

    /// Operations of a value in a chunk, about.
    private func operations(of id: ValueID) -> Int {
        let shape = forms.shape(id)
        switch forms.graph[id].operation {
        case .contract(let c):
            var sizes: [Int: Int] = [:]
            for (operand, labels) in [(c.left, c.leftLabels), (c.right, c.rightLabels)] {
                for (label, dim) in zip(labels, forms.graph[operand].shape) { sizes[label] = dim.size }
            }
            return (forms.lead(id) == 1 ? forms.count : 1) * sizes.values.reduce(1, *)
        case .reduce(_, let a, _): return forms.shape(a).elementCount
        case .solve(let matrix, _, _): return shape.elementCount * (forms.graph[matrix].shape.last?.size ?? 1)
        case .unary, .binary, .select, .runningAffine: return shape.elementCount
        case .input, .parameter, .constant, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window, .gather, .scatter, .delay, .overTime,
            .overBatch, .along, .distance, .chunks, .steps:
            return 0
        }
    }

    /// The loops that may be shared: dims that every root has, that lie beside the products, along which nothing is joined, and which
    /// hardly anything lacks. For each value, at its dims, which of them it is.
    mutating func parallel(_ values: [ValueID], roots: [ValueID]) -> (dims: [Dim], positions: [ValueID: [Int?]]) {
        var candidates: [Slot] = []
        for slot in shared.map({ root($0) }) where !blocked.contains(slot) && !candidates.contains(slot) { candidates.append(slot) }
        candidates.sort { ($0.value, $0.axis) < ($1.value, $1.axis) }
        var chosen: [(slot: Slot, dim: Dim)] = []
        var operations = values.map { Double(self.operations(of: $0)) }
        for candidate in candidates {
            let size = forms.shape(candidate.value)[candidate.axis].size
            guard size > 1, roots.allSatisfy({ id in forms.shape(id).indices.contains { root(Slot(value: id, axis: $0)) == candidate } }),
                // One and the same loop twice in a value is no loop of its own.
                values.allSatisfy({ id in forms.shape(id).indices.count { root(Slot(value: id, axis: $0)) == candidate } <= 1 })
            else { continue }
            // What does not have the dim is computed again in each turn.
            var again = operations
            for (k, id) in values.enumerated() where !forms.shape(id).indices.contains(where: { root(Slot(value: id, axis: $0)) == candidate }) {
                again[k] *= Double(size)
            }
            guard again.reduce(0, +) <= Self.mostRepetition * operations.reduce(0, +) else { continue }
            operations = again
            chosen.append((candidate, forms.shape(candidate.value)[candidate.axis]))
        }
        var positions: [ValueID: [Int?]] = [:]
        for id in values {
            positions[id] = forms.shape(id).indices.map { axis in
                let own = root(Slot(value: id, axis: axis))
                return chosen.firstIndex { $0.slot == own }
            }
        }
        return (chosen.map(\.dim), positions)
    }
}

/// The dims of values in a traversal of chunks: what varies over steps has those of the chunk first.
struct ChunkShapes {
    let graph: StreamGraph
    let count: Int

    /// Whether a value is one number of the source, whatever its dims.
    func isUniform(_ id: ValueID) -> Bool { number(id) != nil }

    /// The number that stands everywhere.
    func number(_ id: ValueID) -> Double? {
        switch graph[id].operation {
        case .constant(.real(let number)): number
        case .constant(.bool(let bool)): bool ? 1 : 0
        case .constant(.int(let int)): Double(int)
        case .unary(.toReal, let a): number(a)
        case .broadcast(let a, _), .rename(let a), .reshape(let a): number(a)
        case .constant, .input, .parameter, .unary, .binary, .select, .contract, .reduce, .slice, .concat, .pad, .window, .gather, .scatter,
            .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            nil
        }
    }

    /// How many dims stand before the value's own.
    func lead(_ id: ValueID) -> Int { graph[id].variance.varies(over: 0) ? 1 : 0 }

    func shape(_ id: ValueID) -> Shape { (lead(id) == 1 ? [Dim("step", count)] : []) + graph[id].shape }
}
