/// What each state after some steps has of each state before them. An entry of nil is 0.
struct GateMatrix {
    /// By state after and state before.
    var entries: [[Gate?]]

    var count: Int { entries.count }

    /// With the same gate on the diagonal.
    static func diagonal(_ count: Int, _ gate: Gate) -> GateMatrix {
        GateMatrix(entries: (0..<count).map { row in (0..<count).map { $0 == row ? gate : nil } })
    }

    var transposed: GateMatrix { GateMatrix(entries: (0..<count).map { column in entries.map { $0[column] } }) }

    /// Whether a state is what it was.
    func keeps(_ state: Int) -> Bool {
        entries[state].indices.allSatisfy { column in
            guard let gate = entries[state][column] else { return column != state }
            return column == state && gate.factor == nil
        }
    }

    /// The states in an order in which each has parts of itself and of those before it alone; nil where they go round.
    var triangularOrder: [Int]? {
        var order: [Int] = []
        while order.count < count {
            let next = (0..<count).first { state in
                !order.contains(state) && (0..<count).allSatisfy { $0 == state || entries[state][$0] == nil || order.contains($0) }
            }
            guard let next else { return nil }
            order.append(next)
        }
        return order
    }

    func map(_ transform: (Labelled) -> Labelled) -> GateMatrix {
        GateMatrix(entries: entries.map { row in row.map { $0.map { Gate(factor: $0.factor.map(transform)) } } })
    }
}

extension LabelledBuilder {
    /// The product, where nil is 0.
    mutating func product(_ a: Gate?, _ b: Gate?) -> Gate? {
        guard let a, let b else { return nil }
        return Gate(factor: product(a.factor, b.factor))
    }

    /// The sum, where nil is 0.
    mutating func sum(_ a: Gate?, _ b: Gate?) -> Gate? {
        guard let a, let b else { return a ?? b }
        let (one, two) = (a.factor ?? number(1), b.factor ?? number(1))
        return Gate(factor: binary(.add, one, two))
    }

    mutating func product(_ a: GateMatrix, _ b: GateMatrix) -> GateMatrix {
        var result = GateMatrix(entries: a.entries.map { _ in [Gate?](repeating: nil, count: a.count) })
        for row in 0..<a.count {
            for column in 0..<a.count {
                for k in 0..<a.count {
                    let term = product(a.entries[row][k], b.entries[k][column])
                    result.entries[row][column] = sum(result.entries[row][column], term)
                }
            }
        }
        return result
    }

    mutating func sum(_ a: GateMatrix, _ b: GateMatrix) -> GateMatrix {
        var result = a
        for row in 0..<a.count { for column in 0..<a.count { result.entries[row][column] = sum(a.entries[row][column], b.entries[row][column]) } }
        return result
    }

    /// `Σ row[c] · gates[c, d]` by `d`; states that have no part are missing.
    mutating func weighted(_ row: [Int: Gate], by gates: GateMatrix) -> [Int: Gate] {
        var result: [Int: Gate] = [:]
        for (state, factor) in row.sorted(by: { $0.key < $1.key }) {
            for column in 0..<gates.count {
                let term = product(factor, gates.entries[state][column])
                if let term { result[column] = sum(result[column], term) }
            }
        }
        return result
    }

    /// `Y[i] = factor[i] · Y[i-1] + term[i]` along a label, with matrices; the other way round where `isReversed`. What stands
    /// first in `factor` counts for nothing.
    ///
    /// States that do not go round are taken one after the other. Otherwise the maps of 1, 2, 4, … steps are put together
    /// (Hillis and Steele, "Data parallel algorithms", 1986).
    mutating func running(_ factor: GateMatrix, _ term: GateMatrix, along label: Int, isReversed: Bool = false) -> GateMatrix {
        guard let order = factor.triangularOrder else { return doubling(factor, term, along: label, isReversed: isReversed) }
        var result = term
        for state in order {
            for column in 0..<factor.count {
                var own = term.entries[state][column]
                for other in order where other != state {
                    guard let gate = factor.entries[state][other], let before = result.entries[other][column]?.factor else { continue }
                    let shifted = Gate(factor: shifted(before, along: label, isReversed: isReversed))
                    let taken = product(gate, shifted)
                    own = sum(own, taken)
                }
                if let gate = factor.entries[state][state], let term = own {
                    let (one, two) = (gate.factor ?? number(1), term.factor ?? number(1))
                    own = Gate(factor: running(one, two, along: label, isReversed: isReversed))
                }
                result.entries[state][column] = own
            }
        }
        return result
    }

    private mutating func doubling(_ factor: GateMatrix, _ term: GateMatrix, along label: Int, isReversed: Bool) -> GateMatrix {
        var (factor, result) = (factor, term)
        var distance = 1
        func moved(_ gates: GateMatrix, _ b: inout LabelledBuilder) -> GateMatrix {
            gates.map { $0.labels.contains(label) ? b.shifted($0, along: label, by: distance, isReversed: isReversed) : $0 }
        }
        while distance < dim(label).size {
            let taken = product(factor, moved(result, &self))
            result = sum(result, taken)
            if 2 * distance < dim(label).size { factor = product(factor, moved(factor, &self)) }
            distance *= 2
        }
        return result
    }
}
