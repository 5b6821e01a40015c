import RecScheduling
import RecSource

extension Explanation {
    /// Explains a run of a model.
    ///
    /// - Parameters:
    ///   - batch: sequences of the run, 1 or more.
    ///   - length: steps along each axis that has no length of its own, 1 or more.
    ///   - threads: from 1 to 1024.
    ///   - forms: forms by state, as for a run.
    ///   - bound: bytes that the run may have in memory; what it keeps there is then explained, too.
    /// - Throws: where a form is not legal, the run does not fit its bound, or a number is impossible.
    public init(
        _ model: Model, batch: Int = 1, length: Int = 1024, threads: Int = 1, forcing forms: [String: PlanForm] = [:],
        within bound: Int? = nil
    ) throws(DiagnosticList) {
        let work = Workload(batch: batch, extents: model.graph.axes.map { $0.length ?? length }, threads: threads)
        self = try reportingProblems(in: model.program.sources) { try onDeepStack { try Explanation(model, work: work, forcing: forms, within: bound) } }
    }

    /// Explains a run with gradients, and what it keeps in memory; the parameters are those for a model.
    ///
    /// - Throws: where a form is not legal, the run does not fit its bound, or a number is impossible.
    public init(
        _ gradients: GradientModel, batch: Int = 1, length: Int = 1024, threads: Int = 1, forcing forms: [String: PlanForm] = [:],
        within bound: Int? = nil
    ) throws(DiagnosticList) {
        let work = Workload(batch: batch, extents: gradients.model.graph.axes.map { $0.length ?? length }, threads: threads)
        self = try reportingProblems(in: gradients.model.program.sources) {
            try onDeepStack { try Explanation(gradients, work: work, forcing: forms, within: bound) }
        }
    }

    /// A page for people to read, as `recc explain` prints it.
    public var text: String { text(sources) }

    /// The same for tools, as `recc explain --json` prints it.
    public var json: String { json(sources) }
}

extension Explanation: CustomStringConvertible {
    /// The page of `text`.
    public var description: String { text }
}
