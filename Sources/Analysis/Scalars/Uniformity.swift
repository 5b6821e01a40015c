import RecStream

/// Along which of its axes each value may vary at all: what is spread out from fewer axes is the same along the others.
struct Uniformity {
    let varies: [[Bool]]

    init(_ graph: StreamGraph) {
        var varies: [[Bool]] = []
        for (position, value) in graph.values.enumerated() {
            let rank = value.shape.count
            func all() -> [Bool] { [Bool](repeating: true, count: rank) }
            func known(_ id: ValueID) -> [Bool] {
                id.index < position && varies[id.index].count == graph[id].shape.count
                    ? varies[id.index] : [Bool](repeating: true, count: graph[id].shape.count)
            }
            func union(_ ids: [ValueID]) -> [Bool] {
                ids.reduce([Bool](repeating: false, count: rank)) { result, id in zip(result, known(id)).map { $0 || $1 } }
            }
            switch value.operation {
            case .input, .parameter, .reshape, .concat, .pad, .window, .gather, .scatter, .delay, .chunks, .steps, .runningAffine,
                .solve:
                varies.append(all())
            case .constant, .distance: varies.append([Bool](repeating: false, count: rank))
            case .unary(_, let a), .rename(let a), .overTime(_, let a, _), .overBatch(let a), .along(let a, _): varies.append(known(a))
            case .slice(let a, _, _, _): varies.append(known(a))
            case .binary(_, let a, let b): varies.append(union([a, b]))
            case .select(let c, let a, let b): varies.append(union([c, a, b]))
            case .broadcast(let a, let from):
                let inner = known(a)
                varies.append(from.map { $0.map { inner[$0] } ?? false })
            case .reduce(_, let a, let axes):
                let inner = known(a)
                varies.append(inner.indices.filter { !axes.contains($0) }.map { inner[$0] })
            case .contract(let contraction):
                let (left, right) = (known(contraction.left), known(contraction.right))
                varies.append(
                    contraction.resultLabels.map { label in
                        let inLeft = contraction.leftLabels.firstIndex(of: label).map { left[$0] } ?? false
                        return inLeft || (contraction.rightLabels.firstIndex(of: label).map { right[$0] } ?? false)
                    })
            }
        }
        self.varies = varies
    }
}
