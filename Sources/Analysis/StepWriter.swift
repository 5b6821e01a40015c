import RecStream

/// Writes the step of a linear or fractional recurrence as an equation in the user's names. What depends on no state is `…`.
struct StepWriter {
    private let printer: ScalarPrinter
    private let semiring: Semiring
    private var scalars: Scalars { printer.scalars }

    init(printer: ScalarPrinter, semiring: Semiring) {
        self.printer = printer
        self.semiring = semiring
    }

    /// More terms than this are not listed.
    private static let mostTerms = 6

    func write(_ row: TransitionStructure.Row) -> String {
        var parts = row.form.terms.prefix(Self.mostTerms).map { term in
            let (term, writer) = restricted(term)
            return ScalarPrinter.fitting { writer.write(term, in: row, $0) }
        }
        if row.form.terms.count > Self.mostTerms { parts.append(.omitted) }
        if row.form.offset != nil { parts.append(.omitted) }
        return "\(printer.name(row.state).text) = \(joined(parts))"
    }

    /// A sum over more than the elements of the state, of which the weights let none but these count, as a sum over these.
    private func restricted(_ term: LinearForm.Term) -> (LinearForm.Term, StepWriter) {
        for (axis, place) in term.index.enumerated() {
            let size = printer.graph[term.slot.value].shape[axis].size
            guard place.terms.count == 1, place.terms[0].coefficient == 1, !scalars.covers(place, size),
                let k = term.bound.firstIndex(of: place.terms[0].variable), scalars.extents[term.bound[k]] + place.offset >= size,
                place.offset <= 0
            else { continue }
            var restriction = IndexRestriction(printer.graph, scalars, term.bound[k], startingAt: -place.offset, extent: size)
            var result = term
            result.weight = restriction.restricted(term.weight)
            result.index = restriction.moved(term.index)
            result.bound[k] = restriction.fresh
            let printer = ScalarPrinter(
                graph: printer.graph, scalars: restriction.scalars, uniformity: printer.uniformity, writesSlopesAlone: printer.writesSlopesAlone)
            return (result, StepWriter(printer: printer, semiring: semiring))
        }
        return (term, self)
    }

    private func joined(_ parts: [ExpressionText]) -> String {
        func list(_ two: String, _ more: String) -> String {
            if parts.count == 1 { return parts[0].text }
            let all = parts.map(\.text).joined(separator: ", ")
            return parts.count == 2 || two == more ? "\(two)(\(all))" : "\(more)([\(all)])"
        }
        switch semiring {
        case .plusTimes: return added(parts)
        case .orAnd: return parts.map { $0.within(parts.count == 1 ? .choice : .or) }.joined(separator: " or ")
        case .maxPlus: return list("max", "max")
        case .minPlus: return list("min", "min")
        case .logSumExp: return list("logaddexp", "logsumexp")
        }
    }

    private func added(_ parts: [ExpressionText]) -> String {
        guard parts.count > 1 else { return parts.first?.text ?? "0" }
        return parts.enumerated().reduce("") { result, part in
            let text = part.element.within(.sum)
            guard part.offset > 0 else { return text }
            return result + (text.hasPrefix("-") ? " - \(text.dropFirst())" : " + \(text)")
        }
    }

    private func write(_ term: LinearForm.Term, in row: TransitionStructure.Row, _ depth: Int) -> ExpressionText {
        guard term.bound.isEmpty else { return reduction(term, in: row, depth) }
        var state = printer.state(term.slot, at: term.index)
        // Where an element comes from elsewhere, a weight that is one or zero says which have such a place.
        let distances = term.index.count == row.index.count ? zip(row.index, term.index).map { $0 + $1 * -1 } : []
        let moved = distances.filter { $0.terms.isEmpty && $0.offset != 0 }.map { "\($0.offset)" }
        if !moved.isEmpty, distances.allSatisfy(\.terms.isEmpty) {
            state = ExpressionText("\(state.text) moved by \(moved.joined(separator: ", "))", .choice)
            if isOneOrZero(term.weight) { return state }
        } else if term.index != row.index, !distances.isEmpty || !term.index.isEmpty {
            state = printer.placed(state, term.slot.value, term.index)
        }
        return weighed(state, by: !moved.isEmpty && semiring == .plusTimes ? withoutChoices(term.weight) : scalars.monomials(of: term.weight), term.weight, depth)
    }

    /// Whether a weight only says, from where an element stands, if there is a term.
    private func isOneOrZero(_ id: Scalars.ID) -> Bool {
        switch scalars.nodes[id] {
        case .number(let value): value == semiring.one || value == semiring.zero
        case .select(let test, let a, let b): scalars.isOfIndexAlone(test) && isOneOrZero(a) && isOneOrZero(b)
        case .known, .state, .polynomial, .unary, .binary, .reduce, .index, .opaque: false
        }
    }

    /// A product without the factors that only say if there is a term.
    private func withoutChoices(_ weight: Scalars.ID) -> [Scalars.Monomial] {
        var monomials = scalars.monomials(of: weight)
        if monomials.count == 1 { monomials[0].factors.removeAll { isOneOrZero($0.scalar) } }
        return monomials
    }

    private func weighed(_ state: ExpressionText, by weight: Scalars.ID, _ depth: Int) -> ExpressionText {
        weighed(state, by: scalars.monomials(of: weight), weight, depth)
    }

    /// - Parameter monomials: those of the weight, in the semiring of sums and products.
    private func weighed(_ state: ExpressionText, by monomials: [Scalars.Monomial], _ weight: Scalars.ID, _ depth: Int) -> ExpressionText {
        if scalars.isNumber(weight, semiring.one) { return state }
        switch semiring {
        case .plusTimes:
            guard depth >= 0 else { return .binary(.multiply, .omitted, state) }
            let (common, rest) = ScalarPrinter.factored(monomials)
            if rest.count == 1 { return printer.product(Scalars.Monomial(coefficient: rest[0].coefficient, factors: common + rest[0].factors), [state], depth) }
            return printer.product(Scalars.Monomial(coefficient: 1, factors: common), [printer.sum(rest, depth), state], depth)
        case .orAnd: return .binary(.and, depth < 0 ? .omitted : printer.write(weight, depth), state)
        case .maxPlus, .minPlus, .logSumExp: return .binary(.add, depth < 0 ? .omitted : printer.write(weight, depth), state)
        }
    }

    // MARK: Over elements

    /// A term over many elements: factors of the result's elements alone stand in front of the sum.
    private func reduction(_ term: LinearForm.Term, in row: TransitionStructure.Row, _ depth: Int) -> ExpressionText {
        let bound = term.bound.reduce(UInt64(0)) { $0 | Scalars.bit($1) }
        func isBound(_ monomial: Scalars.Monomial) -> Bool { variables(of: monomial) & bound != 0 }
        func binding(_ inside: [Scalars.ID]) -> (names: [String], inner: ScalarPrinter) {
            printer.binding(term.bound, of: inside, and: [Scalars.Element(value: term.slot.value, index: term.index)])
        }
        let kind: ReduceKind = switch semiring {
        case .plusTimes: .sum
        case .maxPlus, .orAnd: .max
        case .minPlus: .min
        case .logSumExp: .logsumexp
        }
        guard depth >= 0 else {
            let (names, inner) = binding([])
            let joint: BinaryOperator = switch semiring {
            case .plusTimes: .multiply
            case .orAnd: .and
            case .maxPlus, .minPlus, .logSumExp: .add
            }
            return .reduction(kind, names, .binary(joint, .omitted, inner.state(term.slot, at: term.index)))
        }
        let monomials = scalars.monomials(of: term.weight)
        switch semiring {
        case .plusTimes:
            let (common, rest) = ScalarPrinter.factored(monomials)
            let only = rest.count == 1 ? rest[0] : nil
            let factors = common + (only?.factors ?? [])
            func isInside(_ factor: Scalars.Factor) -> Bool { scalars.variables(of: factor.scalar) & bound != 0 }
            let front = Scalars.Monomial(coefficient: only?.coefficient ?? 1, factors: factors.filter { !isInside($0) })
            let inside = Scalars.Monomial(coefficient: 1, factors: factors.filter(isInside))
            // A sum of several products is a factor of its own, in front or inside.
            let sum = only == nil ? rest : []
            let innerSum = sum.contains(where: isBound) ? sum : []
            let frontSum = innerSum.isEmpty && !sum.isEmpty ? [printer.sum(sum, depth)] : []
            if innerSum.allSatisfy({ variables(of: $0) & ~bound == 0 }), let whole = matrixProduct(inside, innerSum, term, in: row, bound, depth) {
                return printer.product(front, frontSum + [whole], depth)
            }
            let (names, inner) = binding((inside.factors + innerSum.flatMap(\.factors)).map(\.scalar))
            let parts = (innerSum.isEmpty ? [] : [inner.sum(innerSum, depth)]) + [inner.state(term.slot, at: term.index)]
            return printer.product(front, frontSum + [.reduction(kind, names, inner.product(inside, parts, depth))], depth)
        case .maxPlus, .minPlus, .logSumExp:
            let (within, outside) = (monomials.filter(isBound), monomials.filter { !isBound($0) })
            let (names, inner) = binding(within.flatMap(\.factors).map(\.scalar))
            let state = inner.state(term.slot, at: term.index)
            let whole = ExpressionText.reduction(kind, names, within.isEmpty ? state : .binary(.add, inner.sum(within, depth), state))
            return outside.isEmpty ? whole : .binary(.add, printer.sum(outside, depth), whole)
        case .orAnd:
            let (names, inner) = binding([term.weight])
            let state = inner.state(term.slot, at: term.index)
            return .reduction(kind, names, scalars.isNumber(term.weight, 1) ? state : .binary(.and, inner.write(term.weight, depth), state))
        }
    }

    private func variables(of monomial: Scalars.Monomial) -> UInt64 {
        monomial.factors.reduce(0) { $0 | scalars.variables(of: $1.scalar) }
    }

    /// `W @ h[t-1]`, also `W @ (z * h[t-1])`: a sum over the first axis of the state with one matrix, from it to the first axis of
    /// the result. Nil where the sum is another.
    private func matrixProduct(
        _ inside: Scalars.Monomial, _ sum: [Scalars.Monomial], _ term: LinearForm.Term, in row: TransitionStructure.Row, _ bound: UInt64,
        _ depth: Int
    ) -> ExpressionText? {
        let mixed = inside.factors.filter { scalars.variables(of: $0.scalar) & ~bound != 0 }
        guard mixed.count == 1, mixed[0].power == 1, !term.index.isEmpty, term.index.count == row.index.count,
            Array(term.index.dropFirst()) == Array(row.index.dropFirst()), let matrix = printer.element(mixed[0].scalar),
            matrix.index.count == 2, matrix.index == [row.index[0], term.index[0]] || matrix.index == [term.index[0], row.index[0]]
        else { return nil }
        let isTransposed = matrix.index != [row.index[0], term.index[0]]
        let shape = printer.graph[matrix.value].shape
        guard scalars.covers(matrix.index[0], shape[0].size), scalars.covers(matrix.index[1], shape[1].size) else { return nil }
        let name = printer.writer.write(matrix.value, depth)
        let left = isTransposed ? ExpressionText("\(name.within(.whole)).T") : name
        let others = Scalars.Monomial(coefficient: 1, factors: inside.factors.filter { $0.scalar != mixed[0].scalar })
        let right = printer.product(others, (sum.isEmpty ? [] : [printer.sum(sum, depth)]) + [printer.state(term.slot)], depth)
        return .infix(left, "@", right, .contraction)
    }

    // MARK: Fractions

    func write(_ form: FractionalForm, state: ValueID, slot: Scalars.Slot) -> String {
        func line(_ a: Scalars.ID, _ b: Scalars.ID) -> ExpressionText {
            var parts: [ExpressionText] = []
            if !scalars.isNumber(a, 0) { parts.append(ScalarPrinter.fitting { weighed(printer.state(slot), by: a, $0) }) }
            if !scalars.isNumber(b, 0) { parts.append(printer.print(b)) }
            return ExpressionText(added(parts), parts.count > 1 ? .sum : parts.first?.binding ?? .whole)
        }
        return "\(printer.name(state).text) = \(line(form.a, form.b).within(.contraction)) / \(line(form.c, form.d).within(.contraction))"
    }
}
