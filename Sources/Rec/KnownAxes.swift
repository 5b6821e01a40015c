import RecCodeGen
import RecLowering
import RecRuntime
import RecSchedule
import RecSource
import RecStream
import RecTensors

/// Models over several axes step by step along the first one: what runs along the other is given whole, as to a decoder that writes what an
/// encoder has read.
extension Model {
    /// A model along the first axis alone, and what it is given once: the inputs over the other axis, and what follows from them.
    ///
    /// Outputs along the other axis alone are left out: a run gives them.
    ///
    /// - Parameters:
    ///   - batch: how many sequences there are, for streams; nil for those of the data.
    /// - Throws: where what is needed along the other axis is missing, or a step needs all steps of the first axis.
    func knowingOtherAxes(
        _ given: ModelData, batch: Int? = nil, precision: Precision, context: CompileContext
    ) throws -> (model: Model, data: ModelData) {
        guard isKnownByOtherAxes else { return (self, given) }
        guard graph.dataAxes.count == 2 else { throw refusedStream("it runs over \(graph.dataAxes.count) axes") }
        let apart = outputsApart
        if let output = apart.first, !mayLeaveOut || apart.count == graph.outputs.count {
            throw refusedStream("the output '\(output)' does not vary over '\(graph.axes[0].name)'")
        }
        let other = graph.axes[1].name
        var data = given
        try fillStreams(&data, batch)
        var model = self
        if data.lengths != nil || !data.lengthsByAxis.isEmpty {
            let bound = try BoundData(data, for: graph, openBatch: batch)
            guard bound.lengths == nil else {
                throw Diagnostic(.unsupported, "sequences of different length cannot be streamed together", at: nil, help: "stream each by itself")
            }
            model = ending(along: [1])
            data = data.endingByInputs(bound, along: [1], of: graph)
        }
        data.parameters = parameters(with: data.parameters)
        let bound = try BoundData(data, for: model.graph, openBatch: batch)
        let whole = try model.rewritten([:], nil)
        guard whole.keepingStreams(along: 1, count: 1) != nil else { throw refusedStream("steps attend to others along '\(other)' in each of its steps") }
        let partition = try onDeepStack { () throws in
            try AxisPartition(Pipeline.prepare(whole.unfolded(1, count: max(1, bound.extents[1])).withOutputs(over: 0)))
        }
        guard bound.extents[1] > 0 else { throw refusedStream("there is no step of '\(other)'") }
        guard let last = partition.parts.last, !last.isAlong, partition.parts.dropLast().allSatisfy(\.isAlong) else {
            throw refusedStream("what is known along '\(other)' waits for all steps of '\(graph.axes[0].name)'")
        }
        let before = try DividedModel(partition, first: partition.parts.count - 1)
        guard let known = try PartitionedModel(before, precision: precision, forcing: [:], context: context).handedOn(bound, pool: ThreadPool(count: 1)) else {
            throw refusedStream("what is known along '\(other)' is not finite")
        }
        var result = self
        result.graph = partition.named(last.graph)
        result.wholeGraph = result.graph
        result.code = ModelCode()
        result.selections = []
        data.inputs.merge(known) { $1 }
        data.parameters.merge(known) { $1 }
        (data.lengths, data.lengthsByAxis) = (nil, [:])
        return (try result.attendingStepByStep(keptSteps), data)
    }

    /// Whether it runs step by step once what runs along other axes is known. Code for two axes takes steps of which each has all of an inner
    /// axis of constant length.
    var isKnownByOtherAxes: Bool { graph.dataAxes.count > 1 && graph.axes[1].length == nil }

    /// The outputs along other axes alone, which no step gives.
    package var outputsApart: [String] { graph.outputs.filter { !graph[$0.value].variance.varies(over: 0) }.map(\.name) }

    /// Inputs of every step that are not there yet count as empty.
    private func fillStreams(_ data: inout ModelData, _ batch: Int?) throws(DiagnosticList) {
        guard let batch else { return }
        var steps: Int?
        for value in graph.values {
            guard case .input(let name, _) = value.operation, value.variance.axes == 0b10, let tensor = data.inputs[name] else { continue }
            let rank = 1 + value.shape.count + (value.element == .complex ? 1 : 0)
            if tensor.shape.count == rank || tensor.shape.count == rank + 1 { steps = steps ?? tensor.shape[tensor.shape.count - rank] }
        }
        for value in graph.values {
            guard case .input(let name, _) = value.operation, value.variance.varies(over: 0), data.inputs[name] == nil else { continue }
            let shape = [batch, 0] + (value.variance.varies(over: 1) ? [steps ?? 0] : []) + value.shape.sizes + (value.element == .complex ? [2] : [])
            data.inputs[name] = Tensor([Float](), shape: shape)
        }
    }

    private func refusedStream(_ reason: String) -> DiagnosticList {
        DiagnosticList(.planRefused, "'\(typed.name)' cannot run step by step: \(reason)", help: "run it over whole sequences")
    }
}

extension StreamGraph {
    /// The graph with the outputs that vary over an axis, and no losses.
    fileprivate func withOutputs(over axis: Int) -> StreamGraph {
        var result = self
        result.outputs = outputs.filter { self[$0.value].variance.varies(over: axis) }
        result.losses = []
        return result.ordered()
    }
}

extension AxisPartition {
    /// A part with outputs of the names that the program has.
    fileprivate func named(_ part: StreamGraph) -> StreamGraph {
        var builder = GraphBuilder(continuing: part)
        let known = Dictionary(part.outputs.map { ($0.name, $0.value) }) { first, _ in first }
        var outputs: [StreamGraph.Output] = []
        for output in graph.outputs {
            let source = source(output.value)
            let value: ValueID
            if let handedOn = known[source.description] { value = handedOn } else {
                // What is given is an output as it is.
                let given = graph[source]
                var type = given.type
                type.variance = Variance(batch: true, axes: given.variance.axes & 1)
                if given.variance.varies(over: 1) { type.shape.insert(Dim(graph.axes[1].name, graph.axes[1].length ?? 1), at: 0) }
                let present = part.ids.first { part[$0].operation == given.operation }
                value = present ?? builder.add(given.operation, proposing: type)
            }
            outputs.append(StreamGraph.Output(name: output.name, value: value, span: output.span))
        }
        // An input of every step says how many there are.
        func isStream(_ value: Value) -> Bool { if case .input = value.operation { value.variance.varies(over: 0) } else { false } }
        if !builder.graph.values.contains(where: isStream), let id = graph.ids.first(where: { isStream(graph[$0]) && graph[$0].variance.axes == 1 }) {
            _ = builder.add(graph[id].operation, proposing: graph[id].type)
        }
        return builder.graph.with(outputs)
    }
}

extension StreamGraph {
    fileprivate func with(_ outputs: [Output]) -> StreamGraph {
        var result = self
        result.outputs = outputs
        return result.ordered()
    }
}
