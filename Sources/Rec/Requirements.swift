import RecAnalysis
import RecScheduling
import RecSource
import RecStream

/// Checks what the source requires of its states.
func checkRequirements(of plan: Plan) throws(DiagnosticList) {
    var problems: [Diagnostic] = []
    let recurrences = recurrences(of: plan.graph)
    for requirement in plan.graph.requirements {
        let names = [requirement.state, requirement.state + ".re"]
        let recurrence = recurrences.first { !$0.states.filter(names.contains).isEmpty }
        switch requirement.property {
        case .affine:
            guard let recurrence, let reason = recurrence.notAffine else { continue }
            problems.append(
                Diagnostic(
                    .requireFailed, "'\(requirement.state)' is not affine", at: requirement.span,
                    labels: reason.span.map { [Diagnostic.Label(span: $0, text: reason.text)] } ?? []))
        case .diagonal:
            guard let recurrence, let reason = recurrence.notDiagonal else { continue }
            problems.append(
                Diagnostic(
                    .requireFailed, "'\(requirement.state)' is not diagonal", at: requirement.span,
                    labels: reason.span.map { [Diagnostic.Label(span: $0, text: reason.text)] } ?? []))
        case .plan(let allowed):
            let chosen = recurrence == nil ? "map" : "sequential"
            guard !allowed.contains(chosen) else { continue }
            problems.append(
                Diagnostic(
                    .requireFailed, "'\(requirement.state)' runs as '\(chosen)', not as \(allowed.joined(separator: " or "))",
                    at: requirement.span, help: "the forms that this version has are map and sequential"))
        }
    }
    if !problems.isEmpty { throw DiagnosticList(problems) }
}
