
/// A strongly connected component of the stream graph: a recurrence, or a single value.
package struct Component: Equatable, Sendable {
    /// Ascending.
    package var members: [ValueID]
    /// True where some member depends on itself through a delay.
    package var isRecurrence: Bool

    package init(members: [ValueID], isRecurrence: Bool) {
        self.members = members
        self.isRecurrence = isRecurrence
    }
}

/// The strongly connected components of a graph, each after those it depends on.
package func components(of graph: StreamGraph) -> [Component] {
    let operands = graph.values.map { $0.operation.operands.map(\.index) }
    return stronglyConnected(operands).map { members in
        Component(
            members: members.map(ValueID.init),
            isRecurrence: members.count > 1 || operands[members[0]].contains(members[0]))
    }
}

/// The strongly connected components of a graph given by the successors of each vertex: each ascending, and after all
/// components it leads to.
///
/// Tarjan, "Depth-first search and linear graph algorithms", SIAM J. Comput. 1 (1972), with an explicit stack.
package func stronglyConnected(_ successors: [[Int]]) -> [[Int]] {
    var index = [Int](repeating: -1, count: successors.count)
    var low = index
    var onStack = [Bool](repeating: false, count: successors.count)
    var stack: [Int] = []
    var found: [[Int]] = []
    var next = 0

    var work: [(vertex: Int, edge: Int)] = []
    for root in successors.indices where index[root] < 0 {
        work.append((root, 0))
        while let (vertex, edge) = work.last {
            if edge == 0 {
                index[vertex] = next
                low[vertex] = next
                next += 1
                stack.append(vertex)
                onStack[vertex] = true
            }
            if edge < successors[vertex].count {
                work[work.count - 1].edge += 1
                let target = successors[vertex][edge]
                if index[target] < 0 {
                    work.append((target, 0))
                } else if onStack[target] {
                    low[vertex] = min(low[vertex], index[target])
                }
                continue
            }
            work.removeLast()
            if let parent = work.last { low[parent.vertex] = min(low[parent.vertex], low[vertex]) }
            guard low[vertex] == index[vertex] else { continue }
            var members: [Int] = []
            while let member = stack.popLast() {
                onStack[member] = false
                members.append(member)
                if member == vertex { break }
            }
            found.append(members.count == 1 ? members : members.sorted())
        }
    }
    return found
}
