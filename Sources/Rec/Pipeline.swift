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
    ]

    /// The graph as scheduling gets it.
    package static func prepare(_ graph: StreamGraph, times: PassTimes? = nil) -> StreamGraph {
        passes.reduce(graph) { graph, pass in times.measure(pass.name) { pass.run(graph) } }
    }

    package static func plan(_ graph: StreamGraph, times: PassTimes? = nil) -> Plan {
        let prepared = prepare(graph, times: times)
        return times.measure("schedule") { schedule(prepared) }
    }
}
