import RecStream

/// Writes the step of a linear or fractional recurrence as an equation in the user's names.
struct StepWriter {
    let printer: ScalarPrinter
    let semiring: Semiring

    /// More terms than this are not listed.
    private static let mostTerms = 6

    func write(_ row: TransitionStructure.Row) -> String {
        var parts = row.form.terms.prefix(Self.mostTerms).map { term($0, in: row) }
        if row.form.terms.count > Self.mostTerms { parts.append("…") }
        if row.form.offset != nil { parts.append("…") }
        return "\(printer.name(row.state)) = \(joined(parts))"
    }

    private func joined(_ parts: [String]) -> String {
        switch semiring {
        case .plusTimes: parts.joined(separator: " + ")
        case .orAnd: parts.joined(separator: " or ")
        case .maxPlus: parts.count == 1 ? parts[0] : "max(\(parts.joined(separator: ", ")))"
        case .minPlus: parts.count == 1 ? parts[0] : "min(\(parts.joined(separator: ", ")))"
        case .logSumExp: parts.count == 1 ? parts[0] : "logaddexp(\(parts.joined(separator: ", ")))"
        }
    }

    private func term(_ term: LinearForm.Term, in row: TransitionStructure.Row) -> String {
        var state = printer.state(term.slot)
        // Where an element comes from elsewhere, a weight of the index alone says which have such a place.
        let distances = term.index.count == row.index.count ? zip(row.index, term.index).map { $0 + $1 * -1 } : []
        let moved = distances.filter { $0.terms.isEmpty && $0.offset != 0 }.map { "\($0.offset)" }
        if !moved.isEmpty, distances.allSatisfy(\.terms.isEmpty) {
            state += " moved by \(moved.joined(separator: ", "))"
            if printer.scalars.isOfIndexAlone(term.weight) { return state }
            state = "(\(state))"
        }
        var text: String
        switch semiring {
        case .plusTimes: text = printer.scalars.isNumber(term.weight, 1) ? state : "\(printer.factor(term.weight)) * \(state)"
        case .orAnd: text = printer.scalars.isNumber(term.weight, 1) ? state : "\(printer.factor(term.weight)) and \(state)"
        case .maxPlus, .minPlus, .logSumExp:
            text = printer.scalars.isNumber(term.weight, 0) ? state : "\(printer.print(term.weight)) + \(state)"
        }
        guard !term.bound.isEmpty else { return text }
        switch semiring {
        case .plusTimes: text = "sum(\(text))"
        case .orAnd: text = "any(\(text))"
        case .maxPlus: text = "max(\(text))"
        case .minPlus: text = "min(\(text))"
        case .logSumExp: text = "logsumexp(\(text))"
        }
        return text
    }

    func write(_ form: FractionalForm, state: ValueID, slot: Scalars.Slot) -> String {
        func line(_ a: Scalars.ID, _ b: Scalars.ID) -> String {
            var parts: [String] = []
            if !printer.scalars.isNumber(a, 0) {
                parts.append(printer.scalars.isNumber(a, 1) ? printer.state(slot) : "\(printer.factor(a)) * \(printer.state(slot))")
            }
            if !printer.scalars.isNumber(b, 0) { parts.append(printer.print(b)) }
            return parts.isEmpty ? "0" : parts.joined(separator: " + ")
        }
        return "\(printer.name(state)) = (\(line(form.a, form.b))) / (\(line(form.c, form.d)))"
    }
}
