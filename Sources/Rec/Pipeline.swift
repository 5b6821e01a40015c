import RecScheduling
import RecSource
import RecStream

/// The compiler in order. In front of this stand reading and typing (`Program`) and lowering (`Program.graph`); behind it
/// stands code generation (`CompiledPlan`).
package enum Pipeline {
    /// A pass from graph to graph.
    package struct Pass: Sendable {
        package let name: String
        package let run: @Sendable (StreamGraph) -> StreamGraph
    }

    /// What happens to a graph before it is scheduled.
    package static let passes: [Pass] = [
        Pass(name: "share-common-values") { $0.sharingCommonValues() },
        Pass(name: "recognize-contractions") { $0.recognizingContractions() },
        Pass(name: "split-complex") { $0.splittingComplex() },
        Pass(name: "unroll-windows") { $0.unrollingWindows() },
        Pass(name: "number-steps") { $0.numberingSteps() },
    ]

    /// The graph as scheduling gets it.
    package static func prepare(_ graph: StreamGraph, times: PassTimes? = nil) -> StreamGraph {
        // What is scheduled is not differentiated any more.
        var graph = graph
        graph.ownGradients = []
        return passes.reduce(graph) { graph, pass in times.measure(pass.name) { pass.run(graph) } }
    }

    /// - Throws: the reason where the graph has no plan.
    package static func plan(_ graph: StreamGraph, times: PassTimes? = nil) throws(PlanRefusal) -> Plan {
        let prepared = prepare(graph, times: times)
        return try times.measure("schedule") { () throws(PlanRefusal) in try schedule(prepared) }
    }

    /// The same, on a stack that holds deep graphs, with an error for users.
    static func simplestPlan(_ graph: StreamGraph, times: PassTimes? = nil) throws(DiagnosticList) -> Plan {
        do throws(PlanRefusal) {
            return try onDeepStack { () throws(PlanRefusal) in try plan(graph, times: times) }
        } catch { throw PlanForms.diagnostics(ofSimplest: error) }
    }
}
