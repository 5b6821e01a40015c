import RecStream
import RecTensors

/// The values of one run, in memory for all steps.
final class Evaluation {
    let graph: StreamGraph
    let data: BoundData
    /// For each value its rows, `[batch, axes…]` as far as it varies, each of `width` numbers.
    private var memory: [UnsafeMutablePointer<Double>]
    private let rowCounts: [Int]
    private let widths: [Int]

    init(_ graph: StreamGraph, _ data: BoundData) {
        self.graph = graph
        self.data = data
        widths = graph.values.map { $0.shape.elementCount * ($0.element == .complex ? 2 : 1) }
        rowCounts = graph.values.map { value in
            var rows = value.variance.batch ? data.batch : 1
            for (k, extent) in data.extents.enumerated() where value.variance.varies(over: k) { rows *= extent }
            return rows
        }
        memory = zip(rowCounts, widths).map { rows, width in
            let pointer = UnsafeMutablePointer<Double>.allocate(capacity: max(1, rows * width))
            pointer.initialize(repeating: 0, count: max(1, rows * width))
            return pointer
        }
    }

    deinit { for pointer in memory { pointer.deallocate() } }

    /// A step of a sequence.
    struct Step {
        var sequence: Int
        var index: [Int]
    }

    func width(of id: ValueID) -> Int { widths[id.index] }

    func row(_ id: ValueID, at step: Step) -> UnsafeMutablePointer<Double> {
        let variance = graph[id].variance
        var row = variance.batch ? step.sequence : 0
        for (k, extent) in data.extents.enumerated() where variance.varies(over: k) { row = row * extent + step.index[k] }
        return memory[id.index] + row * widths[id.index]
    }

    func length(of sequence: Int, axis: Int) -> Int {
        axis == 0 ? data.lengths?[sequence] ?? data.extents[0] : data.extents[axis]
    }

    // MARK: Order

    func evaluate() {
        for component in components(of: graph) {
            if component.isRecurrence {
                evaluateRecurrence(component)
            } else {
                evaluateMap(component.members[0])
            }
        }
    }

    private func evaluateMap(_ id: ValueID) {
        switch graph[id].operation {
        case .input(let name, _):
            copy(data.inputs[name], to: id)
            return
        case .parameter(let info):
            copy(data.parameters[info.path], to: id)
            return
        case .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat,
            .pad, .window, .gather, .delay, .overTime:
            break
        }
        forEachStep(axes: graph.axes.indices.filter { graph[id].variance.varies(over: $0) }, batch: graph[id].variance.batch) {
            self.evaluate(id, at: $0)
        }
    }

    private func copy(_ tensor: Tensor?, to id: ValueID) {
        guard let tensor else { return }
        for (k, value) in tensor.doubles().enumerated() where k < rowCounts[id.index] * widths[id.index] {
            memory[id.index][k] = value
        }
    }

    private func forEachStep(axes: [Int], batch: Bool, _ body: (Step) -> Void) {
        for sequence in 0..<(batch ? data.batch : 1) {
            var step = Step(sequence: sequence, index: [Int](repeating: 0, count: graph.axes.count))
            func loop(_ k: Int) {
                guard k < axes.count else { return body(step) }
                for position in 0..<data.extents[axes[k]] {
                    step.index[axes[k]] = position
                    loop(k + 1)
                }
            }
            loop(0)
        }
    }

    private func evaluateRecurrence(_ component: Component) {
        let members = Set(component.members)
        let delays = component.members.compactMap { member -> [Int]? in
            guard case .delay(let operand, let offsets, _) = graph[member].operation, members.contains(operand) else { return nil }
            return offsets
        }
        let axes = Array(graph.axes.indices)
        guard let order = LoopOrder.admitting(delays, axes: axes) else { return }
        for sequence in 0..<data.batch {
            var step = Step(sequence: sequence, index: [Int](repeating: 0, count: axes.count))
            func loop(_ k: Int) {
                guard k < order.loops.count else {
                    for member in component.members { evaluate(member, at: step) }
                    return
                }
                let axis = order.loops[k].axis
                let extent = length(of: sequence, axis: axis)
                for position in 0..<extent {
                    step.index[axis] = order.loops[k].isReversed ? extent - 1 - position : position
                    loop(k + 1)
                }
            }
            loop(0)
        }
    }

    // MARK: Results

    func tensor(of id: ValueID, ofBatch: Bool = false) -> Tensor {
        let value = graph[id]
        var shape = value.variance.batch || ofBatch ? [data.batch] : []
        for (k, extent) in data.extents.enumerated() where value.variance.varies(over: k) { shape.append(extent) }
        shape += value.shape.sizes + (value.element == .complex ? [2] : [])
        var numbers = Array(UnsafeBufferPointer(start: memory[id.index], count: rowCounts[id.index] * widths[id.index]))
        if ofBatch, !value.variance.batch { numbers = Array(repeatElement(numbers, count: data.batch).joined()) }
        return Tensor(numbers, shape: shape, element: value.element)
    }

    func results() -> ModelResults {
        clearPadding()
        let outputs = graph.outputs.map { NamedTensor(name: $0.name, tensor: tensor(of: $0.value, ofBatch: true)) }
        let losses = graph.losses.map { loss in
            let each = tensor(of: loss.value, ofBatch: true).doubles()
            return NamedTensor(name: loss.name, tensor: Tensor([each.reduce(0, +) / Double(each.count)], shape: []))
        }
        return ModelResults(outputs: outputs, losses: losses, finalStates: finalStates())
    }

    /// Each state after the last step that its recurrence takes; over two axes there is no one last step.
    private func finalStates() -> [NamedTensor] {
        guard graph.axes.count == 1 else { return [] }
        return graph.states.map { state in
            let value = graph[state.value]
            let isReversed = runsBackwards(state.value)
            var numbers: [Double] = []
            for sequence in 0..<data.batch {
                let length = length(of: sequence, axis: 0)
                let last = Step(sequence: sequence, index: [isReversed ? 0 : length - 1])
                if length > 0 {
                    numbers += UnsafeBufferPointer(start: row(state.value, at: last), count: width(of: state.value))
                } else if let initial = state.initial {
                    numbers += UnsafeBufferPointer(
                        start: row(initial, at: Step(sequence: sequence, index: [0])), count: width(of: initial))
                } else {
                    numbers += [Double](repeating: 0, count: width(of: state.value))
                }
            }
            let shape = [data.batch] + value.shape.sizes + (value.element == .complex ? [2] : [])
            return NamedTensor(name: state.name, tensor: Tensor(numbers, shape: shape, element: value.element))
        }
    }

    private func runsBackwards(_ state: ValueID) -> Bool {
        graph.values.contains { value in
            if case .delay(let operand, let offsets, _) = value.operation { return operand == state && offsets[0] > 0 }
            return false
        } && components(of: graph).contains { $0.isRecurrence && $0.members.contains(state) && $0.members.contains { member in
            if case .delay(_, let offsets, _) = graph[member].operation { return offsets[0] > 0 }
            return false
        } }
    }

    private func clearPadding() {
        guard let lengths = data.lengths else { return }
        for output in graph.outputs where graph[output.value].variance.varies(over: 0) {
            let width = width(of: output.value)
            for (sequence, length) in lengths.enumerated() where length < data.extents[0] {
                let start = (sequence * data.extents[0] + length) * width
                (memory[output.value.index] + start).update(repeating: 0, count: (data.extents[0] - length) * width)
            }
        }
    }
}

extension Tensor {
    /// A tensor of the type in which an element type is given back: f64, i64 or bool.
    init(_ numbers: [Double], shape: [Int], element: ElementType) {
        switch element {
        case .real, .complex: self.init(numbers, shape: shape)
        case .int: // Saturating, as compiled code converts.
            self.init(numbers.map { $0.isNaN ? 0 : Int(exactly: $0.rounded(.towardZero)) ?? ($0 < 0 ? .min : .max) }, shape: shape)
        case .bool:
            self.init(type: .bool, shape: shape) { bytes in for (k, number) in numbers.enumerated() { bytes[k] = number == 0 ? 0 : 1 } }
        }
    }
}
