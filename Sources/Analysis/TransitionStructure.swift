import RecStream

/// Names the structure of a linear step.
struct TransitionStructure {
    /// A state after the step, with its linear form.
    struct Row {
        var state: ValueID
        var index: [Affine]
        var form: LinearForm
    }

    let graph: StreamGraph
    let scalars: Scalars
    let rows: [Row]
    /// The weight that changes nothing: 1 for `×`, 0 for `+`.
    let one: Double

    var relation: IndexRelation {
        IndexRelation(
            graph: graph, extents: scalars.extents,
            targets: rows.map { row in
                IndexRelation.Target(
                    state: row.state, index: row.index,
                    reads: row.form.terms.map { IndexRelation.Read(slot: $0.slot, index: $0.index) })
            })
    }

    var transition: Transition {
        let relation = relation
        let slots = Set(rows.flatMap { $0.form.terms.map(\.slot) })
        if relation.isElementwise {
            if rows.count == 1, Set(slots.map(\.offsets)).count <= 1 || graph.axes.count > 1 {
                return .diagonal(diagonal(of: rows[0]))
            }
            if rows.count == 1 { return .companion(order: slots.map { $0.offsets.map(abs).max() ?? 1 }.max() ?? 1) }
            if rows.count == 2, isRotation { return isSplitComplex ? .complexDiagonal : .rotation }
            return .blocks(size: rows.count)
        }
        if rows.count == 1, let lowRank = lowRank(rows[0]) { return lowRank }
        switch relation.structure {
        case .blocksOver(let axes):
            // The same matrix for every element along these axes is one dense matrix.
            let varying = axes.filter { name in rows.contains { row in varies(row, along: name) } }
            return varying.isEmpty ? .dense : .blocksOver(varying)
        case let other: return other
        }
    }

    private func varies(_ row: Row, along name: String) -> Bool {
        guard let axis = graph[row.state].shape.firstIndex(where: { $0.name == name }) else { return false }
        let bits = Scalars.bits([row.index[axis]])
        return row.form.terms.contains { scalars.variables(of: $0.weight) & bits != 0 }
    }

    /// Along which axes the factor of a state by itself varies.
    private func diagonal(of row: Row) -> Transition.Diagonal {
        let own = row.form.terms.filter { $0.index == row.index && $0.bound.isEmpty }
        guard let first = own.first else { return .zero }
        if own.count == 1, scalars.isNumber(first.weight, one) { return .identity }
        let bits = own.reduce(UInt64(0)) { $0 | scalars.variables(of: $1.weight) }
        let shape = graph[row.state].shape
        let axes = shape.indices.filter { bits & Scalars.bits([row.index[$0]]) != 0 }.map { shape[$0].name }
        return axes.isEmpty ? .scalar : .axes(axes)
    }

    /// A diagonal and outer products; nil where some weight couples where from and where to.
    ///
    /// The rank is that of Σ u·wᵀ with as few different `u` or `w` as there are: products of several such maps stay low.
    private func lowRank(_ row: Row) -> Transition? {
        guard one == 1 else { return nil }
        var comparing = scalars
        var left: Set<[Scalars.Factor]> = []
        var right: Set<[Scalars.Factor]> = []
        var slots: Set<Scalars.Slot> = []
        for term in row.form.terms {
            slots.insert(term.slot)
            if term.index == row.index { continue }
            guard term.index.count == row.index.count, !term.bound.isEmpty else { return nil }
            var to: UInt64 = 0
            var back: [Int: Affine] = [:]
            let from = term.bound.reduce(UInt64(0)) { $0 | Scalars.bit($1) }
            for (other, own) in zip(term.index, row.index) where other != own {
                // The other index must run freely.
                guard Scalars.bits([other]) & ~from == 0, other.offset == 0 else { return nil }
                to |= Scalars.bits([own])
                for (a, b) in zip(other.terms, own.terms) { back[a.variable] = .variable(b.variable) }
            }
            for monomial in scalars.monomials(of: term.weight) {
                var (lefts, rights): ([Scalars.Factor], [Scalars.Factor]) = ([], [])
                for factor in monomial.factors {
                    let variables = scalars.variables(of: factor.scalar)
                    switch (variables & to != 0, variables & from != 0) {
                    case (true, true): return nil
                    case (true, false): lefts.append(factor)
                    case (false, true):
                        // In the names of the row's own variables, so that equal factors are seen as equal.
                        rights.append(Scalars.Factor(scalar: comparing.renamed(factor.scalar, back), power: factor.power))
                    case (false, false): break
                    }
                }
                left.insert(lefts)
                right.insert(rights.sorted { ($0.scalar, $0.power) < ($1.scalar, $1.power) })
            }
        }
        guard slots.count == 1, !left.isEmpty else { return nil }
        return .lowRank(diagonal(of: row), rank: min(left.count, right.count))
    }

    /// `x' = c·x − s·y`, `y' = s·x + c·y`, in either sign of `s`.
    private var isRotation: Bool {
        func weight(_ row: Row, of state: ValueID) -> Scalars.ID? {
            let terms = row.form.terms.filter { $0.slot.value == state }
            return terms.count == 1 ? terms[0].weight : nil
        }
        let (x, y) = (rows[0], rows[1])
        guard let xx = weight(x, of: x.state), let xy = weight(x, of: y.state), let yx = weight(y, of: x.state),
            let yy = weight(y, of: y.state)
        else { return false }
        // The two rows have index variables of their own.
        var comparing = scalars
        var renaming: [Int: Affine] = [:]
        for (from, to) in zip(y.index, x.index) { for (a, b) in zip(from.terms, to.terms) { renaming[a.variable] = .variable(b.variable) } }
        let (c, s) = (comparing.renamed(yy, renaming), comparing.renamed(yx, renaming))
        return c == xx && comparing.scale(s, by: -1) == xy
    }

    /// Whether the two states are the parts of one complex state of the program.
    private var isSplitComplex: Bool {
        guard let re = graph[rows[0].state].name, let im = graph[rows[1].state].name else { return false }
        let names = [re, im].sorted()
        return names[0].hasSuffix(".im") && names[1].hasSuffix(".re") && names[0].dropLast(3) == names[1].dropLast(3)
    }
}
