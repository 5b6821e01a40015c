import RecStream
import RecTensors

/// What a run gives back.
extension Evaluation {
    func results() -> ModelResults {
        ModelResults(
            outputs: graph.outputs.map { NamedTensor(name: $0.name, tensor: memory.tensor(of: $0.value)) },
            losses: graph.losses.map { loss in
                let each = memory.tensor(of: loss.value, ofBatch: true).doubles()
                return NamedTensor(name: loss.name, tensor: Tensor([each.reduce(0, +) / Double(each.count)], shape: []))
            },
            finalStates: finalStates())
    }

    /// Each state after the last step that its recurrence takes, `[batch, dims…]`; over several axes there is no one last
    /// step, and no state is given.
    private func finalStates() -> [NamedTensor] {
        guard graph.dataAxes.count == 1 else { return [] }
        let reversed = nests.reduce(into: Set<ValueID>()) { $0.formUnion($1.reversedValues) }
        return graph.states.map { state in
            let value = graph[state.value]
            let width = memory.width(of: state.value)
            var numbers: [Double] = []
            for sequence in 0..<memory.batch {
                memory.sequence = sequence
                let length = memory.length(along: 0)
                // A state that is known between chunks alone ends with the last one.
                let axis = graph.axes.indices.first { value.variance.varies(over: $0) } ?? 0
                memory.step[axis] = length == 0 || reversed.contains(state.value) ? 0 : memory.length(along: axis) - 1
                if length > 0 {
                    numbers += UnsafeBufferPointer(start: memory.row(state.value), count: width)
                } else if let initial = state.initial {
                    numbers += UnsafeBufferPointer(start: memory.row(initial), count: width)
                } else {
                    numbers += [Double](repeating: 0, count: width)
                }
                memory.step[axis] = 0
            }
            let shape = [memory.batch] + value.stepSizes
            return NamedTensor(name: state.name, tensor: Tensor(numbers, shape: shape, element: value.element))
        }
    }
}
