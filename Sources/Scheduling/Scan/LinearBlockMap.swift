import RecAnalysis
import RecStream

extension BlockMapBuilder {
    /// Ints have no infinity, which maps over max and plus begin from: the least int stands for it where nothing is added to it.
    private func checkInts(_ semiring: Semiring, _ rows: [StepForm.Row], _ slots: [BlockMap.Slot], isMixed: Bool) throws(PlanRefusal) {
        guard semiring == .maxPlus || semiring == .minPlus, rows.contains(where: { values.graph[$0.state].element == .int }) else { return }
        let isBare = rows.flatMap(\.form.terms).allSatisfy { values.isNumber($0.weight, 0) }
        guard slots.count == 1, !isMixed, isBare else {
            throw PlanRefusal("ints have no infinity, from which maps over \(semiring == .maxPlus ? "max" : "min") and plus begin", at: span)
        }
    }

    /// The maps of a step that is linear over a semiring.
    mutating func linear(_ semiring: Semiring, _ rows: [StepForm.Row]) throws(PlanRefusal) -> BlockMapValues {
        let states = rows.map(\.state)
        var slots: [BlockMap.Slot] = []
        for (k, state) in states.enumerated() {
            let lags = rows.flatMap(\.form.terms).filter { $0.slot.value == state }.map { abs($0.slot.offsets[0]) }
            for lag in 1...max(1, lags.max() ?? 1) { slots.append(BlockMap.Slot(state: k, lag: lag)) }
        }
        guard slots.count <= Self.largestBasis else {
            throw PlanRefusal("\(slots.count) earlier values meet in a step, and maps of more than \(Self.largestBasis) cost more than they save", at: span)
        }
        let kept = try keptAxes(rows)
        let mixing = states.enumerated().map { k, state in
            values.graph[state].shape.indices.filter { !kept[k].contains($0) }
        }
        let basisSize = slots.reduce(0) { total, slot in
            total + mixing[slot.state].reduce(1) { $0 * values.graph[states[slot.state]].shape[$1].size }
        }
        let isMixed = mixing.contains { !$0.isEmpty }
        if isMixed {
            guard semiring != .orAnd else { throw PlanRefusal("its elements meet over or-and, for which no map is built", at: span) }
            guard basisSize <= Self.largestBasis else {
                throw PlanRefusal("\(basisSize) elements meet in a step, and maps of more than \(Self.largestBasis) cost more than they save", at: span)
            }
        }
        try checkInts(semiring, rows, slots, isMixed: isMixed)
        let elements = states.reduce(0) { $0 + values.graph[$1].shape.elementCount }
        guard elements * max(1, basisSize) <= Self.mostElements else { throw PlanRefusal("its maps would have \(elements * basisSize) elements", at: span) }

        var factors = states.map { _ in [BlockMap.Factor<ValueID>]() }
        let constants = try track(semiring, rows, basis: [], withOffset: true)
        let reads = reads(rows, slots, mixing)
        let choosing = isReachChosen(semiring, rows, reads) ? rows.map { choices($0) } : nil
        for slot in slots {
            let source = values.graph[states[slot.state]].shape
            let basis = mixing[slot.state].map { source[$0] }
            let carried = try track(semiring, rows, basis: basis, withOffset: false)
            let reached = try choosing.map { rows throws(PlanRefusal) in try track(.orAnd, rows, basis: basis, withOffset: false, as: .bool) }
            for (k, value) in carried.enumerated() {
                factors[k].append(
                    BlockMap.Factor(
                        place: value,
                        elements: isMixed
                            ? weighed(values.graph[states[k]].shape, source, kept: kept[slot.state], mixing: mixing[slot.state]) : [],
                        basis: basis.elementCount, reached: reached?[k]))
            }
        }
        return BlockMapValues(
            form: .linear(semiring), slots: slots, states: states, constants: constants, factors: factors,
            reach: StateReach(reads: reads.map { row in row.map { $0 ?? .all } }),
            steps: isMixed ? BlockMapValues.Steps(factors: [], conditions: [], constants: []) : try steps(semiring, rows, slots))
    }

    // MARK: What is read

    /// By state and slot, which elements of the slot reach the state in a step that reads all it may; nil where it is some others than
    /// all, or each its own.
    private func reads(_ rows: [StepForm.Row], _ slots: [BlockMap.Slot], _ mixing: [[Int]]) -> [[Reach?]] {
        rows.map { row in
            slots.map { slot in
                let source = rows[slot.state].state
                let terms = row.form.terms.filter { $0.slot.value == source && abs($0.slot.offsets[0]) == slot.lag }
                let isElementwise = mixing.allSatisfy(\.isEmpty)
                let found = terms.map { isElementwise ? Reach.own : reach(of: $0, row, mixing[slot.state]) }
                if found.contains(.all) { return .all }
                return found.isEmpty ? Reach.none : found.allSatisfy { $0 == .own } ? .own : nil
            }
        }
    }

    private func reach(of term: LinearForm.Term, _ row: StepForm.Row, _ mixing: [Int]) -> Reach? {
        let source = values.graph[term.slot.value].shape
        if term.index == row.index, source.sizes == values.graph[row.state].shape.sizes { return .own }
        var used: Set<Int> = []
        for axis in mixing {
            let variables = Set(term.index[axis].terms.map(\.variable))
            guard variables.isSubset(of: term.bound), used.isDisjoint(with: variables), values.runsThrough(term.index[axis], source[axis].size)
            else { return nil }
            used.formUnion(variables)
        }
        return .all
    }

    /// Whether it must be found step by step which elements reach a state. Only real numbers can be NaN or infinite.
    private func isReachChosen(_ semiring: Semiring, _ rows: [StepForm.Row], _ reads: [[Reach?]]) -> Bool {
        guard semiring != .orAnd, rows.contains(where: { values.graph[$0.state].element == .real }) else { return false }
        return reads.joined().contains(nil) || rows.contains { $0.form.terms.contains { $0.condition != nil } }
    }

    /// The step of what reaches a state: linear over or-and.
    private mutating func choices(_ row: StepForm.Row) -> StepForm.Row {
        var result = row
        result.form.offset = nil
        for k in result.form.terms.indices {
            result.form.terms[k].weight = result.form.terms[k].condition ?? values.scalars.number(1)
            result.form.terms[k].condition = nil
        }
        return result
    }

    /// The factors and constants of one step, where elements do not meet.
    private mutating func steps(
        _ semiring: Semiring, _ rows: [StepForm.Row], _ slots: [BlockMap.Slot]
    ) throws(PlanRefusal) -> BlockMapValues.Steps {
        var result = BlockMapValues.Steps(factors: [], conditions: [], constants: [])
        for row in rows {
            let state = values.graph[row.state]
            let own = zip(row.index, state.shape).map { ScalarValues.Axis(index: $0, dim: $1) }
            var factors: [ValueID?] = []
            var conditions: [ValueID?] = []
            for slot in slots {
                let term = row.form.terms.first { term in
                    term.slot.value == rows[slot.state].state && abs(term.slot.offsets[0]) == slot.lag
                }
                var (factor, condition): (ValueID?, ValueID?)
                if let term {
                    factor = try values.value(weight(of: term), over: own, as: state.element)
                    condition = try term.condition.map { id throws(PlanRefusal) in try values.value(id, over: own, as: .bool) }
                }
                factors.append(factor)
                conditions.append(condition)
            }
            result.factors.append(factors)
            result.conditions.append(conditions)
            var constant: ValueID?
            if let offset = row.form.offset { constant = try values.value(offset, over: own, as: state.element) }
            result.constants.append(constant)
        }
        return result
    }

    /// For each state the axes, by position, along which no element meets another.
    private func keptAxes(_ rows: [StepForm.Row]) throws(PlanRefusal) -> [[Int]] {
        let graph = values.graph
        let isElementwise = rows.allSatisfy { row in
            row.form.terms.allSatisfy { $0.index == row.index && graph[$0.slot.value].shape.sizes == graph[row.state].shape.sizes }
        }
        if isElementwise { return rows.map { Array(graph[$0.state].shape.indices) } }
        let names = graph[rows[0].state].shape.map(\.name).filter { name in
            rows.allSatisfy { row in
                guard let own = graph[row.state].shape.firstIndex(where: { $0.name == name }) else { return false }
                return row.form.terms.allSatisfy { term in
                    guard let other = graph[term.slot.value].shape.firstIndex(where: { $0.name == name }) else { return false }
                    return term.index[other] == row.index[own]
                }
            }
        }
        return rows.map { row in graph[row.state].shape.indices.filter { names.contains(graph[row.state].shape[$0].name) } }
    }

    /// For each element of a state and of a slot's basis, the element of the slot's state; see `BlockMap.Factor`.
    private func weighed(_ shape: Shape, _ source: Shape, kept: [Int], mixing: [Int]) -> [Int] {
        let strides = source.strides
        let own = shape.strides
        let basis = mixing.map { source[$0] }
        let basisStrides = basis.strides
        var result: [Int] = []
        for element in 0..<shape.elementCount {
            for b in 0..<basis.elementCount {
                var position = 0
                for axis in kept {
                    guard let at = shape.firstIndex(where: { $0.name == source[axis].name }) else { continue }
                    position += element / own[at] % shape[at].size * strides[axis]
                }
                for (k, axis) in mixing.enumerated() { position += b / basisStrides[k] % basis[k].size * strides[axis] }
                result.append(position)
            }
        }
        return result
    }

    /// The recurrence of one column of the map, for every state: `⊕ factor ⊗ column before`, and with the offset for the
    /// constant part.
    ///
    /// - Parameter element: of the columns, where that is not the states'.
    private mutating func track(
        _ semiring: Semiring, _ rows: [StepForm.Row], basis: Shape, withOffset: Bool, as element: ElementType? = nil
    ) throws(PlanRefusal) -> [ValueID] {
        // Columns are read before they are defined.
        var reads: [Scalars.Slot: ValueID] = [:]
        for slot in Set(rows.flatMap(\.form.terms).map(\.slot)).sorted(by: { ($0.value, $0.offsets[0]) < ($1.value, $1.offsets[0]) }) {
            let state = values.graph[slot.value]
            reads[slot] = delayed(state.shape + basis, element ?? state.element, by: slot.offsets)
        }
        var columns: [ValueID] = []
        for row in rows {
            let state = values.graph[row.state]
            let own = zip(row.index, state.shape).map { ScalarValues.Axis(index: $0, dim: $1) }
            var column: ValueID?
            for term in row.form.terms {
                guard let read = reads[term.slot] else { continue }
                let part = try weigh(term, read, semiring, own: own, basis: basis, element: element ?? state.element)
                column = column.map { join(semiring, $0, part) } ?? part
            }
            if withOffset, let offset = row.form.offset {
                let part = try values.value(offset, over: own, as: state.element)
                column = column.map { join(semiring, $0, part) } ?? part
            }
            guard let column else { throw PlanRefusal("a state of it depends on no other", at: span) }
            columns.append(column)
        }
        for (slot, read) in reads {
            guard let k = rows.firstIndex(where: { $0.state == slot.value }) else { continue }
            define(read, as: columns[k], by: slot.offsets)
        }
        return columns
    }

    private mutating func join(_ semiring: Semiring, _ a: ValueID, _ b: ValueID) -> ValueID {
        switch semiring {
        case .plusTimes: values.binary(.add, a, b)
        case .maxPlus: values.binary(.max, a, b)
        case .minPlus: values.binary(.min, a, b)
        case .logSumExp: values.binary(.logaddexp, a, b)
        case .orAnd: values.binary(.or, a, b)
        }
    }

    /// The weight of a term where there is one: choices that its condition has made are not made again.
    private func weight(of term: LinearForm.Term) -> Scalars.ID {
        term.condition.map { values.scalars.resolved(term.weight, where: $0) } ?? term.weight
    }

    /// `factor ⊗ read`, joined over the elements that reach one; the semiring's zero, whatever was read, where there is no such term.
    private mutating func weigh(
        _ term: LinearForm.Term, _ read: ValueID, _ semiring: Semiring, own: [ScalarValues.Axis], basis: Shape,
        element: ElementType
    ) throws(PlanRefusal) -> ValueID {
        let source = values.graph[term.slot.value].shape
        // Axes of the product: the state's own, those that are summed over, those of the basis. What runs along an axis of the
        // source in several variables is one axis.
        var free: [ScalarValues.Axis] = []
        var bound = Set(term.bound)
        for (axis, index) in term.index.enumerated() where !own.contains(where: { $0.index == index }) {
            let variables = Set(index.terms.map(\.variable))
            guard variables.count > 1, variables.isSubset(of: bound), values.runsThrough(index, source[axis].size) else { continue }
            free.append(ScalarValues.Axis(index: index, dim: Dim("\(source[axis].name)'", source[axis].size)))
            bound.subtract(variables)
        }
        for variable in term.bound where bound.contains(variable) {
            free.append(ScalarValues.Axis(index: .variable(variable), dim: Dim("i'", values.scalars.extents[variable])))
        }
        // The axes of the basis have variables beyond those of the step.
        let first = values.scalars.extents.count
        let columns = basis.indices.map { ScalarValues.Axis(index: .variable(first + $0), dim: basis[$0]) }
        let spread = try values.placed(
            read, term.index + columns.map(\.index), own + free + columns, extents: values.scalars.extents + basis.sizes)
        let shape = values.graph[spread].shape
        let weight = weight(of: term)
        let isOne = values.isNumber(weight, semiring.one)
        var product = spread
        let inner = own + free
        let widening = inner.indices.map { Optional($0) } + basis.map { _ in nil }
        if !isOne {
            let factor = try values.value(weight, over: inner, as: element)
            let wide = values.broadcast(factor, to: shape, from: widening)
            switch semiring {
            case .plusTimes: product = values.binary(.multiply, wide, spread)
            case .maxPlus, .minPlus, .logSumExp: product = values.binary(.add, wide, spread)
            case .orAnd: product = values.binary(.and, wide, spread)
            }
        }
        // A choice of whole sums is made once for each.
        let isOfTerms = term.condition.map { values.scalars.varies($0, withAnyOf: term.bound) } ?? false
        if isOfTerms, let condition = term.condition {
            let test = values.broadcast(try values.value(condition, over: inner, as: .bool), to: shape, from: widening)
            product = values.chosen(test, product, semiring.zero)
        }
        let summed = Array(own.count..<own.count + free.count)
        let result: ValueID
        switch semiring {
        case .plusTimes: result = values.reduce(.sum, product, axes: summed)
        case .maxPlus, .orAnd: result = values.reduce(.max, product, axes: summed)
        case .minPlus: result = values.reduce(.min, product, axes: summed)
        case .logSumExp: result = values.reduce(.logsumexp, product, axes: summed)
        }
        guard !isOfTerms, let condition = term.condition else { return result }
        let wide = own.indices.map { Optional($0) } + basis.map { _ in nil }
        let test = values.broadcast(try values.value(condition, over: own, as: .bool), to: values.graph[result].shape, from: wide)
        return values.chosen(test, result, semiring.zero)
    }
}
