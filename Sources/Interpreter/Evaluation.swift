import RecStream
import RecTensors

/// One run: computes every value at every step, in the order of the loop nests.
final class Evaluation {
    let graph: StreamGraph
    let memory: StreamMemory
    let nests: [LoopNest]
    private let data: BoundData
    private var patterns: [AccessPattern?]

    init(_ graph: StreamGraph, _ nests: [LoopNest], _ data: BoundData) {
        self.graph = graph
        self.nests = nests
        self.data = data
        memory = StreamMemory(graph, data)
        patterns = [AccessPattern?](repeating: nil, count: graph.values.count)
    }

    func run() {
        for nest in nests {
            var sequences = memory.batch
            if case .value(let id, _) = nest {
                if load(id) { continue }
                // Values that do not vary over the batch are computed once.
                if !graph[id].variance.batch { sequences = 1 }
            }
            for sequence in 0..<sequences {
                memory.sequence = sequence
                run(nest)
            }
        }
    }

    /// Copies an input or a parameter from the data, all steps at once; false for any other value.
    private func load(_ id: ValueID) -> Bool {
        let tensor: Tensor?
        switch graph[id].operation {
        case .input(let name, _): tensor = data.inputs[name]
        case .parameter(let info): tensor = data.parameters[info.path]
        case .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad,
            .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            return false
        }
        // Bound data lie as the value does; what is not there is zero.
        if let tensor { memory.fill(id, with: numbers(of: tensor, as: graph[id].element)) }
        return true
    }

    /// What stands in rows for the elements of a tensor.
    private func numbers(of tensor: Tensor, as element: ElementType) -> [Double] {
        switch element {
        case .real, .complex: tensor.doubles()
        case .int: tensor.ints().map { Double(bits: $0) }
        case .bool: tensor.doubles().map { $0 == 0 ? 0 : 1 }
        }
    }

    private func run(_ nest: LoopNest) {
        switch nest {
        case .value(let id, let axes):
            run(id, axes[...])
        case .loop(let loop, let body):
            let length = memory.length(along: loop.axis)
            for step in 0..<length {
                memory.step[loop.axis] = loop.isReversed ? length - 1 - step : step
                for inner in body { run(inner) }
            }
            memory.step[loop.axis] = 0
        case .impossible(let ids):
            for id in ids { memory.everything(of: id).update(repeating: graph[id].element == .int ? 0 : .nan) }
        }
    }

    /// A value at every step along `axes`, as far as its sequence goes.
    private func run(_ id: ValueID, _ axes: ArraySlice<Int>) {
        guard let axis = axes.first else { return compute(id) }
        let (length, inner) = (memory.length(along: axis), axes.dropFirst())
        let isInnermost = inner.isEmpty
        var step = 0
        while step < length {
            memory.step[axis] = step
            if isInnermost { compute(id) } else { run(id, inner) }
            step += 1
        }
        memory.step[axis] = 0
    }

    /// A value at the present step.
    private func compute(_ id: ValueID) {
        switch graph[id].operation {
        case .input, .parameter: break
        case .delay(let operand, let offsets, let initial): delay(operand, offsets, initial, to: id)
        case .overTime(let kind, let operand, let axis): overTime(kind, operand, axis, to: id)
        case .overBatch(let operand): overBatch(operand, to: id)
        case .along(let operand, let axis): along(operand, axis, to: id)
        case .distance(let axis): memory.row(id)[0] = Double(bits: memory.step[graph.axes[axis].again ?? axis] - memory.step[axis])
        case .chunks(let operand, let axis, let fill): chunks(operand, axis, fill, to: id)
        case .steps(let operand, let axis): steps(operand, axis, to: id)
        case .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad,
            .window, .gather, .scatter, .runningAffine, .solve:
            computeWithinStep(id)
        }
    }

    /// Which elements of its operands a value reads, the same at every step.
    func pattern(of id: ValueID) -> AccessPattern {
        if let known = patterns[id.index] { return known }
        let pattern = AccessPattern(of: id, in: graph)
        patterns[id.index] = pattern
        return pattern
    }
}
