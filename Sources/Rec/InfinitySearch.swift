import RecInterpreter
import RecStream
import RecTensors

/// Looks for NaN and infinity among the values of a graph, as the interpreter computes them.
struct InfinitySearch {
    /// A number that is not finite.
    struct Place {
        var id: ValueID
        var number: Double
        /// Nil where the value is no stream.
        var step: Int?
    }

    private let graph: StreamGraph
    private let steps: Int
    private let batch: Int
    /// Of values that are not finite everywhere.
    private var numbers: [ValueID: [Double]] = [:]
    /// At which steps a value is −∞ somewhere; of what is no stream one entry.
    private var least: [ValueID: [Bool]] = [:]

    init(_ graph: StreamGraph, _ data: BoundData) {
        self.graph = graph
        batch = data.batch
        steps = data.extents.first ?? 1
        let values = Interpreter(graph).evaluateAll(data)
        for id in graph.ids {
            guard let tensor = values[id], tensor.type.isFloating else { continue }
            let own = tensor.doubles()
            guard own.contains(where: { !$0.isFinite }) else { continue }
            numbers[id] = own
            guard own.contains(-.infinity) else { continue }
            var found = [Bool](repeating: false, count: isStream(id) ? steps : 1)
            for (place, number) in own.enumerated() where number == -.infinity { found[step(of: place, in: id, own.count) ?? 0] = true }
            least[id] = found
        }
    }

    private func isStream(_ id: ValueID) -> Bool { graph[id].variance.varies(over: 0) }

    private func step(of place: Int, in id: ValueID, _ count: Int) -> Int? {
        guard isStream(id) else { return nil }
        return place / max(1, count / max(1, batch * steps)) % max(1, steps)
    }

    /// Whether a value is −∞ anywhere that is no constant.
    var hasLeast: Bool { least.keys.contains { !isConstant($0) } }

    /// The first number that is not finite and was not meant to be; nil where there is none.
    var cause: Place? {
        guard let found = first(where: { id, number, step in number != -.infinity || isMade(id, at: step) }) else { return nil }
        return found.number == .infinity ? logarithm(behind: found.id) ?? found : found
    }

    /// The first number that is not finite, where some of these values are not; nil where they all are.
    func first(behind results: [ValueID]) -> Place? {
        results.contains { numbers[$0] != nil } ? first { _, _, _ in true } : nil
    }

    /// The first number that is not finite and that `counts`: at the earliest step, and there first in the order of the graph.
    func first(where counts: (ValueID, Double, Int?) -> Bool) -> Place? {
        var stream: Place?
        var other: Place?
        for id in graph.ids {
            // A constant that is infinite was meant to be.
            guard !isConstant(id), let own = numbers[id] else { continue }
            for (place, number) in own.enumerated() where !number.isFinite {
                if let step = step(of: place, in: id, own.count) {
                    guard step < stream?.step ?? Int.max, counts(id, number, step) else { continue }
                    stream = Place(id: id, number: number, step: step)
                } else if other == nil, counts(id, number, nil) {
                    other = Place(id: id, number: number)
                }
            }
        }
        // What is computed from parameters alone stands in front of the streams that read it, a sum over time behind what it sums.
        if let stream, let other, other.id.index > stream.id.index { return stream }
        return other ?? stream
    }

    private func isConstant(_ id: ValueID) -> Bool {
        if case .constant = graph[id].operation { true } else { false }
    }

    private func isLogarithm(_ id: ValueID) -> Bool {
        if case .unary(let function, _) = graph[id].operation { [.log, .log2, .log1p].contains(function) } else { false }
    }

    private func isLeast(_ id: ValueID, at step: Int?) -> Bool {
        guard let found = least[id] else { return false }
        guard let step, isStream(id) else { return found.contains(true) }
        return found[step]
    }

    /// Whether −∞ of a value comes of an overflow: of operands without it.
    private func isMade(_ id: ValueID, at step: Int?) -> Bool {
        switch graph[id].operation {
        case .input, .parameter, .constant, .delay: false
        case .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window, .gather, .scatter,
            .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            !isLogarithm(id) && !graph[id].operation.operands.contains { isLeast($0, at: step) }
        }
    }

    /// The logarithm of 0 that a value of +∞ comes of, as in `-log(p)`; nil where it comes of a constant, or of no −∞.
    private func logarithm(behind value: ValueID) -> Place? {
        var found: Set<ValueID> = []
        var known: Set<ValueID> = [value]
        var rest = [value]
        while let id = rest.popLast() {
            for operand in graph[id].operation.operands where least[operand] != nil && known.insert(operand).inserted {
                if isConstant(operand) { return nil }
                if isLogarithm(operand) { found.insert(operand) }
                rest.append(operand)
            }
        }
        return first { id, number, _ in number == -.infinity && found.contains(id) }
    }
}
