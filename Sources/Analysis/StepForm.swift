import RecStream

/// The step of a recurrence as a map that composes: what block maps are built from.
package struct StepForm {
    package enum Map {
        case linear(Semiring, [Row])
        /// Of the one state there is.
        case fraction(FractionalForm, index: [Affine], slot: Scalars.Slot)
    }

    package struct Row {
        package var state: ValueID
        package var index: [Affine]
        package var form: LinearForm
    }

    package let scalars: Scalars
    package let map: Map
    /// By scalar, the known values that it is an element of, in the order of the graph.
    package let standing: [Scalars.ID: [Scalars.Element]]

    /// Nil where the step has no such form.
    package init?(_ graph: StreamGraph, members: [ValueID], delayed: [ValueID], traits: GraphTraits) {
        // Known values as they stand give the least to compute; written out they may cancel.
        for takesKnownAsTheyAre in [true, false] {
            var step = SymbolicStep(
                graph, members: Set(members), traits: traits, takesKnownAsTheyAre: takesKnownAsTheyAre)
            let nexts = delayed.map { ($0, step.next($0)) }
            for semiring in Semiring.allCases {
                var forms = LinearForms(step.scalars, over: semiring)
                let rows = nexts.compactMap { state, next -> Row? in
                    (try? forms.form(of: next.scalar)).map { Row(state: state, index: next.index, form: $0) }
                }
                guard rows.count == nexts.count else { continue }
                scalars = forms.scalars
                map = .linear(semiring, rows)
                standing = step.standing
                return
            }
            if nexts.count == 1, let (_, next) = nexts.first, let slot = step.scalars.onlySlot(of: next.scalar, at: next.index) {
                var scalars = step.scalars
                let element = scalars.intern(.state(slot, next.index))
                var forms = FractionalForms(scalars, in: element)
                if let form = forms.form(of: next.scalar) {
                    self.scalars = forms.scalars
                    map = .fraction(form, index: next.index, slot: slot)
                    standing = step.standing
                    return
                }
            }
        }
        return nil
    }
}

extension Scalars {
    /// The one state that a scalar depends on, at this index alone.
    fileprivate func onlySlot(of id: ID, at index: [Affine]) -> Slot? {
        var found: Slot?
        for (scalar, node) in nodes.enumerated() where scalar <= id {
            switch node {
            case .state(let slot, let other):
                guard other == index, found == nil || found == slot else { return nil }
                found = slot
            case .opaque: return nil
            case .number, .known, .polynomial, .unary, .binary, .select, .reduce, .index: break
            }
        }
        return found
    }
}
