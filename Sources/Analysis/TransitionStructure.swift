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
    /// The weight of what does not count.
    let zero: Double

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
        if let lowRank { return lowRank }
        if let finite = FiniteMemory(graph: graph, scalars: scalars, rows: rows, zero: zero) {
            return finite.isCopy(one) ? .delays(steps: finite.steps) : .nilpotent(steps: finite.steps)
        }
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

    /// A diagonal, or blocks over the states, and outer products; nil where some weight couples where from and where to.
    ///
    /// The rank is that of Σ u·wᵀ with as few different `u` or `w` as there are: products of several such maps stay low. Over
    /// several states one `w` stands for elements of one of them, and its `u` for elements of all, or the other way round.
    private var lowRank: Transition? {
        guard one == 1 else { return nil }
        struct Side: Hashable {
            var state: ValueID
            var factors: [Scalars.Factor]
        }
        var comparing = scalars
        var left: Set<Side> = []
        var right: Set<Side> = []
        var offsets: Set<[Int]> = []
        for row in rows {
            // The rows have index variables of their own: all are written in those of the first.
            var common: [Int: Affine] = [:]
            if rows.count > 1 {
                guard graph[row.state].shape.sizes == graph[rows[0].state].shape.sizes, row.index.map(\.terms.count) == rows[0].index.map(\.terms.count)
                else { return nil }
                for (own, first) in zip(row.index, rows[0].index) {
                    for (a, b) in zip(own.terms, first.terms) { common[a.variable] = .variable(b.variable) }
                }
            }
            func named(_ factor: Scalars.Factor, _ names: [Int: Affine]) -> Scalars.Factor {
                Scalars.Factor(scalar: comparing.renamed(factor.scalar, names), power: factor.power)
            }
            for term in row.form.terms {
                offsets.insert(term.slot.offsets)
                if term.index == row.index, term.bound.isEmpty { continue }
                guard term.index.count == row.index.count, !term.bound.isEmpty else { return nil }
                var to: UInt64 = 0
                var back: [Int: Affine] = [:]
                let from = term.bound.reduce(UInt64(0)) { $0 | Scalars.bit($1) }
                for (axis, other) in term.index.enumerated() where other != row.index[axis] {
                    // The other index must run freely.
                    guard Scalars.bits([other]) & ~from == 0, other.offset == 0 else { return nil }
                    to |= Scalars.bits([row.index[axis]])
                    for (a, b) in zip(other.terms, rows[0].index[axis].terms) { back[a.variable] = .variable(b.variable) }
                }
                for monomial in scalars.monomials(of: term.weight) {
                    var (lefts, rights): ([Scalars.Factor], [Scalars.Factor]) = ([], [])
                    for factor in monomial.factors {
                        let variables = scalars.variables(of: factor.scalar)
                        switch (variables & to != 0, variables & from != 0) {
                        case (true, true): return nil
                        case (true, false): lefts.append(named(factor, common))
                        case (false, true): rights.append(named(factor, back))
                        case (false, false): break
                        }
                    }
                    left.insert(Side(state: row.state, factors: lefts.sorted { ($0.scalar, $0.power) < ($1.scalar, $1.power) }))
                    right.insert(Side(state: term.slot.value, factors: rights.sorted { ($0.scalar, $0.power) < ($1.scalar, $1.power) }))
                }
            }
        }
        guard offsets.count == 1, !left.isEmpty else { return nil }
        let rank = min(left.count, right.count)
        guard rows.count > 1 else { return .lowRank(diagonal(of: rows[0]), rank: rank) }
        return .lowRankBlocks(size: rows.count, rank: rank, over: relation.keptAxes)
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
