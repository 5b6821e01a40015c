import RecSchedule
import RecStream
import RecTensors

extension Partition {
    /// The results of a run out of the tensors that its parts have handed on, and the losses and last states of its parts of steps.
    ///
    /// - Parameter tensors: by the names that parts give them.
    package func results(
        _ tensors: [String: Tensor], losses: [NamedTensor], finalStates: [NamedTensor], data: BoundData
    ) -> ModelResults {
        switch cut {
        case .axes(let partition): partition.results(tensors, losses: losses, data: data)
        case .chunks(let partition): partition.results(tensors, losses: losses, finalStates: finalStates, data: data)
        case .pairs(let partition): partition.results(tensors, losses: losses, finalStates: finalStates, data: data)
        }
    }

    /// The tensor of a buffer that a schedule reads.
    ///
    /// - Parameter axis: along which the schedule runs.
    package func tensor(_ buffer: Schedule.Buffer, _ tensors: [String: Tensor], _ data: BoundData, along axis: Int) -> Tensor? {
        switch cut {
        case .axes, .chunks:
            if buffer.name.hasPrefix("input ") { return data.inputs[String(buffer.name.dropFirst("input ".count))] }
            if buffer.name.hasPrefix("parameter ") { return data.parameters[String(buffer.name.dropFirst("parameter ".count))] }
            return tensors[buffer.name]
        case .pairs: return PairPartition.tensor(buffer, tensors, data, along: axis)
        }
    }

    /// The data of a part that is taken apart in turn.
    ///
    /// - Parameter tensors: that earlier parts have handed on.
    package func data(of part: Partition, _ data: BoundData, _ tensors: [String: Tensor]) -> BoundData {
        func named(_ given: [String: Tensor]) -> [String: Tensor] {
            Dictionary(uniqueKeysWithValues: given.merging(tensors) { $1 }.map { (Self.nameWithin($0.key), $0.value) })
        }
        return BoundData(
            batch: data.batch, extents: extents(of: part.graph, in: data.extents), lengths: data.lengths, inputs: named(data.inputs),
            parameters: named(data.parameters))
    }
}

extension ChunkPartition {
    /// - Parameter tensors: by the names of `ChunkPartition.name`, and `final K` for the last value of the state at K.
    fileprivate func results(
        _ tensors: [String: Tensor], losses: [NamedTensor], finalStates: [NamedTensor], data: BoundData
    ) -> ModelResults {
        let outputs = graph.outputs(of: tensors, data) { source($0) }
        let states = graph.states.enumerated().compactMap { k, state -> NamedTensor? in
            if let own = tensors["final \(k)"] {
                return NamedTensor(name: state.name, tensor: own.reshaped([data.batch] + graph[state.value].shape.sizes))
            }
            return finalStates.first { $0.name == state.name }
        }
        return ModelResults(
            outputs: outputs, losses: graph.losses.compactMap { loss in losses.first { $0.name == loss.name } }, finalStates: states)
    }
}

extension AxisPartition {
    /// Parts along an axis and within the steps of others have no last states.
    fileprivate func results(_ tensors: [String: Tensor], losses: [NamedTensor], data: BoundData) -> ModelResults {
        ModelResults(
            outputs: graph.outputs(of: tensors, data) { source($0) }, losses: graph.losses.compactMap { loss in losses.first { $0.name == loss.name } },
            finalStates: [])
    }
}

extension PairPartition {
    fileprivate func results(
        _ tensors: [String: Tensor], losses: [NamedTensor], finalStates: [NamedTensor], data: BoundData
    ) -> ModelResults {
        ModelResults(
            outputs: graph.outputs(of: tensors, data) { graph.unindexed($0) },
            losses: graph.losses.compactMap { loss in losses.first { $0.name == loss.name } },
            finalStates: graph.states.compactMap { state in finalStates.first { $0.name == state.name } })
    }

    /// The tensor of a buffer that a schedule of pairs reads.
    ///
    /// - Parameter axis: whose steps the pairs are of.
    fileprivate static func tensor(_ buffer: Schedule.Buffer, _ tensors: [String: Tensor], _ data: BoundData, along axis: Int) -> Tensor? {
        switch PairTraversal.source(of: buffer) {
        case .input(let name): return data.inputs[name]
        case .parameter(let path): return data.parameters[path]
        case .part(let name): return tensors[name]
        case .places:
            let steps = data.extents[axis]
            return Tensor((0..<data.batch * steps).map { Double($0 % max(1, steps)) }, shape: [data.batch, steps])
        }
    }
}

extension StreamGraph {
    /// The shape of the tensor of a value, over axes of data of these lengths.
    fileprivate func tensorShape(_ id: ValueID, batch: Int, extents: [Int]) -> [Int] {
        let value = self[id]
        let axes = dataAxes(of: value.variance)
        return (value.variance.batch ? [batch] : []) + axes.map { extents[$0] } + value.shape.sizes
    }

    /// The axes of data that something varies over, those of second indices among them.
    private func dataAxes(of variance: Variance) -> [Int] {
        Set(axes.indices.filter { variance.varies(over: $0) }.map { axes[$0].chunks?.axis ?? axes[$0].again ?? $0 }).sorted()
    }

    /// The outputs out of tensors that parts have handed on, by value.
    ///
    /// - Parameter source: the value under whose name a value's tensor goes.
    fileprivate func outputs(of tensors: [String: Tensor], _ data: BoundData, source: (ValueID) -> ValueID) -> [NamedTensor] {
        func tensor(_ id: ValueID) -> Tensor? {
            let source = source(id)
            switch self[source].operation {
            case .input(let name, _):
                // A result is 0 behind the end of a sequence, an input whatever was given there.
                let given = data.inputs[name]
                return self[source].variance.varies(over: 0) ? given?.cleared(behind: data.lengths) : given
            case .parameter(let info): return data.parameters[info.path]
            default: return tensors[source.description]
            }
        }
        return outputs.compactMap { output in
            tensor(output.value).map {
                NamedTensor(name: output.name, tensor: $0.reshaped(tensorShape(output.value, batch: data.batch, extents: data.extents)))
            }
        }
    }
}

extension Tensor {
    /// `[batch, time, …]` with 0 behind the end of each sequence.
    fileprivate func cleared(behind lengths: [Int]?) -> Tensor {
        guard let lengths, shape.count >= 2, shape[0] == lengths.count else { return self }
        let width = shape.dropFirst(2).reduce(type.byteCount, *)
        return withUnsafeBytes { bytes in
            Tensor(type: type, shape: shape) { target in
                target.copyMemory(from: bytes)
                for (sequence, length) in lengths.enumerated() {
                    for at in (sequence * shape[1] + length) * width..<(sequence + 1) * shape[1] * width { target[at] = 0 }
                }
            }
        }
    }
}
