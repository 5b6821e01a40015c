
/// A strongly connected component of the stream graph: a recurrence, or a single value.
public struct Component: Equatable, Sendable {
    /// Ascending.
    public var members: [ValueID]
    /// True where some member depends on itself through a delay.
    public var isRecurrence: Bool
}

/// The strongly connected components, each after those it depends on.
///
/// Tarjan, "Depth-first search and linear graph algorithms", SIAM J. Comput. 1 (1972), with an explicit stack.
public func components(of graph: StreamGraph) -> [Component] {
    var index = [Int](repeating: -1, count: graph.values.count)
    var low = index
    var onStack = [Bool](repeating: false, count: graph.values.count)
    var stack: [Int] = []
    var found: [Component] = []
    var next = 0
    let operands = graph.values.map { $0.operation.operands.map(\.index) }

    for root in graph.values.indices where index[root] < 0 {
        var work: [(value: Int, edge: Int)] = [(root, 0)]
        while let top = work.last {
            let (value, edge) = top
            if edge == 0 {
                index[value] = next
                low[value] = next
                next += 1
                stack.append(value)
                onStack[value] = true
            }
            if edge < operands[value].count {
                work[work.count - 1].edge += 1
                let operand = operands[value][edge]
                if index[operand] < 0 {
                    work.append((operand, 0))
                } else if onStack[operand] {
                    low[value] = min(low[value], index[operand])
                }
                continue
            }
            work.removeLast()
            if let parent = work.last { low[parent.value] = min(low[parent.value], low[value]) }
            guard low[value] == index[value] else { continue }
            var members: [ValueID] = []
            while let member = stack.popLast() {
                onStack[member] = false
                members.append(ValueID(member))
                if member == value { break }
            }
            let isRecurrence = members.count > 1 || operands[value].contains(value)
            found.append(Component(members: members.sorted(), isRecurrence: isRecurrence))
        }
    }
    return found
}
