import RecSource
import RecStream

/// Why a recurrence has no chunkwise form, and where.
package struct FormRefusal: Error, Equatable, Sendable {
    package var reason: String
    package var span: SourceSpan?

    package init(reason: String, span: SourceSpan?) {
        self.reason = reason
        self.span = span
    }
}

/// Follows the states of a recurrence through its step and its readers, dim by dim, as long as what comes out is linear in them.
///
/// A value of all a state's dims is `Σ gate · S + Σ left ⊗ row`; one that was summed over the dims along which the states are read
/// is a row. Every product of a row with something that has the summed dims is a write. Rows that are used otherwise are given back
/// to the graph; a whole state that is used otherwise refuses the form.
struct StepAnalysis {
    private let graph: StreamGraph
    private let members: Set<ValueID>
    /// What the recurrence carries; all have the same dims.
    private let states: [ValueID]
    private let readers: StateReaders
    /// The delays that read each state one step back.
    private let delays: [[ValueID]]
    /// By delay, the state that it reads.
    private let stateOfDelay: [ValueID: Int]
    /// The dims of the states that are summed when they are read.
    let summed: Set<Int>
    let stateLabels: [Int]
    private(set) var b: LabelledBuilder
    private(set) var values: [ValueID: StepValue] = [:]
    /// The rows of the writes, in the order of the step. A row uses those of earlier writes alone.
    private(set) var writes: [StepRow] = []
    /// Rows that something else uses.
    private(set) var given: [ValueID] = []

    /// - Parameters:
    ///   - delays: those that read each state one step back.
    ///   - axes: those of the states that are summed when they are read.
    ///   - readers: those of the graph.
    init(
        _ graph: StreamGraph, members: Set<ValueID>, states: [ValueID], delays: [[ValueID]], summing axes: Set<Int>, _ readers: StateReaders
    ) throws(FormRefusal) {
        self.graph = graph
        self.readers = readers
        self.members = members
        self.states = states
        self.delays = delays
        stateOfDelay = delays.enumerated().reduce(into: [:]) { for delay in $1.element { $0[delay] = $1.offset } }
        b = LabelledBuilder(GraphBuilder(continuing: graph))
        var labels: [Int] = []
        for dim in graph[states[0]].shape { labels.append(b.newLabel(dim)) }
        stateLabels = labels
        summed = Set(axes.map { labels[$0] })
        let dependents = readers.dependents(of: states + delays.joined(), in: graph)
        for id in dependents { try visit(id) }
        for id in Set(dependents.flatMap(readers.readers(of:))).sorted() {
            guard case .delay(let operand, _, _) = graph[id].operation, stateOfDelay[id] == nil else { continue }
            try give(operand, to: id)
        }
        for output in graph.outputs + graph.losses { try give(output.value, as: "is an output") }
        for other in graph.states where !states.contains(other.value) { try give(other.value, as: "is a state of its own") }
    }

    /// The states after the step, and what they are before the first one.
    func next() throws(FormRefusal) -> [(matrix: StepMatrix, initial: ValueID?)] {
        var result: [(matrix: StepMatrix, initial: ValueID?)] = []
        for (state, delays) in zip(states, delays) {
            guard case .matrix(let matrix) = values[state], !matrix.gates.isEmpty, Set(matrix.labels) == Set(stateLabels) else {
                throw FormRefusal(reason: "the state is not carried from step to step", span: graph[state].span)
            }
            var initials: [ValueID?] = []
            for delay in delays {
                if case .delay(_, _, let initial) = graph[delay].operation, !initials.contains(initial) { initials.append(initial) }
            }
            guard initials.count == 1 else { throw FormRefusal(reason: "the state begins with several values", span: graph[state].span) }
            result.append((matrix, initials[0]))
        }
        return result
    }

    // MARK: Uses that are not followed

    private func name(_ id: ValueID) -> String {
        let id = stateOfDelay[id].map { states[$0] } ?? id
        return graph[id].name.map { "'\(StreamGraph.wholeName($0))'" } ?? "what is linear in the state"
    }

    private mutating func give(_ id: ValueID, as use: String) throws(FormRefusal) {
        guard values[id] != nil || states.contains(id) else { return }
        guard makePlain(id) else { throw FormRefusal(reason: "\(name(id)) \(use)", span: graph[id].span) }
    }

    private mutating func give(_ id: ValueID, to user: ValueID) throws(FormRefusal) {
        guard values[id] != nil else { return }
        let what = graph[user].operation.nameOfUse
        guard !members.contains(user) else {
            throw FormRefusal(reason: "\(name(id)) \(what), and goes back into the state", span: graph[user].span)
        }
        guard makePlain(id) else { throw FormRefusal(reason: "\(name(id)) as a whole \(what)", span: graph[user].span) }
    }

    /// Makes a value one that is computed at every step; false where it is a whole state.
    private mutating func makePlain(_ id: ValueID) -> Bool {
        switch values[id] {
        case nil: return !members.contains(id)
        case .row:
            if !given.contains(id) { given.append(id) }
            return true
        case .matrix(let matrix):
            guard matrix.gates.isEmpty, !members.contains(id) else { return false }
            values[id] = nil
            return graph[id].operation.operands.allSatisfy { values[$0] == nil || makePlain($0) }
        }
    }

    // MARK: Operations

    private mutating func visit(_ id: ValueID) throws(FormRefusal) {
        let operation = graph[id].operation
        if let state = stateOfDelay[id] {
            values[id] = .matrix(StepMatrix(gates: [state: Gate(factor: nil)], labels: stateLabels))
            return
        }
        let linear = operation.instantOperands.filter { values[$0] != nil }
        guard !linear.isEmpty else { return }
        b.builder.span = graph[id].span
        if graph[id].element == .real, !isOfAnother(id), let value = try followed(id) {
            values[id] = value
            return
        }
        for operand in linear { try give(operand, to: id) }
    }

    /// Whether a value is a member of another recurrence: what that makes of the state is its own.
    private func isOfAnother(_ id: ValueID) -> Bool { readers.isRecurrent(id) && !members.contains(id) }

    private mutating func followed(_ id: ValueID) throws(FormRefusal) -> StepValue? {
        switch graph[id].operation {
        case .unary(.negate, let a):
            guard !isBeside(id, values[a]) else { return nil }
            return values[a].map { b.scaled($0, by: b.number(-1)) }
        case .rename(let a): return graph[a].variance == graph[id].variance ? values[a] : nil
        case .binary(.add, let x, let y): return added(x, y, id)
        case .binary(.subtract, let x, let y): return added(x, y, id, isNegative: true)
        case .binary(.multiply, let x, let y):
            guard let (value, other) = oneLinear(x, y), !isBeside(id, value) else { return nil }
            return b.scaled(value, by: known(other, value.labels))
        case .binary(.divide, let x, let y):
            guard let value = values[x], values[y] == nil, !isBeside(id, value) else { return nil }
            let divisor = known(y, value.labels)
            return b.scaled(value, by: divisor, .divide)
        case .select(let condition, let x, let y):
            guard values[condition] == nil, !isBeside(id, values[x]), !isBeside(id, values[y]), let labels = values[x]?.labels ?? values[y]?.labels,
                let yes = value(x, like: values[y] ?? values[x]), let no = value(y, like: values[x] ?? values[y])
            else { return nil }
            let test = known(condition, labels)
            return sum(b.chosen(test, yes, where: true), b.chosen(test, no, where: false))
        case .broadcast(let a, let from): return broadcast(a, from, id)
        case .reduce(.sum, let a, let axes):
            guard case .matrix(let matrix) = values[a], Set(axes.map { matrix.labels[$0] }) == summed else { return nil }
            return .row(b.read(matrix, nil, over: summed, giving: matrix.labels.filter { !summed.contains($0) }))
        case .contract(let contraction): return contracted(contraction, id)
        case .input, .parameter, .constant, .unary, .binary, .reduce, .reshape, .slice, .concat, .pad, .window, .gather, .scatter, .delay,
            .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            return nil
        }
    }

    /// Whether a value is made of a row beside the recurrence: it is cheaper to weigh the row than all that it is the sum of.
    private func isBeside(_ id: ValueID, _ value: StepValue?) -> Bool {
        guard case .row = value else { return false }
        return !members.contains(id)
    }

    /// The operand that depends on the state, and the one that does not.
    private func oneLinear(_ x: ValueID, _ y: ValueID) -> (StepValue, ValueID)? {
        switch (values[x], values[y]) {
        case (let value?, nil): (value, y)
        case (nil, let value?): (value, x)
        case (nil, nil), (.some, .some): nil
        }
    }

    /// A value that does not depend on the state, without the broadcasts around it.
    private func known(_ id: ValueID, _ labels: [Int]) -> Labelled {
        var (id, labels) = (id, labels)
        while true {
            switch graph[id].operation {
            case .broadcast(let a, let from):
                var inner = [Int](repeating: 0, count: graph[a].shape.count)
                for (axis, source) in from.enumerated() { if let source { inner[source] = labels[axis] } }
                (id, labels) = (a, inner)
            case .rename(let a) where graph[a].variance == graph[id].variance: id = a
            case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .rename, .reshape, .slice, .concat, .pad,
                .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                return Labelled(id: id, labels: labels)
            }
        }
    }

    /// A value as one of the kind and the dims of another.
    private mutating func value(_ id: ValueID, like other: StepValue?) -> StepValue? {
        if let value = values[id] { return value }
        switch other {
        case nil: return nil
        case .row(let row): return .row(StepRow(known: known(id, row.labels), labels: row.labels))
        case .matrix(let matrix): return .matrix(written(id, matrix.labels))
        }
    }

    private func sum(_ a: StepValue, _ b: StepValue, _ builder: inout LabelledBuilder) -> StepValue? {
        guard a.labels == b.labels else { return nil }
        switch (a, b) {
        case (.row(let x), .row(let y)): return .row(builder.added(x, y))
        case (.matrix(let x), .matrix(let y)): return .matrix(builder.added(x, y))
        case (.row, .matrix), (.matrix, .row): return nil
        }
    }

    private mutating func sum(_ a: StepValue, _ other: StepValue) -> StepValue? { sum(a, other, &b) }

    private mutating func added(_ x: ValueID, _ y: ValueID, _ id: ValueID, isNegative: Bool = false) -> StepValue? {
        guard let left = value(x, like: values[y]), var right = value(y, like: values[x]) else { return nil }
        if isNegative { right = b.scaled(right, by: b.number(-1)) }
        return sum(left, right)
    }

    // MARK: Writes

    /// A new write of a row.
    private mutating func write(_ row: StepRow, left: Labelled?, labels: [Int]) -> StepMatrix {
        writes.append(row)
        return StepMatrix(writes: [(left, writes.count - 1)], labels: labels)
    }

    /// What does not depend on the state, as writes: outer products where it is made of them, otherwise one whose left factor has all
    /// dims.
    private mutating func written(_ id: ValueID, _ labels: [Int]) -> StepMatrix {
        var result = StepMatrix(labels: labels)
        for factors in OuterProducts(graph).terms(of: id, labels) {
            var (left, right): (Labelled?, Labelled?)
            for factor in factors {
                var part = Labelled(id: factor.id, labels: factor.labels)
                if factor.isNegative { part = b.unary(.negate, part) }
                let isLeft = part.labels.contains(where: summed.contains)
                let before = isLeft ? left : right
                // Divided by as it stands: an inverse has a slope of its own, which overflows sooner.
                let after = factor.isInverse ? b.binary(.divide, before ?? b.number(1), part) : b.product(before, part)
                if isLeft { left = after } else { right = after }
            }
            let row = StepRow(known: right ?? b.number(1), labels: labels.filter { !summed.contains($0) })
            result = b.added(result, write(row, left: left, labels: labels))
        }
        return result
    }

    /// A row where the state's dims stand: each place along the summed ones has it.
    private mutating func lifted(_ row: StepRow, _ positions: [Int?], _ id: ValueID) -> StepMatrix? {
        let shape = graph[id].shape
        guard shape.sizes == graph[states[0]].shape.sizes else { return nil }
        for (position, label) in positions.enumerated() {
            if let label { guard label == stateLabels[position] else { return nil } } else {
                guard summed.contains(stateLabels[position]) else { return nil }
                // Beside the recurrence the same sizes may mean something else.
                if !members.contains(id) { guard shape[position].name == graph[states[0]].shape[position].name else { return nil } }
            }
        }
        return write(row, left: nil, labels: stateLabels)
    }

    private mutating func broadcast(_ a: ValueID, _ from: [Int?], _ id: ValueID) -> StepValue? {
        guard let value = values[a] else { return nil }
        let positions = from.map { $0.map { value.labels[$0] } }
        if case .row(let row) = value, let matrix = lifted(row, positions, id) { return .matrix(matrix) }
        var labels: [Int] = []
        for (position, label) in positions.enumerated() { labels.append(label ?? b.newLabel(graph[id].shape[position])) }
        switch value {
        case .row(var row):
            row.labels = labels
            return .row(row)
        case .matrix(var matrix):
            matrix.labels = labels
            return .matrix(matrix)
        }
    }

    // MARK: Contractions

    private mutating func contracted(_ c: Contraction, _ id: ValueID) -> StepValue? {
        guard let (value, other) = oneLinear(c.left, c.right) else { return nil }
        let (own, others) = other == c.right ? (c.leftLabels, c.rightLabels) : (c.rightLabels, c.leftLabels)
        var map: [Int: Int] = [:]
        for (label, axis) in zip(own, value.labels) { map[label] = axis }
        let isOuter = Set(own).isSubset(of: c.resultLabels) && Set(others).isSubset(of: c.resultLabels)
        // Dims that a row lacks and the result has are the state's, where the result is as large as the state.
        if case .row(let row) = value, isOuter {
            let positions = c.resultLabels.map { map[$0] }
            if let matrix = lifted(row, positions, id) {
                for (position, label) in c.resultLabels.enumerated() where map[label] == nil { map[label] = stateLabels[position] }
                return .matrix(b.scaled(matrix, by: known(other, others.compactMap { map[$0] })))
            }
        }
        for (axis, label) in others.enumerated() where map[label] == nil { map[label] = b.newLabel(graph[other].shape[axis]) }
        let factor = known(other, others.compactMap { map[$0] })
        let labels = c.resultLabels.compactMap { map[$0] }
        let sums = Set(own + others).subtracting(c.resultLabels).compactMap { map[$0] }
        switch value {
        case .matrix(let matrix):
            if isOuter {
                var result = b.scaled(matrix, by: factor)
                result.labels = labels
                return .matrix(result)
            }
            guard Set(sums) == summed else { return nil }
            return .row(b.read(matrix, factor, over: summed, giving: labels))
        case .row(let row):
            if isOuter {
                guard !isBeside(id, value) else { return nil }
                var result = b.scaled(row, by: factor)
                result.labels = labels
                return .row(result)
            }
            return ranks(row, other, others.compactMap { map[$0] }, sums, labels, id)
        }
    }

    /// A sum of outer products of the rows along one dim, each a write of its own.
    private mutating func ranks(
        _ row: StepRow, _ other: ValueID, _ others: [Int], _ sums: [Int], _ labels: [Int], _ id: ValueID
    ) -> StepValue? {
        guard let rank = sums.first, sums.count == 1, row.labels.contains(rank), others.contains(rank), b.dim(rank).size <= 16 else {
            return nil
        }
        let whole = Labelled(id: other, labels: others)
        var result = StepMatrix(labels: stateLabels)
        for place in 0..<b.dim(rank).size {
            let part = b.element(row, rank, at: place)
            guard let matrix = lifted(part, labels.map { part.labels.contains($0) ? $0 : nil }, id) else { return nil }
            var map: [Int: Int] = [:]
            for (position, label) in labels.enumerated() where !part.labels.contains(label) { map[label] = stateLabels[position] }
            let left = b.element(whole, rank, at: place).relabelled(map)
            result = b.added(result, b.scaled(matrix, by: left))
        }
        return .matrix(result)
    }
}
