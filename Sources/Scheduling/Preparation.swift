import RecStream

/// Brings a graph into the form that scheduling expects; what it computes stays the same.
///
/// - Every product's result has the axis order that its kernel writes, with a transposition behind it where the
///   program wants another.
/// - Outputs, losses, states and initial values are values of their own, not inputs, parameters or constants.
/// - What is delayed varies over the axes of the delay.
/// - All delays of a value read the same before the first step: it lies in front of the value in memory. A name that stands for a
///   state, and is read at another step, is 0 there.
func prepared(_ graph: StreamGraph) -> StreamGraph {
    var result = graph
    result.values = []
    var renamed: [ValueID: ValueID] = [:]
    var copies: [Copy: ValueID] = [:]

    /// A copy of a value that varies over at least what is asked for.
    struct Copy: Hashable {
        var value: ValueID
        var variance: Variance
    }
    func isLeaf(_ id: ValueID) -> Bool {
        switch result[id].operation {
        // A reduction over time is complete only when its sweep has ended.
        case .input, .parameter, .constant, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve: true
        case .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window,
            .gather, .scatter, .delay:
            false
        }
    }
    func copy(_ id: ValueID, _ variance: Variance) -> ValueID {
        var value = result[id]
        value.operation = .rename(id)
        value.variance = variance
        return result.add(value)
    }
    func own(_ id: ValueID, varyingOver least: Variance = .none) -> ValueID {
        let variance = result[id].variance.union(least)
        guard isLeaf(id) || variance != result[id].variance else { return id }
        let key = Copy(value: id, variance: variance)
        let new = copies[key] ?? copy(id, variance)
        copies[key] = new
        return new
    }

    var delays: [ValueID] = []
    for id in graph.ids {
        var value = graph[id]
        if case .delay(let operand, let offsets, let initial) = value.operation {
            let start = initial.map { own(renamed[$0] ?? $0) }
            value.operation = .delay(operand, offsets: offsets, initial: start)
            renamed[id] = result.add(value)
            delays.append(renamed[id] ?? id)
            continue
        }
        let shape = ProductShape(id, in: graph)
        value.operation = value.operation.mapOperands { renamed[$0] ?? $0 }
        if let shape, case .contract(var contraction) = value.operation, contraction.resultLabels != shape.resultLabels {
            let wanted = contraction.resultLabels
            contraction.resultLabels = shape.resultLabels
            var ordered = value
            ordered.operation = .contract(contraction)
            ordered.shape = shape.resultLabels.map { label in value.shape[wanted.firstIndex(of: label) ?? 0] }
            ordered.name = nil
            let product = result.add(ordered)
            value.operation = .broadcast(product, from: wanted.map { shape.resultLabels.firstIndex(of: $0) })
        }
        renamed[id] = result.add(value)
    }
    for delay in delays {
        guard case .delay(let operand, let offsets, let initial) = result[delay].operation else { continue }
        let target = own(renamed[operand] ?? operand, varyingOver: result[delay].variance.restricted(to: result[renamed[operand] ?? operand], offsets: offsets))
        result[delay].operation = .delay(target, offsets: offsets, initial: initial)
    }
    if graph.axes.count == 1 {
        var starts: [ValueID: ValueID?] = [:]
        // Of several states with one value the first has the memory in front of it.
        for state in graph.states.reversed() { starts[renamed[state.value] ?? state.value] = .some(state.initial.map { own(renamed[$0] ?? $0) }) }
        result.separateStarts(of: delays, states: starts)
    }
    let all = Variance(batch: true, axes: UInt8((1 << graph.axes.count) - 1))
    for k in graph.outputs.indices {
        let value = renamed[graph.outputs[k].value] ?? graph.outputs[k].value
        // What varies over nothing is there before a run, but its copy in the results is not.
        result.outputs[k].value = result[value].variance.isStatic ? copy(value, .none) : own(value)
    }
    for k in graph.losses.indices {
        result.losses[k].value = own(renamed[graph.losses[k].value] ?? graph.losses[k].value, varyingOver: .once)
    }
    let passing = graph.passingStates
    for k in graph.states.indices {
        let state = graph.states[k]
        let value = renamed[state.value] ?? state.value
        // Of a recurrence what is read at later steps is kept by every form, and nothing else.
        result.states[k].value = passing.contains(state.value) ? copy(value, result[value].variance.union(all)) : own(value, varyingOver: all)
        result.states[k].initial = state.initial.map { own(renamed[$0] ?? $0) }
    }
    for k in graph.folds.indices {
        result.folds[k].elements = graph.folds[k].elements.map { renamed[$0] ?? $0 }
        result.folds[k].states = graph.folds[k].states.map { renamed[$0] ?? $0 }
    }
    result.ownGradients = []
    return result
}

extension StreamGraph {
    /// States that are part of a recurrence and that no later step reads.
    fileprivate var passingStates: Set<ValueID> {
        let delayed = Set(values.compactMap { if case .delay(let operand, _, _) = $0.operation { operand } else { nil } })
        let passing = Set(states.map(\.value)).subtracting(delayed)
        guard !passing.isEmpty else { return [] }
        return passing.intersection(components(of: self).filter(\.isRecurrence).flatMap(\.members))
    }

    /// Gives delays that begin otherwise than the state they read, or than the first delay of their value, a copy of the value.
    fileprivate mutating func separateStarts(of delays: [ValueID], states: [ValueID: ValueID?]) {
        struct Begun: Hashable {
            var value: ValueID
            var start: ValueID?
        }
        var starts = states
        var copies: [Begun: ValueID] = [:]
        // A recurrence that is no declared state, a fold say, keeps the start that it has.
        func hasStart(_ id: ValueID) -> Bool { if case .delay(_, _, let start) = self[id].operation { start != nil } else { false } }
        for delay in delays.filter(hasStart) + delays.filter({ !hasStart($0) }) {
            guard case .delay(let value, let offsets, let start) = self[delay].operation else { continue }
            // An input lies in memory alone, and is followed by what each delay reads outside.
            if case .input = self[value].operation { continue }
            guard let first = starts[value] else {
                starts[value] = .some(start)
                continue
            }
            guard first != start else { continue }
            let key = Begun(value: value, start: start)
            let copy = copies[key] ?? add(Value(.rename(value), self[value].type))
            copies[key] = copy
            self[delay].operation = .delay(copy, offsets: offsets, initial: start)
        }
    }
}

extension Variance {
    /// What a delayed operand must vary over: the axes along which it is read elsewhere, unless it is an input, which
    /// lies in memory whole.
    fileprivate func restricted(to operand: Value, offsets: [Int]) -> Variance {
        if case .input = operand.operation, operand.variance.isStream { return .none }
        var axes: UInt8 = 0
        for (axis, offset) in offsets.enumerated() where offset != 0 { axes |= 1 << UInt8(axis) }
        return Variance(batch: batch, axes: axes)
    }
}
