import RecStream

/// Classifies one recurrence: the first kind in the order of usefulness that its step has the form of.
struct Classification {
    private let graph: StreamGraph
    private let scalars: Scalars
    private let traits: GraphTraits
    /// Each state after the step.
    private let nexts: [(state: ValueID, next: SymbolicStep.Next)]

    init(_ graph: StreamGraph, members: Set<ValueID>, states: [ValueID], traits: GraphTraits) {
        self.graph = graph
        self.traits = traits
        var step = SymbolicStep(graph, members: members, traits: traits)
        nexts = states.map { ($0, step.next($0)) }
        scalars = step.scalars
    }

    func complete(_ facts: inout RecurrenceFacts) {
        for semiring in Semiring.allCases where linear(semiring, &facts) { return }
        if fractional(&facts) { return }
        if logarithmic(&facts) { return }
        facts.kind = .nonlinear
        let relation = IndexRelation(
            graph: graph, extents: scalars.extents,
            targets: nexts.map { state, next in
                IndexRelation.Target(state: state, index: next.index, reads: reads(of: next.scalar))
            })
        facts.transition = relation.structure
        if relation.isElementwise { facts.notDiagonal = nil }
    }

    private func linear(_ semiring: Semiring, _ facts: inout RecurrenceFacts) -> Bool {
        var forms = LinearForms(scalars, over: semiring)
        var rows: [TransitionStructure.Row] = []
        for (state, next) in nexts {
            guard let form = try? forms.form(of: next.scalar) else { return false }
            rows.append(TransitionStructure.Row(state: state, index: next.index, form: form))
        }
        let structure = TransitionStructure(
            graph: graph, scalars: forms.scalars, rows: rows, one: semiring.one, zero: semiring.zero)
        facts.kind = semiring == .plusTimes ? .affine : .semiring(semiring)
        facts.transition = structure.transition
        if facts.kind == .affine { facts.notAffine = nil }
        if structure.relation.isElementwise { facts.notDiagonal = nil }
        facts.step = written(rows, forms.scalars, semiring)
        return true
    }

    /// The step, as an equation for each state. Adjoints have no equation in the source: of their slopes the tests are left out.
    private func written(_ rows: [TransitionStructure.Row], _ scalars: Scalars, _ semiring: Semiring) -> [String] {
        let declared = Set(graph.states.filter { $0.span != nil }.map(\.value))
        let areAdjoints = semiring == .plusTimes && rows.allSatisfy { row in
            !declared.contains(row.state) && graph.states.contains { $0.value == row.state }
        }
        var (rows, slopes) = (rows, SlopesAlone(scalars))
        if areAdjoints {
            for row in rows.indices {
                for term in rows[row].form.terms.indices { rows[row].form.terms[term].weight = slopes(rows[row].form.terms[term].weight) }
            }
        }
        let printer = ScalarPrinter(graph: graph, scalars: slopes.scalars, uniformity: traits.uniformity, writesSlopesAlone: areAdjoints)
        // What only hands a state on, for the values before the first step, says nothing.
        let told = rows.filter { if case .delay = graph[$0.state].operation { rows.count == 1 } else { true } }
        return told.map { StepWriter(printer: printer, semiring: semiring).write($0) }
    }

    /// Products of powers of states that begin positive, and so stay positive.
    private func logarithmic(_ facts: inout RecurrenceFacts) -> Bool {
        var forms = LogarithmicForms(scalars)
        var rows: [TransitionStructure.Row] = []
        for (state, next) in nexts {
            guard beginsPositive(state), let form = try? forms.form(of: next.scalar) else { return false }
            rows.append(TransitionStructure.Row(state: state, index: next.index, form: form))
        }
        facts.kind = .affineInLogarithm
        facts.transition = TransitionStructure(graph: graph, scalars: forms.scalars, rows: rows, one: 1, zero: 0).transition
        if facts.transition.isElementwise { facts.notDiagonal = nil }
        return true
    }

    /// Whether every value that stands before the first step is a positive constant.
    private func beginsPositive(_ state: ValueID) -> Bool {
        graph.values.allSatisfy { value in
            guard case .delay(state, _, let initial) = value.operation else { return true }
            guard var at = initial else { return false }
            while true {
                switch graph[at].operation {
                case .constant(.real(let number)): return number > 0
                case .broadcast(let a, _), .rename(let a): at = a
                case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .reshape, .slice, .concat, .pad,
                    .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                    return false
                }
            }
        }
    }

    /// A single state whose elements follow from themselves by a fraction.
    private func fractional(_ facts: inout RecurrenceFacts) -> Bool {
        guard nexts.count == 1, let (state, next) = nexts.first else { return false }
        let reads = reads(of: next.scalar)
        guard reads.count == 1, let read = reads.first, read.index == next.index else { return false }
        var scalars = scalars
        let element = scalars.intern(.state(read.slot, read.index))
        var forms = FractionalForms(scalars, in: element)
        guard let form = forms.form(of: next.scalar) else { return false }
        let bits = [form.a, form.b, form.c, form.d].reduce(UInt64(0)) { $0 | forms.scalars.variables(of: $1) }
        let shape = graph[state].shape
        let axes = shape.indices.filter { bits & Scalars.bits([next.index[$0]]) != 0 }.map { shape[$0].name }
        facts.kind = .fractionalLinear
        facts.transition = .diagonal(axes.isEmpty ? .scalar : .axes(axes))
        facts.notDiagonal = nil
        let writer = StepWriter(printer: ScalarPrinter(graph: graph, scalars: forms.scalars, uniformity: traits.uniformity), semiring: .plusTimes)
        facts.step = [writer.write(form, state: state, slot: read.slot)]
        return true
    }

    /// The state elements that a scalar depends on; values that were not followed count as reading everything.
    private func reads(of id: Scalars.ID) -> [IndexRelation.Read] {
        var seen: Set<Scalars.ID> = []
        var found: Set<IndexRelation.Read> = []
        var stack = [id]
        while let id = stack.popLast() {
            guard !scalars.isKnown(id), seen.insert(id).inserted else { continue }
            switch scalars.nodes[id] {
            case .number, .known, .index: break
            case .state(let slot, let index): found.insert(IndexRelation.Read(slot: slot, index: index))
            case .opaque:
                for (state, _) in nexts {
                    // A variable of its own for each axis: any element.
                    let index = graph[state].shape.indices.map { Affine(terms: [Affine.Term(variable: 0, coefficient: $0 + 2)]) }
                    let offsets = [Int](repeating: -1, count: graph.axes.count)
                    found.insert(IndexRelation.Read(slot: Scalars.Slot(value: state, offsets: offsets), index: index))
                }
            case .polynomial(let monomials): stack += monomials.flatMap { $0.factors.map(\.scalar) }
            case .unary(_, let a), .reduce(_, let a, _): stack.append(a)
            case .binary(_, let a, let b): stack += [a, b]
            case .select(let c, let a, let b): stack += [c, a, b]
            }
        }
        return Array(found)
    }
}
