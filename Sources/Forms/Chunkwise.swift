import RecSource
import RecStream

extension StreamGraph {
    /// The same graph in which a recurrence runs chunk by chunk: what happens between the steps of a chunk is products of
    /// matrices, and only the state between chunks goes from one to the next.
    ///
    /// The step must be `S = gate · S[t-1] + Σ left ⊗ row`, where rows are linear in what is read of the state, and the state must be
    /// read by sums over the same dims. Several states of the same dims may make one recurrence: the gates are then small matrices. Gates may be 0, negative or complex in effect: products of gates are formed step by step,
    /// without logarithms and divisions. A row that depends on the state (an erase) makes a system with a unit lower triangle.
    ///
    /// Yang et al., "Parallelizing linear transformers with the delta rule over sequence length", arXiv:2406.06484, section 3; for
    /// decays by key Yang et al., "Gated linear attention transformers with hardware-efficient training", arXiv:2312.06635, section 4.
    ///
    /// - Parameters:
    ///   - members: the values of the recurrence.
    ///   - count: the steps of a chunk, 1 or more.
    ///   - readers: those of this graph, where they are known.
    /// - Throws: why there is no such form, and where.
    package func chunkwise(_ members: [ValueID], by count: Int, _ readers: StateReaders? = nil) throws(FormRefusal) -> StreamGraph {
        let readers = readers ?? StateReaders(self)
        let read = try readBack(members, readers)
        let (graph, axis) = addingChunks(of: count, isReversed: read.offset > 0)
        let analysis = try StepAnalysis(graph, members: Set(members), states: read.states, delays: read.delays, summing: read.axes, readers)
        var form = try ChunkwiseForm(analysis, graph, axis: axis, states: read.states)
        return form.run()
    }

    /// Throws why a recurrence has no such form, and where.
    package func checkChunkwise(_ members: [ValueID], _ readers: StateReaders) throws(FormRefusal) {
        let read = try readBack(members, readers)
        _ = try StepAnalysis(self, members: Set(members), states: read.states, delays: read.delays, summing: read.axes, readers).next()
    }

    /// More states in one recurrence than this are not taken together: the gates between steps grow with the square.
    private static var mostStates: Int { 4 }

    /// How states are read one step back: by how much, by which delays, and the axes of them that all who read them sum over.
    private struct ReadBack {
        var states: [ValueID]
        var offset: Int
        /// By state.
        var delays: [[ValueID]]
        var axes: Set<Int>
    }

    private func readBack(_ members: [ValueID], _ readers: StateReaders) throws(FormRefusal) -> ReadBack {
        let set = Set(members)
        var states: [ValueID] = []
        var offsets: Set<Int> = []
        for member in members {
            guard case .delay(let operand, let moved, _) = self[member].operation, set.contains(operand) else { continue }
            if !states.contains(operand) { states.append(operand) }
            offsets.insert(moved[0])
        }
        states.sort()
        guard let state = states.first else { throw FormRefusal(reason: "nothing is carried from step to step", span: nil) }
        func name(_ id: ValueID) -> String { self[id].name.map { "'\(Self.wholeName($0))'" } ?? "a state" }
        func refuse(_ reason: String, _ id: ValueID) -> FormRefusal { FormRefusal(reason: reason, span: self[id].span) }
        guard dataAxes.count == 1 else { throw refuse("the model runs over several axes", state) }
        for id in states where self[id].element != .real { throw refuse("\(name(id)) is \(self[id].element.rawValue)", id) }
        guard !folds.contains(where: { !set.isDisjoint(with: $0.states) }) else { throw refuse("\(name(state)) is a fold", state) }
        guard states.count <= Self.mostStates else { throw refuse("the recurrence carries \(states.count) states", state) }
        for id in states where self[id].shape != self[state].shape {
            throw refuse("the recurrence carries \(name(state)) as well as \(name(id)), which has other dims", id)
        }
        guard offsets.count == 1, let offset = offsets.first, abs(offset) == 1 else {
            throw refuse("\(name(state)) looks back several steps", state)
        }
        let delays = states.map { state in readers.readers(of: state).filter { self[$0].operation.reads(state, offset) } }
        return ReadBack(states: states, offset: offset, delays: delays, axes: try summedAxes(of: states, delays: delays, readers))
    }

    /// With an axis of chunks of the first one, which may be there already.
    private func addingChunks(of count: Int, isReversed: Bool) -> (StreamGraph, Int) {
        let chunks = StreamAxis.Chunks(of: 0, count: count, isReversed: isReversed)
        if let known = axes.firstIndex(where: { $0.chunks == chunks }) { return (self, known) }
        var result = self
        result.axes.append(StreamAxis(name: "\(axes[0].name)/\(count)\(isReversed ? " reversed" : "")", chunks: chunks))
        for id in ids {
            guard case .delay(let operand, let offsets, let initial) = self[id].operation else { continue }
            result[id].operation = .delay(operand, offsets: offsets + [0], initial: initial)
        }
        return (result, axes.count)
    }
}

/// The work of writing one recurrence chunk by chunk.
private struct ChunkwiseForm {
    private let graph: StreamGraph
    private let analysis: StepAnalysis
    private let states: [ValueID]
    /// Of each state after the step.
    private let matrices: [StepMatrix]
    private let initials: [ValueID?]
    private let axis: Int
    private var b: LabelledBuilder
    /// The step of a chunk that reads, and the one that has written.
    private let step: Int
    private let other: Int
    private let gates: GateProducts
    private let kept: [Int]
    private var products: MaskedProducts
    /// The rows of the writes, by step.
    private var rows: [Labelled?]
    /// The writes that the next state or a result has a part of; the analysis may have met others.
    private let needed: Set<Int>

    init(_ analysis: StepAnalysis, _ graph: StreamGraph, axis: Int, states: [ValueID]) throws(FormRefusal) {
        self.analysis = analysis
        self.graph = graph
        self.axis = axis
        self.states = states
        let next = try analysis.next()
        (matrices, initials) = (next.map(\.matrix), next.map(\.initial))
        var b = analysis.b
        b.builder.span = graph[states[0]].span
        let count = graph.axes[axis].chunks?.count ?? 1
        let step = b.newLabel(Dim("step", count))
        other = b.newLabel(Dim("other", count))
        let gates = GateMatrix(
            entries: matrices.enumerated().map { row, matrix in
                states.indices.map { column in
                    let gate = matrix.gates[column]
                    if row == column, gate != nil, gate?.factor == nil { return gate }
                    guard gate != nil || row == column else { return nil }
                    // Behind the end of a sequence a state stays what it is.
                    let factor = gate.map { $0.factor ?? b.number(1) } ?? b.number(0)
                    return Gate(factor: b.chunks(factor, axis, step, fill: row == column ? 1 : 0))
                }
            })
        self.gates = GateProducts(gates: gates, step: step)
        self.step = step
        self.b = b
        kept = analysis.stateLabels.filter { !analysis.summed.contains($0) }
        products = MaskedProducts(gates: self.gates, other: other, summed: analysis.summed)
        rows = analysis.writes.map { _ in nil }
        var needed: Set<Int> = []
        var rest = matrices.flatMap { $0.writes.map(\.write) }
        for id in analysis.given { if case .row(let row) = analysis.values[id] { rest += row.terms.map(\.write) } }
        while let write = rest.popLast() {
            guard needed.insert(write).inserted else { continue }
            rest += analysis.writes[write].terms.map(\.write)
        }
        self.needed = needed
    }

    mutating func run() -> StreamGraph {
        var starts: [Labelled] = []
        for (state, initial) in zip(states, initials) {
            var type = graph[state].type
            type.variance = Variance(batch: true, axes: 1 << UInt8(axis))
            let before = b.builder.delay(ofLater: type, graph.axes.indices.map { $0 == axis ? -1 : 0 }, from: initial)
            starts.append(Labelled(id: before, labels: analysis.stateLabels))
        }
        solve(from: starts)
        for id in analysis.given {
            guard case .row(let row) = analysis.values[id] else { continue }
            b.builder.span = graph[id].span
            give(row, from: starts, to: id)
        }
        var ends: [ValueID: ValueID] = [:]
        for (k, state) in states.enumerated() {
            b.builder.span = graph[state].span
            let end = lastState(k, from: starts)
            b.builder.name(end, graph[state].name ?? "state")
            ends[state] = end
        }
        for (state, start) in zip(states, starts) { if let end = ends[state] { b.builder.close(start.id, with: end) } }
        var result = b.builder.graph
        for k in result.states.indices { if let end = ends[result.states[k].value] { result.states[k].value = end } }
        return result.ordered()
    }

    // MARK: Reads

    /// What stands at every step by state, as what stands in every chunk.
    private mutating func chunks(_ factors: [Int: Labelled]) -> [Int: Labelled] {
        factors.sortedMap { b.chunks($0, axis, step, fill: 0) }
    }

    /// Σ over the summed dims of a row's queries and the states that each step reads, as far as that comes from the chunk's begin.
    private mutating func read(_ row: StepRow, from starts: [Labelled]) -> Labelled? {
        guard !row.queries.isEmpty else { return nil }
        let queries = chunks(row.queries).mapValues { Gate(factor: $0) }
        let decayed = b.weighted(queries, by: gates.before(&b))
        let result = [step] + row.labels
        var total: Labelled?
        for (state, query) in decayed.sorted(by: { $0.key < $1.key }) {
            guard let query = query.factor else { continue }
            // A dim of the gates that stays is one of the state as well.
            let labels = result + query.labels.filter { !result.contains($0) && !analysis.summed.contains($0) }
            let part = b.contract(query, starts[state], to: labels)
            total = b.sum(total, part)
        }
        return total
    }

    /// By state, what a write is multiplied by in it.
    private mutating func leftFactors(_ write: Int) -> [Int: Labelled] {
        var result: [Int: Labelled] = [:]
        for (state, matrix) in matrices.enumerated() {
            if let found = matrix.writes.first(where: { $0.write == write }) { result[state] = found.left ?? b.number(1) }
        }
        return result
    }

    /// What a row takes from the rows of a write at earlier steps of the chunk, `[step, other, …]`, and at its own.
    private mutating func coefficients(_ row: StepRow, _ write: Int) -> Labelled? {
        var result: Labelled?
        let left = leftFactors(write)
        if !row.queries.isEmpty, !left.isEmpty {
            let readers = chunks(row.queries)
            result = products.product(readers, chunks(left), &b)
        }
        if let term = row.terms.first(where: { $0.write == write }) {
            let own = b.chunks(term.coefficient ?? b.number(1), axis, step, fill: 0)
            let (i, j, zero) = (b.places(step), b.places(other), b.number(0))
            let diagonal = b.select(b.binary(.equal, i, j), own, zero)
            result = b.sum(result, diagonal)
        }
        return result
    }

    /// Σ coefficients[step, other] · row[other].
    private mutating func applied(_ coefficients: Labelled, to row: Labelled) -> Labelled {
        let read = row.relabelled([step: other])
        var labels = [step]
        for label in coefficients.labels + read.labels where label != other && !labels.contains(label) { labels.append(label) }
        return b.contract(coefficients, read, to: labels)
    }

    // MARK: Rows of the writes

    private mutating func solve(from starts: [Labelled]) {
        let dependent = analysis.writes.indices.filter { needed.contains($0) && (!analysis.writes[$0].queries.isEmpty || !analysis.writes[$0].terms.isEmpty) }
        for (k, row) in analysis.writes.enumerated() where needed.contains(k) && !dependent.contains(k) {
            rows[k] = b.chunks(row.known ?? b.number(0), axis, step, fill: 0)
        }
        guard !dependent.isEmpty else { return }
        var right: [Labelled] = []
        var blocks: [[Labelled?]] = []
        for k in dependent {
            let row = analysis.writes[k]
            var total = row.known.map { b.chunks($0, axis, step, fill: 0) }
            let read = read(row, from: starts)
            total = b.sum(total, read)
            for (write, known) in rows.enumerated() {
                guard let known, let taken = coefficients(row, write) else { continue }
                total = b.sum(total, applied(taken, to: known))
            }
            right.append(total ?? b.number(0))
            blocks.append(dependent.map { coefficients(row, $0) })
        }
        let system = TriangularSystem(step: step, other: other, kept: kept)
        for (k, solution) in zip(dependent, system.solve(blocks, right, &b)) { rows[k] = solution }
    }

    // MARK: Results

    /// A row at every step, in place of the value that it was.
    private mutating func give(_ row: StepRow, from starts: [Labelled], to id: ValueID) {
        var total = read(row, from: starts)
        for (write, known) in rows.enumerated() {
            guard let known, let taken = coefficients(row, write) else { continue }
            total = b.sum(total, applied(taken, to: known))
        }
        let labels = row.labels
        var steps: Labelled?
        if let total { steps = Labelled(id: b.builder.steps(b.lined(total, to: [step] + labels), axis: axis), labels: labels) }
        let sum = b.sum(steps, row.known) ?? b.number(0)
        let whole = b.lined(sum, to: labels)
        b.builder.replace(id, by: .rename(whole))
    }

    /// A state behind the chunk's last step.
    private mutating func lastState(_ state: Int, from starts: [Labelled]) -> ValueID {
        var total: Labelled?
        let whole = gates.whole(&b)
        for (k, start) in starts.enumerated() {
            guard let gate = whole.entries[state][k] else { continue }
            let part = b.product(gate.factor, start)
            total = b.sum(total, part)
        }
        let behind = gates.behind(&b)
        for (write, row) in rows.enumerated() {
            guard let row else { continue }
            var left: [Int: Gate] = [:]
            for (k, matrix) in matrices.enumerated() {
                guard let found = matrix.writes.first(where: { $0.write == write }) else { continue }
                left[k] = Gate(factor: found.left.map { b.chunks($0, axis, step, fill: 0) })
            }
            guard let decayed = b.weighted(left, by: behind.transposed)[state] else { continue }
            let sum = b.contract(decayed.factor ?? b.ones(step), row, to: analysis.stateLabels)
            total = b.sum(total, sum)
        }
        return b.builder.rename(b.lined(total ?? b.number(0), to: analysis.stateLabels), to: graph[states[state]].shape)
    }
}

extension LabelledBuilder {
    /// What stands at every step as what stands in every chunk, `[step, …]`. Behind the end of a sequence stands `fill`.
    mutating func chunks(_ a: Labelled, _ axis: Int, _ step: Int, fill: Double) -> Labelled {
        let steps = Variance(batch: true, axes: 1)
        let wide = builder[a.id].variance == steps ? a.id : builder.rename(a.id, over: steps)
        return Labelled(id: builder.chunks(wide, axis: axis, fill: fill, named: dim(step).name), labels: [step] + a.labels)
    }

    mutating func ones(_ label: Int) -> Labelled { Labelled(id: builder.constant(.real(1), [dim(label)]), labels: [label]) }
}
