import RecAnalysis
import RecScheduling
import RecSource
import RecStream

extension StreamGraph {
    /// States that the source does not let run in a form.
    func statesRequired(otherThan form: PlanForm) -> Set<String> {
        Set(
            requirements.compactMap { requirement in
                if case .plan(let allowed) = requirement.property, !allowed.contains(form.name) { requirement.state } else { nil }
            })
    }
}

extension PlanForms {
    /// Checks what the source requires of its states, and says in which forms that lets recurrences run.
    func requirements() throws(DiagnosticList) -> (scans: Set<Int>, sequential: Set<Int>) {
        var problems: [Diagnostic] = []
        var scans: Set<Int> = []
        var sequential: Set<Int> = []
        for requirement in prepared.requirements {
            let found = indices(of: requirement.state)
            switch requirement.property {
            case .affine:
                for k in found { problems += refusal(requirement, recurrences[k].facts.notAffine, "is not affine") }
            case .diagonal:
                for k in found { problems += refusal(requirement, recurrences[k].facts.notDiagonal, "is not diagonal") }
            case .plan(let allowed):
                if found.isEmpty {
                    if !allowed.contains("map") {
                        problems.append(mismatch(requirement, allowed, "it is no recurrence: every step is computed by itself (map)"))
                    }
                } else if allowed.contains(PlanForm.sequential.text) {
                    if !allowed.contains(PlanForm.scan.text) { sequential.formUnion(found) }
                } else if allowed.contains(PlanForm.scan.text) {
                    let refused = found.lazy.compactMap { recurrences[$0].refusal }.first
                    if let refused {
                        problems.append(mismatch(requirement, allowed, "it cannot run as a scan: \(refused.reason)", at: refused.span))
                    } else {
                        scans.formUnion(found)
                    }
                } else if !allowed.contains(where: { PlanForm($0)?.isOfWholeRuns == true }) {
                    problems.append(mismatch(requirement, allowed, "the forms that are built are map, sequential, scan, chunkwise, shooting and newton"))
                }
            }
        }
        if !problems.isEmpty { throw DiagnosticList(problems) }
        return (scans, sequential)
    }

    private func refusal(_ requirement: StreamGraph.Requirement, _ reason: Reason?, _ what: String) -> [Diagnostic] {
        guard let reason else { return [] }
        return [
            Diagnostic(
                .requireFailed, "'\(requirement.state)' \(what)", at: requirement.span,
                labels: reason.span.map { [Diagnostic.Label(span: $0, text: "this \(reason.text): \(reason.conclusion)")] } ?? [])
        ]
    }

    private func mismatch(
        _ requirement: StreamGraph.Requirement, _ allowed: [String], _ why: String, at span: SourceSpan? = nil
    ) -> Diagnostic {
        Diagnostic(
            .requireFailed, "'\(requirement.state)' does not run as \(allowed.joined(separator: " or ")): \(why)",
            at: requirement.span, labels: span.map { [Diagnostic.Label(span: $0, text: "the reason is here")] } ?? [])
    }
}
