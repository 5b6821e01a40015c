import Rec
import RecCodeGen
import RecStream

/// Reductions over other steps, in blocks of pairs of steps as machine code.
extension Checker {
    mutating func checkPairs(_ check: String, _ graph: StreamGraph, _ reference: Reference) throws {
        guard graph.axes.contains(where: { $0.again != nil }), reference.isFinite, reference.fitsDouble else { return }
        try compareCode(check, graph, reference)
    }

    /// Runs of every size, and gradients, in both precisions.
    mutating func checkPairs(_ model: Model, _ dice: inout Dice) throws {
        let context = CompileContext(effort: effort)
        outcome.isOptimized = effort == .full
        func check(_ check: String, _ graph: StreamGraph, _ references: [Reference]) throws {
            for precision in [Precision.f64, .f32] {
                guard precision == .f64 || isWanted("\(check), f32", 50, &dice) else { continue }
                guard let code = try? PartitionedModel(graph, precision: precision, context: context) else { return outcome.count("refused \(check)") }
                outcome.plans += 1
                for reference in references {
                    let results = try must(check) { try code.run(reference.data, pool: ThreadPool(count: 1, leastWork: 0)) }
                    guard let results else { continue }
                    let first = RunNumbers(results, of: graph)
                    try expect("\(check), \(precision.rawValue)", mismatch(first, reference, precision, "pairs"))
                    let second = try must(check) { try code.run(reference.data, pool: ThreadPool(count: 3, leastWork: 0)) }
                    try expect("\(check), threads", second.flatMap { RunNumbers($0, of: graph).firstDifference(from: first) })
                }
            }
        }
        try check("pairs of steps", model.graph, item.runs.indices.map { Reference(model.graph, CaseData(item, run: $0).bound(for: model.graph)) })
        guard isWanted("gradient", 45, &dice) else { return }
        let request = Self.request(model, withFinals: true)
        guard !request.seeds.isEmpty, !request.targets.isEmpty else { return }
        let gradients = try must("gradient") { try GradientModel(model, request) }
        let plain = try must("gradient") { try gradient(of: model.graph, request) }
        try check(
            "gradient, pairs of steps", gradients.graph,
            item.runs.indices.map { Reference(plain, CaseData(item, run: $0).bound(for: plain, within: model.graph)) })
    }
}
