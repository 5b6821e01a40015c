import RecSource
import RecStream

extension StreamGraph {
    /// The same graph in which a recurrence runs chunk by chunk: what happens between the steps of a chunk is products of
    /// matrices, and only the state between chunks goes from one to the next.
    ///
    /// The step must be `S = gate · S[t-1] + Σ left ⊗ row`, where rows are linear in what is read of the state, and the state must be
    /// read by sums over the same dims. Gates may be 0, negative or complex in effect: products of gates are formed step by step,
    /// without logarithms and divisions. A row that depends on the state (an erase) makes a system with a unit lower triangle.
    ///
    /// Yang et al., "Parallelizing linear transformers with the delta rule over sequence length", arXiv:2406.06484, section 3; for
    /// decays by key Yang et al., "Gated linear attention transformers with hardware-efficient training", arXiv:2312.06635, section 4.
    ///
    /// - Parameters:
    ///   - state: what the recurrence carries; the only value that it delays.
    ///   - members: the values of the recurrence.
    ///   - count: the steps of a chunk, 1 or more.
    ///   - readers: those of this graph, where they are known.
    /// - Throws: why there is no such form, and where.
    package func chunkwise(_ state: ValueID, members: [ValueID], by count: Int, _ readers: StateReaders? = nil) throws(FormRefusal) -> StreamGraph {
        let readers = readers ?? StateReaders(self)
        let read = try readBack(state, members, readers)
        let (graph, axis) = addingChunks(of: count, isReversed: read.offset > 0)
        let analysis = try StepAnalysis(graph, members: Set(members), state: state, delays: read.delays, summing: read.axes, readers)
        var form = try ChunkwiseForm(analysis, graph, axis: axis, state: state)
        return form.run()
    }

    /// Throws why a recurrence has no such form, and where.
    package func checkChunkwise(_ state: ValueID, members: [ValueID], _ readers: StateReaders) throws(FormRefusal) {
        let read = try readBack(state, members, readers)
        _ = try StepAnalysis(self, members: Set(members), state: state, delays: read.delays, summing: read.axes, readers).next()
    }

    /// How a state is read one step back: by how much, by which delays, and the axes of it that all who read it sum over.
    private func readBack(
        _ state: ValueID, _ members: [ValueID], _ readers: StateReaders
    ) throws(FormRefusal) -> (offset: Int, delays: [ValueID], axes: Set<Int>) {
        let set = Set(members)
        let name = self[state].name.map { "'\($0)'" } ?? "the state"
        func refuse(_ reason: String) -> FormRefusal { FormRefusal(reason: reason, span: self[state].span) }
        guard dataAxes.count == 1 else { throw refuse("the model runs over several axes") }
        guard self[state].element == .real else { throw refuse("\(name) is \(self[state].element.rawValue)") }
        guard !folds.contains(where: { !set.isDisjoint(with: $0.states) }) else { throw refuse("\(name) is a fold") }
        var offsets: Set<Int> = []
        for member in members {
            guard case .delay(let operand, let moved, _) = self[member].operation, set.contains(operand) else { continue }
            guard operand == state else {
                throw FormRefusal(reason: "\(name) is not the only state that the recurrence carries", span: self[operand].span)
            }
            offsets.insert(moved[0])
        }
        guard offsets.count == 1, let offset = offsets.first, abs(offset) == 1 else { throw refuse("\(name) looks back several steps") }
        let delays = readers.readers(of: state).filter { self[$0].operation.reads(state, offset) }
        return (offset, delays, try summedAxes(of: state, delays: delays, readers))
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
    private let matrix: StepMatrix
    private let initial: ValueID?
    private let state: ValueID
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

    init(_ analysis: StepAnalysis, _ graph: StreamGraph, axis: Int, state: ValueID) throws(FormRefusal) {
        self.analysis = analysis
        self.graph = graph
        self.axis = axis
        self.state = state
        (matrix, initial) = try analysis.next()
        var b = analysis.b
        b.builder.span = graph[state].span
        let count = graph.axes[axis].chunks?.count ?? 1
        let step = b.newLabel(Dim("step", count))
        other = b.newLabel(Dim("other", count))
        gates = GateProducts(gate: matrix.scale?.factor.map { b.chunks($0, axis, step, fill: 1) }, step: step)
        self.step = step
        self.b = b
        kept = analysis.stateLabels.filter { !analysis.summed.contains($0) }
        products = MaskedProducts(gates: gates, other: other, summed: analysis.summed)
        rows = analysis.writes.map { _ in nil }
        var needed: Set<Int> = []
        var rest = matrix.writes.map(\.write)
        for id in analysis.given { if case .row(let row) = analysis.values[id] { rest += row.terms.map(\.write) } }
        while let write = rest.popLast() {
            guard needed.insert(write).inserted else { continue }
            rest += analysis.writes[write].terms.map(\.write)
        }
        self.needed = needed
    }

    mutating func run() -> StreamGraph {
        var type = graph[state].type
        type.variance = Variance(batch: true, axes: 1 << UInt8(axis))
        let before = b.builder.delay(ofLater: type, graph.axes.indices.map { $0 == axis ? -1 : 0 }, from: initial)
        let start = Labelled(id: before, labels: analysis.stateLabels)
        solve(from: start)
        for id in analysis.given {
            guard case .row(let row) = analysis.values[id] else { continue }
            b.builder.span = graph[id].span
            give(row, from: start, to: id)
        }
        b.builder.span = graph[state].span
        let end = lastState(from: start)
        b.builder.name(end, graph[state].name ?? "state")
        b.builder.close(before, with: end)
        var result = b.builder.graph
        for k in result.states.indices where result.states[k].value == state { result.states[k].value = end }
        return result.ordered()
    }

    // MARK: Reads

    /// Σ over the summed dims of a query and the state that each step reads, as far as that comes from the chunk's begin.
    private mutating func read(_ query: Labelled, from start: Labelled, giving labels: [Int]) -> Labelled {
        let decayed = b.product(query, gates.before(&b)) ?? query
        let result = [step] + labels
        // A dim of the gates that stays is one of the state as well.
        return b.contract(decayed, start, to: result + decayed.labels.filter { !result.contains($0) && !analysis.summed.contains($0) })
    }

    private func leftFactor(_ write: Int) -> Labelled?? { matrix.writes.first { $0.write == write }?.left }

    /// What a row takes from the rows of a write at earlier steps of the chunk, `[step, other, …]`, and at its own.
    private mutating func coefficients(_ row: StepRow, _ write: Int) -> Labelled? {
        var result: Labelled?
        if let query = row.query, let left = leftFactor(write) {
            let reader = b.chunks(query, axis, step, fill: 0)
            let writer = b.chunks(left ?? b.number(1), axis, step, fill: 0)
            result = products.product(reader, writer, &b)
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

    private mutating func solve(from start: Labelled) {
        let dependent = analysis.writes.indices.filter { needed.contains($0) && (analysis.writes[$0].query != nil || !analysis.writes[$0].terms.isEmpty) }
        for (k, row) in analysis.writes.enumerated() where needed.contains(k) && !dependent.contains(k) {
            rows[k] = b.chunks(row.known ?? b.number(0), axis, step, fill: 0)
        }
        guard !dependent.isEmpty else { return }
        var right: [Labelled] = []
        var blocks: [[Labelled?]] = []
        for k in dependent {
            let row = analysis.writes[k]
            var total = row.known.map { b.chunks($0, axis, step, fill: 0) }
            if let query = row.query { total = b.sum(total, read(b.chunks(query, axis, step, fill: 0), from: start, giving: row.labels)) }
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
    private mutating func give(_ row: StepRow, from start: Labelled, to id: ValueID) {
        var total: Labelled?
        if let query = row.query { total = read(b.chunks(query, axis, step, fill: 0), from: start, giving: row.labels) }
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

    /// The state behind the chunk's last step.
    private mutating func lastState(from start: Labelled) -> ValueID {
        var total = b.product(gates.whole(&b), start) ?? start
        for (left, write) in matrix.writes {
            guard let row = rows[write] else { continue }
            let decayed = b.product(left.map { b.chunks($0, axis, step, fill: 0) }, gates.behind(&b))
            let sum = b.contract(decayed ?? b.ones(step), row, to: analysis.stateLabels)
            total = b.binary(.add, total, sum)
        }
        return b.builder.rename(b.lined(total, to: analysis.stateLabels), to: graph[state].shape)
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
