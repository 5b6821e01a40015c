import RecSchedule
import RecSource
import RecStream

extension Model {
    /// Whether steps attend to others: such a model runs in blocks of pairs of steps, and in no plan of steps alone.
    package var attends: Bool { graph.axes.contains { $0.again != nil } }

    /// - Throws: where a model has no plan of steps alone, which streams and libraries take.
    func checkHasPlan() throws(DiagnosticList) {
        try checkHasOnePlan()
        guard attends else { return }
        let span = graph.values.first { if case .along = $0.operation { true } else { false } }?.span
        throw DiagnosticList([
            Diagnostic(
                .planRefused, "'\(typed.name)' attends to other steps: it runs over whole sequences, and not step by step", at: span,
                help: "run it with 'recc run', or by Model.run")
        ])
    }

    /// The error where gradients are to be cut off.
    func refusalOfTruncation() -> DiagnosticList {
        DiagnosticList(
            .planRefused, "'\(typed.name)' attends to other steps, and gradients that are cut off do not go with that", help: "leave out --truncate")
    }

    /// The same model with windows of its past for steps that attend to others.
    ///
    /// - Parameter context: steps that are kept where there is no window, the present one among them.
    /// - Throws: where steps attend to later ones, or to all earlier ones without a context.
    func attendingStepByStep(_ context: Int?) throws(DiagnosticList) -> Model {
        guard attends else { return self }
        // Steps are known once what runs along other axes is.
        guard !isKnownByOtherAxes else {
            var result = self
            result.keptSteps = context ?? keptSteps
            return result
        }
        do throws(ScheduleRefusal) {
            let (graph, isBounded) = try onDeepStack { () throws(ScheduleRefusal) in try self.graph.keepingWindows(context: context) }
            var result = self
            (result.graph, result.wholeGraph, result.selections) = (graph, graph, [])
            result.code = ModelCode()
            result.mostStreamedSteps = isBounded ? nil : context
            return result
        } catch {
            throw DiagnosticList([
                Diagnostic(
                    .planRefused, "'\(graph.name)' cannot run step by step: \(error.reason)", at: error.span, help: error.help ?? "run it over whole sequences")
            ])
        }
    }

    /// - Throws: where a stream is to go on that keeps all of its past: a state does not say how much of it there is.
    func checkBeginning(_ state: ModelState) throws(DiagnosticList) {
        guard mostStreamedSteps != nil, !state.isBeginning else { return }
        throw DiagnosticList(
            .stateRefused, "'\(typed.name)' attends to all of its past, and a state does not say how many steps that is",
            help: "begin the stream anew, or give it a window")
    }
}
