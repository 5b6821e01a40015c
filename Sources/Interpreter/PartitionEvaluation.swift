import RecSchedule
import RecStream
import RecTensors

/// Runs the parts of a graph one after another, in f64: those of steps as graphs, traversals as their schedules are written.
package struct PartitionEvaluation {
    private enum Part {
        case steps(StreamGraph)
        case traversal(Schedule, along: Int)
    }

    private enum Whole {
        case chunks(GraphPartition)
        case pairs(PairPartition)
        case axes(AxisPartition)
    }

    private let whole: Whole
    private let parts: [Part]

    /// - Throws: where a traversal has no schedule.
    package init(_ partition: GraphPartition) throws(ScheduleRefusal) {
        whole = .chunks(partition)
        var parts: [Part] = []
        for part in partition.parts {
            switch part {
            case .steps(let graph): parts.append(.steps(graph))
            case .traversal(let traversal): parts.append(.traversal(try Schedule(traversal, of: partition), along: 0))
            }
        }
        self.parts = parts
    }

    package init(_ partition: PairPartition) {
        whole = .pairs(partition)
        parts = partition.parts.map { part in
            switch part {
            case .steps(let graph): .steps(graph)
            case .pairs(let traversal): .traversal(traversal.schedule, along: traversal.axis)
            }
        }
    }

    package init(_ partition: AxisPartition) {
        whole = .axes(partition)
        parts = partition.parts.map { .steps($0.graph) }
    }

    /// - Parameter data: as for the graph.
    package func run(_ data: BoundData) -> ModelResults {
        var data = data
        // Data run along axes of their own alone.
        var names: [String] = []
        switch whole {
        case .chunks: data.extents = Array(data.extents.prefix(1))
        case .pairs(let parts): data.extents = Array(data.extents.prefix(parts.graph.dataAxes.count))
        case .axes(let parts): names = parts.graph.axes[parts.graph.dataAxes].map(\.name)
        }
        var tensors: [String: Tensor] = [:]
        var losses: [NamedTensor] = []
        var finalStates: [NamedTensor] = []
        for part in parts {
            switch part {
            case .steps(let graph):
                var own = data
                own.inputs.merge(tensors) { $1 }
                own.parameters.merge(tensors) { $1 }
                // A part along some of the axes.
                if !names.isEmpty { own.extents = graph.axes.compactMap { axis in names.firstIndex(of: axis.name).map { data.extents[$0] } } }
                let results = Interpreter(graph).run(own)
                for output in results.outputs { tensors[output.name] = output.tensor }
                losses += results.losses
                finalStates += results.finalStates
            case .traversal(let schedule, let axis):
                let size = ScheduleSize(batch: data.batch, steps: data.extents[axis], lengths: data.lengths(along: axis))
                var given: [String: [Double]] = [:]
                for buffer in schedule.buffers {
                    if let tensor = tensor(buffer, tensors, data, along: axis) { given[buffer.name] = tensor.doubles() }
                }
                let ran = ScheduleEvaluation(schedule, size: size, tensors: given)
                for (name, numbers) in ran.results {
                    let buffer = schedule.buffers.first { $0.name == name }
                    let isStream = buffer?.role == .stream(isResult: true) || buffer?.role == .block(isResult: true) || buffer?.role == .sum
                    let cleared = isStream ? Self.cleared(numbers, size, buffer?.count ?? 0) : numbers
                    tensors[name] = Tensor(cleared, shape: [cleared.count])
                }
            }
        }
        return switch whole {
        case .chunks(let parts): parts.results(tensors, losses: losses, finalStates: finalStates, data: data)
        case .pairs(let parts): parts.results(tensors, losses: losses, finalStates: finalStates, data: data)
        case .axes(let parts): parts.results(tensors, losses: losses, data: data)
        }
    }

    private func tensor(_ buffer: Schedule.Buffer, _ tensors: [String: Tensor], _ data: BoundData, along axis: Int) -> Tensor? {
        switch whole {
        case .chunks, .axes: Self.tensor(buffer, tensors, data)
        case .pairs: PairPartition.tensor(buffer, tensors, data, along: axis)
        }
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
