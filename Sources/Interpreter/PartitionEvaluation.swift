import RecSchedule
import RecStream
import RecTensors

/// Runs the parts of a graph one after another, in f64: those of steps as graphs, traversals as their schedules are written.
package struct PartitionEvaluation {
    private let parts: GraphPartition
    private let schedules: [Schedule?]

    /// - Throws: where a traversal has no schedule.
    package init(_ parts: GraphPartition) throws(ScheduleRefusal) {
        self.parts = parts
        var schedules: [Schedule?] = []
        for part in parts.parts {
            switch part {
            case .steps: schedules.append(nil)
            case .traversal(let traversal): schedules.append(try Schedule(traversal, of: parts))
            }
        }
        self.schedules = schedules
    }

    /// - Parameter data: as for the graph.
    package func run(_ data: BoundData) -> ModelResults {
        var tensors: [String: Tensor] = [:]
        var losses: [NamedTensor] = []
        var finalStates: [NamedTensor] = []
        let steps = data.extents.first ?? 0
        let size = ScheduleSize(batch: data.batch, steps: steps, lengths: data.lengths)
        for (part, schedule) in zip(parts.parts, schedules) {
            switch (part, schedule) {
            case (.steps(let graph), _):
                var own = data
                own.inputs.merge(tensors) { $1 }
                own.parameters.merge(tensors) { $1 }
                let results = Interpreter(graph).run(own)
                for output in results.outputs { tensors[output.name] = output.tensor }
                losses += results.losses
                finalStates += results.finalStates
            case (.traversal, let schedule?):
                var given: [String: [Double]] = [:]
                for buffer in schedule.buffers {
                    if let tensor = Self.tensor(buffer, tensors, data) { given[buffer.name] = tensor.doubles() }
                }
                let ran = ScheduleEvaluation(schedule, size: size, tensors: given)
                for (name, numbers) in ran.results {
                    let buffer = schedule.buffers.first { $0.name == name }
                    let cleared = buffer?.role == .stream(isResult: true) || buffer?.role == .block(isResult: true) ? Self.cleared(numbers, size, buffer?.count ?? 0) : numbers
                    tensors[name] = Tensor(cleared, shape: [cleared.count])
                }
            case (.traversal, nil): break
            }
        }
        return parts.results(tensors, losses: losses, finalStates: finalStates, data: data)
    }

    /// Steps behind the end of a sequence are 0.
    private static func cleared(_ numbers: [Double], _ size: ScheduleSize, _ width: Int) -> [Double] {
        var numbers = numbers
        for (sequence, length) in size.lengths.enumerated() {
            for at in (sequence * size.steps + length) * width..<(sequence + 1) * size.steps * width { numbers[at] = 0 }
        }
        return numbers
    }

    /// The tensor of a buffer that a schedule reads.
    package static func tensor(_ buffer: Schedule.Buffer, _ tensors: [String: Tensor], _ data: BoundData) -> Tensor? {
        if buffer.name.hasPrefix("input ") { return data.inputs[String(buffer.name.dropFirst("input ".count))] }
        if buffer.name.hasPrefix("parameter ") { return data.parameters[String(buffer.name.dropFirst("parameter ".count))] }
        return tensors[buffer.name]
    }
}
