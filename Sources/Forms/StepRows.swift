import RecStream

/// What is linear in the states `S` before a step and has been summed over the dims along which they are read: a row for each
/// other dim of them.
///
/// `Σ query · S + Σ coefficient · (row of a write of this step) + known`
struct StepRow {
    /// By state.
    var queries: [Int: Labelled] = [:]
    /// A coefficient of nil is 1.
    var terms: [(coefficient: Labelled?, write: Int)] = []
    var known: Labelled?
    /// What its own dims stand for.
    var labels: [Int]
}

/// What is linear in the states before a step and has all their dims: `Σ gate · S + Σ left ⊗ (row of a write)`.
struct StepMatrix {
    /// By state; one that is missing has no part in it.
    var gates: [Int: Gate] = [:]
    /// A left factor of nil is 1.
    var writes: [(left: Labelled?, write: Int)] = []
    var labels: [Int]
}

/// What a state is multiplied by; nil is 1.
struct Gate { var factor: Labelled? }

enum StepValue {
    case row(StepRow)
    case matrix(StepMatrix)

    var labels: [Int] {
        switch self {
        case .row(let row): row.labels
        case .matrix(let matrix): matrix.labels
        }
    }
}

extension LabelledBuilder {
    /// Times a factor, or divided by it.
    mutating func scaled(_ row: StepRow, by factor: Labelled, _ function: BinaryOperator = .multiply) -> StepRow {
        var result = row
        result.queries = row.queries.sortedMap { binary(function, $0, factor) }
        result.known = row.known.map { binary(function, $0, factor) }
        for k in row.terms.indices { result.terms[k].coefficient = scaled(row.terms[k].coefficient, by: factor, function) }
        return result
    }

    /// The same of what is 1 where it is nil.
    private mutating func scaled(_ number: Labelled?, by factor: Labelled, _ function: BinaryOperator) -> Labelled {
        guard let number else { return function == .multiply ? factor : binary(function, self.number(1), factor) }
        return binary(function, number, factor)
    }

    mutating func scaled(_ matrix: StepMatrix, by factor: Labelled, _ function: BinaryOperator = .multiply) -> StepMatrix {
        var result = matrix
        result.gates = matrix.gates.sortedMap { Gate(factor: scaled($0.factor, by: factor, function)) }
        for k in matrix.writes.indices { result.writes[k].left = scaled(matrix.writes[k].left, by: factor, function) }
        return result
    }

    mutating func scaled(_ value: StepValue, by factor: Labelled, _ function: BinaryOperator = .multiply) -> StepValue {
        switch value {
        case .row(let row): .row(scaled(row, by: factor, function))
        case .matrix(let matrix): .matrix(scaled(matrix, by: factor, function))
        }
    }

    mutating func added(_ a: StepRow, _ b: StepRow) -> StepRow {
        var result = a
        for (state, query) in b.queries.sorted(by: { $0.key < $1.key }) { result.queries[state] = sum(a.queries[state], query) }
        result.known = sum(a.known, b.known)
        for term in b.terms {
            if let k = result.terms.firstIndex(where: { $0.write == term.write }) {
                let (one, other) = (result.terms[k].coefficient ?? number(1), term.coefficient ?? number(1))
                result.terms[k].coefficient = binary(.add, one, other)
            } else {
                result.terms.append(term)
            }
        }
        return result
    }

    mutating func added(_ a: StepMatrix, _ b: StepMatrix) -> StepMatrix {
        var result = a
        for (state, gate) in b.gates.sorted(by: { $0.key < $1.key }) { result.gates[state] = sum(a.gates[state], gate) }
        for write in b.writes {
            if let k = result.writes.firstIndex(where: { $0.write == write.write }) {
                let (one, two) = (result.writes[k].left ?? number(1), write.left ?? number(1))
                result.writes[k].left = binary(.add, one, two)
            } else {
                result.writes.append(write)
            }
        }
        return result
    }

    /// `value` where `condition` holds (or where it does not), and 0 elsewhere, whatever stands there.
    mutating func chosen(_ condition: Labelled, _ value: StepValue, where isTrue: Bool) -> StepValue {
        let zero = number(0)
        func pick(_ a: Labelled, _ b: inout LabelledBuilder) -> Labelled {
            isTrue ? b.select(condition, a, zero) : b.select(condition, zero, a)
        }
        switch value {
        case .row(var row):
            row.queries = row.queries.sortedMap { pick($0, &self) }
            row.known = row.known.map { pick($0, &self) }
            for k in row.terms.indices { row.terms[k].coefficient = pick(row.terms[k].coefficient ?? number(1), &self) }
            return .row(row)
        case .matrix(var matrix):
            matrix.gates = matrix.gates.sortedMap { Gate(factor: pick($0.factor ?? number(1), &self)) }
            for k in matrix.writes.indices { matrix.writes[k].left = pick(matrix.writes[k].left ?? number(1), &self) }
            return .matrix(matrix)
        }
    }

    /// The row at one place along a label that its query, coefficients or known part have.
    mutating func element(_ row: StepRow, _ label: Int, at place: Int) -> StepRow {
        var result = row
        result.queries = row.queries.sortedMap { element($0, label, at: place) }
        result.known = row.known.map { element($0, label, at: place) }
        for k in row.terms.indices { result.terms[k].coefficient = row.terms[k].coefficient.map { element($0, label, at: place) } }
        result.labels = row.labels.filter { $0 != label }
        return result
    }

    /// The matrix times `query`, summed over `summed`. A label that no factor has counts as often as it has places.
    mutating func read(_ matrix: StepMatrix, _ query: Labelled?, over summed: Set<Int>, giving labels: [Int]) -> StepRow {
        var row = StepRow(labels: labels)
        row.queries = matrix.gates.sortedMap { product($0.factor, query) ?? number(1) }
        for write in matrix.writes {
            let whole: Labelled
            switch (write.left, query) {
            case (let left?, let query?):
                let kept = (left.labels + query.labels).filter { !summed.contains($0) }
                whole = contract(left, query, to: kept.reduce(into: []) { if !$0.contains($1) { $0.append($1) } })
            case (let only?, nil), (nil, let only?): whole = sum(only, over: summed)
            case (nil, nil): whole = number(1)
            }
            let had = Set((write.left?.labels ?? []) + (query?.labels ?? []))
            let missing = summed.subtracting(had).reduce(1) { $0 * dim($1).size }
            let factor = number(Double(missing))
            row.terms.append((missing == 1 ? whole : binary(.multiply, whole, factor), write.write))
        }
        return row
    }
}

extension Dictionary where Key == Int {
    /// The values anew, in the order of the keys, so that values are built in the same order each time.
    func sortedMap<T>(_ transform: (Value) -> T) -> [Int: T] {
        var result: [Int: T] = [:]
        for (key, value) in sorted(by: { $0.key < $1.key }) { result[key] = transform(value) }
        return result
    }
}
