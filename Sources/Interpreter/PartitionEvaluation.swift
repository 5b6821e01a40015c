import RecSchedule
import RecStream
import RecTensors

/// Runs the parts of a graph one after another, in f64: those of steps as graphs, traversals as their schedules are written.
package struct PartitionEvaluation {
    private let partition: Partition

    package init(_ partition: Partition) { self.partition = partition }

    /// - Parameter data: as for the graph.
    package func run(_ data: BoundData) -> ModelResults {
        var data = data
        data.extents = partition.dataExtents(data.extents)
        var tensors: [String: Tensor] = [:]
        var losses: [NamedTensor] = []
        var finalStates: [NamedTensor] = []
        func add(_ results: ModelResults) {
            for output in results.outputs { tensors[output.name] = output.tensor }
            losses += results.losses
            finalStates += results.finalStates
        }
        func run(_ schedule: Schedule, along axis: Int) {
            let size = ScheduleSize(batch: data.batch, steps: data.extents[axis], lengths: data.lengths(along: axis))
            var given: [String: [Double]] = [:]
            for buffer in schedule.buffers {
                if let tensor = partition.tensor(buffer, tensors, data, along: axis) { given[buffer.name] = tensor.doubles() }
            }
            let ran = ScheduleEvaluation(schedule, size: size, tensors: given)
            for (name, numbers) in ran.results {
                let buffer = schedule.buffers.first { $0.name == name }
                let isStream = buffer?.role == .stream(isResult: true) || buffer?.role == .block(isResult: true) || buffer?.role == .sum
                let cleared = isStream ? Self.cleared(numbers, size, buffer?.count ?? 0) : numbers
                tensors[name] = Tensor(cleared, shape: [cleared.count])
            }
        }
        for part in partition.parts {
            switch part {
            case .steps(let graph):
                var own = data
                own.inputs.merge(tensors) { $1 }
                own.parameters.merge(tensors) { $1 }
                own.extents = partition.extents(of: graph, in: data.extents)
                add(Interpreter(graph).run(own))
            case .parts(let within): add(PartitionEvaluation(within).run(partition.data(of: within, data, tensors)))
            case .traversal(let schedule): run(schedule, along: 0)
            case .pairs(let traversal): run(traversal.schedule, along: traversal.axis)
            }
        }
        return partition.results(tensors, losses: losses, finalStates: finalStates, data: data)
    }

    /// Steps behind the end of a sequence are 0.
    private static func cleared(_ numbers: [Double], _ size: ScheduleSize, _ width: Int) -> [Double] {
        var numbers = numbers
        for (sequence, length) in size.lengths.enumerated() {
            for at in (sequence * size.steps + length) * width..<(sequence + 1) * size.steps * width { numbers[at] = 0 }
        }
        return numbers
    }
}
