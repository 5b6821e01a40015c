import RecStream

/// What the analysis of each recurrence needs to know of the whole graph, found once.
package struct GraphTraits {
    let uniformity: Uniformity
    /// Whether a value is part of some recurrence.
    private let isRecurrent: [Bool]

    package init(_ graph: StreamGraph) { self.init(graph, components(of: graph)) }

    init(_ graph: StreamGraph, _ components: [Component]) {
        uniformity = Uniformity(graph)
        var isRecurrent = [Bool](repeating: false, count: graph.values.count)
        for component in components where component.isRecurrence { for member in component.members { isRecurrent[member.index] = true } }
        self.isRecurrent = isRecurrent
    }

    /// Whether a value is part of some recurrence. What was added to the graph later is part of none.
    func isRecurrent(_ value: ValueID) -> Bool { value.index < isRecurrent.count && isRecurrent[value.index] }
}
