import Rec
import RecStream
import RecTensors

/// The numbers that a run gives, by what they are.
struct RunNumbers {
    struct Item {
        var name: String
        var shape: [Int]
        var numbers: [Double]
        /// Numbers of one step of one sequence.
        var rowLength: Int
    }

    var items: [Item] = []

    init(_ results: ModelResults, of graph: StreamGraph) {
        func row(_ id: ValueID) -> Int { graph[id].shape.elementCount * (graph[id].element == .complex ? 2 : 1) }
        let outputs = Dictionary(graph.outputs.map { ($0.name, row($0.value)) }) { a, _ in a }
        let states = Dictionary(graph.states.map { ($0.name, row($0.value)) }) { a, _ in a }
        for item in results.outputs { add("output \(item.name)", item.tensor, outputs[item.name] ?? 1) }
        for item in results.losses { add("loss \(item.name)", item.tensor, 1) }
        for item in results.finalStates { add("final \(item.name)", item.tensor, states[item.name] ?? 1) }
    }

    mutating func add(_ name: String, _ tensor: Tensor, _ rowLength: Int) {
        items.append(Item(name: name, shape: tensor.shape, numbers: tensor.doubles(), rowLength: max(1, rowLength)))
    }

    /// The place of the first number that has other bits; NaNs are all one.
    func firstDifference(from other: RunNumbers, withSigns: Bool = true) -> String? {
        guard items.map(\.name) == other.items.map(\.name) else { return "results \(items.map(\.name)) and \(other.items.map(\.name))" }
        for (a, b) in zip(items, other.items) {
            guard a.numbers.count == b.numbers.count else { return "\(a.name): shapes \(a.shape) and \(b.shape)" }
            for (k, (x, y)) in zip(a.numbers, b.numbers).enumerated() {
                let isSame = x.isNaN && y.isNaN || (withSigns ? x.bitPattern == y.bitPattern : x == y)
                if !isSame { return "\(a.name) \(a.place(k)): \(x) and \(y)" }
            }
        }
        return nil
    }
}

extension RunNumbers.Item {
    /// `[0, 3, 1]`
    func place(_ k: Int) -> String {
        var rest = k
        var indices: [Int] = []
        for size in shape.reversed() {
            indices.insert(rest % max(1, size), at: 0)
            rest /= max(1, size)
        }
        return "\(indices)"
    }
}
