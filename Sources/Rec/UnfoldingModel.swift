import RecLowering
import RecSource
import RecStream

/// Models in which a recurrence goes on from what is known behind all steps of another axis, as of a decoder that attends with what it has
/// said. For code that axis is a dim of each step, of the length that the data have: there is code for each such length.
extension Model {
    /// The axis of data that is a dim within the steps of others for code; nil where none is.
    package var unfoldedAxis: Int? { graph.axisToUnfold }

    /// The graph of results, or of gradients as well, for so many steps of the axis to unfold.
    ///
    /// - Throws: where there would be too many values, or code cannot take the steps even so.
    package func unfolded(count: Int, _ request: GradientRequest?) throws(DiagnosticList) -> StreamGraph {
        let whole = try rewritten([:], request)
        return try onDeepStack { () throws(DiagnosticList) in
            guard let axis = whole.axisToUnfold else {
                try checkSweeps(of: whole)
                return whole
            }
            guard count > 0 else {
                throw DiagnosticList(
                    .unsupported, "'\(typed.name)' goes on from all steps of '\(whole.axes[axis].name)', and code needs at least one of them",
                    help: "run it with --interpret, or give one step and lengths of 0")
            }
            return try whole.unfolded(axis, count: count)
        }
    }

    /// - Throws: where there is a plan for each length of an axis.
    func checkHasOnePlan() throws(DiagnosticList) {
        guard let axis = unfoldedAxis else { return }
        let name = graph.axes[axis].name
        throw DiagnosticList(
            .planRefused, "'\(typed.name)' goes on from all steps of '\(name)', and has a plan for each length of that",
            help: "'recc explain' shows its parts, and 'recc run' runs them")
    }

    /// What does not go with an axis that is a dim of each step.
    func checkUnfolding(_ asked: [String: PlanForm], _ request: GradientRequest?, within bound: Int?) throws(DiagnosticList) {
        guard let axis = unfoldedAxis else { return }
        func refused(_ what: String, _ help: String) -> DiagnosticList {
            DiagnosticList(.planRefused, "'\(typed.name)' goes on from all steps of '\(graph.axes[axis].name)', and \(what) not go with that", help: help)
        }
        if let state = asked.keys.min() { throw refused("a plan of '\(state)' does", "leave the plan out") }
        if bound != nil { throw refused("a bound of memory does", "leave out --memory") }
        if request?.truncation != nil { throw refused("gradients that are cut off do", "leave out --truncate") }
        if let requirement = graph.requirements.first {
            throw DiagnosticList([
                Diagnostic(
                    .planRefused, "'\(typed.name)' goes on from all steps of '\(graph.axes[axis].name)', and what the source requires of '\(requirement.state)' cannot be held there",
                    at: requirement.span, help: "leave out the 'require'")
            ])
        }
    }
}

extension StreamGraph {
    /// What data and parameters are checked against, and nothing that is computed.
    func withoutResults() -> StreamGraph {
        var result = self
        (result.outputs, result.losses, result.states, result.folds, result.requirements, result.ownGradients) = ([], [], [], [], [], [])
        return result.ordered()
    }
}
