import RecStream

extension Operation {
    /// Whether it is a delay of `value` by `offset` steps along the first axis.
    func reads(_ value: ValueID, _ offset: Int) -> Bool {
        guard case .delay(value, let offsets, _) = self else { return false }
        return offsets[0] == offset && offsets.dropFirst().allSatisfy { $0 == 0 }
    }

    /// What it does with an operand, for messages: "enters tanh".
    var nameOfUse: String {
        switch self {
        case .unary(let function, _): "enters \(function.rawValue)"
        case .binary(.add, _, _), .binary(.subtract, _, _): "is added to what has no such form"
        case .binary(let function, _, _): "enters \(function.rawValue)"
        case .reduce(let kind, _, _): "enters \(kind.rawValue)"
        case .select: "decides a choice"
        case .contract: "is multiplied by what depends on it, or summed along other dims"
        case .slice, .concat, .pad, .window, .reshape, .broadcast, .rename: "is cut or put together anew"
        case .gather, .scatter: "is looked up"
        case .delay: "is read at other steps"
        case .overTime, .overBatch, .along, .distance: "is reduced over the sequence"
        case .input, .parameter, .constant, .chunks, .steps, .runningAffine, .solve: "is used"
        }
    }
}

extension StreamGraph {
    /// The axes of states of the same dims that every reader sums over.
    ///
    /// - Throws: where no reader sums, or two sum over different dims.
    func summedAxes(of states: [ValueID], delays: [[ValueID]], _ readers: StateReaders) throws(FormRefusal) -> Set<Int> {
        let axes = Array(self[states[0]].shape.indices)
        let delays = Set(delays.joined())
        var whole: [ValueID: [Int?]] = [:]
        for id in states + delays { whole[id] = axes }
        var found: [(dims: Set<Int>, at: ValueID)] = []
        func sums(_ dims: [Int?], _ id: ValueID) {
            let dims = Set(dims.compactMap { $0 })
            if !dims.isEmpty { found.append((dims, id)) }
        }
        // The state itself stands behind its delays in the order of values.
        for id in readers.summing(states + delays, in: self) where !delays.contains(id) {
            switch self[id].operation {
            case .unary(_, let a), .rename(let a): if !states.contains(id) { whole[id] = whole[a] }
            case .binary(_, let a, let b), .select(_, let a, let b): if !states.contains(id) { whole[id] = whole[a] ?? whole[b] }
            case .broadcast(let a, let from):
                if !states.contains(id), let inner = whole[a] { whole[id] = from.map { $0.flatMap { inner[$0] } } }
            case .reduce(.sum, let a, let axes):
                if let inner = whole[a] { sums(axes.map { inner[$0] }, id) }
            case .contract(let c):
                for (operand, own) in [(c.left, c.leftLabels), (c.right, c.rightLabels)] {
                    guard let inner = whole[operand] else { continue }
                    let summed = own.indices.filter { !c.resultLabels.contains(own[$0]) }
                    if !summed.isEmpty { sums(summed.map { inner[$0] }, id) } else if !states.contains(id) {
                        whole[id] = c.resultLabels.map { label in own.firstIndex(of: label).flatMap { inner[$0] } }
                    }
                }
            case .input, .parameter, .constant, .reduce, .reshape, .slice, .concat, .pad, .window, .gather, .scatter, .delay, .overTime,
                .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                break
            }
        }
        guard let first = found.first else {
            let name = self[states[0]].name.map { "'\(Self.wholeName($0))'" } ?? "the state"
            throw FormRefusal(reason: "nothing sums over dims of \(name)", span: self[states[0]].span)
        }
        if let other = found.first(where: { $0.dims != first.dims }) {
            throw FormRefusal(reason: "the state is summed over different dims", span: self[other.at].span)
        }
        return first.dims
    }
}
