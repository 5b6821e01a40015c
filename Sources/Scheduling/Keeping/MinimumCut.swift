/// A network of capacities, and the cheapest set of edges that cuts its source from its sink.
///
/// Dinic, "Algorithm for solution of a problem of maximum flow in networks with power estimation", Soviet Math. Doklady 11
/// (1970): shortest augmenting paths, level by level.
struct MinimumCut {
    /// More than any sum of costs.
    static let infinite = Int.max / 4

    private struct Edge {
        var target: Int
        var capacity: Int
    }

    /// Every edge stands before its reverse.
    private var edges: [Edge] = []
    private var outgoing: [[Int]]
    private let source: Int
    private let sink: Int

    /// Vertices are `0 ..< vertexCount`.
    init(vertexCount: Int, source: Int, sink: Int) {
        outgoing = [[Int]](repeating: [], count: vertexCount)
        self.source = source
        self.sink = sink
    }

    mutating func connect(_ from: Int, _ to: Int, _ capacity: Int) {
        outgoing[from].append(edges.count)
        edges.append(Edge(target: to, capacity: capacity))
        outgoing[to].append(edges.count)
        edges.append(Edge(target: from, capacity: 0))
    }

    /// For each vertex whether it is on the sink's side of a cheapest cut: of several the one with fewest vertices there.
    mutating func sinkSide() -> [Bool] {
        while let levels = levels() { augment(levels) }
        var isReached = [Bool](repeating: false, count: outgoing.count)
        isReached[sink] = true
        var waiting = [sink]
        while let vertex = waiting.popLast() {
            for edge in outgoing[vertex] where edges[edge ^ 1].capacity > 0 && !isReached[edges[edge].target] {
                isReached[edges[edge].target] = true
                waiting.append(edges[edge].target)
            }
        }
        return isReached
    }

    /// How far each vertex is from the source along edges with capacity left; nil where the sink is not reached.
    private func levels() -> [Int]? {
        var level = [Int](repeating: -1, count: outgoing.count)
        level[source] = 0
        var waiting = [source]
        var next = 0
        while next < waiting.count {
            let vertex = waiting[next]
            next += 1
            for edge in outgoing[vertex] where edges[edge].capacity > 0 && level[edges[edge].target] < 0 {
                level[edges[edge].target] = level[vertex] + 1
                waiting.append(edges[edge].target)
            }
        }
        return level[sink] < 0 ? nil : level
    }

    /// Fills every shortest path. The path so far is kept in an array: graphs are deeper than the stack.
    private mutating func augment(_ level: [Int]) {
        var nextEdge = [Int](repeating: 0, count: outgoing.count)
        var path: [Int] = []
        var vertex = source
        while true {
            if vertex == sink {
                let flow = path.map { edges[$0].capacity }.min() ?? 0
                for edge in path {
                    edges[edge].capacity -= flow
                    edges[edge ^ 1].capacity += flow
                }
                let full = path.firstIndex { edges[$0].capacity == 0 } ?? 0
                vertex = edges[path[full] ^ 1].target
                path.removeSubrange(full...)
                continue
            }
            if nextEdge[vertex] == outgoing[vertex].count {
                guard let last = path.popLast() else { return }
                vertex = edges[last ^ 1].target
                nextEdge[vertex] += 1
                continue
            }
            let edge = outgoing[vertex][nextEdge[vertex]]
            if edges[edge].capacity > 0, level[edges[edge].target] == level[vertex] + 1 {
                path.append(edge)
                vertex = edges[edge].target
            } else {
                nextEdge[vertex] += 1
            }
        }
    }
}
