import RecInterpreter
import RecSource
import RecStream

/// Refuses a graph in which a monoid is none.
func checkMonoids(of graph: StreamGraph) throws(DiagnosticList) {
    var problems: [Diagnostic] = []
    var seen: Set<String> = []
    for fold in graph.folds where seen.insert(fold.monoid).inserted {
        guard let found = MonoidCheck(fold).run() else { continue }
        let operands = found.operands.map { "\($0.name): \($0.fields.joined(separator: ", "))" }.joined(separator: "; ")
        let isIdentity = found.operands.count == 1
        problems.append(
            Diagnostic(
                .falseMonoid,
                isIdentity
                    ? "the identity of '\(fold.monoid)' is none: \(found.rule) does not hold"
                    : "'\(fold.monoid)' is not associative: \(found.rule) does not hold",
                at: fold.combine.outputs.first.flatMap { fold.combine[$0.value].span } ?? fold.span,
                caption: "for \(operands) the left is \(found.left.joined(separator: ", ")), the right \(found.right.joined(separator: ", "))",
                labels: fold.span.map { [Diagnostic.Label(span: $0, text: "folded here")] } ?? [],
                help: isIdentity ? "the identity must leave every value as it is, on both sides; numbers of either sign are tried" : "an operator that is not associative is a state: h = f(h[t-1], x)"))
    }
    if !problems.isEmpty { throw DiagnosticList(problems) }
}
